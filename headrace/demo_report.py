"""What a replay has shown, counted from three sides: the client's answers, the monitor's blocks, the tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
from sklearn.metrics import brier_score_loss, roc_auc_score

from headrace.flood import flood
from headrace.ledger_digest import latest_by_block, ledger_digest
from headrace.loop_report import History, build_loop_report
from headrace.pricing import with_money
from shared.contract import Contract, Policy
from shared.events import KpiReported, ModelReleased
from shared.feedback.accounting import account


@dataclass(frozen=True)
class Findings:
    """What was collected when the replay had ended."""

    contract: Contract
    policy: Policy
    rows: pl.DataFrame
    reports: Sequence[KpiReported]
    history: History
    ledger: Sequence[Mapping[str, Any]]
    answered: int
    failed: Sequence[str]
    tries_again: int
    dead: int
    dropped: int
    now: Any
    seed: int
    simulated: bool = False


def build_report(found: Findings) -> dict[str, Any]:
    """Everything as plain JSON types; money in minor units."""
    priced = with_money(found.rows, found.policy)
    blocks = latest_by_block(found.reports).values()
    counts = account(found.rows, found.contract, found.now)
    accounting = {
        "answered": found.answered,
        "joined": counts.joined,
        "awaiting": counts.awaiting,
        "given_up": counts.given_up,
        "dead": found.dead,
        "dropped": found.dropped,
    }
    cost, without = (int(priced[column].sum() or 0) for column in ("cost_minor", "without_minor"))
    limits = capacities(found.history, found.policy)
    return {
        "use_case": found.contract.use_case,
        "task": found.policy.task,
        "simulated": found.simulated,
        "seed": found.seed,
        "labels": labels(found.rows, found.contract),
        "accounting": accounting,
        "accounting_closes": found.answered == sum(accounting.values()) - found.answered,
        "failed_requests": len(found.failed),
        "failed": list(found.failed[:20]),
        "tries_again": found.tries_again,
        "currency": found.policy.currency,
        "minor_digits": found.policy.minor_digits,
        "value": {
            "blocks": sum(report.value_minor for report in blocks),
            "table": without - cost,
            "cost_minor": cost,
            "cost_without_model_minor": without,
        },
        "reviews": reviews(priced, found.policy, limits),
        "without_capacity": flood(priced, found.policy, limits),
        "months": months(priced, found.policy),
        "days": days(priced, found.policy),
        "served_otherwise": served_otherwise(found.rows, found.history),
        "releases": [dict(entry) for entry in found.ledger if entry["kind"] == "model_released"],
        "ledger_digest": ledger_digest(found.ledger, found.reports),
        **build_loop_report(found.history),
    }


def labels(rows: pl.DataFrame, contract: Contract) -> dict[str, Any]:
    """Whether labels are of chosen cases only, after which decisions, and how many cases can never show one."""
    seen_after = contract.label.observed_when
    if seen_after == "always":
        return {"positive": contract.classes[-1:], "selected": False, "seen_after": [], "never_seen": 0}
    never = rows.filter(~pl.col("decision").is_in(list(seen_after)) & (pl.col("arm") != "audit")).height
    return {"positive": contract.classes[-1:], "selected": True, "seen_after": list(seen_after), "never_seen": never}


def reviews(priced: pl.DataFrame, policy: Policy, limits: Mapping[int, int]) -> dict[str, Any]:
    """Use of the capped decision per block, against its capacity.

    `limits` are the capacities of the releases by sequence: a day's is the largest of those that served on it.
    """
    capped = next(iter(policy.limits), None)
    if capped is None:
        return {"decision": None, "capacity": None, "max_per_day": 0, "min_per_day": 0, "days_over": []}
    used = priced.group_by("block").agg(
        (pl.col("decision") == capped).sum().alias("used"),
        pl.col("release_sequence").replace_strict(limits, default=policy.limits[capped]).max().alias("limit"),
    )
    return {
        "decision": capped,
        "capacity": policy.limits[capped],
        "max_per_day": int(used["used"].max() or 0),  # type: ignore[arg-type]
        "min_per_day": int(used["used"].min() or 0),  # type: ignore[arg-type]
        "days_over": sorted(used.filter(pl.col("used") > pl.col("limit"))["block"].to_list()),
    }


def capacities(history: History, policy: Policy) -> dict[int, int]:
    """Sequence of each release -> capacity of the capped decision under its policy."""
    capped = next(iter(policy.limits), "")
    policies = {release.sequence: Policy.model_validate(release.policy) for release in history.of(ModelReleased)}
    return {sequence: each.limits[capped] for sequence, each in policies.items() if capped in each.limits}


def served_otherwise(rows: pl.DataFrame, history: History) -> int:
    """How many decisions came from another release or package than the one that was in force at their time."""
    released = [(each.time, each.sequence, each.package_digest) for each in history.of(ModelReleased)]
    schema: dict[str, pl.DataType] = {"time": rows.schema["event_time"], "sequence": pl.Int64(), "package": pl.String()}
    releases = pl.DataFrame(sorted(released), schema=schema, orient="row")
    decided = rows.select("event_time", "release_sequence", "package_digest").sort("event_time")
    placed = decided.join_asof(releases, left_on="event_time", right_on="time")
    same = (pl.col("sequence") == pl.col("release_sequence")) & (pl.col("package") == pl.col("package_digest"))
    return placed.filter(~same.fill_null(value=False)).height


def months(priced: pl.DataFrame, policy: Policy) -> list[dict[str, Any]]:
    """One line per month: volume, share of positives, quality, cost per case with and without the model."""
    capped = next(iter(policy.limits), "")
    lines = []
    for (month,), part in priced.sort("month").group_by("month", maintain_order=True):
        known = part.filter(pl.col("cost_minor").is_not_null())
        per_day = part.group_by("block").agg((pl.col("decision") == capped).sum().alias("n"))["n"]
        lines.append(
            {
                "month": month,
                "volume": part.height,
                "labelled": known.height,
                **quality(known, policy),
                "cost_minor": int(known["cost_minor"].sum()),
                "cost_without_model_minor": int(known["without_minor"].sum()),
                "reviews_mean": float(per_day.mean() or 0.0),  # type: ignore[arg-type]
                "reviews_max": int(per_day.max() or 0),  # type: ignore[arg-type]
            }
        )
    return lines


def quality(known: pl.DataFrame, policy: Policy) -> dict[str, float | None]:
    """Binary: share of positives, AUC, Brier score; regression: mean absolute error; None where nothing is known."""
    if policy.task == "regression":
        return {"mae": (known["score"] - known["value"]).abs().mean()}  # type: ignore[dict-item]
    truth, score = known["positive"].to_numpy(), known["score"].to_numpy()
    both = known.height > 0 and 0 < int(truth.sum()) < known.height
    return {
        "positive_share": float(truth.mean()) if known.height else None,
        "auc": float(roc_auc_score(truth, score)) if both else None,
        "brier": float(brier_score_loss(truth, score)) if both else None,
    }


def days(priced: pl.DataFrame, policy: Policy) -> list[dict[str, Any]]:
    """One line per block, for the pictures."""
    capped = next(iter(policy.limits), "")
    return (
        priced.group_by("block")
        .agg(
            pl.len().alias("volume"),
            pl.col("cost_minor").sum(),
            pl.col("without_minor").sum().alias("cost_without_model_minor"),
            (pl.col("decision") == capped).sum().alias("reviews"),
        )
        .sort("block")
        .to_dicts()
    )
