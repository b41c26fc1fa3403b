"""Each block is told with what its package had promised for it; a package that cannot be read stops no report."""

import shutil
from pathlib import Path

import pytest
from sqlalchemy import select

from services.monitor.baseline import Baselines
from services.monitor.closing import Closing
from shared.contract import derive_policy
from shared.evaluation.out_of_sample import value_per_case
from shared.events import KpiReported, from_record
from shared.package import read_package
from shared.spine.outbox import OutboxRow
from tests.monitor.test_drifting import CONTRACT, DAY, REFERENCE, ROWS, SERVED, Bench, bench

__all__ = ["bench"]

pytestmark = pytest.mark.slow


async def reports(bench: Bench, cache: Path) -> list[KpiReported]:
    """Close the first day, with a monitor that reads packages through this cache."""
    closing = Closing(bench.db, bench.location, bench.contracts, baselines=Baselines(bench.packages, cache))
    await closing.step(SERVED + DAY)
    async with bench.db.read() as session:
        query = select(OutboxRow).where(OutboxRow.topic == "kpi_reported").order_by(OutboxRow.id)
        return [from_record(KpiReported, row.value, row.record().headers) for row in await session.scalars(query)]


async def test_a_block_says_what_its_package_had_promised_for_its_cases(bench: Bench, tmp_path: Path) -> None:
    toy = bench.package()
    await bench.release(toy, 0)
    bench.serve(toy, range(1))
    (told,) = await reports(bench, tmp_path / "read")
    policy = derive_policy(CONTRACT, read_package(toy.path).demand())
    per_case = value_per_case(CONTRACT, policy, REFERENCE.rows)
    assert per_case is not None
    assert told.forecast_minor == round(per_case * ROWS) > 0
    # Nobody acted, so nothing was earned: the promise enters no realised sum.
    assert told.value_minor == 0
    # Nothing is told again where nothing changed.
    assert await reports(bench, tmp_path / "again") == [told]


async def test_without_its_package_a_block_is_told_all_the_same(bench: Bench, tmp_path: Path) -> None:
    toy = bench.package()
    await bench.release(toy, 0)
    bench.serve(toy, range(1))
    shutil.rmtree(bench.folder / "packages")
    (told,) = await reports(bench, tmp_path / "read")
    assert (told.forecast_minor, told.volume, told.labelled) == (None, ROWS, ROWS)
