"""Makes a release live: fetch, verify, load, warm, switch; whatever fails, the old one keeps answering."""

import asyncio
import gc
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from services.serving import metrics, snapshot
from services.serving.answers import Version
from services.serving.decode import Decoder
from services.serving.live import Live, Served
from services.serving.score import Coalescer, Scorer, Scores
from shared.contract import Contract, Policy
from shared.contract.arms import draw_of
from shared.events import ModelReleased
from shared.package.compiled.runtime import CompiledScorer, OutsideError, load_compiled
from shared.package.golden import check_golden
from shared.package.read import Package, read_package
from shared.package.refusal import PackageRefused
from shared.package.store import PackageStore
from shared.package.verify import check_served, verify_package
from shared.spine.clock import monotonic

log = logging.getLogger(__name__)

KEPT_PACKAGES = 4
# A store that is away is no reason to refuse at once; after this long the refusal is reported, and tried again.
PATIENCE_SECONDS = 20.0


@dataclass(frozen=True)
class Loaded:
    """A verified package in memory, warm; what is outside the domain of `compiled` is for `model` to answer."""

    package: Package
    model: Coalescer
    compiled: CompiledScorer | None = None


@dataclass(frozen=True)
class Report:
    """How an activation ended."""

    release: ModelReleased
    status: str
    check: str | None
    detail: str | None
    milliseconds: float


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


