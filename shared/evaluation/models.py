"""Packages that evaluations ask: read from the store, verified, and the last few kept in memory."""

from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from shared.contract import Contract, Policy, derive_policy
from shared.feedback.schema import CATEGORY, NUMBER
from shared.package import Package, PackageRefused, PackageStore, predict_scores, read_package, to_frame
from shared.package.compiled.runtime import CompiledScorer, OutsideError, load_compiled

Scores = NDArray[np.float64]
KEPT = 4


@dataclass(frozen=True)
class Model:
    """A loaded package; its policy under a contract is derived once."""

    digest: str
    package: Package
    compiled: CompiledScorer | None = None
    _policies: dict[str, Policy] = field(default_factory=dict)

    def policy(self, contract: Contract) -> Policy:
        """The contract's policy for this package's demand; PackageRefused when the package cannot serve it."""
        manifest = self.package.manifest
        wanted = (contract.use_case, contract.task, contract.classes)
        if (manifest.use_case, manifest.task, manifest.classes) != wanted:
            raise PackageRefused("contract", f"the package is not for {contract.use_case} as the contract has it")
        if contract.digest not in self._policies:
            self._policies[contract.digest] = derive_policy(contract, self.package.demand())
        return self._policies[contract.digest]

    def score(self, rows: pl.DataFrame) -> Scores:
        """Score joined rows; where this package served, what it answered then is its score."""
        scores = np.zeros((rows.height, self.package.manifest.score_columns))
        own = (rows["package_digest"] == self.digest).to_numpy()
        if own.any():
            scores[own] = np.array(rows.filter(own)["scores"].to_list(), dtype=np.float64)
        if not own.all():
            scores[~own] = self._predict(rows.filter(~own))
        return scores

    def _predict(self, rows: pl.DataFrame) -> Scores:
        manifest = self.package.manifest
        columns: dict[str, Any] = {}
        for feature in manifest.features:
            column = (NUMBER if feature.type == "number" else CATEGORY) + feature.name
            # A table written before the contract gained a feature has no column for it.
            known = rows[column] if column in rows.columns else pl.Series([None] * rows.height, dtype=pl.Null)
            columns[feature.name] = known.cast(pl.Float64).to_numpy() if feature.type == "number" else known.to_list()
        if self.compiled is not None:
            with suppress(OutsideError):
                return self.compiled.score_array(columns)
        try:
            frame = to_frame(manifest.features, columns)
            return predict_scores(self.package.model, manifest.task, frame, manifest.classes)
        except PackageRefused:
            raise
        except Exception as error:  # a foreign model may raise anything; that is a refusal, not a crash
            raise PackageRefused("score", f"the rows of a block cannot be scored: {error!r:.500}") from error


class Models:
    """At most `KEPT` loaded packages, the least recently used goes first; for one thread at a time."""

    def __init__(self, store: PackageStore, cache: Path) -> None:
        self._store, self._cache = store, cache
        self._loaded: OrderedDict[str, Model] = OrderedDict()

    def get(self, digest: str) -> Model:
        """Return the loaded package; PackageRefused when it is missing or damaged, OSError when the store is away."""
        if digest not in self._loaded:
            self._cache.mkdir(parents=True, exist_ok=True)
            # `fetch` verifies every byte before anything of the package is loaded.
            package = read_package(self._store.fetch(digest, self._cache))
            compiled = load_compiled(package.path, package.manifest) if package.manifest.compiled else None
            if compiled is None:
                _ = package.model  # loaded now: what cannot be loaded is a refusal of the package, not of a block
            self._loaded[digest] = Model(digest, package, compiled)
        self._loaded.move_to_end(digest)
        while len(self._loaded) > KEPT:
            self._loaded.popitem(last=False)
        return self._loaded[digest]
