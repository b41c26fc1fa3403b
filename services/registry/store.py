"""All SQL of the registry."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.ledger import GENESIS, Break, Entry, Link, chain_hash, find_break
from services.registry.releases import Past
from services.registry.tables import (
    ActivationRow,
    ContractRow,
    LedgerHeadRow,
    LedgerRow,
    PackageRow,
    RejectionRow,
    ReleaseRow,
    RollbackRequestRow,
    UseCaseRow,
)
from shared.contract import Contract
from shared.events import (
    ActivationReported,
    ModelRejected,
    ModelReleased,
    RollbackRequested,
    UseCaseApplied,
)
from shared.package import Manifest
from shared.spine.db import insert_or


class UseCaseStore:
    """Use cases and their contracts."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get(self, use_case: str) -> UseCaseRow | None:
        """The use case, if a contract was ever applied for it."""
        return await self._session.scalar(select(UseCaseRow).where(UseCaseRow.use_case == use_case))

    async def list_all(self) -> Sequence[UseCaseRow]:
        """Every use case, by name."""
        return (await self._session.scalars(select(UseCaseRow).order_by(UseCaseRow.use_case))).all()

    async def get_contract(self, digest: str) -> Contract:
        """A contract that was applied once; KeyError for a digest that never was."""
        body = await self._session.scalar(select(ContractRow.body).where(ContractRow.digest == digest))
        if body is None:
            raise KeyError(digest)
        return Contract.model_validate(body)

    async def apply(self, event: UseCaseApplied, applied_by: str) -> None:
        """Put the event's contract in force."""
        if await self._session.get(ContractRow, event.contract_digest) is None:
            body = {"digest": event.contract_digest, "use_case": event.use_case, "body": dict(event.contract)}
            await self._session.execute(insert(ContractRow).values(**body))
        in_force = {
            "revision": event.revision,
            "contract_digest": event.contract_digest,
            "signed_by": event.signed_by,
            "applied_by": applied_by,
            "applied_at": event.time,
        }
        await _upsert(self._session, UseCaseRow, {"use_case": event.use_case}, in_force)


class PackageRows:
    """The packages that this registry has verified."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get(self, digest: str) -> PackageRow | None:
        """One package."""
        return await self._session.get(PackageRow, digest, populate_existing=True)

    async def list_for(self, use_case: str) -> Sequence[PackageRow]:
        """All packages of a use case, newest training data first."""
        query = select(PackageRow).where(PackageRow.use_case == use_case)
        return (await self._session.scalars(query.order_by(PackageRow.train_until.desc(), PackageRow.digest))).all()

    async def add(self, digest: str, manifest: Manifest, now: datetime, status: str) -> None:
        """Record a verified package; one that is known keeps what it is."""
        if await self.get(digest) is None:
            row = {
                "digest": digest,
                "use_case": manifest.use_case,
                "behaviour_digest": manifest.behaviour_digest,
                "contract_digest": manifest.contract_digest,
                "train_until": manifest.train_until,
                "verified": True,
                "evaluation": dict(manifest.evaluation),
                "status": status,
                "known_since": now,
            }
            await self._session.execute(insert(PackageRow).values(**row))

    async def set_status(self, digest: str, status: str) -> None:
        """Move a package on."""
        await self._session.execute(update(PackageRow).where(PackageRow.digest == digest).values(status=status))

    async def reject(self, event: ModelRejected) -> None:
        """Keep why a package was turned down; a damaged one has no row of its own."""
        await self._session.execute(
            insert(RejectionRow).values(
                event_id=event.id,
                use_case=event.use_case,
                package_digest=event.package_digest,
                gate=event.gate,
                measured=event.measured,
                bound=event.limit,
                explanation=event.explanation,
                rejected_at=event.time,
            )
        )
        await self.set_status(event.package_digest, "rejected")

    async def list_rejections(self, digest: str) -> Sequence[RejectionRow]:
        """Why a package was turned down, oldest first."""
        query = select(RejectionRow).where(RejectionRow.package_digest == digest)
        return (await self._session.scalars(query.order_by(RejectionRow.rejected_at, RejectionRow.event_id))).all()


class ReleaseStore:
    """Releases, in sequence."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get_current(self, use_case: str) -> ReleaseRow | None:
        """What the use case serves from now on."""
        query = select(ReleaseRow).where(ReleaseRow.use_case == use_case)
        return await self._session.scalar(query.order_by(ReleaseRow.sequence.desc()).limit(1))

    async def get_at(self, use_case: str, at: datetime) -> ReleaseRow | None:
        """What the use case served at an event time."""
        query = select(ReleaseRow).where(ReleaseRow.use_case == use_case, ReleaseRow.released_at <= at)
        return await self._session.scalar(query.order_by(ReleaseRow.sequence.desc()).limit(1))

    async def list_for(self, use_case: str) -> Sequence[ReleaseRow]:
        """All releases of a use case, oldest first."""
        query = select(ReleaseRow).where(ReleaseRow.use_case == use_case)
        return (await self._session.scalars(query.order_by(ReleaseRow.sequence))).all()

    async def get_history(self, use_case: str) -> list[Past]:
        """The same as the pure decisions take it."""
        return [
            Past(
                sequence=row.sequence,
                package=row.package_digest,
                behaviour=row.behaviour_digest,
                contract=row.contract_digest,
                cause=row.cause,  # type: ignore[arg-type]  # the table's CHECK holds the same words
                forced=row.forced,
                released_at=row.released_at,
            )
            for row in await self.list_for(use_case)
        ]

    async def add(self, event: ModelReleased) -> None:
        """Record a release; the table refuses a sequence that is taken."""
        await self._session.execute(
            insert(ReleaseRow).values(
                event_id=event.id, released_at=event.time, **event.model_dump(include=_RELEASE_FIELDS, mode="json")
            )
        )


