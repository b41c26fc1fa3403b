"""PURE: what other rules or another package would have earned on logged decisions, block by block, beside what was."""

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import sqrt
from statistics import fmean, stdev
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import t as student

from shared.contract import Contract, Policy
from shared.evaluation.again import costs_by_block, decide_again
from shared.feedback.accounting import account

Scores = NDArray[np.float64]
INTERVAL = (
    "plain 95 % interval (Student's t) of the total over blocks, taken as independent; good for one look at blocks that"
    " were chosen before"
)


@dataclass(frozen=True)
class Rules:
    """How rows are decided and priced: row i under `policies[under[i]]`, with `scores[i]`."""

    under: Sequence[Hashable]
    policies: Mapping[Hashable, Policy]
    scores: Scores


@dataclass(frozen=True)
class Block:
    """One block; money in minor units over labelled rows.

    `earned` is what the monitor reported, `redecided` what the released rules earn when they decide the rows again.
    `served_cost` and `cost` are of what was served and of the backtest, both by the backtest's costs.
    """

    block: str
    volume: int
    labelled: int
    earned: int
    redecided: int
    served_cost: int | None
    cost: int
    value: int
    decisions: dict[str, int]

    @property
    def better(self) -> int | None:
        """What the backtest saves against what was served, by the same costs on the same rows."""
        return None if self.served_cost is None else self.served_cost - self.cost


@dataclass(frozen=True)
class Backtest:
    """All blocks, how well the method reproduces what happened, and what it cannot know."""

    use_case: str
    what: str
    currency: str
    digits: int
    blocks: tuple[Block, ...]
    rows: int
    changed: int
    redecided_otherwise: int
    unknown: dict[str, int]
    notes: tuple[str, ...] = field(default=())

    @property
    def reproduces(self) -> bool:
        """Whether the released rules, decided again, earn exactly what was reported in every block."""
        return all(one.earned == one.redecided for one in self.blocks)

    def total(self, name: str) -> int | None:
        """Sum over blocks; None where a block has none."""
        found = [getattr(one, name) for one in self.blocks]
        return None if any(each is None for each in found) else sum(found)

    def interval(self) -> tuple[float, float] | None:
        """See INTERVAL; None below two blocks."""
        found = [one.better for one in self.blocks if one.better is not None]
        if len(found) < max(2, len(self.blocks)):
            return None
        count = len(found)
        half = float(student.ppf(0.975, count - 1)) * stdev(found) * sqrt(count)
        return fmean(found) * count - half, fmean(found) * count + half

    def to_json(self) -> dict[str, Any]:
        """For programs; money in minor units."""
        names = ("earned", "redecided", "served_cost", "cost", "value", "better")
        return {
            "use_case": self.use_case,
            "what": self.what,
            "currency": self.currency,
            "minor_digits": self.digits,
            "rows": self.rows,
            "changed_decisions": self.changed,
            "reproduces": self.reproduces,
            "redecided_otherwise": self.redecided_otherwise,
            "total": {name: self.total(name) for name in names},
            "better_interval": self.interval(),
            "interval_is": INTERVAL,
            "unknown": self.unknown,
            "notes": list(self.notes),
            "blocks": [{**asdict(one), "better": one.better} for one in self.blocks],
        }


def backtest(
    contract: Contract,
    rows: pl.DataFrame,
    released: Rules,
    tried: Rules,
    earned: Mapping[str, int],
    what: str,
    now: Any,
    notes: Sequence[str] = (),
) -> Backtest:
    """Decide joined rows, in the order of serving, as they were released and as tried; `earned`: reported per block."""
    served = rows["decision"].to_list()
    redecided, again = (decide_again(rows, one.scores, one.under, one.policies) for one in (released, tried))
    stored = rows["scores"].to_list()
    before = costs_by_block(rows, redecided, released.scores.tolist(), released.under, released.policies)
    after = costs_by_block(rows, again, tried.scores.tolist(), tried.under, tried.policies)
    known = {name for policy in tried.policies.values() for name in policy.decisions}
    priced = costs_by_block(rows, served, stored, tried.under, tried.policies) if set(served) <= known else None
    labels = "label" if contract.classification else "value"
    frame = rows.with_columns(again=pl.Series(again, dtype=pl.String))
    blocks = []
    for (name,), part in frame.group_by("block", maintain_order=True):
        block = str(name)
        cost, without = after[block]
        blocks.append(
            Block(
                block=block,
                volume=part.height,
                labelled=part.height - part[labels].null_count(),
                earned=earned[block],
                redecided=before[block][1] - before[block][0],
                served_cost=None if priced is None else priced[block][0],
                cost=cost,
                value=without - cost,
                decisions=dict(sorted(Counter(part["again"].to_list()).items())),
            )
        )
    policy = next(iter(tried.policies.values()))
    return Backtest(
        use_case=contract.use_case,
        what=what,
        currency=policy.currency,
        digits=policy.minor_digits,
        blocks=tuple(sorted(blocks, key=lambda one: one.block)),
        rows=rows.height,
        changed=sum(one != other for one, other in zip(served, again, strict=True)),
        redecided_otherwise=sum(one != other for one, other in zip(served, redecided, strict=True)),
        unknown=unknown(contract, frame, now),
        notes=tuple(notes),
    )


def unknown(contract: Contract, rows: pl.DataFrame, now: Any) -> dict[str, int]:
    """Decisions without a label, and, where only some decisions show one, how the backtest's would have differed."""
    counts = account(rows, contract, now)
    found = {"awaiting": counts.awaiting, "never_labelled": counts.given_up}
    seen_after = contract.label.observed_when
    if seen_after == "always":
        return found
    # An audited case shows its label whatever is decided.
    audited = pl.col("arm") == "audit"
    shown, would = (pl.col(name).is_in(list(seen_after)) | audited for name in ("decision", "again"))
    return found | {
        "hidden_by_what_was_served": rows.filter(~shown).height,
        "shown_only_by_the_backtest": rows.filter(~shown & would).height,
        "hidden_by_the_backtest": rows.filter(shown & ~would).height,
    }
