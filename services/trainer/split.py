"""PURE: the temporal split: whole days, the last ones held out, the earlier ones in folds of three-day groups."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from shared.contract import Contract, block_bounds, block_of

FOLDS = 3
DAYS_PER_GROUP = 3


@dataclass(frozen=True)
class Cut:
    """The first held-out block and the moment it begins: rows of it and later are never fitted on."""

    first_held_out: str
    train_until: datetime


def end_of_data(contract: Contract, blocks: Iterable[str], as_of: datetime) -> datetime:
    """When the newest block with rows ends, at most `as_of`: data that stopped earlier are held out from their end."""
    newest = max(blocks, default=None)
    return as_of if newest is None else min(as_of, block_bounds(contract, newest)[1])


def cut_at(contract: Contract, as_of: datetime) -> Cut:
    """Hold out the contract's last whole days before the block of `as_of`."""
    today = date.fromisoformat(block_of(contract, as_of))
    first = (today - timedelta(days=contract.training.holdout.delta.days)).isoformat()
    return Cut(first, block_bounds(contract, first)[0])


def fold_of_blocks(blocks: Iterable[str]) -> dict[str, int]:
    """Return the fold of each training block: neighbouring days stay together, since they resemble each other.

    >>> list(fold_of_blocks(f"2013-01-{day:02}" for day in range(1, 12)).values())
    [0, 0, 0, 1, 1, 1, 2, 2, 2, 0, 0]
    """
    return {block: place // DAYS_PER_GROUP % FOLDS for place, block in enumerate(sorted(set(blocks)))}
