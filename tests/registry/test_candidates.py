"""A candidate from its training to its end, on a real database: opened, superseded, promoted, closed, expired."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, insert, select
from sqlalchemy.exc import IntegrityError

from services.registry.ledger import Entry
from services.registry.store import LedgerStore
from services.registry.tables import CandidateRow, EvaluationRow
from shared.events import PackageEvaluated, RollbackRequested, derived_id
from shared.spine.errors import PermanentError
from tests.registry.conftest import Registry
from tests.registry.toy import NOW, START, Toy, contract

pytestmark = pytest.mark.slow

DAY = timedelta(days=1)
TRAINED = START + 2 * DAY
PROBATION = ("rollback: {cooldown: 7d}", "rollback: {cooldown: 7d, probation: 20d}")


def evaluated(toy: Toy, day: int, cost: int = 90, served: int = 100, **changed: Any) -> PackageEvaluated:
    """What the trainer says about the block that begins `day` days after the toys' training data."""
    said: dict[str, Any] = {
        "use_case": "trains",
        "package_digest": toy.digest,
        "behaviour_digest": toy.manifest.behaviour_digest,
        "contract_digest": contract().digest,
        "role": "candidate",
        "block": (TRAINED + day * DAY).date().isoformat(),
        "volume": 100,
        "labelled": 100,
        "cost_minor": cost,
        "cost_without_model_minor": 200,
        "value_minor": 200 - cost,
        "served_cost_minor": served,
        "decisions": {"none": 100},
    }
    at = changed.pop("at", NOW)
    name = f"{said['role']} {toy.digest[:8]} {day} {at}"
    return PackageEvaluated.begin(source="trainer", time=at, id=changed.pop("event_id", name), **(said | changed))


async def hear_days(registry: Registry, toy: Toy, days: int, **changed: Any) -> None:
    for day in range(days):
        await registry.hear(evaluated(toy, day, **changed))


async def entries(registry: Registry, kind: str) -> list[Entry]:
    async with registry.parts.db.read() as session:
        return [link.entry for link in await LedgerStore(session).list_links() if link.entry.kind == kind]


async def with_candidate(registry: Registry, **changed: Any) -> tuple[Toy, Toy]:
    """What is served, and an open candidate."""
    [champion] = await registry.released(0)
    candidate = registry.package(seed=1, **changed)
    await registry.hear(candidate.trained("trained"))
    return champion, candidate


async def shown(registry: Registry) -> dict[str, Any] | None:
    answer: dict[str, Any] = (await registry.http.get("/v1/use_cases/trains")).json()
    found: dict[str, Any] | None = answer["candidate"]
    return found


async def test_a_candidate_is_promoted_at_the_step_after_the_evidence(registry: Registry) -> None:
    champion, candidate = await with_candidate(registry)
    await hear_days(registry, candidate, 7)
    await registry.decide(NOW)
    assert len(await registry.said("model_released")) == 1
    await registry.advance(NOW + DAY)
    released = (await registry.said("model_released"))[-1]
    tipped = evaluated(candidate, 6)
    assert (released.sequence, released.cause, released.package_digest) == (2, "promotion", candidate.digest)
    assert (released.time, released.causation_id) == (NOW + DAY, tipped.id)
    assert released.id == derived_id(tipped.id, "model_released", "promotion")
    assert (released.rollback_target, released.forced, released.released_by) == (champion.digest, False, "registry")
    assert "better on more than half of the days: 7 better and 0 worse of 7 judged blocks" in released.reason
    assert "e-value 31.87, needed 20" in released.reason
    assert released.reason in (await entries(registry, "model_released"))[-1].text
    assert await shown(registry) is None


async def test_evidence_below_the_bound_waits(registry: Registry) -> None:
    _champion, candidate = await with_candidate(registry)
    await hear_days(registry, candidate, 6)
    await registry.advance(NOW + DAY)
    assert len(await registry.said("model_released")) == 1
    found = await shown(registry)
    assert found
    assert (found["package_digest"], found["blocks"], found["better"], found["worse"]) == (candidate.digest, 6, 6, 0)
    assert (round(found["e_value"], 1), found["threshold"], found["waits_for"]) == (18.1, 20.0, None)
    assert found["expires_at"].startswith("2013-04-30")


async def test_the_same_evaluations_twice_or_changed_later_are_not_more_evidence(registry: Registry) -> None:
    _champion, candidate = await with_candidate(registry)
    await hear_days(registry, candidate, 6, cost=110)
    await hear_days(registry, candidate, 6, cost=110)
    await hear_days(registry, candidate, 6, cost=1, at=NOW + timedelta(hours=1))
    await registry.advance(NOW + DAY)
    found = await shown(registry)
    assert found
    assert (found["better"], found["worse"], found["saved_minor"]) == (0, 6, -60)
    async with registry.parts.db.read() as session:
        assert await session.scalar(select(func.count()).select_from(EvaluationRow)) == 6


