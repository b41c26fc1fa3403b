"""The lifecycle events as views for `headrace query`, read from what the console keeps of them."""

import asyncio
from datetime import datetime
from pathlib import Path

import polars as pl
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from headrace.errors import CommandError
from services.console.facts import known_by
from services.console.store import EventStore
from services.console.views import MEANINGS, frames_of
from shared.events import Event
from shared.spine.db import Database

EVENT_VIEWS = MEANINGS


def event_views(url: str, as_of: datetime) -> dict[str, pl.LazyFrame]:
    """Every view of events of time <= `as_of`; raises CommandError where no console has kept any."""
    try:
        file = make_url(url).database if url.startswith("sqlite") else None
        if not url or (file is not None and not Path(file).is_file()):
            raise CommandError(
                f"{', '.join(EVENT_VIEWS)} come from what the console keeps, and none has run here yet; "
                "`headrace up` starts it, HEADRACE_CONSOLE_DATABASE_URL names another database"
            )
        events = asyncio.run(_events(url))
    except (SQLAlchemyError, OSError) as error:
        raise CommandError(f"the console's database cannot be read: {type(error).__name__}") from None
    return {name: frame.lazy() for name, frame in frames_of(known_by(events, as_of)).items()}


async def _events(url: str) -> list[Event]:
    database = Database(url)
    try:
        async with database.read() as session:
            return await EventStore(session).list_events()
    finally:
        await database.close()
