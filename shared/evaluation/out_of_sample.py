"""PURE: what a policy would have decided and cost on a package's out-of-sample rows, in event order."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol

from shared.contract import Contract, Policy, cost_minor, decide_in_order, outcome_problem


class Row(Protocol):
    """A scored row of a package's reference; `volume` is the true size of its block, of which rows are a sample."""

    @property
    def block(self) -> str: ...
    @property
    def scores(self) -> tuple[float, ...]: ...
    @property
    def flagged(self) -> bool: ...
    @property
    def label(self) -> str | None: ...
    @property
    def value(self) -> float | None: ...
    @property
    def volume(self) -> int: ...


@dataclass(frozen=True)
class Money:
    """Minor units over all blocks, each block scaled to its true volume; exact, hence fractions."""

    blocks: int
    volume: int
    labelled: int
    decisions: Mapping[str, Fraction]
    cost: Fraction
    cost_without_model: Fraction

    @property
    def value(self) -> Fraction:
        """What the decisions earned against deciding without a model."""
        return self.cost_without_model - self.cost


def labelled(policy: Policy, rows: Iterable[Row]) -> list[Row]:
    """The rows whose outcome is known and possible."""
    return [row for row in rows if is_known(policy, row)]


def count_money(policy: Policy, rows: Sequence[Row], seen: Mapping[str, Fraction] | None = None) -> Money:
    """Decide the rows again, in the order given, with a capacity ledger of their own; count the labelled ones.

    `seen`: decision -> which share of its cases shows a label at all; 1 for those that are not named.
    """
    decisions: dict[str, Fraction] = {}
    cost = without = Fraction(0)
    known = volume = 0
    blocks = by_block(rows)
    for block in blocks.values():
        weight = Fraction(block[0].volume, len(block))
        chosen = decide_in_order(
            _sampled(policy, block),
            [row.block for row in block],
            [row.scores for row in block],
            [row.flagged for row in block],
        ).decisions
        for decision, count in Counter(chosen).items():
            decisions[decision] = decisions.get(decision, Fraction(0)) + weight * count
        told = [pair for pair in zip(chosen, block, strict=True) if is_known(policy, pair[1])]
        known += len(told)
        for decision, pairs in _by_decision(told).items():
            counted = weight * (seen or {}).get(decision, 1)
            cost += counted * sum(cost_of_row(policy, decision, row) for row in pairs)
            without += counted * sum(cost_of_row(policy, policy.without_model, row) for row in pairs)
        volume += block[0].volume
    named = {name: decisions[name] for name in policy.decisions if decisions.get(name)}
    return Money(len(blocks), volume, known, named, cost, without)


def _by_decision(told: Iterable[tuple[str, Row]]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for decision, row in told:
        found.setdefault(decision, []).append(row)
    return found


def is_known(policy: Policy, row: Row) -> bool:
    """Whether the row's outcome is known and possible."""
    return outcome_problem(policy, row.label, row.value) is None


def cost_of_row(policy: Policy, decision: str, row: Row) -> int:
    """Realised cost of a decision on a labelled row, in minor units."""
    return cost_minor(policy, decision, row.scores, row.label, row.value)


def by_block(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Rows by block, in order."""
    blocks: dict[str, list[Row]] = {}
    for row in rows:
        blocks.setdefault(row.block, []).append(row)
    return blocks


def _sampled(policy: Policy, block: Sequence[Row]) -> Policy:
    """A sample of a block may use the sample's share of each capacity."""
    if len(block) == block[0].volume or not policy.limits:
        return policy
    rules = tuple(
        rule if rule.capacity is None else rule.model_copy(update={"capacity": share_of(rule.capacity, block)})
        for rule in policy.rules
    )
    return with_changes(policy, rules=rules)


def with_changes(policy: Policy, **changes: Any) -> Policy:
    """Built anew: a copy would keep the cached limits of the original."""
    return Policy(**{name: getattr(policy, name) for name in Policy.model_fields} | changes)


def share_of(limit: int, block: Sequence[Row]) -> int:
    """The part of a capacity that a sample of a block may use."""
    return limit * len(block) // block[0].volume


def value_per_case(contract: Contract, policy: Policy, rows: Sequence[Row]) -> Fraction | None:
    """What a case is worth by these rows, in minor units: the forecast of a block is this, times its cases.

    None without a row. Cases without a label add nothing, here as in what is realised: where only some decisions show
    one, the others count with the share that is labelled at random.
    """
    shown, audited = contract.label.observed_when, Fraction(str(contract.audit_share))
    hidden = () if shown == "always" else [name for name in policy.decisions if name not in shown]
    counted = count_money(policy, rows, dict.fromkeys(hidden, audited))
    return counted.value / counted.volume if counted.volume else None
