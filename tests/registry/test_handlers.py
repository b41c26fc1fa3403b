"""What the registry does when it hears an event: one effect each, whatever comes twice, late or broken."""

import shutil
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from services.registry.ledger import Link
from services.registry.store import LedgerStore, ReleaseStore
from services.registry.tables import LedgerRow, PackageRow, RejectionRow, ReleaseRow, RollbackRequestRow
from shared.contract import Policy
from shared.events import ModelReleased, RollbackRequested, derived_id
from shared.spine.errors import PermanentError, TransientError
from shared.spine.outbox import OutboxRow
from tests.registry.conftest import Registry
from tests.registry.toy import NOW, START, Toy

DAY = timedelta(days=1)


async def counts(registry: Registry) -> dict[str, int]:
    tables = (PackageRow, RejectionRow, ReleaseRow, LedgerRow, OutboxRow, RollbackRequestRow)
    async with registry.parts.db.read() as session:
        return {
            table.__tablename__: await session.scalar(select(func.count()).select_from(table)) or 0 for table in tables
        }


async def lines(registry: Registry) -> list[Link]:
    async with registry.parts.db.read() as session:
        return await LedgerStore(session).list_links()


def request(event_id: str = "ask", at: Any = NOW, **changed: Any) -> RollbackRequested:
    said = {"use_case": "trains", "requested_by": "monitor", "reason": "regret", "kpi": "regret"}
    return RollbackRequested.begin(source="monitor", time=at, id=event_id, **(said | changed))


async def test_the_first_package_that_passes_is_released(registry: Registry) -> None:
    await registry.apply()
    toy = registry.package()
    event = toy.trained()
    await registry.hear(event)
    [released] = await registry.said("model_released")
    assert isinstance(released, ModelReleased)
    assert (released.sequence, released.cause, released.package_digest) == (1, "first", toy.digest)
    assert (released.time, released.causation_id, released.correlation_id) == (NOW, event.id, event.id)
    assert released.id == derived_id(event.id, "model_released", "first")
    assert Policy.model_validate(released.policy).decisions == ("none", "act", "review")
    assert released.rollback_target is None


async def test_a_second_package_becomes_a_candidate(registry: Registry) -> None:
    await registry.released(0)
    toy = registry.package(seed=1)
    await registry.hear(toy.trained())
    assert len(await registry.said("model_released")) == 1
    packages = (await registry.http.get("/v1/packages", params={"use_case": "trains"})).json()
    assert {package["digest"]: package["status"] for package in packages}[toy.digest] == "available"
    assert (await lines(registry))[-1].entry.kind == "candidate_opened"


async def test_the_same_event_twice_changes_nothing(registry: Registry) -> None:
    await registry.apply()
    good, bad = registry.package(), registry.package(seed=1, upside_down=True)
    events = [good.trained("good"), bad.trained("bad"), request()]
    for event in events:
        await registry.hear(event)
    before = await counts(registry)
    for event in events:
        await registry.hear(event)
    assert await counts(registry) == before
    assert before["registry_releases"] == before["registry_rejections"] == 1


async def test_what_fails_a_gate_is_rejected_with_number_and_limit(registry: Registry) -> None:
    await registry.apply()
    toy = registry.package(upside_down=True)
    await registry.hear(toy.trained(evaluation={"auc": 1.0, "value": 1e9}))
    [rejected] = await registry.said("model_rejected")
    assert (rejected.gate, rejected.behaviour_digest) == ("beats_best_constant", toy.manifest.behaviour_digest)
    assert rejected.measured < rejected.limit
    assert "held-out" in rejected.explanation
    assert await registry.said("model_released") == []
    found = (await registry.http.get(f"/v1/packages/{toy.digest}")).json()
    assert found["status"] == "rejected"
    assert found["rejections"][0]["limit"] == rejected.limit


async def test_a_good_package_after_a_bad_one_is_the_first(registry: Registry) -> None:
    await registry.apply()
    await registry.hear(registry.package(upside_down=True).trained())
    await registry.hear(registry.package(seed=1).trained())
    assert [event.cause for event in await registry.said("model_released")] == ["first"]


