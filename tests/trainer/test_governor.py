"""Who may start a run, and who waits for how long: single flight and budget bind everybody, cooldown only drift."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.trainer.governor import (
    Ask,
    Kind,
    Standing,
    Started,
    Verdict,
    cooldown,
    govern,
    in_order,
    schedule_due,
    streak,
)
from shared.contract import Contract

NOW = datetime(2024, 3, 29, tzinfo=UTC)
DAY = timedelta(days=1)
Steered = Callable[..., Contract]


@pytest.fixture
def steered(toy_contract: Contract) -> Steered:
    """The toy's contract with other rules for retraining."""

    def make(timezone: str = "UTC", **retraining: Any) -> Contract:
        rules: dict[str, Any] = {"on": ["drift", "schedule"], "every": "1 month", "cooldown": "14d", "runs_per_day": 2}
        return Contract.model_validate(
            toy_contract.to_json() | {"timezone": timezone, "retraining": {**rules, **retraining}}
        )

    return make


def ask(kind: Kind, *signs: str, name: str = "r") -> Ask:
    return Ask(name, "toy", kind, "a good reason", frozenset(signs))


def ran(*ages: timedelta) -> tuple[Started, ...]:
    return tuple(Started(f"run-{place}", NOW - age) for place, age in enumerate(sorted(ages, reverse=True)))


def decide(kind: Kind, standing: Standing) -> Verdict:
    return govern(ask(kind), standing, NOW)


@pytest.mark.parametrize("kind", ["person", "service", "drift", "schedule"])
def test_a_known_use_case_that_was_never_trained_may_start(steered: Steered, kind: Kind) -> None:
    assert decide(kind, Standing(steered())) == Verdict(True, "a good reason")


def test_a_warning_starts_nothing_and_its_refusal_says_why(steered: Steered) -> None:
    warning = Ask("r", "toy", "drift", "drift in block 2024-03-28", frozenset(), warns=True)
    verdict = govern(warning, Standing(steered()), NOW)
    assert not verdict.start
    assert "least_impact: drift in block 2024-03-28" in verdict.reason


@pytest.mark.parametrize("kind", ["person", "service", "drift", "schedule"])
def test_a_use_case_without_a_contract_is_declined(kind: Kind) -> None:
    verdict = decide(kind, Standing(None))
    assert verdict == Verdict(False, "declined, because no contract was applied for toy yet")


@pytest.mark.parametrize("kind", ["person", "service", "drift", "schedule"])
def test_a_second_run_beside_an_open_one_is_declined_and_names_it(steered: Steered, kind: Kind) -> None:
    verdict = decide(kind, Standing(steered(), open_runs=("run-1",), started=ran(DAY * 90)))
    assert not verdict.start
    assert verdict.reason == "declined, because run run-1 of toy is not finished yet; free when it is"


@pytest.mark.parametrize(
    ("kind", "days_ago", "unhelpful", "starts"),
    [
        ("drift", 13, 0, False),
        ("drift", 14, 0, True),
        ("drift", 14, 1, False),
        ("drift", 28, 1, True),
        ("drift", 55, 2, False),
        ("drift", 56, 2, True),
        ("drift", 112, 3, True),
        ("drift", 111, 9, False),
        ("drift", 112, 9, True),
        ("schedule", 13, 0, False),
        ("schedule", 14, 5, True),
        ("person", 1, 9, True),
        ("service", 1, 9, True),
    ],
)
def test_cooldown_and_back_off_bind_drift_and_the_schedule_waits_for_the_cooldown_only(
    steered: Steered, kind: Kind, days_ago: int, unhelpful: int, starts: bool
) -> None:
    verdict = decide(kind, Standing(steered(), started=ran(DAY * days_ago), unhelpful=unhelpful))
    assert verdict.start == starts


def test_a_refusal_says_what_the_wait_is_made_of_and_when_it_ends(steered: Steered) -> None:
    verdict = decide("drift", Standing(steered(), started=ran(DAY * 20), unhelpful=2))
    assert verdict.reason == (
        "declined, because the last run was 2024-03-09T00:00+00:00 and the cooldown is 14d, 4 times that after "
        "retrainings that did not help (2 in a row); free at 2024-05-04T00:00+00:00"
    )


def test_the_back_off_grows_up_to_a_bound(steered: Steered) -> None:
    waits = [cooldown(steered(), unhelpful).days for unhelpful in range(6)]
    assert waits == [14, 28, 56, 112, 112, 112]


@pytest.mark.parametrize("kind", ["person", "service", "drift", "schedule"])
def test_the_budget_of_a_day_binds_everybody_and_is_free_at_the_next(steered: Steered, kind: Kind) -> None:
    hour = timedelta(hours=1)
    contract = steered(cooldown="1h")
    noon = NOW + 12 * hour
    both = Standing(contract, started=(Started("a", noon - 11 * hour), Started("b", noon - 2 * hour)))
    verdict = govern(ask(kind), both, noon)
    assert verdict.reason == (
        "declined, because 2 runs of toy were started today, as many as allowed; free at 2024-03-30T00:00+00:00"
    )
    assert govern(ask(kind), both, noon + 12 * hour).start
    yesterday = Standing(contract, started=(Started("a", noon - 13 * hour), Started("b", noon - 2 * hour)))
    assert govern(ask(kind), yesterday, noon).start