async def test_evaluations_may_come_before_the_training_they_are_about(registry: Registry) -> None:
    await registry.released(0)
    candidate = registry.package(seed=1)
    await hear_days(registry, candidate, 7)
    await registry.advance(NOW + DAY)
    await registry.hear(candidate.trained())
    await registry.advance(NOW + 2 * DAY)
    assert (await registry.said("model_released"))[-1].package_digest == candidate.digest


async def test_a_block_that_is_no_day_is_a_dead_letter(registry: Registry) -> None:
    _champion, candidate = await with_candidate(registry)
    with pytest.raises(PermanentError, match="not a day"):
        await registry.hear(evaluated(candidate, 0, block="yesterday"))


async def test_a_step_that_runs_again_promotes_nothing_again(registry: Registry) -> None:
    _champion, candidate = await with_candidate(registry)
    await hear_days(registry, candidate, 9)
    await registry.advance(NOW + DAY)
    before = len(await registry.said())
    await registry.advance(NOW + DAY)
    await registry.decide(NOW + 2 * DAY)
    assert len(await registry.said()) == before


async def test_a_later_training_supersedes_the_open_candidate(registry: Registry) -> None:
    _champion, old = await with_candidate(registry)
    new = registry.package(seed=2, train_until=TRAINED + DAY)
    event = new.trained("newer")
    await registry.hear(event)
    [rejected] = await registry.said("model_rejected")
    assert (rejected.gate, rejected.package_digest, rejected.causation_id) == ("superseded", old.digest, "newer")
    found = await shown(registry)
    assert found
    assert found["package_digest"] == new.digest
    assert [entry.package_digest for entry in await entries(registry, "candidate_opened")] == [old.digest, new.digest]


async def test_a_training_with_no_later_data_does_not_take_the_place_of_the_open_candidate(registry: Registry) -> None:
    _champion, old = await with_candidate(registry)
    new = registry.package(seed=2)
    await registry.hear(new.trained())
    [rejected] = await registry.said("model_rejected")
    assert (rejected.gate, rejected.package_digest) == ("superseded", new.digest)
    found = await shown(registry)
    assert found
    assert found["package_digest"] == old.digest


async def test_the_candidate_or_the_champion_trained_again_is_nothing_new(registry: Registry) -> None:
    champion, candidate = await with_candidate(registry)
    before = await registry.said()
    await registry.hear(candidate.trained("again"))
    await registry.hear(champion.trained("champion again"))
    assert len(await registry.said()) == len(before)
    found = await shown(registry)
    assert found
    assert found["package_digest"] == candidate.digest


async def test_the_table_refuses_a_second_open_candidate(registry: Registry) -> None:
    _champion, candidate = await with_candidate(registry)
    row = {
        "use_case": "trains",
        "package_digest": candidate.digest,
        "behaviour_digest": "b" * 64,
        "train_until": TRAINED,
        "opened_at": NOW,
        "event": "",
    }
    async with registry.parts.db.transaction() as session:
        await session.execute(insert(CandidateRow).values(event_id="closed", status="rejected", **row))
    with pytest.raises(IntegrityError):
        async with registry.parts.db.transaction() as session:
            await session.execute(insert(CandidateRow).values(event_id="second", status="open", **row))


async def test_a_candidate_expires_in_event_time(registry: Registry) -> None:
    _champion, candidate = await with_candidate(registry)
    await hear_days(registry, candidate, 3)
    await registry.advance(NOW + 59 * DAY)
    assert await registry.said("model_rejected") == []
    await registry.advance(NOW + 60 * DAY)
    [rejected] = await registry.said("model_rejected")
    assert (rejected.gate, rejected.package_digest, rejected.causation_id) == ("expired", candidate.digest, "trained")
    assert (round(rejected.measured, 2), rejected.limit) == (3.75, 20.0)
    assert "3 better and 0 worse" in rejected.explanation
    assert await shown(registry) is None


async def test_evidence_in_time_wins_over_the_expiry_of_the_same_step(registry: Registry) -> None:
    _champion, candidate = await with_candidate(registry)
    await hear_days(registry, candidate, 7)
    await registry.advance(NOW + 60 * DAY)
    assert (await registry.said("model_released"))[-1].cause == "promotion"


