"""What the review desk would have got from the same scores if the contract said nothing about its capacity."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from shared.contract import Policy, decide_in_order, without_capacity
from shared.evaluation.block import control_cases


def flood(priced: pl.DataFrame, policy: Policy, limits: Mapping[int, int]) -> dict[str, Any] | None:
    """Decide every row again without limit and price; None where no decision has a capacity.

    `limits` are the capacities by release, against which the days are held. `cost_minor` and `labelled` are over the
    rows whose label is known: what such a desk could have saved, if it existed. A calculation, never a realised sum.
    """
    capped = next(iter(policy.limits), None)
    if capped is None or priced.is_empty():
        return None
    free = without_capacity(policy)
    flagged = (priced["flagged"].list.len().fill_null(0) > 0).to_list()
    control = control_cases(priced)
    decided = decide_in_order(
        free, priced["block"].to_list(), priced["scores"].to_list(), flagged, control=control
    ).decisions
    rows = priced.select("block", "label", "release_sequence").with_columns(decision=pl.Series(decided))
    wanted = rows.group_by("block").agg(
        (pl.col("decision") == capped).sum().alias("wanted"),
        pl.col("release_sequence").replace_strict(limits, default=policy.limits[capped]).max().alias("limit"),
    )
    known = rows.filter(pl.col("label").is_in(list(policy.classes)))
    pairs = known.group_by("decision", "label").len().iter_rows()
    return {
        "min_per_day": int(wanted["wanted"].min() or 0),  # type: ignore[arg-type]
        "max_per_day": int(wanted["wanted"].max() or 0),  # type: ignore[arg-type]
        "days_over": sorted(wanted.filter(pl.col("wanted") > pl.col("limit"))["block"].to_list()),
        "labelled": known.height,
        "cost_minor": sum(policy.cost_by_class[decision][label] * count for decision, label, count in pairs),
        "by_day": dict(sorted(wanted.select("block", "wanted").iter_rows())),
    }