_RELEASE_FIELDS = set(ModelReleased.model_fields) & set(ReleaseRow.__table__.columns.keys())


class RequestStore:
    """Requests of services to roll back, decided at the next clock step."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, event: RollbackRequested, requested_at: datetime) -> None:
        """Keep a request until the clock moves."""
        await self._session.execute(
            insert(RollbackRequestRow).values(
                event_id=event.id,
                use_case=event.use_case,
                requested_at=requested_at,
                event=event.model_dump_json(),
                status="open",
                answer=None,
            )
        )

    async def list_open(self, before: datetime) -> list[RollbackRequested]:
        """Open requests with earlier event time, in the order in which they are decided."""
        query = select(RollbackRequestRow.event).where(
            RollbackRequestRow.status == "open", RollbackRequestRow.requested_at < before
        )
        rows = await self._session.scalars(query.order_by(RollbackRequestRow.requested_at, RollbackRequestRow.event_id))
        return [RollbackRequested.model_validate_json(row) for row in rows]

    async def is_open(self, event_id: str) -> bool:
        """Whether nobody has decided it yet."""
        row = await self._session.get(RollbackRequestRow, event_id, populate_existing=True)
        return row is not None and row.status == "open"

    async def answer(self, event_id: str, *, granted: bool, text: str) -> None:
        """Close a request."""
        await self._session.execute(
            update(RollbackRequestRow)
            .where(RollbackRequestRow.event_id == event_id)
            .values(status="granted" if granted else "refused", answer=text)
        )


class ActivationStore:
    """What serving workers said."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def report(self, event: ActivationReported) -> None:
        """Keep a worker's word; one about an older release changes nothing."""
        key = {"use_case": event.use_case, "replica": event.replica, "worker": event.worker}
        known = await self._session.get(ActivationRow, tuple(key.values()), populate_existing=True)
        if known is not None and known.sequence > event.sequence:
            return
        # A worker's name holds its process: those of earlier releases may be long gone, so they are not kept.
        await self._session.execute(
            delete(ActivationRow).where(
                ActivationRow.use_case == event.use_case, ActivationRow.sequence < event.sequence - 1
            )
        )
        fields = {"sequence", "package_digest", "status", "check", "detail", "milliseconds"}
        values = event.model_dump(include=fields) | {"reported_at": event.time}
        values["failed_check"] = values.pop("check")
        await _upsert(self._session, ActivationRow, key, values)

    async def list_all(self) -> Sequence[ActivationRow]:
        """Every worker's last word."""
        order = (ActivationRow.use_case, ActivationRow.replica, ActivationRow.worker)
        return (await self._session.scalars(select(ActivationRow).order_by(*order))).all()


class LedgerStore:
    """The append-only history."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def append(self, entry: Entry) -> None:
        """Write one line."""
        head = await self._session.get(LedgerHeadRow, 1, populate_existing=True)
        length, previous = (head.length, head.hash) if head else (0, GENESIS)
        own = chain_hash(previous, entry)
        await self._session.execute(
            insert(LedgerRow).values(position=length + 1, previous=previous, hash=own, **asdict(entry))
        )
        await _upsert(self._session, LedgerHeadRow, {"id": 1}, {"length": length + 1, "hash": own})

    async def list_links(self, use_case: str | None = None, after: int = 0, limit: int | None = None) -> list[Link]:
        """Lines in order; of one use case, when named."""
        query = select(LedgerRow).where(LedgerRow.position > after).order_by(LedgerRow.position).limit(limit)
        if use_case is not None:
            query = query.where(LedgerRow.use_case == use_case)
        return [_link(row) for row in await self._session.scalars(query)]

    async def verify_chain(self) -> Break | None:
        """The first line that is not what was written; None when all are."""
        head = await self._session.get(LedgerHeadRow, 1, populate_existing=True)
        return find_break(await self.list_links(), head.hash if head else GENESIS, head.length if head else 0)


def _link(row: LedgerRow) -> Link:
    entry = Entry(**{name: getattr(row, name) for name in Entry.__dataclass_fields__})
    return Link(row.position, entry, row.previous, row.hash)


async def _upsert(session: AsyncSession, row: Any, key: dict[str, Any], values: dict[str, Any]) -> None:
    statement = insert_or(session, row).values(**key, **values)
    await session.execute(statement.on_conflict_do_update(index_elements=list(key), set_=values))
