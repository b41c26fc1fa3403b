"""Packages in memory: fetched, verified, warm, and proven once more through the function that will answer."""

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from services.serving import metrics
from services.serving.score import Coalescer, Scorer, Scores
from shared.contract import Contract
from shared.package.compiled.runtime import CompiledScorer, OutsideError, load_compiled
from shared.package.golden import check_golden
from shared.package.read import Package, read_package
from shared.package.store import PackageStore
from shared.package.verify import check_served, verify_package

KEPT_PACKAGES = 4


@dataclass(frozen=True)
class Loaded:
    """A verified package in memory, warm; what is outside the domain of `compiled` is for `model` to answer."""

    package: Package
    model: Coalescer
    compiled: CompiledScorer | None = None


def make_scorer(package: Package, compiled: CompiledScorer | None = None) -> Scorer:
    """Return the function from columns to scores; raises ValueError for scores that are none.

    The original is loaded when the compiled form has no answer for the first time, in the thread that scores.
    """
    manifest = package.manifest

    def score(columns: Mapping[str, Sequence[object]]) -> Scores:
        if compiled is not None:
            with suppress(OutsideError):
                return compiled.score(columns)
        # Seconds of import that a compiled form spares.
        from shared.package.score import predict_scores, to_frame

        frame = to_frame(manifest.features, columns)
        scores = predict_scores(package.model, manifest.task, frame, manifest.classes)
        if scores.shape != (len(frame), manifest.score_columns) or not np.isfinite(scores).all():
            raise ValueError("the model gives no finite score")
        found: Scores = scores.tolist()
        return found

    return score


@dataclass
class Packages:
    """Packages by digest: the last few of a use case stay in memory, so that going back takes milliseconds."""

    store: PackageStore
    cache: Path
    scoring: ThreadPoolExecutor
    loaded: dict[str, Loaded] = field(default_factory=dict)

    async def get(self, digest: str, contract: Contract) -> Loaded:
        """Return a verified, warm package; raises PackageRefused, or what the store raises when it is away."""
        loaded = self.loaded.pop(digest, None)
        if loaded is None:
            loaded = await asyncio.to_thread(self._load, digest, contract)
        self.loaded[digest] = loaded
        use_case = loaded.package.manifest.use_case
        mine = [name for name, each in self.loaded.items() if each.package.manifest.use_case == use_case]
        for name in mine[:-KEPT_PACKAGES]:
            del self.loaded[name]
        return loaded

    def _load(self, digest: str, contract: Contract) -> Loaded:
        path = self.store.fetch(digest, self.cache)
        features = [(name, feature.type) for name, feature in contract.features.items()]
        package = read_package(path)
        compiled = None
        if package.manifest.compiled:
            # The registry has proven that it is the model, and no byte differs: nothing of the model is loaded here.
            check_served(path, digest, features)
            compiled = load_compiled(path, package.manifest)
        else:
            verify_package(path, digest, features)
        scorer = make_scorer(package, compiled)
        golden = package.golden
        # Through the very function that will answer: warms it, and proves it once more.
        check_golden(golden, scorer(golden.columns))
        rows = metrics.SERVING_ROWS_PER_CALL.labels(package.manifest.use_case)
        return Loaded(package, Coalescer(scorer, self.scoring, rows.observe, compiled), compiled)
