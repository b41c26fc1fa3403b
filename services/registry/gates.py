"""PURE: whether a package may be released under a contract, gate by gate, with numbers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from services.registry.measure import best_constant, quality
from shared.contract import Contract, DayScores, Demand, Policy, mean_demand, money
from shared.evaluation.out_of_sample import Money, Row, count_money


@dataclass(frozen=True)
class Verdict:
    """One gate: what was measured, the limit, and a sentence for people."""

    gate: str
    passed: bool
    measured: float | None
    limit: float | None
    explanation: str


@dataclass(frozen=True)
class Evidence:
    """What the registry measured itself on the package's held-out rows."""

    policy: Policy
    money: Money
    constant: tuple[str, Fraction]
    demand: Mapping[str, float]
    quality: Mapping[str, float]


def measure(policy: Policy, held_out: Sequence[Row]) -> Evidence:
    """Everything that the gates need, from rows in event order."""
    return Evidence(
        policy=policy,
        money=count_money(policy, held_out),
        constant=best_constant(policy, held_out),
        demand=mean_demand(policy, _demand(held_out)),
        quality=quality(policy, held_out),
    )


def judge(contract: Contract, evidence: Evidence) -> tuple[Verdict, ...]:
    """Every gate that the contract asks for, in a fixed order; the first that failed names the rejection."""
    if not evidence.money.labelled:
        return (Verdict("holdout", False, 0.0, 1.0, "no held-out row has a label: nothing can be judged"),)
    gates = contract.gates
    verdicts: list[Verdict] = []
    if gates.beats_without_model:
        verdicts += [_beats_without_model(evidence), _beats_best_constant(evidence)]
    if gates.reviews_within_capacity and contract.classification:
        verdicts += _within_capacity(evidence)
    for gate, name, limit, holds in (
        ("max_brier", "brier", gates.max_brier, _at_most),
        ("min_auc", "auc", gates.min_auc, _at_least),
        ("max_error", "mae", gates.max_error, _at_most),
    ):
        if limit is not None:
            verdicts.append(_quality(gate, name, limit, holds, evidence))
    return tuple(_marked(contract, verdict) for verdict in verdicts)


def _marked(contract: Contract, verdict: Verdict) -> Verdict:
    """Say so where a verdict rests on labels that only some decisions show; demand rests on scores alone."""
    seen_after = contract.label.observed_when
    if seen_after == "always" or verdict.gate == "reviews_within_capacity":
        return verdict
    note = f" (selected: labels are seen after {' or '.join(seen_after)} only)"
    return replace(verdict, explanation=verdict.explanation + note)


def _at_most(measured: float, limit: float) -> bool:
    return measured <= limit


def _at_least(measured: float, limit: float) -> bool:
    return measured >= limit


def _beats_without_model(evidence: Evidence) -> Verdict:
    earned = evidence.money.value
    text = (
        f"over {evidence.money.blocks} held-out blocks the decisions earned {_show(evidence, earned)} "
        f"against deciding {evidence.policy.without_model!r} for everybody; it must be more than nothing"
    )
    return Verdict("beats_without_model", earned > 0, float(earned), 0.0, text)


def _beats_best_constant(evidence: Evidence) -> Verdict:
    name, cost = evidence.constant
    limit = evidence.money.cost_without_model - cost
    text = (
        f"over {evidence.money.blocks} held-out blocks the decisions earned {_show(evidence, evidence.money.value)}; "
        f"{name!r} would have earned {_show(evidence, limit)}, and a model must earn more"
    )
    return Verdict("beats_best_constant", evidence.money.value > limit, float(evidence.money.value), float(limit), text)


def _within_capacity(evidence: Evidence) -> list[Verdict]:
    return [
        Verdict(
            "reviews_within_capacity",
            evidence.demand[name] <= limit,
            evidence.demand[name],
            float(limit),
            f"{name!r} would be wanted for {evidence.demand[name]:.1f} cases a day on average over the held-out "
            f"blocks, before the cap; its capacity is {limit}",
        )
        for name, limit in evidence.policy.limits.items()
    ]


def _quality(gate: str, name: str, limit: float, holds: Callable[[float, float], bool], evidence: Evidence) -> Verdict:
    measured = evidence.quality.get(name)
    if measured is None:
        return Verdict(gate, False, None, limit, f"{name} cannot be judged: the held-out rows are all of one class")
    bound = "at most" if holds is _at_most else "at least"
    return Verdict(
        gate, holds(measured, limit), measured, limit, f"{name} is {measured:.4f}, allowed is {bound} {limit}"
    )


def _demand(rows: Sequence[Row]) -> Demand:
    blocks: dict[str, list[Row]] = {}
    for row in rows:
        blocks.setdefault(row.block, []).append(row)
    days = (DayScores(name, block[0].volume, tuple(row.scores for row in block)) for name, block in blocks.items())
    return Demand(tuple(days))


def _show(evidence: Evidence, minor: Fraction) -> str:
    return str(money(evidence.policy, round(minor)))
