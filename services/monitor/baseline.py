"""Reads from a package what its blocks are compared with: its bins and its out-of-sample blocks."""

from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl

from services.monitor.before_labels import LEAST_ROWS, Expected, expected_of
from services.monitor.block_statistics import BlockStatistics, Kind, excess_losses, summarise, with_loss_bins
from shared.contract.policy import derive_policy
from shared.contract.replay import decide_in_order
from shared.contract.schema import Contract
from shared.evaluation.out_of_sample import value_per_case
from shared.feedback.accounting import countable
from shared.package import Package, PackageStore, ReferenceRow, read_package

# A use case has a current package and sometimes one that it goes back to.
_KEPT = 8


@dataclass(frozen=True)
class Baseline:
    """A package's bins and reference blocks; every row of them was scored by a model that had not seen it."""

    package: Package
    kind: Kind
    blocks: tuple[BlockStatistics, ...]
    decided: dict[str, Expected] = field(default_factory=dict, compare=False)
    gaps: dict[str, list[float]] = field(default_factory=dict, compare=False)
    promised: dict[str, Fraction | None] = field(default_factory=dict, compare=False)

    def value_per_case(self, contract: Contract) -> Fraction | None:
        """Return what its reference rows promise for a case under a contract, minor units; None without a row."""
        if contract.digest not in self.promised:
            policy = derive_policy(contract, self.package.demand())
            self.promised[contract.digest] = value_per_case(contract, policy, self.package.reference().rows)
        return self.promised[contract.digest]

    def cost_per_case(self, contract: Contract) -> float:
        """Return the mean cost in minor units of its labelled reference rows, decided under a contract."""
        known = self._expected(contract).realised_cost
        known = known[np.isfinite(known)]
        return float(known.mean()) if len(known) else 0.0

    def expected_cost_per_case(self, contract: Contract) -> float:
        """Return the same as the scores expect it; NaN for a regression, whose estimates expect nothing."""
        return float(self._expected(contract).cost.mean())

    def cost_gaps(self, contract: Contract) -> list[float]:
        """Return, block by block, what a labelled reference row cost more than its scores expect, minor units."""
        if (found := self.gaps.get(contract.digest)) is None:
            found = self.gaps[contract.digest] = self._cost_gaps(self._expected(contract))
        return found

    def _cost_gaps(self, expected: Expected) -> list[float]:
        blocks = [row.block for row in self.package.reference().rows]
        # A row without a label has no gap; its block may have others.
        gaps = pd.Series(expected.realised_cost - expected.cost, index=blocks).dropna().groupby(level=0, sort=False)
        return [float(mean) for mean, count in zip(gaps.mean(), gaps.count(), strict=True) if count >= LEAST_ROWS]

    def _expected(self, contract: Contract) -> Expected:
        """Its reference rows under a contract; deciding them again takes a while, and contracts seldom change."""
        if (found := self.decided.get(contract.digest)) is None:
            found = self.decided[contract.digest] = decide_reference(self.package, contract)
        return found


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
        kind, blocks = count_reference(kind, rows)
        inputs = {block.block: block.inputs for block in package.profile.blocks}
        return Baseline(package, kind, tuple(replace(one, inputs=inputs.get(one.block, {})) for one in blocks))


def decide_reference(package: Package, contract: Contract) -> Expected:
    """Decide the reference rows in order under a contract; rows, and what scores expect of them, in the same order."""
    rows, policy = package.reference().rows, derive_policy(contract, package.demand())
    columns = [row.block for row in rows], [row.scores for row in rows], [row.flagged for row in rows]
    frame = pl.DataFrame(
        {
            "scores": pl.Series([list(row.scores) for row in rows], dtype=pl.List(pl.Float64)),
            "decision": decide_in_order(policy, *columns).decisions,
            "label": pl.Series([row.label for row in rows], dtype=pl.String),
            "value": pl.Series([row.value for row in rows], dtype=pl.Float64),
        }
    ).with_columns(arm=pl.lit("model"))
    return expected_of(countable(frame, policy), policy)


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
