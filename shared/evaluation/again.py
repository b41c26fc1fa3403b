"""PURE: logged rows decided again, each under the policy that a rule names for it, with one capacity ledger."""

from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from itertools import groupby
from typing import TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from shared.contract import Policy, decide_in_order
from shared.evaluation.block import control_cases, cost_of
from shared.feedback.accounting import countable

Scores = NDArray[np.float64]
# What names a policy: a release, a package, a contract.
Key = TypeVar("Key", bound=Hashable)


def in_order_of_serving(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows by event time, and within a request by position, which is how serving decides them.

    What the table cannot tell is the order in which two requests came whose event times lie the other way round.
    """
    return rows.sort("event_time", "request_id", "position")


def decide_again(rows: pl.DataFrame, scores: Scores, under: Sequence[Key], policies: Mapping[Key, Policy]) -> list[str]:
    """The decision of each row, in the order given: row i under `policies[under[i]]`; control cases stay control cases.

    One ledger for all: where a release changes within a block, the next one has what the one before it left.
    """
    blocks = rows["block"].to_list()
    flagged = (rows["flagged"].list.len().fill_null(0) > 0).to_list()
    control = control_cases(rows)
    used: defaultdict[str, Counter[str]] = defaultdict(Counter)
    decisions: list[str] = []
    first = 0
    for key, run in groupby(under):
        last = first + sum(1 for _ in run)
        part = slice(first, last)
        decided = decide_in_order(
            policies[key], blocks[part], scores[part], flagged[part], used, control[part]
        ).decisions
        for block, decision in zip(blocks[part], decided, strict=True):
            used[block][decision] += 1
        decisions += decided
        first = last
    return decisions


def costs_by_block(
    rows: pl.DataFrame,
    decisions: Sequence[str],
    scores: Sequence[Sequence[float]],
    under: Sequence[Key],
    policies: Mapping[Key, Policy],
) -> dict[str, tuple[int, int]]:
    """Block -> (cost of these decisions, cost without a model) over labelled rows, in minor units.

    `rows` are joined rows; which of them are labelled is decided by the label alone, not by what was decided.
    """
    frame = rows.with_columns(decision=pl.Series(decisions, dtype=pl.String), place=pl.int_range(pl.len()))
    frame = frame.with_columns(policy=pl.Series([list(policies).index(key) for key in under], dtype=pl.Int64))
    found: dict[str, tuple[int, int]] = {}
    for (block, which), part in frame.group_by("block", "policy", maintain_order=True):
        policy = list(policies.values())[int(str(which))]
        known = countable(part, policy).filter("labelled")
        vectors = [list(scores[place]) for place in known["place"].to_list()]
        cost = cost_of(policy, known["decision"].to_list(), vectors, known)
        without = cost_of(policy, [policy.without_model] * known.height, vectors, known)
        before = found.get(str(block), (0, 0))
        found[str(block)] = (before[0] + cost, before[1] + without)
    return found
