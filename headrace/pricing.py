"""What every decision really cost, straight from the tables and the cost table.

It shares no code with the monitor, whose sums it checks.
"""

from decimal import Decimal

import polars as pl

from shared.contract import CONSTANT, Policy


def with_money(rows: pl.DataFrame, policy: Policy) -> pl.DataFrame:
    """Add month, score and, on labelled rows, `cost_minor` and `without_minor`."""
    rows = rows.with_columns(month=pl.col("block").str.slice(0, 7), score=pl.col("scores").list.last())
    return _by_unit(rows, policy) if policy.task == "regression" else _by_class(rows, policy)


def _by_class(rows: pl.DataFrame, policy: Policy) -> pl.DataFrame:
    costs = pl.DataFrame(
        [(name, label, cost) for name, row in policy.cost_by_class.items() for label, cost in row.items()],
        schema={"decision": pl.String, "label": pl.String, "cost_minor": pl.Int64},
        orient="row",
    )
    without = costs.filter(pl.col("decision") == policy.without_model).select(
        "label", pl.col("cost_minor").alias("without_minor")
    )
    return (
        rows.join(costs, on=["decision", "label"], how="left", maintain_order="left")
        .join(without, on="label", how="left", maintain_order="left")
        .with_columns(positive=pl.col("label") == policy.classes[-1])
    )


def _by_unit(rows: pl.DataFrame, policy: Policy) -> pl.DataFrame:
    """`score` becomes the number that was decided: the estimate within the label's range, or the constant."""
    low, high = policy.label_range or (None, None)
    decided = pl.when(pl.col("decision") == CONSTANT).then(policy.constant).otherwise(pl.col("score").clip(low, high))
    rows = rows.with_columns(score=decided, constant=pl.lit(policy.constant))
    return rows.with_columns(
        cost_minor=_missed(rows["score"], rows["value"], policy),
        without_minor=_missed(rows["constant"], rows["value"], policy),
    ).drop("constant")


def _missed(decided: pl.Series, values: pl.Series, policy: Policy) -> pl.Series:
    """A rate per unit, from the decimal text of both numbers, rounded half to even once per row; null without value."""
    under, over = policy.rules[0].costs
    costs: list[int | None] = []
    for estimate, value in zip(decided.to_list(), values.to_list(), strict=True):
        miss = Decimal(0) if value is None else Decimal(repr(estimate)) - Decimal(repr(value))
        costs.append(None if value is None else round(miss * over if miss > 0 else -miss * under))
    return pl.Series(costs, dtype=pl.Int64)
