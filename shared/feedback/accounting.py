"""Where every answered prediction stands at a time: joined with its label, awaiting it, or given up. Pure."""

import datetime as dt
from dataclasses import dataclass

import polars as pl

from shared.contract.capacity import block_bounds
from shared.contract.policy import Policy, derive_policy
from shared.contract.schema import Contract


@dataclass(frozen=True)
class Accounting:
    """Counts of predictions; answered = joined + awaiting + given_up."""

    answered: int
    joined: int
    awaiting: int
    given_up: int


def countable(rows: pl.DataFrame, policy: Policy) -> pl.DataFrame:
    """The rows with a boolean column `labelled`: the outcome is known, and one that this use case can have."""
    if policy.task == "regression":
        low, high = policy.label_range or (float("-inf"), float("inf"))
        known = pl.col("value").is_between(low, high).fill_null(value=False)
    else:
        known = pl.col("label").is_in(list(policy.classes)).fill_null(value=False)
    return rows.with_columns((known & pl.col("decision").is_in(list(policy.decisions))).alias("labelled"))


def account(rows: pl.DataFrame, contract: Contract, now: dt.datetime) -> Accounting:
    """Count the joined rows of one use case at `now`."""
    rows = countable(rows, derive_policy(contract))
    missing = rows.filter(~pl.col("labelled")).group_by("block").len()
    given_up = sum(
        int(count)
        for block, count in missing.iter_rows()
        if contract.label.give_up_after.after(block_bounds(contract, block)[1]) <= now
    )
    awaiting = int(missing["len"].sum()) - given_up
    return Accounting(rows.height, rows.height - awaiting - given_up, awaiting, given_up)
