"""A service's database in a file of its own for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.spine.db import Database
from tests.containers import database_url


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    """An empty database with the tables of the spine."""
    database = Database(database_url(tmp_path / "service" / "service.db"))
    await database.create_tables()
    yield database
    await database.close()
