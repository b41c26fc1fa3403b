"""The slow work on a package, off the event loop and outside every transaction: fetch, verify, derive, measure."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar

from faststream import Context

from services.registry.forecast import Forecast, forecast
from services.registry.gates import Verdict, judge, measure
from services.registry.releases import Cause, Past, Refusal, next_release
from shared.contract import Contract, Policy, derive_policy
from shared.package import Manifest, PackageRefused, PackageStore, read_package, verify_package
from shared.spine.errors import TransientError

T = TypeVar("T")


@dataclass(frozen=True)
class Prepared:
    """A verified package under one contract: its policy, and how it does at the gates."""

    digest: str
    manifest: Manifest
    contract: Contract
    policy: Policy
    verdicts: tuple[Verdict, ...]

    def release_fields(
        self, history: list[Past], cause: Cause, now: datetime, reason: str, released_by: str, *, forced: bool = False
    ) -> dict[str, Any]:
        """Everything that a `model_released` of this package says."""
        behaviour = self.manifest.behaviour_digest
        following = Past(len(history) + 1, self.digest, behaviour, self.contract.digest, cause, forced, now)
        return {
            "use_case": self.manifest.use_case,
            "policy": self.policy.model_dump(mode="json"),
            "reason": reason,
            "released_by": released_by,
            **next_release(history, following, self.contract.rollback.probation.delta),
        }

    @property
    def failures(self) -> list[Verdict]:
        """The gates that do not hold, in order."""
        return [verdict for verdict in self.verdicts if not verdict.passed]

    @property
    def failed(self) -> Verdict | None:
        """The first gate that does not hold."""
        return next(iter(self.failures), None)

    @property
    def told_failures(self) -> str:
        """The gates that do not hold, with their numbers, in words."""
        told = [f"{verdict.gate} ({verdict.explanation})" for verdict in self.failures]
        return "; ".join(told) or "no gate: every one holds"


class Packages:
    """The package store as the registry uses it; `Refusal.rule` is the name of the check that failed."""

    def __init__(self, store: PackageStore, cache: Path) -> None:
        self._store = store
        self._cache = cache
        cache.mkdir(parents=True, exist_ok=True)

    async def has(self, digest: str) -> bool:
        """Whether the store holds the package."""
        return await _in_thread(lambda: self._store.has(digest)) is True

    async def read(self, digest: str) -> Manifest | Refusal:
        """What the package says about itself."""
        return await _in_thread(lambda: read_package(self._store.fetch(digest, self._cache)).manifest)

    async def prove(self, digest: str) -> Manifest | Refusal:
        """Verify a package of the store completely, for no contract in particular."""

        def work() -> Manifest:
            path = self._store.fetch(digest, self._cache)
            verify_package(path, digest)
            return read_package(path).manifest

        return await _in_thread(work)

    async def keep(self, digest: str, directory: Path) -> Manifest | Refusal:
        """Verify an uploaded directory completely, then store it."""

        def work() -> Manifest:
            verify_package(directory, digest)
            self._store.put(directory, digest)
            return read_package(directory).manifest

        return await _in_thread(work)

    async def prepare(self, digest: str, contract: Contract, *, gates: bool = True) -> Prepared | Refusal:
        """Verify the package for this contract and measure it; `gates=False` leaves the business gates aside."""

        def work() -> Prepared:
            package = read_package(self._verified(digest, contract))
            manifest = package.manifest
            policy = derive_policy(contract, package.demand())
            verdicts = judge(contract, measure(policy, package.reference("holdout").rows)) if gates else ()
            return Prepared(digest, manifest, contract, policy, verdicts)

        return await _in_thread(work)

    async def forecast(self, digest: str, policy: Policy) -> Forecast | Refusal:
        """What a day looks like with this package under a policy, on its out-of-sample rows."""
        return await _in_thread(
            lambda: forecast(policy, read_package(self._store.fetch(digest, self._cache)).reference().rows)
        )

    def _verified(self, digest: str, contract: Contract) -> Path:
        path = self._store.fetch(digest, self._cache)
        verify_package(path, digest, [(name, feature.type) for name, feature in contract.features.items()])
        manifest = read_package(path).manifest
        wanted = (contract.use_case, contract.task, contract.label.classes or ())
        if (manifest.use_case, manifest.task, manifest.classes) != wanted:
            found = f"{manifest.use_case}, {manifest.task}, classes {list(manifest.classes)}"
            raise PackageRefused("contract", f"the package is for {found}; the contract wants {wanted}")
        return path


async def _in_thread(work: Callable[[], T]) -> T | Refusal:
    try:
        return await asyncio.to_thread(work)
    except PackageRefused as refused:
        return Refusal(refused.check, refused.detail)
    except OSError as error:
        raise TransientError(f"the package store is away: {error!r:.300}") from error


PackagesDep = Annotated[Packages, Context("packages")]