async def test_the_gates_must_hold_under_the_contract_of_now(registry: Registry) -> None:
    _champion, candidate = await with_candidate(registry)
    await registry.apply(("max_brier: 0.25", "max_brier: 0.0001"))
    await hear_days(registry, candidate, 7)
    await registry.advance(NOW + DAY)
    [rejected] = await registry.said("model_rejected")
    assert (rejected.gate, rejected.package_digest, rejected.limit) == ("max_brier", candidate.digest, 0.0001)
    assert rejected.causation_id == evaluated(candidate, 6).id
    assert len(await registry.said("model_released")) == 2  # the second is the same package under the new contract


async def test_a_candidate_that_is_damaged_meanwhile_is_closed(registry: Registry) -> None:
    _champion, candidate = await with_candidate(registry)
    for place in ("packages", "registry/packages"):
        (registry.folder.parent / "home" / place / candidate.digest / "model.skops").write_bytes(b"torn")
    await hear_days(registry, candidate, 7)
    await registry.advance(NOW + DAY)
    [rejected] = await registry.said("model_rejected")
    assert (rejected.gate, rejected.package_digest) == ("digest", candidate.digest)


async def test_a_candidate_released_by_hand_is_a_candidate_no_longer(registry: Registry) -> None:
    _champion, candidate = await with_candidate(registry)
    body = {"package": candidate.digest, "reason": "it is good"}
    assert (await registry.http.post("/v1/use_cases/trains/releases", json=body)).status_code == 201
    assert await shown(registry) is None
    await hear_days(registry, candidate, 7)
    await registry.advance(NOW + DAY)
    assert [event.cause for event in await registry.said("model_released")] == ["first", "person"]


async def test_a_rollback_is_decided_before_a_promotion_and_nothing_is_promoted_in_its_step(registry: Registry) -> None:
    first, second = await registry.released(0, 1)
    candidate = registry.package(seed=2)
    await registry.hear(candidate.trained())
    await hear_days(registry, candidate, 7)
    asked: dict[str, Any] = {"requested_by": "monitor", "reason": "regret", "release_sequence": 2}
    await registry.hear(RollbackRequested.begin(source="monitor", time=NOW, use_case="trains", **asked))
    await registry.advance(NOW + DAY)
    assert (await registry.said("model_released"))[-1].cause == "rollback"
    await registry.advance(NOW + 2 * DAY)
    promoted = (await registry.said("model_released"))[-1]
    assert (promoted.cause, promoted.package_digest) == ("promotion", candidate.digest)
    assert promoted.rollback_target == first.digest
    assert second.digest != first.digest


async def test_nobody_is_promoted_while_a_forced_release_is_on_probation(registry: Registry) -> None:
    champion, candidate = await with_candidate(registry)
    await registry.apply(PROBATION)
    bad = registry.package(seed=5, upside_down=True)
    body = {"package": bad.digest, "reason": "the desk wants it", "force": True}
    forced = (await registry.http.post("/v1/use_cases/trains/releases", json=body)).json()
    assert (forced["forced"], forced["rollback_target"]) == (True, champion.digest)
    await hear_days(registry, candidate, 7)
    await registry.advance(NOW + 19 * DAY)
    assert (await registry.said("model_released"))[-1].forced
    found = await shown(registry)
    assert found
    assert "on probation until 2013-03-21" in found["waits_for"]
    await registry.advance(NOW + 20 * DAY)
    promoted = (await registry.said("model_released"))[-1]
    assert (promoted.cause, promoted.rollback_target) == ("promotion", bad.digest)


async def test_evidence_under_probation_stays_against_the_last_good_package(registry: Registry) -> None:
    champion, candidate = await with_candidate(registry)
    bad = registry.package(seed=5, upside_down=True)
    body = {"package": bad.digest, "reason": "try", "force": True}
    await registry.http.post("/v1/use_cases/trains/releases", json=body)
    since = (NOW - TRAINED).days
    for day in range(since, since + 8):
        at = NOW + (day - since + 2) * DAY
        await registry.advance(at)
        # Against the forced release the candidate wins each day, against the champion it loses each day.
        await registry.hear(evaluated(candidate, day, cost=90, served=500, at=at))
        await registry.hear(evaluated(champion, day, cost=80, served=500, role="rollback_target", at=at))
    found = await shown(registry)
    assert found
    assert (found["better"], found["worse"], found["against_last_good"]) == (0, 8, 8)
    asked = {"use_case": "trains", "requested_by": "monitor", "reason": "regret", "kpi": "regret"}
    await registry.hear(RollbackRequested.begin(source="monitor", time=NOW + 9 * DAY, **asked))
    await registry.advance(NOW + 10 * DAY)
    await registry.advance(NOW + 11 * DAY)
    causes = [event.cause for event in await registry.said("model_released")]
    assert causes == ["first", "person", "rollback"]
    assert (await registry.said("model_released"))[-1].package_digest == champion.digest
