"""Measurements on a real database and real tables: taken in once, told per block, corrected, and taken back for."""

import datetime as dt
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from services.monitor.closing import Closing
from services.monitor.handlers import on_measurement_recorded
from services.monitor.measured_rollbacks import MeasuredRollbacks
from services.monitor.measured_tables import MeasurementRow
from services.monitor.measuring import MeasurementError
from services.monitor.store import Contracts
from shared.contract.schema import Contract
from shared.events import KpiReported, MeasurementRecorded, RollbackRequested
from shared.spine.clock import Clock
from tests.feedback.streams import NOON, happened, served, store
from tests.monitor.contracts import watched_contract
from tests.monitor.test_rollbacks import DAY, MIDNIGHT, Bench

pytestmark = pytest.mark.slow

HOUR = dt.timedelta(hours=1)
CONTACTS: dict[str, Any] = {"aggregation": "mean", "unit": "contacts", "ceiling": 0.4, "range": [0, 2]}
CONTRACT = watched_contract(kpis={"contacts": CONTACTS}, rollback={"on": ["contacts"], "cooldown": "7d"})


class MeasuredBench(Bench):
    """The same, with a contact center that measures; days are counted from 1 March 2013."""

    def __init__(self, folder: Path, contract: Contract = CONTRACT) -> None:
        self.clock = Clock("replay", MIDNIGHT)
        super().__init__(folder, contract)

    def restart(self) -> None:
        self.contracts = Contracts()
        self.closing = Closing(self.db, self.location, self.contracts)
        self.measured = MeasuredRollbacks(self.db, self.contracts)

    async def measure(self, value: float, at: dt.datetime = NOON, name: str = "contacts", **changes: Any) -> None:
        fields = {"use_case": "flights", "name": name, "value": value, "unit": "contacts", **changes}
        await self.hear(MeasurementRecorded.begin(source="contact-center", time=at, **fields))

    async def hear(self, event: MeasurementRecorded) -> None:
        await on_measurement_recorded(event, self.db, self.clock, self.contracts)

    async def midnight(self, day: float) -> list[KpiReported]:
        """The clock moves to the midnight after so many days; returns what was reported then."""
        before, now = len(await self.said(KpiReported)), MIDNIGHT + day * DAY
        self.clock.set(now)
        await self.closing.step(now)
        await self.measured.step(now)
        return (await self.said(KpiReported))[before:]

    async def live(self, first: int, values: list[float], release: int = 1) -> dict[int, list[RollbackRequested]]:
        """Days with two flights and one measurement each; returns on which midnights a rollback was asked for."""
        asked: dict[int, list[RollbackRequested]] = {}
        for day, value in enumerate(values, first):
            self.serve(1, first=day, release=release)
            await self.measure(value, NOON + day * DAY)
            before = len(await self.said(RollbackRequested))
            await self.midnight(day + 1)
            if found := (await self.said(RollbackRequested))[before:]:
                asked[day + 1] = found
        return asked


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[MeasuredBench]:
    bench = MeasuredBench(tmp_path)
    await bench.db.create_tables()
    await bench.apply()
    await bench.release(1)
    yield bench
    await bench.db.close()


async def test_a_block_reports_what_was_measured_in_it_and_a_broken_ceiling_is_an_incident(
    bench: MeasuredBench,
) -> None:
    bench.serve(1)
    for value in (1.0, 0.5):
        await bench.measure(value)
    (report,) = await bench.midnight(1)
    told = report.measured["contacts"]
    assert (report.status, told.value, told.count, told.unit, told.broken) == ("closed", 0.75, 2, "contacts", "ceiling")
    assert "contacts is 0.75 contacts, above its ceiling 0.4" in report.incidents


async def test_the_same_event_twice_counts_once(bench: MeasuredBench) -> None:
    bench.serve(1)
    event = MeasurementRecorded.begin(
        source="c", time=NOON, id="case-7", use_case="flights", name="contacts", value=1.0, unit="contacts"
    )
    for _ in range(2):
        await bench.hear(event)
    assert (await bench.midnight(1))[0].measured["contacts"].count == 1
    await bench.hear(event)
    assert await bench.midnight(1.5) == []


