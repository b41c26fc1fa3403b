"""Makes a release live: fetch, verify, load, warm, switch; whatever fails, the old one keeps answering."""

import asyncio
import gc
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from services.serving import metrics, snapshot
from services.serving.decode import Decoder
from services.serving.live import Live, Served
from services.serving.loading import Packages
from services.serving.lowered import Capacities
from services.serving.shares import narrowed
from services.serving.version import Version
from shared.contract import Contract, Policy
from shared.contract.arms import draw_of
from shared.events import CapacityChanged, ModelReleased
from shared.package.refusal import PackageRefused
from shared.spine.clock import monotonic

log = logging.getLogger(__name__)

# A store that is away is no reason to refuse at once; after this long the refusal is reported, and tried again.
PATIENCE_SECONDS = 20.0


@dataclass(frozen=True)
class Report:
    """How an activation ended."""

    release: ModelReleased
    status: str
    check: str | None
    detail: str | None
    milliseconds: float


@dataclass
class Activator:
    """Follows what should be live, use case by use case."""

    served: Served
    packages: Packages
    snapshots: Path
    report: Callable[[Report], Awaitable[None]]
    changed: Callable[[], None]
    seed: int = 0
    capacities: Capacities = field(default_factory=Capacities)
    contracts: dict[str, Contract] = field(default_factory=dict)
    wanted: dict[str, ModelReleased] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    waiting: set[str] = field(default_factory=set)
    tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    news: asyncio.Condition = field(default_factory=asyncio.Condition)
    frozen: bool = False

    async def learn(self, contract: Contract) -> None:
        """Take a contract in; a release may have been waiting for it."""
        self.contracts[contract.digest] = contract
        self.served.contracts[contract.use_case] = contract
        async with self.news:
            self.news.notify_all()

    async def lower(self, event: CapacityChanged) -> None:
        """Let a team's word bind from the next decision on; late and repeated ones change nothing."""
        if self.capacities.hear(event):
            live = self.served.lower(event.use_case, self.capacities)
            self.changed()
            if live:
                await self._remember(live)

    async def want(self, release: ModelReleased) -> None:
        """Make a release live unless it is old news."""
        current = self.wanted.get(release.use_case)
        if current and current.sequence >= release.sequence:
            return
        self.wanted[release.use_case] = release
        task = self.tasks.get(release.use_case)
        if task is None or task.done():
            self.tasks[release.use_case] = asyncio.create_task(self._pursue(release.use_case), name="activate")
        self.changed()
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
        shares = self.capacities.hosts.shares(policy, release.use_case)
        mine = narrowed(policy, shares)
        lowered = self.capacities.policies(release.use_case, mine, shares)
        version = Version(
            release.use_case,
            release.sequence,
            release.package_digest,
            release.behaviour_digest,
            release.contract_digest,
            mine,
            draw=draw_of(contract, self.seed),
            shares=shares,
            lowered=lowered,
        )
        return Live(release, version, self._decoder(release.use_case, contract), loaded.model)

    def _decoder(self, use_case: str, contract: Contract) -> Decoder:
        """The one in use where the contract stays: it is warm, and to make another would hold up whoever waits."""
        current = self.served.live.get(use_case)
        return current.decoder if current and current.contract.digest == contract.digest else Decoder(contract)

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
        if not self.frozen:
            # What is loaded now lives long: the collector need not look at it on every full pass. Asking the collector
            # whether it was told so before would count all objects, which holds up whoever waits for an answer.
            self.frozen = True
            gc.freeze()
        await self._remember(live)
        await self.report(Report(live.release, "active", None, None, (monotonic() - started) * 1000))
        await self._warm_target(live)

    async def _remember(self, live: Live) -> None:
        words = self.capacities.of(live.version.use_case)
        try:
            await asyncio.to_thread(snapshot.save, self.snapshots, live.release, live.contract, words)
        except OSError:
            log.exception("the release snapshot could not be written")

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
