"""Writes what the registry says into state, ledger and outbox, all in the caller's transaction.

Each function folds one of the registry's own events; none of them decides anything.
"""

from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.candidate_store import CandidateStore
from services.registry.forecast import describe_change
from services.registry.ledger import Entry
from services.registry.metrics import REGISTRY_REJECTIONS_TOTAL, REGISTRY_RELEASES_TOTAL
from services.registry.store import LedgerStore, PackageRows, ReleaseStore, UseCaseStore
from shared.events import ModelRejected, ModelReleased, UseCaseApplied
from shared.spine.outbox import add_to_outbox

SOURCE = "headrace/registry"


async def record_application(session: AsyncSession, event: UseCaseApplied) -> None:
    """A contract is in force."""
    applied_by = event.applied_by or event.signed_by
    await UseCaseStore(session).apply(event, applied_by)
    changed = ", ".join(event.changed[:20]) if event.revision > 1 else "the first contract"
    text = f"revision {event.revision} signed by {event.signed_by}, applied by {applied_by}: {changed}"
    if event.forecast:
        text += f"; {describe_change(event.forecast)}"
    await LedgerStore(session).append(
        Entry(
            kind=event.topic,
            use_case=event.use_case,
            at=event.time,
            text=text,
            event_id=event.id,
            contract_digest=event.contract_digest,
        )
    )
    add_to_outbox(session, event)


async def record_release(session: AsyncSession, event: ModelReleased) -> None:
    """A package is released; if it was the open candidate, it is one no longer."""
    await ReleaseStore(session).add(event)
    await CandidateStore(session).close(event.use_case, event.package_digest, "released")
    how = f"{event.cause}, forced" if event.forced else event.cause
    await LedgerStore(session).append(
        Entry(
            kind=event.topic,
            use_case=event.use_case,
            at=event.time,
            text=f"release {event.sequence} ({how}) by {event.released_by}: {event.reason}",
            event_id=event.id,
            behaviour_digest=event.behaviour_digest,
            contract_digest=event.contract_digest,
            package_digest=event.package_digest,
            cause=event.cause,
            sequence=event.sequence,
        )
    )
    add_to_outbox(session, event)
    REGISTRY_RELEASES_TOTAL.labels(event.use_case, event.cause).inc()


async def record_rejection(session: AsyncSession, event: ModelRejected) -> None:
    """A package is turned down; if it was the open candidate, it is one no longer."""
    await PackageRows(session).reject(event)
    await CandidateStore(session).close(event.use_case, event.package_digest, "rejected")
    await LedgerStore(session).append(
        Entry(
            kind=event.topic,
            use_case=event.use_case,
            at=event.time,
            text=f"{event.gate}: {event.explanation}",
            event_id=event.id,
            behaviour_digest=event.behaviour_digest,
            package_digest=event.package_digest,
        )
    )
    add_to_outbox(session, event)
    REGISTRY_REJECTIONS_TOTAL.labels(event.use_case, event.gate).inc()
