"""What the registry publishes and what stands in its ledger are the same facts, one to one."""

from datetime import timedelta

from sqlalchemy import select

from services.registry.store import LedgerStore
from services.registry.tables import CandidateRow
from tests.registry.conftest import Registry
from tests.registry.test_candidates import hear_days
from tests.registry.toy import NOW

DAY = timedelta(days=1)
CHEAPER = ("review: {on_time: 0.60, late: 0.60", "review: {on_time: 0.10, late: 0.10")


async def test_every_event_of_the_registry_is_a_line_of_the_ledger_and_the_other_way_round(registry: Registry) -> None:
    await registry.released(0)
    await registry.hear(registry.package(seed=3, upside_down=True).trained())
    candidate = registry.package(seed=1)
    await registry.hear(candidate.trained())
    await hear_days(registry, candidate, 7)
    await registry.advance(NOW + DAY)
    await registry.apply(CHEAPER)
    body = {"package": registry.package(seed=5, upside_down=True).digest, "reason": "try", "force": True}
    await registry.http.post("/v1/use_cases/trains/releases", json=body)
    await registry.http.post("/v1/use_cases/trains/rollbacks", json={"reason": "no good"})
    said = [(event.topic, event.id, event.time) for event in await registry.said()]
    async with registry.parts.db.read() as session:
        links = [link.entry for link in await LedgerStore(session).list_links()]
        candidates = [(row.package_digest, row.status) for row in await session.scalars(select(CandidateRow))]
    assert [(entry.kind, entry.event_id, entry.at) for entry in links if entry.kind != "candidate_opened"] == said
    assert {topic for topic, _id, _time in said} == {"use_case_applied", "model_released", "model_rejected"}
    assert candidates == [(candidate.digest, "released")]
