"""What serving needs to decide: the contract's costs in minor units, the caps, and the shadow price of each cap."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from shared.contract.frozen import Frozen
from shared.contract.shadow_price import Demand, shadow_prices

if TYPE_CHECKING:
    from shared.contract.schema import Contract

# The two decisions of a regression: the model's estimate, or the contract's constant.
ESTIMATE = "estimate"
CONSTANT = "constant"


class Rule(Frozen):
    """One decision: cost in minor units per class (regression: per unit under, per unit over)."""

    name: str
    costs: tuple[int, ...]
    capacity: Annotated[int, Field(ge=0)] | None = None
    overflow: Literal["next_best"] = "next_best"
    shadow_price: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0


class Policy(Frozen):
    """A contract's objective applied to one package's demand; rules stand in the contract's order."""

    task: Literal["binary", "multiclass", "regression"]
    classes: tuple[str, ...]
    rules: Annotated[tuple[Rule, ...], Field(min_length=1)]
    without_model: str
    constant: float | None = None
    label_range: tuple[float, float] | None = None
    currency: str
    minor_digits: int

    @cached_property
    def plan(self) -> tuple[tuple[str, tuple[int, ...], float, bool], ...]:
        """(name, costs, shadow price, capped) of each rule: plain tuples, because serving reads them per record."""
        return tuple((rule.name, rule.costs, rule.shadow_price, rule.capacity is not None) for rule in self.rules)

    @cached_property
    def limits(self) -> dict[str, int]:
        """Capacity per block of each capped decision."""
        return {rule.name: rule.capacity for rule in self.rules if rule.capacity is not None}

    @cached_property
    def cost_by_class(self) -> dict[str, dict[str, int]]:
        """Minor units of each decision for each class; empty for regression."""
        if self.task == "regression":
            return {}
        return {rule.name: dict(zip(self.classes, rule.costs, strict=True)) for rule in self.rules}

    @cached_property
    def decisions(self) -> tuple[str, ...]:
        """Every decision that can be taken under this policy."""
        return (ESTIMATE, CONSTANT) if self.task == "regression" else tuple(rule.name for rule in self.rules)


def without_capacity(policy: Policy) -> Policy:
    """The same costs for people without an end: no limit, no shadow price."""
    # Built anew: a copy would keep the cached limits of the original.
    fields = {name: getattr(policy, name) for name in Policy.model_fields}
    return Policy(**fields | {"rules": tuple(Rule(name=rule.name, costs=rule.costs) for rule in policy.rules)})


def derive_policy(contract: Contract, demand: Demand | None = None) -> Policy:
    """The policy of this contract for a package whose out-of-sample scores are `demand` (none: no shadow price)."""
    if contract.costs is not None:
        rates = (contract.minor(contract.costs.under), contract.minor(contract.costs.over))
        return Policy(
            task=contract.task,
            classes=(),
            rules=(Rule(name=ESTIMATE, costs=rates),),
            without_model=CONSTANT,
            constant=float(contract.without_model),
            label_range=contract.label.range,
            currency=contract.currency,
            minor_digits=contract.digits,
        )
    decisions = contract.decisions or {}
    costs = [tuple(contract.minor(one.costs[label]) for label in contract.classes) for one in decisions.values()]
    limits = [one.capacity.limit if one.capacity else None for one in decisions.values()]
    prices = shadow_prices(costs, limits, demand or Demand())
    return Policy(
        task=contract.task,
        classes=contract.classes,
        rules=tuple(
            Rule(name=name, costs=cost, capacity=limit, shadow_price=price)
            for name, cost, limit, price in zip(decisions, costs, limits, prices, strict=True)
        ),
        without_model=str(contract.without_model),
        currency=contract.currency,
        minor_digits=contract.digits,
    )
