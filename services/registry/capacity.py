"""A team's word on how many cases it takes in a block: what it may say, and writing it down."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.forecast import describe_change
from services.registry.ledger import Entry
from services.registry.promotion import is_day
from services.registry.releases import Refusal
from services.registry.store import LedgerStore
from services.registry.tables import CapacityRow
from shared.contract import Contract, Lowered, block_of
from shared.events import CapacityChanged
from shared.spine.outbox import add_to_outbox

# A holiday is known beforehand; whoever needs more than a month wants another contract.
AHEAD = timedelta(days=31)


@dataclass(frozen=True)
class Wish:
    """What a team may say: a block that has not ended, at most what the contract allows."""

    block: str
    contract_limit: int


def judge_capacity(contract: Contract, decision: str, limit: int, block: str | None, now: datetime) -> Wish | Refusal:
    """Whether a team may say this now; without a block, it speaks of the current one."""
    capped = {name: one.capacity.limit for name, one in (contract.decisions or {}).items() if one.capacity}
    if decision not in capped:
        known = ", ".join(capped) or "none"
        return Refusal("decision", f"{decision!r} has no capacity; decisions that have one: {known}")
    if limit > capped[decision]:
        return Refusal("limit", f"{limit} is above the contract's {capped[decision]}: only its approver may raise that")
    today = block_of(contract, now)
    wanted = block or today
    if not is_day(wanted):
        return Refusal("block", f"{wanted!r} is no day such as {today}")
    if wanted < today:
        return Refusal("block", f"block {wanted} has ended; the current one is {today}")
    last = (date.fromisoformat(today) + AHEAD).isoformat()
    if wanted > last:
        return Refusal("block", f"block {wanted} is more than {AHEAD.days} days ahead; the last one is {last}")
    return Wish(wanted, capped[decision])


class CapacityStore:
    """What teams have said, by use case, in sequence."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def list_for(self, use_case: str, since: str = "") -> Sequence[CapacityRow]:
        """Everything said about blocks from `since` on, oldest first."""
        query = select(CapacityRow).where(CapacityRow.use_case == use_case, CapacityRow.block >= since)
        return (await self._session.scalars(query.order_by(CapacityRow.sequence))).all()

    async def get_last(self, use_case: str) -> int:
        """The newest sequence; 0 before the first."""
        newest = select(func.max(CapacityRow.sequence)).where(CapacityRow.use_case == use_case)
        return await self._session.scalar(newest) or 0

    async def add(self, event: CapacityChanged) -> None:
        """Keep a word; the table refuses a sequence that is taken."""
        names = {"use_case", "sequence", "block", "decision", "contract_limit", "reason", "changed_by"}
        values = event.model_dump(include=names) | {"cases": event.limit, "changed_at": event.time}
        await self._session.execute(insert(CapacityRow).values(**values, event_id=event.id))


def words_of(rows: Sequence[CapacityRow]) -> list[Lowered]:
    """The same as the pure decisions take it."""
    return [Lowered(row.sequence, row.changed_at, row.block, row.decision, row.cases) for row in rows]


async def record_capacity(session: AsyncSession, event: CapacityChanged) -> None:
    """A team has spoken: state, ledger and outbox, in the caller's transaction; nothing is decided here."""
    await CapacityStore(session).add(event)
    text = (
        f"{event.changed_by} takes {event.limit} of {event.contract_limit} {event.decision} in block {event.block}: "
        f"{event.reason}"
    )
    if event.forecast:
        text += f"; {describe_change(event.forecast)}"
    await LedgerStore(session).append(
        Entry(kind=event.topic, use_case=event.use_case, at=event.time, text=text, event_id=event.id)
    )
    add_to_outbox(session, event)
