"""What one release did in one block: counts, exact money over labelled rows, quality, incidents. Pure."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from fractions import Fraction
from typing import Any, Literal

import polars as pl

from services.monitor.before_labels import Estimated, estimate
from services.monitor.quality import quality
from shared.contract.capacity import block_bounds
from shared.contract.lowered import with_limits
from shared.contract.policy import Policy, derive_policy
from shared.contract.schema import Contract
from shared.evaluation.arms import ArmTotals, arm_totals, priced
from shared.events import CapacityWord
from shared.feedback.accounting import countable

Status = Literal["closed", "judged", "given_up"]


@dataclass(frozen=True)
class BlockReport:
    """The measured part of `kpi_reported`. Money covers labelled rows only: an estimate never enters it."""

    status: Status
    volume: int
    labelled: int
    awaiting: int
    given_up: int
    coverage: float
    mature: bool
    selected: bool
    positives: int
    decisions: dict[str, int]
    reasons: dict[str, int]
    arms: dict[str, ArmTotals]
    capacity_limit: dict[str, int]
    capacity_used: dict[str, int]
    currency: str
    cost_minor: int
    cost_without_model_minor: int
    value_minor: int
    quality: dict[str, float]
    estimated: Estimated | None
    incidents: list[str]
    measured: dict[str, dict[str, Any]] = field(default_factory=dict)
    capacity_changes: list[dict[str, Any]] = field(default_factory=list)
    forecast_minor: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return asdict(self)

    def with_forecast(self, per_case: Fraction | None) -> "BlockReport":
        """Beside it what the package promised for the cases that were not control cases; an estimate."""
        by_model = self.volume - self.reasons.get("control", 0)
        return self if per_case is None else replace(self, forecast_minor=round(per_case * by_model))


def report_block(
    rows: pl.DataFrame,
    contract: Contract,
    block: str,
    now: dt.datetime,
    told: Mapping[str, dict[str, Any]] | None = None,
    words: Sequence[CapacityWord] = (),
) -> BlockReport:
    """Judge the joined rows of one (block, release) as known at `now`.

    `told`: its measured KPIs; `words`: what teams have said about their capacity in it, oldest first.

    A block is mature when `mature_after` has passed since its end, or all labels that can come are there; whatever is
    missing after `give_up_after` is given up.
    """
    policy = derive_policy(contract)
    rows = countable(rows, policy)
    labelled = rows.filter("labelled")
    missing = rows.height - labelled.height
    status = _status(rows, contract, block, now)
    cost, without = _money(labelled, policy)
    decisions = _counts(rows["decision"])
    measured = quality(labelled, policy)
    told = told or {}
    numbers = _measured(decisions, labelled.height, cost, contract, measured)
    numbers |= {name: kpi["value"] for name, kpi in told.items() if kpi["value"] is not None}
    return BlockReport(
        status=status,
        volume=rows.height,
        labelled=labelled.height,
        awaiting=0 if status == "given_up" else missing,
        given_up=missing if status == "given_up" else 0,
        coverage=labelled.height / rows.height if rows.height else 0.0,
        mature=status != "closed",
        selected=contract.label.selected,
        positives=labelled.filter(pl.col("label") == policy.classes[-1]).height if policy.task == "binary" else 0,
        decisions=decisions,
        reasons=_counts(rows["reason"]),
        arms=arm_totals(rows, contract, policy),
        capacity_limit=with_limits(policy, {word.decision: word.limit for word in words}).limits,
        capacity_used={name: decisions.get(name, 0) for name in policy.limits},
        currency=policy.currency,
        cost_minor=cost,
        cost_without_model_minor=without,
        value_minor=without - cost,
        quality=measured,
        estimated=estimate(rows, policy, ended=status == "given_up" or not missing),
        incidents=list(_incidents(rows, contract, numbers, status)),
        measured=dict(told),
        capacity_changes=[word.model_dump(mode="json") for word in words],
    )


def transitions(contract: Contract, block: str) -> tuple[dt.datetime, dt.datetime, dt.datetime]:
    """When a block ends, when it is mature at the latest, and when missing labels are given up."""
    end = block_bounds(contract, block)[1]
    return end, contract.label.mature_after.after(end), contract.label.give_up_after.after(end)


def _status(rows: pl.DataFrame, contract: Contract, block: str, now: dt.datetime) -> Status:
    _, mature, give_up = transitions(contract, block)
    if rows.height and rows["labelled"].all():
        return "judged"
    if now >= max(give_up, mature):
        return "given_up"
    seen_after = contract.label.observed_when
    # An audited case is looked into, whatever was decided.
    shows = pl.col("decision").is_in(list(seen_after)) | (pl.col("arm") == "audit")
    expected = rows if seen_after == "always" else rows.filter(shows)
    return "judged" if now >= mature or (expected.height and expected["labelled"].all()) else "closed"


def _counts(column: pl.Series) -> dict[str, int]:
    return {str(name): int(count) for name, count in sorted(column.value_counts().iter_rows())}


def _money(labelled: pl.DataFrame, policy: Policy) -> tuple[int, int]:
    """Cost with and without the model."""
    rows = priced(labelled, policy)
    return sum(row.rows * row.cost for row in rows), sum(row.rows * row.without for row in rows)


def _measured(
    decisions: dict[str, int], labelled: int, cost: int, contract: Contract, measured: dict[str, float]
) -> dict[str, float]:
    """Every number of this block that a contract may put an absolute limit on, by name."""
    numbers = dict(measured)
    for name, count in decisions.items():
        numbers[f"{name}_per_day"] = numbers[f"{name}s_per_day"] = float(count)
    if labelled:
        numbers["cost_per_case"] = cost / labelled / 10**contract.digits
    return numbers


def _incidents(rows: pl.DataFrame, contract: Contract, numbers: dict[str, float], status: Status) -> Iterable[str]:
    flagged = rows.filter(pl.col("flagged").list.len() > 0).height
    allowed = contract.monitoring.max_flagged
    if rows.height and flagged / rows.height > allowed:
        yield f"{flagged} of {rows.height} decisions had a feature outside its range or type, allowed are {allowed:.1%}"
    for name, kpi in contract.kpis.items():
        measured = numbers.get(name)
        # A number that rests on labels says nothing before they are in.
        if kpi.against or measured is None or (status == "closed" and not (kpi.measured or name.endswith("_per_day"))):
            continue
        said = f"{measured:.6g} {kpi.unit}" if kpi.unit else f"{measured:.6g}"
        if kpi.ceiling is not None and measured > kpi.ceiling:
            yield f"{name} is {said}, above its ceiling {kpi.ceiling:g}"
        if kpi.floor is not None and measured < kpi.floor:
            yield f"{name} is {said}, below its floor {kpi.floor:g}"
