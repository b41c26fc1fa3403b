"""Applying a contract: what changes, what that would do to a day, and putting it in force."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.forecast import Forecast
from services.registry.packages import Packages, Prepared
from services.registry.record import SOURCE, record_application, record_release
from services.registry.releases import Refusal
from services.registry.standing import Standing, assert_unchanged
from shared.contract import Contract, Policy, changed, objective_only
from shared.events import ModelReleased, UseCaseApplied


@dataclass(frozen=True)
class Served:
    """What is released now, and under which contract."""

    package: str
    contract: Contract
    policy: Policy


@dataclass(frozen=True)
class Application:
    """A contract that may be put in force, and what follows from it; `note` says why nothing is released, if so."""

    contract: Contract
    standing: Standing | None
    changed: list[str]
    prepared: Prepared | None = None
    before: Forecast | None = None
    after: Forecast | None = None
    note: str | None = None

    @property
    def revision(self) -> int:
        """The revision that the use case has once this is in force."""
        known = self.standing.revision if self.standing else 0
        return known + (not self.unchanged)

    @property
    def unchanged(self) -> bool:
        """The same contract is in force already."""
        return self.standing is not None and self.standing.contract.digest == self.contract.digest

    @property
    def forecast(self) -> dict[str, Any] | None:
        """A day before and after, where the same package goes on under another policy."""
        if self.before is None or self.after is None:
            return None
        return {"before": self.before.to_json(), "after": self.after.to_json()}

    def to_json(self, *, dry_run: bool, release_sequence: int | None = None) -> dict[str, Any]:
        """The answer of the API."""
        return {
            "use_case": self.contract.use_case,
            "digest": self.contract.digest,
            "revision": self.revision,
            "unchanged": self.unchanged,
            "changed": self.changed,
            "dry_run": dry_run,
            "releases_anew": self.prepared is not None,
            "release_sequence": release_sequence,
            "forecast": self.forecast,
            "note": self.note,
        }


async def plan_application(
    packages: Packages, contract: Contract, standing: Standing | None, served: Served | None
) -> Application:
    """Compare with what is in force and with what is served; slow when a package must be read."""
    paths = changed(standing.contract, contract) if standing else []
    if served is None or (standing and standing.contract.digest == contract.digest):
        return Application(contract, standing, paths)
    # The training section says how the next model is made: it neither changes decisions nor stops a new policy.
    since = [path for path in changed(served.contract, contract) if path.split(".")[0] != "training"]
    if not since:
        return Application(contract, standing, paths)
    if not objective_only(since):
        note = "inputs, label or training changed: the released model goes on under its contract until the next release"
        return Application(contract, standing, paths, note=note)
    prepared = await packages.prepare(served.package, contract, gates=False)
    if isinstance(prepared, Refusal):
        note = f"the released package cannot go on under this contract: {prepared.rule}: {prepared.explanation}"
        return Application(contract, standing, paths, note=note)
    before = await packages.forecast(served.package, served.policy)
    after = await packages.forecast(served.package, prepared.policy)
    if isinstance(before, Refusal) or isinstance(after, Refusal):
        return Application(contract, standing, paths, prepared)
    return Application(contract, standing, paths, prepared, before, after)


async def put_in_force(session: AsyncSession, application: Application, applied_by: str, now: datetime) -> int | None:
    """Apply the contract; where only the objective changed, release the same package under it. Returns the sequence."""
    contract, standing = application.contract, application.standing
    await assert_unchanged(session, contract.use_case, standing)
    event = UseCaseApplied.begin(
        source=SOURCE,
        time=now,
        use_case=contract.use_case,
        contract_digest=contract.digest,
        contract=contract.to_json(),
        revision=application.revision,
        changed=[path[:256] for path in application.changed[:4096]],
        signed_by=", ".join(dict.fromkeys(contract.signed_by.values()))[:256],
        applied_by=applied_by[:256],
        forecast=application.forecast,
    )
    await record_application(session, event)
    if application.prepared is None or standing is None:
        return None
    reason = f"the objective changed: {', '.join(application.changed)}"[:4000]
    fields = application.prepared.release_fields(standing.history, "objective", now, reason, applied_by)
    released = ModelReleased.follow(event, "objective", source=SOURCE, time=now, **fields)
    await record_release(session, released)
    return released.sequence
