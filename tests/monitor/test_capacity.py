"""What a team says about its capacity stands in the report of its block, with its time."""

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from services.monitor.handlers import on_capacity_changed
from shared.events import CapacityChanged, KpiReported
from tests.feedback.streams import NOON
from tests.monitor.test_rollbacks import DAY, MIDNIGHT, Bench

pytestmark = pytest.mark.slow


def word(limit: int, sequence: int, **changed: Any) -> CapacityChanged:
    fields: dict[str, Any] = {
        "use_case": "flights", "sequence": sequence, "block": "2013-03-01", "decision": "review", "limit": limit,
        "contract_limit": 2, "reason": "ill", "changed_by": "desk",
    }  # fmt: skip
    at = NOON + sequence * dt.timedelta(hours=1)
    return CapacityChanged.begin(source="headrace/registry", time=at, id=f"word-{sequence}", **fields | changed)


async def test_the_report_of_a_block_has_its_limit_and_every_word_on_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    await bench.db.create_tables()
    await bench.apply()
    bench.serve(2)
    for event in (word(0, 1), word(1, 2), word(1, 2)):
        await on_capacity_changed(event, bench.db)
    await bench.step(2)
    first, second = [one for one in await bench.said(KpiReported) if not one.replaces]
    assert (first.capacity_limit, second.capacity_limit) == ({"review": 1}, {"review": 2})
    assert [(one.sequence, one.at.hour, one.limit, one.changed_by) for one in first.capacity_changes] == [
        (1, 13, 0, "desk"), (2, 14, 1, "desk"),
    ]  # fmt: skip
    assert second.capacity_changes == []
    # One that is heard after the block was reported corrects its report.
    before = len(await bench.said(KpiReported))
    await on_capacity_changed(word(0, 3), bench.db)
    await bench.closing.step(MIDNIGHT + 2.5 * DAY)
    (corrected,) = (await bench.said(KpiReported))[before:]
    assert (corrected.replaces, corrected.capacity_limit) == (first.id, {"review": 0})
    assert corrected.value_minor == first.value_minor
    await bench.db.close()
