"""What a decision really cost once the outcome is known: exact integers in minor units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from shared.contract.decide import estimate_of
from shared.contract.policy import Policy


class OutcomeError(ValueError):
    """An outcome that this use case cannot have."""


@dataclass(frozen=True)
class Money:
    """An exact amount that knows its currency.

    >>> str(Money(1250, "USD", 2) + Money(-50, "USD", 2)), str(Money(-5, "USD", 2)), str(Money(7, "JPY", 0))
    ('12.00 USD', '-0.05 USD', '7 JPY')
    """

    minor: int
    currency: str
    digits: int

    def __add__(self, other: Money) -> Money:
        if (self.currency, self.digits) != (other.currency, other.digits):
            raise ValueError(f"{self.currency} and {other.currency} do not add up")
        return Money(self.minor + other.minor, self.currency, self.digits)

    def __str__(self) -> str:
        return f"{Decimal(self.minor).scaleb(-self.digits):f} {self.currency}"


def money(policy: Policy, minor: int) -> Money:
    """Minor units of this policy as an amount that can be shown."""
    return Money(minor, policy.currency, policy.minor_digits)


def outcome_problem(policy: Policy, label: str | None, value: float | None) -> str | None:
    """Why this outcome cannot be counted, naming what is allowed; None where it can."""
    if policy.task != "regression":
        return None if label in policy.classes else f"label {label!r} is not one of {', '.join(policy.classes)}"
    low, high = policy.label_range or (float("-inf"), float("inf"))
    if value is None or not low <= value <= high:
        return f"value {value} is not a number from {low:g} to {high:g}"
    return None


def cost_minor(
    policy: Policy, decision: str, scores: Sequence[float], label: str | None = None, value: float | None = None
) -> int:
    """Realised cost of a decision in minor units: `label` for a classification, `value` for a regression.

    A regression pays a rate per unit, rounded half to even once per row, from the decimal text of both numbers.
    OutcomeError where `outcome_problem` has something to say, KeyError for a decision that the policy does not know.
    """
    if policy.task != "regression":
        try:
            return policy.cost_by_class[decision][label or ""]
        except KeyError:
            problem = outcome_problem(policy, label, value)
            if problem is None:
                raise
            raise OutcomeError(problem) from None
    problem = outcome_problem(policy, label, value)
    if problem is not None or value is None:
        raise OutcomeError(problem)
    if decision not in policy.decisions:
        raise KeyError(decision)
    missed = _exact(estimate_of(policy, decision, scores)) - _exact(value)
    under, over = policy.rules[0].costs
    return round(missed * over if missed > 0 else -missed * under)


def value_minor(
    policy: Policy, decision: str, scores: Sequence[float], label: str | None = None, value: float | None = None
) -> int:
    """What the decision earned against deciding without a model, in minor units."""
    without = cost_minor(policy, policy.without_model, scores, label, value)
    return without - cost_minor(policy, decision, scores, label, value)


def _exact(number: float) -> Fraction:
    """The number that was written: 0.1 is one tenth, not the nearest binary fraction."""
    return Fraction(Decimal(repr(float(number))))