@dataclass
class Activator:
    """Follows what should be live, use case by use case."""

    served: Served
    packages: Packages
    snapshots: Path
    report: Callable[[Report], Awaitable[None]]
    changed: Callable[[], None]
    seed: int = 0
    contracts: dict[str, Contract] = field(default_factory=dict)
    wanted: dict[str, ModelReleased] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    waiting: set[str] = field(default_factory=set)
    tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def learn(self, contract: Contract) -> None:
        """Take a contract in; a release may have been waiting for it."""
        self.contracts[contract.digest] = contract
        self.served.contracts[contract.use_case] = contract
        async with self.news:
            self.news.notify_all()

    async def want(self, release: ModelReleased) -> None:
        """Make a release live unless it is old news."""
        current = self.wanted.get(release.use_case)
        if current and current.sequence >= release.sequence:
            return
        self.wanted[release.use_case] = release
        self.changed()
        task = self.tasks.get(release.use_case)
        if task is None or task.done():
            self.tasks[release.use_case] = asyncio.create_task(self._pursue(release.use_case), name="activate")
        async with self.news:
            self.news.notify_all()

    def unsettled(self) -> int:
        """How many use cases have a release that is neither live nor refused here."""
        return sum(not self.settled(name) for name in self.wanted)

    def untried(self) -> int:
        """How many use cases wait for their first try; what cannot be had now must not hold back the others."""
        return sum(not self.settled(name) and name not in self.waiting for name in self.wanted)

    def settled(self, use_case: str) -> bool:
        """Whether the wanted release of a use case is live or refused."""
        sequence = self.wanted[use_case].sequence
        live = self.served.live.get(use_case)
        return (live is not None and live.version.sequence >= sequence) or self.refused.get(use_case) == sequence

    async def stop(self) -> None:
        """Give up what is under way."""
        for task in self.tasks.values():
            task.cancel()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)

    async def _pursue(self, use_case: str) -> None:
        """Activate the newest release of one use case; return when it is live or refused for good."""
        while True:
            release = self.wanted[use_case]
            await self._activate(release)
            if self.wanted[use_case] is release:
                return

    async def _activate(self, release: ModelReleased) -> None:
        started, wait = monotonic(), 0.2
        while self.wanted[release.use_case] is release:
            if release.contract_digest not in self.contracts:
                self.waiting.add(release.use_case)
            contract = await self._contract(release)
            if contract is None:
                return
            try:
                live = await self._build(release, contract)
                await self._go_live(live, started)
                return
            except PackageRefused as refused:
                last_word = refused.check != "missing"
                if last_word or monotonic() - started > PATIENCE_SECONDS:
                    await self._refuse(release, refused.check, refused.detail, started)
                if last_word:
                    return
            except Exception as error:
                log.exception("an activation failed; trying again", extra={"use_case": release.use_case})
                if monotonic() - started > PATIENCE_SECONDS:
                    await self._refuse(release, "store", repr(error)[:1000], started)
            self.waiting.add(release.use_case)
            await self._pause(release, wait)
            wait = min(wait * 2, 10.0)

    async def _pause(self, release: ModelReleased, seconds: float) -> None:
        """Wait before the next try, unless a newer release comes."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds), self.news:
                await self.news.wait_for(lambda: self.wanted[release.use_case] is not release)

    async def _contract(self, release: ModelReleased) -> Contract | None:
        """Wait for the contract that a release names; None when a newer release came first."""
        async with self.news:
            await self.news.wait_for(
                lambda: release.contract_digest in self.contracts or self.wanted[release.use_case] is not release
            )
        return self.contracts.get(release.contract_digest)

    async def _build(self, release: ModelReleased, contract: Contract) -> Live:
        policy = _policy(release, contract)
        loaded = await self.packages.get(release.package_digest, contract)
        manifest = loaded.package.manifest
        if manifest.use_case != release.use_case:
            raise PackageRefused("use_case", f"the package is for {manifest.use_case}")
        if manifest.behaviour_digest != release.behaviour_digest:
            raise PackageRefused("digest", f"the package behaves as {manifest.behaviour_digest}")
        version = Version(
            release.use_case,
            release.sequence,
            release.package_digest,
            release.behaviour_digest,
            release.contract_digest,
            policy,
            draw=draw_of(contract, self.seed),
        )
        return Live(release, version, Decoder(contract), loaded.model)

    async def _go_live(self, live: Live, started: float) -> None:
        if not self.served.switch(live):
            return
        use_case, sequence = live.version.use_case, live.version.sequence
        self.refused.pop(use_case, None)
        self.waiting.discard(use_case)
        metrics.SERVING_ACTIVE_RELEASE.labels(use_case).set(sequence)
        metrics.SERVING_ACTIVATIONS_TOTAL.labels(use_case, "active").inc()
        log.info("release is live", extra={"use_case": use_case, "sequence": sequence})
        self.changed()
        if not gc.get_freeze_count():
            # What is loaded now lives long: the collector need not look at it on every full pass.
            gc.freeze()
        try:
            await asyncio.to_thread(snapshot.save, self.snapshots, live.release, live.contract)
        except OSError:
            log.exception("the release snapshot could not be written")
        await self.report(Report(live.release, "active", None, None, (monotonic() - started) * 1000))
        await self._warm_target(live)

    async def _warm_target(self, live: Live) -> None:
        """Load what a rollback would go back to; serving does not depend on it."""
        target = live.release.rollback_target
        if target and target != live.release.package_digest:
            try:
                await self.packages.get(target, live.contract)
            except Exception as error:
                log.warning("the rollback target could not be warmed", extra={"error": repr(error)[:300]})

    async def _refuse(self, release: ModelReleased, check: str, detail: str, started: float) -> None:
        if self.refused.get(release.use_case) == release.sequence:
            return
        self.refused[release.use_case] = release.sequence
        metrics.SERVING_ACTIVATIONS_TOTAL.labels(release.use_case, "refused").inc()
        log.error("release refused", extra={"use_case": release.use_case, "check": check, "detail": detail[:500]})
        self.changed()
        await self.report(Report(release, "refused", check[:256], detail[:4096], (monotonic() - started) * 1000))


def _policy(release: ModelReleased, contract: Contract) -> Policy:
    """Read the policy of a release and check that it belongs to the contract."""
    try:
        policy = Policy.model_validate(release.policy)
    except ValidationError as error:
        raise PackageRefused("policy", f"the policy cannot be read: {error.errors()[0]['msg']}") from error
    if policy.task != contract.task or tuple(policy.classes) != tuple(contract.classes):
        raise PackageRefused("policy", "the policy has another task or other classes than the contract")
    return policy
