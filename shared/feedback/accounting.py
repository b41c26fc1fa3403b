"""Where every answered prediction stands at a time: joined with its label, awaiting it, or given up. Pure."""

import datetime as dt
from dataclasses import dataclass

import polars as pl

from shared.contract.capacity import block_bounds
from shared.contract.schema import Contract


@dataclass(frozen=True)
class Accounting:
    """Counts of predictions; answered = joined + awaiting + given_up."""

    answered: int
    joined: int
    awaiting: int
    given_up: int


def account(rows: pl.DataFrame, contract: Contract, now: dt.datetime) -> Accounting:
    """Count the joined rows of one use case at `now`; `rows` needs the columns block and known_at."""
    missing = rows.filter(pl.col("known_at").is_null()).group_by("block").len()
    given_up = sum(
        count
        for block, count in missing.iter_rows()
        if contract.label.give_up_after.after(block_bounds(contract, block)[1]) <= now
    )
    awaiting = int(missing["len"].sum()) - given_up
    return Accounting(rows.height, rows.height - awaiting - given_up, awaiting, given_up)
