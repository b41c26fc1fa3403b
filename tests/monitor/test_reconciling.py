"""A report that is not what the table gives is found, whatever made it so."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.monitor.metrics import MONITOR_UNRECONCILED_BLOCKS
from services.monitor.reconciling import Reconciling
from services.monitor.store import BlockStore
from tests.feedback.streams import happened, store
from tests.monitor.test_closing import DAY, MIDNIGHT, Bench, flight


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path)
    await bench.db.create_tables()
    await bench.apply_contract()
    store(bench.location, [flight("a"), flight("b")], [happened({"a/0": "late"})])
    await bench.step(0)
    yield bench
    await bench.db.close()


def unreconciled() -> float:
    return float(MONITOR_UNRECONCILED_BLOCKS.labels("flights")._value.get())


async def test_what_adds_up_is_told_as_such_though_a_label_came_that_nobody_has_looked_at(bench: Bench) -> None:
    store(bench.location, outcomes=[happened({"b/0": "on_time"})], start=1)
    await Reconciling(bench.db, bench.closing).step(MIDNIGHT)
    assert unreconciled() == 0


async def test_a_report_that_was_changed_is_told_once_a_day_until_it_is_right(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    reconciling = Reconciling(bench.db, bench.closing)
    await reconciling.step(MIDNIGHT)
    async with bench.db.transaction() as session:
        row = await BlockStore(session).get("flights", "2013-03-01", 1)
        assert row is not None
        assert row.report is not None
        right, row.report = row.report, {**row.report, "value_minor": row.report["value_minor"] + 1}
    await reconciling.step(MIDNIGHT + DAY / 2)
    assert unreconciled() == 0
    await reconciling.step(MIDNIGHT + DAY)
    assert unreconciled() == 1
    assert "a report does not add up with the table" in caplog.text
    async with bench.db.transaction() as session:
        row = await BlockStore(session).get("flights", "2013-03-01", 1)
        assert row is not None
        row.report = right
    await reconciling.step(MIDNIGHT + 2 * DAY)
    assert unreconciled() == 0