@pytest.mark.parametrize("changed", [{"use_case": "planes"}, {"classes": ("no", "yes")}])
async def test_a_package_for_something_else_is_rejected(registry: Registry, changed: dict[str, Any]) -> None:
    await registry.apply()
    await registry.hear(registry.package(**changed).trained(use_case="trains"))
    [rejected] = await registry.said("model_rejected")
    assert rejected.gate == "contract"


async def test_other_features_than_the_contract_wants_are_rejected(registry: Registry) -> None:
    await registry.apply(("  speed: {type: number}\n", ""))
    await registry.hear(registry.package().trained())
    [rejected] = await registry.said("model_rejected")
    assert rejected.gate == "features"


@pytest.mark.parametrize(
    "lie", [{"behaviour_digest": "0" * 64}, {"contract_digest": "0" * 64}, {"train_until": START + 30 * DAY}]
)
async def test_an_event_that_says_other_than_its_package_is_rejected(registry: Registry, lie: dict[str, Any]) -> None:
    await registry.apply()
    await registry.hear(registry.package().trained(**lie))
    [rejected] = await registry.said("model_rejected")
    assert rejected.gate == "event"
    assert next(iter(lie)) in rejected.explanation


async def test_an_unknown_use_case_is_rejected(registry: Registry) -> None:
    await registry.hear(registry.package().trained(use_case="planes"))
    [rejected] = await registry.said("model_rejected")
    assert (rejected.use_case, rejected.gate) == ("planes", "use_case")


@pytest.mark.parametrize("damage", ["model.skops", "golden.json", "reference.parquet", "extra"])
async def test_a_package_damaged_in_the_store_is_rejected_with_the_check(registry: Registry, damage: str) -> None:
    await registry.apply()
    toy = registry.package()
    place = registry.folder.parent / "home" / "packages" / toy.digest
    if damage == "extra":
        (place / "manifest.json").write_bytes((place / "manifest.json").read_bytes() + b" ")
    else:
        (place / damage).write_bytes(b"\x80\x04N.")
    await registry.hear(toy.trained())
    [rejected] = await registry.said("model_rejected")
    assert rejected.gate == "digest"
    assert await registry.said("model_released") == []


async def test_a_package_that_never_comes_ends_as_a_dead_letter(registry: Registry, toy: Callable[..., Toy]) -> None:
    await registry.apply()
    before = await counts(registry)
    with pytest.raises(PermanentError, match="not in the store"):
        await registry.hear(toy().trained())
    assert await counts(registry) == before


async def test_a_package_may_come_a_little_later_than_its_event(registry: Registry, toy: Callable[..., Toy]) -> None:
    await registry.apply()
    registry.patience._seconds = 3600.0
    made = toy()
    event = made.trained()
    with pytest.raises(TransientError):
        await registry.hear(event)
    registry.store.put(made.path, made.digest)
    await registry.hear(event)
    assert len(await registry.said("model_released")) == 1


async def test_a_store_that_is_away_is_no_reason_to_reject(registry: Registry) -> None:
    await registry.apply()
    toy = registry.package()
    shutil.rmtree(registry.folder.parent / "home" / "packages")
    (registry.folder.parent / "home" / "packages").write_text("not a folder")
    with pytest.raises((TransientError, PermanentError)):
        await registry.hear(toy.trained())
    assert await registry.said("model_rejected") == []


async def test_a_rollback_request_is_granted_when_the_clock_moves(registry: Registry) -> None:
    first, second = await registry.released(0, 1)
    event = request(release_sequence=2, evidence={"regret": 0.3})
    await registry.hear(event)
    await registry.decide(NOW)
    assert len(await registry.said("model_released")) == 2
    await registry.advance(NOW + DAY)
    back = (await registry.said("model_released"))[-1]
    assert (back.sequence, back.cause, back.package_digest) == (3, "rollback", first.digest)
    assert (back.time, back.causation_id, back.released_by) == (NOW + DAY, event.id, "monitor")
    assert back.reason == "regret (kpi regret; regret 0.3)"
    assert back.reason in (await lines(registry))[-1].entry.text
    assert back.rollback_target is None
    assert second.digest != first.digest


