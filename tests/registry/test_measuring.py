"""The registry's gauges are true without anybody asking for its status; an altered ledger shows."""

import datetime as dt
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import update

from services.registry import measuring
from services.registry.app import describe
from services.registry.ledger import Entry
from services.registry.measuring import Measuring
from services.registry.metrics import REGISTRY_LEDGER_BROKEN
from services.registry.store import LedgerStore
from services.registry.tables import LedgerRow
from shared.spine.db import Database
from tests.containers import database_url
from tests.registry.test_store import drop_trigger

NOON = dt.datetime(2013, 3, 1, 12, tzinfo=dt.UTC)


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    db = Database(database_url(tmp_path / "registry.db"))
    await db.create_tables()
    yield db
    await db.close()


async def test_an_altered_line_is_found_an_hour_later_at_the_latest(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(measuring, "monotonic", lambda: now)
    async with db.transaction() as session:
        for text in ("applied", "released"):
            await LedgerStore(session).append(Entry("note", "flights", NOON, text, text))
    watch = Measuring(db, describe)
    await watch.step(NOON)
    assert REGISTRY_LEDGER_BROKEN._value.get() == 0
    async with db.transaction() as session:
        await drop_trigger(session, "registry_ledger_never_update")
        await session.execute(update(LedgerRow).where(LedgerRow.position == 1).values(text="rejected"))
    await watch.step(NOON)
    assert REGISTRY_LEDGER_BROKEN._value.get() == 0
    now = 3600.0
    await watch.step(NOON)
    assert REGISTRY_LEDGER_BROKEN._value.get() == 1
