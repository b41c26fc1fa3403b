"""PURE: which packages are evaluated on which judged blocks."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from shared.contract import Contract, block_bounds

Role = Literal["candidate", "rollback_target", "pinned"]


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