def test_a_day_of_the_budget_is_one_of_the_contract_s_calendar(steered: Steered) -> None:
    contract = steered("America/New_York", runs_per_day=1)
    # 23:00 and 00:00 in New York are two days there, and one in UTC.
    late, midnight = datetime(2024, 3, 29, 3, tzinfo=UTC), datetime(2024, 3, 29, 4, tzinfo=UTC)
    assert govern(ask("person"), Standing(contract, started=(Started("a", late),)), midnight).start


@pytest.mark.parametrize("kind", ["drift", "schedule"])
def test_what_the_contract_does_not_retrain_on_is_declined(steered: Steered, kind: Kind) -> None:
    contract = steered(on=[], every=None)
    verdict = decide(kind, Standing(contract))
    assert verdict == Verdict(False, f"declined, because the contract does not retrain on {kind}")
    assert decide("person", Standing(contract)).start


def test_the_same_cause_starts_one_run_whoever_asks_again(steered: Steered) -> None:
    before = Started("run-1", NOW - DAY * 90, frozenset({"event e", "drift of p in epoch 2"}))
    standing = Standing(steered(), started=(before,))
    for kind, sign in (("drift", "drift of p in epoch 2"), ("service", "event e")):
        verdict = govern(ask(kind, sign), standing, NOW)  # type: ignore[arg-type]
        assert verdict.reason == "declined, because run run-1 was started for the same cause already"
    assert govern(ask("drift", "drift of p in epoch 3"), standing, NOW).start


def test_people_come_first_then_services_drift_and_the_schedule_then_the_id() -> None:
    kinds: list[Kind] = ["schedule", "drift", "service", "person"]
    asks = [ask(kind, name=f"{name}-{kind}") for name in ("b", "a") for kind in kinds]
    assert [one.id for one in in_order(asks)] == [
        f"{name}-{kind}" for kind in reversed(kinds) for name in ("a", "b")
    ]  # fmt: skip


def test_the_schedule_is_due_a_period_after_the_first_run_by_the_contract_s_calendar(steered: Steered) -> None:
    last = datetime(2024, 3, 1, 5, tzinfo=UTC)
    standing = Standing(steered("America/New_York"), started=(Started("a", last),))
    # Midnight in New York is an hour earlier in UTC since 10 March.
    due = datetime(2024, 4, 1, 4, tzinfo=UTC)
    assert schedule_due(standing, due - timedelta(seconds=1)) is None
    assert schedule_due(standing, due) == due
    assert schedule_due(standing, due + DAY) == due


@pytest.mark.parametrize(
    ("started", "due"),
    [
        # A retraining for drift moves no date of the schedule; the next one waits for the cooldown.
        (["2024-01-31", "2024-02-10"], "2024-02-29"),
        (["2024-01-31", "2024-02-27"], "2024-03-12"),
        (["2024-01-31", "2024-02-27", "2024-03-12"], "2024-03-31"),
        # Dates that nobody kept are not made up for.
        (["2023-10-31", "2024-02-10"], "2024-02-29"),
    ],
)
def test_the_dates_of_the_schedule_are_counted_from_the_first_run(
    steered: Steered, started: list[str], due: str
) -> None:
    runs = tuple(Started(day, datetime.fromisoformat(f"{day}T00:00+00:00")) for day in started)
    standing, date = Standing(steered(), started=runs), datetime.fromisoformat(f"{due}T00:00+00:00")
    assert schedule_due(standing, date - timedelta(seconds=1)) is None
    assert schedule_due(standing, date) == date


def test_the_schedule_waits_for_the_cooldown_an_open_run_and_the_budget(steered: Steered) -> None:
    slow = steered(every="1d", cooldown="3d")
    assert schedule_due(Standing(slow, started=ran(DAY * 2)), NOW) is None
    assert schedule_due(Standing(slow, started=ran(DAY * 4)), NOW) == NOW - DAY
    assert schedule_due(Standing(slow, started=ran(DAY * 4), open_runs=("x",)), NOW) is None
    quick, hour = steered(every="1h", cooldown="1h", runs_per_day=1), timedelta(hours=1)
    standing = Standing(quick, started=(Started("a", NOW + hour),))
    assert schedule_due(standing, NOW + 3 * hour) is None
    assert schedule_due(standing, NOW + DAY) == NOW + 2 * hour


def test_nothing_is_due_without_a_schedule_or_before_the_first_run(steered: Steered) -> None:
    assert schedule_due(Standing(None), NOW) is None
    assert schedule_due(Standing(steered()), NOW) is None
    assert schedule_due(Standing(steered(on=["drift"], every=None), started=ran(DAY * 400)), NOW) is None


@pytest.mark.parametrize(
    ("ends", "unhelpful"),
    [
        ([], 0),
        (["rejected"], 1),
        (["rejected", "expired"], 2),
        (["rejected", "superseded", "open", "expired"], 2),
        (["rejected", "released"], 0),
        (["rejected", "released", "expired"], 1),
    ],
)
def test_only_rejected_and_expired_candidates_did_not_help_and_a_released_one_ends_the_row(
    ends: list[str], unhelpful: int
) -> None:
    assert streak(ends) == unhelpful
