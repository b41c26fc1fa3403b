"""A service's database, another one for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.spine.db import Database
from tests.containers import WANTED, database_url

# What only a server does cannot be seen on a file.
collect_ignore = [] if WANTED else ["test_postgres.py"]


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    """An empty database with the tables of the spine."""
    database = Database(database_url(tmp_path / "service" / "service.db"))
    await database.create_tables()
    yield database
    await database.close()


@pytest.fixture
async def other(db: Database) -> AsyncIterator[Database]:
    """The same database as another process sees it."""
    database = Database(db.url.render_as_string(hide_password=False))
    yield database
    await database.close()
