"""A service as small as one can be, on the real spine: each event has one effect and one answer.

Run as a process of its own it can be killed at a chosen point: `python -m tests.delivery.tiny_service POINT FILE`.
"""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

from faststream import Context
from sqlalchemy import String, func, select
from sqlalchemy.orm import Mapped, mapped_column

from shared.events import TrainingFinished, TrainingRequested
from shared.spine.app import Service, build_app, serve
from shared.spine.clock import Clock
from shared.spine.db import Base, Database, Db
from shared.spine.errors import PermanentError
from shared.spine.inbox import first_time
from shared.spine.outbox import add_to_outbox
from shared.spine.settings import SpineSettings
from shared.spine.subscribe import ServiceRouter, subscribe
from tests.containers import database_url


class Effect(Base):
    """What an event did."""

    __tablename__ = "tiny_effects"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    event_id: Mapped[str] = mapped_column(String(256))
    use_case: Mapped[str] = mapped_column(String(64))


class Points:
    """Places in the handler where a test may stop it."""

    async def reach(self, point: str, event: TrainingRequested) -> None:
        """Called at each place."""


class StopAt(Points):
    """Say that the place is reached, by a file, and go no further."""

    def __init__(self, point: str, file: Path) -> None:
        self.point, self.file = point, file

    async def reach(self, point: str, event: TrainingRequested) -> None:
        """Stop for ever at the chosen place."""
        if point == self.point:
            self.file.write_text(event.id, encoding="utf-8")
            await asyncio.Event().wait()


Stops = Annotated[Points, Context("points")]


def tiny_service(settings: SpineSettings, points: Points | None = None, name: str = "tiny") -> Service:
    """The service; `name` is the prefix of its consumer groups."""
    router = ServiceRouter(name, settings.instance)

    @subscribe(router, TrainingRequested)  # type: ignore[type-var]  # it returns something, as no real handler does
    async def on_training_requested(event: TrainingRequested, db: Db, points: Stops) -> str:
        await points.reach("before", event)
        if event.reason == "impossible":
            raise PermanentError("this one can never be done")
        async with db.transaction() as session:
            if await first_time(session, event):
                session.add(Effect(event_id=event.id, use_case=event.use_case))
                add_to_outbox(session, answer_to(event, name))
            await session.flush()
            await points.reach("inside", event)
        await points.reach("after", event)
        # Never published, whoever asks for it with `reply_to`.
        return "a return value"

    database = Database(database_url(settings.home / f"{name}.db"))
    context = {"points": points or Points()}
    return Service(name, settings, Clock(settings.clock), database, router, context=context)


def answer_to(event: TrainingRequested, name: str) -> TrainingFinished:
    """What the service says when it has done its work."""
    return TrainingFinished.follow(
        event,
        name,
        source=f"{name}/0",
        time=event.time,
        use_case=event.use_case,
        run_id=event.id,
        outcome="declined",
        reason=event.reason,
    )


async def effects(db: Database, event_id: str) -> int:
    """How often an event has had its effect."""
    async with db.read() as session:
        rows = select(func.count()).select_from(Effect).where(Effect.event_id == event_id)
        return await session.scalar(rows) or 0


if __name__ == "__main__":
    chosen, said, port = sys.argv[1:]
    serve(build_app(tiny_service(SpineSettings(), StopAt(chosen, Path(said)))), "127.0.0.1", int(port))
