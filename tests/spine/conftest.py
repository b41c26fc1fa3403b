"""A service's database in a file of its own for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.spine.db import Database


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    """An empty database with the tables of the spine."""
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/service/service.db")
    await database.create_tables()
    yield database
    await database.close()
