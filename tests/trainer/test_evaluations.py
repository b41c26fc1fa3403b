"""What is not served is evaluated on every judged block: once, from the rows known then, whatever was heard first."""

from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from shared.contract import Contract, cost_minor, decide, derive_policy
from shared.evaluation.models import KEPT, Models
from shared.events import Event, PackageEvaluated
from shared.feedback.joined import joined
from shared.package import predict_scores, read_package, to_frame
from shared.spine.errors import TransientError
from tests.contract.one_by_one import CapacityCount
from tests.registry.toy import NOW, Toy, contract
from tests.trainer.bench import CHEAPER, CONTRACT, DAY, HOUR, Bench, applied, judged, rejected, released, trained

pytestmark = pytest.mark.slow


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path)
    await bench.db.create_tables()
    await bench.hear(applied())
    yield bench
    await bench.db.close()


def by_hand(bench: Bench, toy: Toy, day: int, contract: Contract = CONTRACT) -> dict[str, Any]:
    """Row after row with `decide`, as serving would have done it."""
    block = (NOW + day * DAY).date().isoformat()
    rows = joined(bench.settings.feedback_location, "trains", NOW + (day + 2) * DAY, [block])
    package = read_package(toy.path)
    policy = derive_policy(contract, package.demand())
    columns = {name: rows[f"num_{name}"].to_list() for name in ("size", "speed")}
    scores = predict_scores(package.load_model(), "binary", to_frame(package.manifest.features, columns))
    ledger, decisions = CapacityCount(policy.limits), []
    for vector, flagged in zip(scores.tolist(), rows["flagged"].to_list(), strict=True):
        decisions.append(decide(policy, vector, ledger.left(block), bool(flagged)).decision)
        ledger.take(block, decisions[-1])
    told = [place for place, label in enumerate(rows["label"].to_list()) if label is not None]
    labels, served = rows["label"].to_list(), rows["decision"].to_list()
    cost = sum(cost_minor(policy, decisions[place], (), labels[place]) for place in told)
    without = sum(cost_minor(policy, "none", (), labels[place]) for place in told)
    return {
        "volume": len(decisions),
        "labelled": len(told),
        "cost_minor": cost,
        "cost_without_model_minor": without,
        "value_minor": without - cost,
        "served_cost_minor": sum(cost_minor(policy, served[place], (), labels[place]) for place in told),
        "decisions": dict(Counter(decisions)),
        "selected": contract.label.selected,
        "brier": pytest.approx(sum((scores[p, 0] - (labels[p] == "late")) ** 2 for p in told) / len(told)),
    }


def numbers(event: PackageEvaluated) -> dict[str, Any]:
    attributes = {*Event.model_fields, "use_case", "package_digest", "behaviour_digest", "contract_digest"}
    return event.model_dump(exclude={*attributes, "role", "block"})


async def seen(bench: Bench) -> list[tuple[int, str, str]]:
    """(day, role, package) of everything that was said, in order."""
    days = {(NOW + day * DAY).date().isoformat(): day for day in range(-5, 60)}
    return [(days[event.block], event.role, event.package_digest) for event in await bench.said(PackageEvaluated)]


async def served(bench: Bench, days: int = 4) -> tuple[Toy, Toy]:
    """A first release that serves some days, and another package."""
    first, other = bench.package(0), bench.package(1, days=1)
    await bench.hear(trained(first, NOW), released(first, 1, NOW))
    for day in range(days):
        bench.serve(day, first, labelled=0.9, flagged=2)
    return first, other


async def test_an_evaluation_equals_a_direct_computation_row_by_row(bench: Bench) -> None:
    first, other = await served(bench)
    report = judged(1, first)
    await bench.hear(trained(other, NOW), report)
    candidate, pinned = sorted(await bench.said(PackageEvaluated), key=lambda event: event.role)
    assert numbers(candidate) == by_hand(bench, other, 1)
    assert numbers(pinned) == by_hand(bench, first, 1)
    assert pinned.cost_minor == pinned.served_cost_minor == candidate.served_cost_minor
    assert candidate.cost_minor != pinned.cost_minor
    assert candidate.decisions["review"] == 5
    assert (candidate.labelled, candidate.volume) == (180, 200)
    assert (candidate.time, candidate.causation_id) == (report.time, report.id)
    assert candidate.behaviour_digest == other.manifest.behaviour_digest
    assert candidate.contract_digest == CONTRACT.digest


