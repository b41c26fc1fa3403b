"""Reads from a package what its blocks are compared with: its bins and its out-of-sample blocks."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from services.monitor.block_statistics import BlockStatistics, Kind, excess_losses, summarise, with_loss_bins
from shared.contract.policy import derive_policy
from shared.contract.replay import cost_in_order, decide_in_order
from shared.contract.schema import Contract
from shared.package import Package, PackageStore, ReferenceRow, read_package

# A use case has a current package and sometimes one that it goes back to.
_KEPT = 8


@dataclass(frozen=True)
class Baseline:
    """A package's bins and reference blocks; every row of them was scored by a model that had not seen it."""

    package: Package
    kind: Kind
    blocks: tuple[BlockStatistics, ...]

    def cost_per_case(self, contract: Contract) -> float:
        """Return the mean cost in minor units of its labelled reference rows, decided under a contract."""
        rows, policy = self.package.reference().rows, derive_policy(contract, self.package.demand())
        flagged = [row.flagged for row in rows]
        decisions = decide_in_order(policy, [row.block for row in rows], [row.scores for row in rows], flagged)
        known = [i for i, row in enumerate(rows) if (row.label if row.value is None else row.value) is not None]
        if not known:
            return 0.0
        columns = ([decisions.decisions[i] for i in known], [rows[i].scores for i in known])
        return float(
            np.mean(cost_in_order(policy, *columns, [rows[i].label for i in known], [rows[i].value for i in known]))
        )


class Baselines:
    """The baselines of packages in a store, the last few of them in memory; slow, so it is called in threads."""

    def __init__(self, store: PackageStore, cache: Path) -> None:
        self._store, self._cache = store, cache
        self._read = lru_cache(_KEPT)(self._read_package)

    def get(self, digest: str) -> Baseline:
        """Return the baseline; raises PackageRefused, OSError or what the store's own client raises."""
        return self._read(digest)

    def _read_package(self, digest: str) -> Baseline:
        self._cache.mkdir(parents=True, exist_ok=True)
        package = read_package(self._store.fetch(digest, self._cache))
        rows = package.reference().rows
        edges = tuple(bins.edges for bins in package.profile.scores)
        kind = Kind(package.manifest.task, tuple(package.manifest.classes), edges)
        return Baseline(package, *count_reference(kind, rows))


def count_reference(kind: Kind, rows: tuple[ReferenceRow, ...]) -> tuple[Kind, tuple[BlockStatistics, ...]]:
    """Choose the loss bins, and reduce the reference rows block by block, in event order."""
    scores = np.array([row.scores for row in rows], dtype=np.float64).reshape(len(rows), -1)
    kind = with_loss_bins(kind, excess_losses(kind, scores, [row.label for row in rows], [row.value for row in rows]))
    blocks: dict[str, list[ReferenceRow]] = {}
    for row in rows:
        blocks.setdefault(row.block, []).append(row)
    return kind, tuple(
        summarise(kind, block, *zip(*((row.scores, row.label, row.value) for row in of_block), strict=True))
        for block, of_block in blocks.items()
    )
