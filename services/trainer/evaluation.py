"""PURE: which packages are evaluated on which judged blocks, and what one of them would have cost there."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from shared.contract import Contract, Policy, block_bounds, cost_in_order, cost_minor, decide_in_order
from shared.feedback.accounting import countable

Role = Literal["candidate", "rollback_target", "pinned"]
Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Trained:
    """A package that may be or have been a candidate: from `trained_at` until it was closed."""

    digest: str
    train_until: datetime
    trained_at: datetime
    closed_at: datetime | None = None


@dataclass(frozen=True)
class Release:
    """What was served since, and what it would go back to."""

    sequence: int
    package: str
    rollback_target: str | None


@dataclass(frozen=True)
class Report:
    """The first mature report of a block of one release."""

    block: str
    release_sequence: int
    judged_at: datetime
    contract: str


@dataclass(frozen=True)
class Due:
    """A package to be evaluated on a block, since `at`, because of its training or else of the block's last report."""

    package: str
    role: Role
    at: datetime
    by_training: bool = False


@dataclass(frozen=True)
class DueBlock:
    """A block, its reports with the one that completed it last, and who is due on it."""

    block: str
    reports: tuple[Report, ...]
    due: tuple[Due, ...]

    @property
    def last(self) -> Report:
        """The report whose time and contract count for all rows of the block."""
        return self.reports[-1]


@dataclass(frozen=True)
class Evaluated:
    """The measured part of `package_evaluated`; money over labelled rows, decisions over all."""

    volume: int
    labelled: int
    cost_minor: int
    cost_without_model_minor: int
    value_minor: int
    served_cost_minor: int
    decisions: dict[str, int]
    brier: float | None


def list_due(
    contracts: Mapping[str, Contract],
    trained: Sequence[Trained],
    releases: Sequence[Release],
    reports: Sequence[Report],
    done: Collection[tuple[str, str, str]],
) -> list[DueBlock]:
    """Everything that is to be evaluated and was not, blocks in order: the same facts give the same list.

    `done` are (package, block, role). A block waits until each of its releases and its contract are known.
    """
    by_sequence = {release.sequence: release for release in releases}
    by_block: dict[str, list[Report]] = {}
    for report in sorted(reports, key=lambda report: (report.block, report.judged_at, report.release_sequence)):
        by_block.setdefault(report.block, []).append(report)
    found: list[DueBlock] = []
    for block, judged in by_block.items():
        contract = contracts.get(judged[-1].contract)
        if contract is None or any(report.release_sequence not in by_sequence for report in judged):
            continue
        at = judged[-1].judged_at
        first, served = by_sequence[min(by_sequence)], [by_sequence[report.release_sequence] for report in judged]
        # A package may stand in two roles, as the first release does until something replaces it twice.
        roles = _candidates(trained, block_bounds(contract, block)[0], at)
        roles.add(Due(first.package, "pinned", at))
        roles |= {Due(release.rollback_target, "rollback_target", at) for release in served if release.rollback_target}
        wanted = sorted(roles, key=lambda one: (one.package, one.role))
        due = tuple(one for one in wanted if (one.package, block, one.role) not in done)
        if due:
            found.append(DueBlock(block, tuple(judged), due))
    return found


def _candidates(trained: Sequence[Trained], starts: datetime, judged_at: datetime) -> set[Due]:
    """Packages that never saw the block: those open when it was judged, and those trained later."""
    return {
        Due(one.digest, "candidate", max(judged_at, one.trained_at), judged_at < one.trained_at)
        for one in trained
        if one.train_until <= starts and (one.closed_at is None or judged_at <= one.closed_at)
    }


def evaluate_block(rows: pl.DataFrame, scores: Scores, policy: Policy) -> Evaluated:
    """Decide all rows of a block again with capacities of their own, and price them beside what was really decided.

    `rows` are joined rows in event order (`decision`, `flagged`, `label`, `value`, `scores`, `block`), `scores` the
    package's. Both costs are over the same labelled rows, by the same costs.
    """
    rows = countable(rows, policy)
    flagged = (rows["flagged"].list.len().fill_null(0) > 0).to_list()
    decided = decide_in_order(policy, rows["block"].to_list(), scores, flagged).decisions
    known = rows["labelled"].to_numpy()
    labelled = rows.filter("labelled")
    taken = [decision for decision, there in zip(decided, known.tolist(), strict=True) if there]
    cost = _cost(policy, taken, scores[known], labelled)
    without = _cost(policy, [policy.without_model] * len(taken), scores[known], labelled)
    served_scores = labelled["scores"].to_list() if policy.task == "regression" else scores[known]
    return Evaluated(
        volume=rows.height,
        labelled=labelled.height,
        cost_minor=cost,
        cost_without_model_minor=without,
        value_minor=without - cost,
        served_cost_minor=_cost(policy, labelled["decision"].to_list(), served_scores, labelled),
        decisions=dict(sorted(Counter(decided).items())),
        brier=_brier(policy, scores[known], labelled),
    )


def _cost(policy: Policy, decisions: Sequence[str], scores: Scores | list[list[float]], labelled: pl.DataFrame) -> int:
    """Classes cost the same for every row, so pairs are counted; a regression pays by row."""
    if policy.task != "regression":
        pairs = Counter(zip(decisions, labelled["label"].to_list(), strict=True))
        return sum(count * cost_minor(policy, decision, (), label) for (decision, label), count in pairs.items())
    vectors = scores.tolist() if isinstance(scores, np.ndarray) else scores
    values = labelled["value"].to_list()
    return sum(cost_in_order(policy, decisions, vectors, [None] * len(values), values))


def _brier(policy: Policy, scores: Scores, labelled: pl.DataFrame) -> float | None:
    if policy.task == "regression" or labelled.is_empty():
        return None
    places = np.array([policy.classes.index(label) for label in labelled["label"].to_list()])
    if policy.task == "binary":
        return float(np.mean((scores[:, 0] - places) ** 2))
    return float(np.mean(((scores - np.eye(len(policy.classes))[places]) ** 2).sum(axis=1)))