async def test_nothing_is_said_twice_neither_for_the_same_report_nor_for_a_correction(bench: Bench) -> None:
    first, other = await served(bench)
    await bench.hear(trained(other, NOW), judged(1, first), judged(1, first))
    bench.tell(1, "late", NOW + 3 * DAY, range(180, 200))
    await bench.hear(judged(1, first, after=4 * DAY, revision=2), judged(0, first, status="closed", mature=False))
    bench.restart()
    await bench.hear(judged(1, first), trained(other, NOW))
    assert sorted(await seen(bench)) == sorted([(1, "candidate", other.digest), (1, "pinned", first.digest)])


async def test_a_new_candidate_is_evaluated_at_once_on_judged_blocks_after_its_training_data(bench: Bench) -> None:
    first, other = await served(bench)
    await bench.hear(*[judged(day, first) for day in range(3)])
    # Labels that came after a block was judged say nothing about it.
    bench.tell(1, "late", NOW + 4 * DAY, range(180, 200))
    event = trained(other, NOW + 5 * DAY)
    bench.clock.set(NOW + 5 * DAY)
    await bench.hear(event)
    found = [one for one in await bench.said(PackageEvaluated) if one.role == "candidate"]
    assert [one.block for one in found] == ["2013-03-02", "2013-03-03"]
    assert {(one.causation_id, one.time) for one in found} == {(event.id, NOW + 5 * DAY)}
    assert numbers(found[0]) == by_hand(bench, other, 1)


async def test_training_and_report_of_one_moment_give_the_same_events_in_either_order(
    bench: Bench, tmp_path: Path
) -> None:
    mirror = Bench(tmp_path / "mirror")
    await mirror.db.create_tables()
    await mirror.hear(applied())
    for one, order in ((bench, 1), (mirror, -1)):
        first, other = await served(one)
        one.clock.set(NOW + 4 * DAY)
        await one.hear(judged(1, first))
        together: list[Event] = [trained(other, NOW + 4 * DAY), judged(2, first)]
        await one.hear(*together[::order])
    found = [
        {(event.id, event.causation_id, event.time) for event in await one.said(PackageEvaluated)}
        for one in (bench, mirror)
    ]
    assert found[0] == found[1]
    assert Counter(cause for _, cause, _ in found[0]) == {"kpi-1-1-1": 1, "kpi-2-1-1": 2, together[0].id: 1}
    await mirror.db.close()


async def test_rollback_target_and_pinned_first_release_are_evaluated_as_they_stood_on_the_block(bench: Bench) -> None:
    first, second, third = bench.package(0), bench.package(1), bench.package(2)
    await bench.hear(
        released(first, 1, NOW), released(second, 2, NOW + DAY, first), released(third, 3, NOW + 2 * DAY, second)
    )
    for day, toy in enumerate((first, second, third)):
        bench.serve(day, toy, release=day + 1)
    await bench.hear(*[judged(day, toy, day + 1) for day, toy in enumerate((first, second, third))])
    assert sorted(await seen(bench)) == sorted(
        [
            (0, "pinned", first.digest),
            (1, "pinned", first.digest),
            (1, "rollback_target", first.digest),
            (2, "pinned", first.digest),
            (2, "rollback_target", second.digest),
        ]
    )


async def test_a_block_of_two_releases_is_evaluated_as_a_whole_when_its_last_part_is_judged(bench: Bench) -> None:
    first, second, other = bench.package(0), bench.package(1), bench.package(2)
    await bench.hear(released(first, 1, NOW), released(second, 2, NOW + 12 * HOUR, first), trained(other, NOW))
    bench.serve(0, first)
    bench.serve(0, second, release=2, hour=12)
    await bench.hear(judged(0, first))
    assert await seen(bench) == []
    last = judged(0, second, release=2)
    await bench.hear(last)
    events = await bench.said(PackageEvaluated)
    assert {(event.role, event.package_digest) for event in events} == {
        ("pinned", first.digest), ("rollback_target", first.digest), ("candidate", other.digest)
    }  # fmt: skip
    assert {(event.volume, event.causation_id) for event in events} == {(400, last.id)}
    # Capacity is counted once over the whole block.
    assert max(event.decisions["review"] for event in events) == 5
    assert numbers(events[0]) == by_hand(bench, {first.digest: first, other.digest: other}[events[0].package_digest], 0)