async def test_a_late_value_is_a_correction_that_names_what_it_replaces(bench: MeasuredBench) -> None:
    bench.serve(1)
    (first,) = await bench.midnight(1)
    assert first.measured["contacts"].value is None
    await bench.measure(0.2)
    (second,) = await bench.midnight(1.5)
    assert (second.replaces, second.revision) == (first.id, 2)
    assert second.measured["contacts"].value == 0.2
    assert (first.value_minor, first.volume) == (second.value_minor, second.volume)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "calls"}, "name: the contract has no measured KPI 'calls'; its measured KPIs: contacts"),
        ({"unit": "calls"}, "unit: contacts is measured in 'contacts', not in 'calls'"),
        ({"value": 3.0}, "value: 3 is outside the range of contacts, 0 to 2"),
        ({"at": MIDNIGHT + 3 * DAY}, "time: 2013-03-04T00:00:00.00.00 is more than 2 days ahead"),
        ({"at": MIDNIGHT - 60 * DAY}, "time: block 2012-12-31 ended more than 40 days before"),
        ({"use_case": "trains"}, "use_case: no contract was ever applied for trains"),
    ],
)
async def test_what_cannot_be_counted_is_refused_by_field(
    bench: MeasuredBench, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(MeasurementError, match=said):
        await bench.measure(**{"value": 0.1, **changes})
    bench.serve(1)
    assert (await bench.midnight(1))[0].measured["contacts"].count == 0


async def test_a_value_ahead_of_the_clock_counts_when_its_day_has_ended(bench: MeasuredBench) -> None:
    bench.serve(2)
    await bench.measure(0.3, NOON + DAY)
    assert (await bench.midnight(1))[0].measured["contacts"].count == 0
    assert (await bench.midnight(2))[0].measured["contacts"].count == 1


async def test_values_of_a_day_with_two_releases_count_for_the_one_in_force(bench: MeasuredBench) -> None:
    bench.serve(1)
    await bench.measure(0.2, NOON - HOUR)
    await bench.measure(0.3, NOON + 8 * HOUR)
    await bench.release(2, day=0.75)
    # Nothing of the second release is in the tables yet: both count for the first.
    assert [(one.release_sequence, one.measured["contacts"].count) for one in await bench.midnight(1)] == [(1, 2)]
    late = served("late", [NOON + 8 * HOUR], release=2, contract_digest=CONTRACT.digest)
    store(bench.location, [late], start=500)
    found = [*await bench.midnight(1.25), *await bench.midnight(1.5)]
    assert [(one.release_sequence, one.measured["contacts"].count) for one in found] == [(2, 1), (1, 1)]


async def test_broken_blocks_take_a_release_back_and_the_request_names_the_kpi(bench: MeasuredBench) -> None:
    asked = await bench.live(0, [1.5] * 9)
    # Five blocks at 1.5 suffice; each enters evidence a day after its end.
    assert list(asked) == [6]
    (request,) = asked[6]
    assert (request.kpi, request.release_sequence, request.requested_by) == ("contacts", 1, "monitor")
    assert "contacts is 1.5 contacts on average over 5 blocks, 2013-03-01 to 2013-03-05, above its ceiling 0.4" in (
        request.reason
    )
    assert (request.evidence["broken_blocks"], request.evidence["ceiling"]) == (5, 0.4)
    reports = {one.id: one for one in await bench.said(KpiReported)}
    assert reports[request.causation_id or ""].block == "2013-03-05"


async def test_the_same_step_again_asks_nothing_anew_and_the_cooldown_binds(bench: MeasuredBench) -> None:
    assert list(await bench.live(0, [1.5] * 6)) == [6]
    bench.restart()
    await bench.midnight(6)
    assert len(await bench.said(RollbackRequested)) == 1
    assert list(await bench.live(6, [1.5] * 8)) == [13]


async def test_a_value_after_the_block_was_settled_changes_the_report_and_never_the_evidence(
    bench: MeasuredBench,
) -> None:
    await bench.live(0, [0.1, 0.1, 0.1])
    before = bench.measured.detail()["flights"]["contacts"]
    await bench.measure(2.0, NOON)
    (corrected,) = await bench.midnight(3.5)
    assert corrected.measured["contacts"].value == 1.05
    assert bench.measured.detail()["flights"]["contacts"] == before


async def test_a_block_in_which_nobody_measured_is_no_evidence(bench: MeasuredBench) -> None:
    bench.serve(4)
    await bench.midnight(6)
    assert bench.measured.detail()["flights"]["contacts"]["judged"] is False


async def test_an_earlier_release_that_broke_it_too_is_no_place_to_go_back_to(bench: MeasuredBench) -> None:
    await bench.live(0, [1.0, 1.0, 1.0])
    await bench.release(2, day=3, target="a" * 64)
    assert await bench.live(3, [1.5] * 8, release=2) == {}
    assert "of an earlier release, too" in bench.measured.detail()["flights"]["contacts"]["reason"]


async def test_values_are_forgotten_and_what_was_told_of_their_block_stands(bench: MeasuredBench) -> None:
    await bench.live(0, [0.3])
    await bench.midnight(45)
    async with bench.db.read() as session:
        assert await session.scalar(select(func.count()).select_from(MeasurementRow)) == 0
    store(bench.location, outcomes=[happened({"r0/1": "late"}, NOON + 45 * DAY)], start=500)
    (corrected,) = await bench.midnight(46)
    assert (corrected.block, corrected.measured["contacts"].value) == ("2013-03-01", 0.3)