async def test_a_step_that_runs_again_decides_nothing_again(registry: Registry) -> None:
    await registry.released(0, 1)
    await registry.hear(request())
    await registry.advance(NOW + DAY)
    before = await counts(registry)
    await registry.advance(NOW + DAY)
    await registry.decide(NOW + 2 * DAY)
    assert await counts(registry) == before


async def test_requests_are_decided_in_event_order_whatever_the_order_of_arrival(registry: Registry) -> None:
    first, second, _third = await registry.released(0, 1, 2)
    await registry.hear(request("b", NOW - DAY, to_package=first.digest))
    await registry.hear(request("a", NOW - 2 * DAY, to_package=second.digest))
    await registry.advance(NOW + DAY)
    assert (await registry.said("model_released"))[-1].package_digest == second.digest
    refused = [link.entry for link in await lines(registry) if link.entry.kind == "rollback_refused"]
    assert [entry.event_id for entry in refused] == ["b"]
    assert "cooldown" in refused[0].text


async def test_a_sender_whose_clock_is_ahead_does_not_wait_for_years(registry: Registry) -> None:
    await registry.released(0, 1)
    await registry.hear(request(at=NOW + 5000 * DAY))
    await registry.advance(NOW + DAY)
    assert (await registry.said("model_released"))[-1].cause == "rollback"


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"use_case": "planes"}, "unknown_use_case"),
        ({"release_sequence": 1}, "stale_sequence"),
        ({"release_sequence": 99}, "stale_sequence"),
        ({"to_package": "e" * 64}, "no_target"),
        ({"to_package": "current"}, "same_package"),
    ],
)
async def test_a_refused_request_stands_in_the_ledger(registry: Registry, changed: dict[str, Any], rule: str) -> None:
    toys = await registry.released(0, 1)
    await registry.hear(request(**{k: toys[1].digest if v == "current" else v for k, v in changed.items()}))
    await registry.advance(NOW + DAY)
    assert len(await registry.said("model_released")) == 2
    entry = (await lines(registry))[-1].entry
    assert (entry.kind, entry.event_id) == ("rollback_refused", "ask")
    assert rule in entry.text
    assert "monitor" in entry.text


async def test_a_damaged_target_is_not_rolled_back_to(registry: Registry) -> None:
    first, _second = await registry.released(0, 1)
    for place in ("packages", "registry/packages"):
        (registry.folder.parent / "home" / place / first.digest / "model.skops").write_bytes(b"torn")
    await registry.hear(request())
    await registry.advance(NOW + DAY)
    assert len(await registry.said("model_released")) == 2
    assert "target_not_usable" in (await lines(registry))[-1].entry.text


@pytest.mark.parametrize("kpi", ["activation", "error_rate"])
async def test_technical_evidence_takes_back_a_release_whatever_the_contract_rests_rollbacks_on(
    registry: Registry, kpi: str
) -> None:
    toys = await registry.released(0, 1)
    await registry.hear(request(release_sequence=2, kpi=kpi, evidence={"failed": 3.0}))
    await registry.advance(NOW + DAY)
    released = (await registry.said("model_released"))[-1]
    assert (released.cause, released.package_digest) == ("rollback", toys[0].digest)
    assert f"kpi {kpi}; failed 3" in released.reason
    # The other KPI of the same step finds that it is done.
    await registry.hear(request("late", NOW + DAY, release_sequence=2))
    await registry.advance(NOW + 2 * DAY)
    assert "stale_sequence" in (await lines(registry))[-1].entry.text


async def test_one_rollback_of_a_service_per_cooldown(registry: Registry) -> None:
    await registry.released(0, 1, 2)
    await registry.hear(request("one"))
    await registry.advance(NOW + DAY)
    await registry.hear(request("two", NOW + DAY))
    await registry.advance(NOW + 7 * DAY)
    assert len(await registry.said("model_released")) == 4
    await registry.hear(request("three", NOW + 7 * DAY))
    await registry.advance(NOW + 9 * DAY)
    async with registry.parts.db.read() as session:
        history = await ReleaseStore(session).get_history("trains")
    assert [past.cause for past in history] == ["first", "person", "person", "rollback", "rollback"]