async def test_only_the_open_candidate_is_evaluated_until_it_is_closed(bench: Bench) -> None:
    first, _ = await served(bench, days=6)
    older, newer, stale = bench.package(2), bench.package(3, days=2), bench.package(4, days=1)
    await bench.hear(trained(older, NOW), judged(0, first))
    bench.clock.set(NOW + 3 * DAY)
    # More data supersedes; less data is no candidate at all.
    await bench.hear(trained(newer, NOW + 3 * DAY), trained(stale, NOW + 3 * DAY))
    await bench.hear(judged(1, first), judged(2, first))
    bench.clock.set(NOW + 5 * DAY)
    await bench.hear(rejected(newer.digest, NOW + 4 * DAY), judged(3, first))
    found = [one for one in await seen(bench) if one[1] == "candidate"]
    assert found == [(0, "candidate", older.digest), (1, "candidate", older.digest), (2, "candidate", newer.digest)]


async def test_what_is_served_is_no_candidate(bench: Bench) -> None:
    first, other = await served(bench)
    await bench.hear(trained(other, NOW), released(other, 2, NOW + DAY, first), judged(1, first), trained(other, NOW))
    assert [role for _, role, _ in await seen(bench)] == ["pinned"]


async def test_the_contract_in_force_on_the_block_counts_not_a_later_one(bench: Bench) -> None:
    first, other = await served(bench)
    await bench.hear(trained(other, NOW), applied(CHEAPER, revision=2))
    await bench.hear(judged(1, first), judged(2, first, contract_digest=CHEAPER.digest))
    before, after = [event for event in await bench.said(PackageEvaluated) if event.role == "candidate"]
    assert numbers(before) == by_hand(bench, other, 1)
    assert numbers(after) == by_hand(bench, other, 2, CHEAPER)
    assert (before.decisions["review"], after.decisions["review"]) == (5, 2)


async def test_labels_that_only_some_decisions_show_make_an_evaluation_selected(bench: Bench) -> None:
    first, other = await served(bench)
    chosen = contract(("late], mature", "late], observed_when: [act, review], mature"))
    await bench.hear(trained(other, NOW), applied(chosen, revision=2))
    await bench.hear(judged(1, first), judged(2, first, contract_digest=chosen.digest))
    told = [event.selected for event in await bench.said(PackageEvaluated) if event.role == "candidate"]
    assert told == [False, True]


async def test_a_block_waits_for_its_release_and_its_contract(bench: Bench) -> None:
    first, other = await served(bench)
    await bench.hear(trained(other, NOW), judged(1, first, release=2), judged(2, first, contract_digest="f" * 64))
    assert await seen(bench) == []


async def test_a_block_without_labels_says_nothing_and_a_damaged_package_stops_nobody(bench: Bench) -> None:
    first, other = await served(bench, days=1)
    bench.serve(1, first, labelled=0.0)
    (Path(bench.settings.packages_location) / other.digest / "model.skops").write_bytes(b"broken")
    await bench.hear(trained(other, NOW), judged(1, first))
    assert await seen(bench) == []
    bench.serve(2, first)
    await bench.hear(judged(2, first))
    assert await seen(bench) == [(2, "pinned", first.digest)]


async def test_after_a_crash_between_report_and_evaluation_the_same_report_finds_what_is_due(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = await served(bench)

    def away(*_: object) -> None:
        raise OSError("away")

    with monkeypatch.context() as patch:
        patch.setattr(Models, "get", away)
        with pytest.raises(TransientError, match="away"):
            await bench.hear(judged(1, first))
    assert await seen(bench) == []
    await bench.hear(judged(1, first))
    assert await seen(bench) == [(1, "pinned", first.digest)]


async def test_few_models_stay_loaded_and_what_a_package_answered_is_not_computed_again(bench: Bench) -> None:
    toys = [bench.package(seed) for seed in range(6)]
    models = Models(bench.store, bench.settings.packages_cache)
    loaded = [models.get(toy.digest) for toy in toys]
    assert models.get(toys[-1].digest) is loaded[-1]
    assert models.get(toys[0].digest) is not loaded[0]
    assert len(models._loaded) == KEPT
    bench.serve(0, toys[0])
    rows = joined(bench.settings.feedback_location, "trains", NOW + 2 * DAY)
    assert models.get(toys[-1].digest).score(rows).shape == (200, 1)
    own = models.get(toys[0].digest).score(rows)
    assert own[:, 0].tolist() == rows["scores"].list.first().to_list()
