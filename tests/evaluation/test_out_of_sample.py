"""What a package promises for a case counts what realised money counts: cases that show an outcome."""

from fractions import Fraction
from typing import Any, NamedTuple

from shared.contract import Contract, derive_policy
from shared.evaluation.out_of_sample import value_per_case
from tests.feedback.contracts import FLIGHTS, flights_contract


class Row(NamedTuple):
    """A scored row kept aside, one of ten of its block."""

    scores: tuple[float, ...]
    label: str | None
    block: str = "2013-02-01"
    flagged: bool = False
    value: float | None = None
    volume: int = 100


# Under the costs of the flights the first four are acted on, and two of them were on time.
ROWS = [
    *(Row((0.9,), label) for label in ("late", "late", "on_time", "on_time")),
    *(Row((0.01,), "on_time") for _ in range(5)),
    Row((0.01,), None),
]


def contract(**changes: Any) -> Contract:
    decisions = {name: one for name, one in FLIGHTS["decisions"].items() if name != "review"}
    return flights_contract(decisions=decisions, **changes)


def promised(given: Contract) -> Fraction | None:
    return value_per_case(given, derive_policy(given), ROWS)


def test_a_case_is_worth_what_it_saves_against_no_model() -> None:
    # Two late flights acted on save 5.00 each, two on time cost 1.00 each: 8.00 in ten cases.
    assert promised(contract()) == 80


def test_decisions_that_hide_their_outcome_promise_nothing_that_could_be_seen() -> None:
    hidden = FLIGHTS["label"] | {"observed_when": ["none"]}
    assert promised(contract(label=hidden)) == 0


def test_what_is_labelled_at_random_counts_with_its_share() -> None:
    hidden = FLIGHTS["label"] | {"observed_when": ["none"]}
    assert promised(contract(label=hidden, audit_share=0.05)) == Fraction(80, 20)


def test_without_a_case_nothing_is_promised() -> None:
    assert value_per_case(contract(), derive_policy(contract()), []) is None
