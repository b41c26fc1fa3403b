"""What is quickly found good is what `contents` finds good."""

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.monitor.contents import outcome_problems, prediction_problem
from services.monitor.countable import Countable
from shared.contract.capacity import block_of
from shared.events import OutcomeRecorded, PredictionServed, to_record
from shared.events.quick import QuickReader, Served, Told
from tests.feedback.contracts import arrival_contract, flights_contract
from tests.feedback.streams import NOON, happened, served

# One zone changes its offset at midnight, one did so a minute after it, one left out a whole day.
ZONES = ("UTC", "America/New_York", "America/Havana", "America/St_Johns", "Pacific/Apia", "Australia/Lord_Howe")
CONTRACTS = {zone: flights_contract(timezone=zone) for zone in ZONES}
COUNTABLE = {zone: Countable(contract) for zone, contract in CONTRACTS.items()}


def quick(event: PredictionServed | OutcomeRecorded) -> Served | Told:
    record, reader = to_record(event), QuickReader()
    read = reader.served if isinstance(event, PredictionServed) else reader.told
    found: Served | Told | None = read(record.value, record.headers)
    assert found is not None
    return found


@settings(max_examples=500, deadline=None)
@given(
    zone=st.sampled_from(ZONES),
    time=st.datetimes(dt.datetime(1970, 1, 1), dt.datetime(2200, 1, 2), timezones=st.just(dt.UTC)),  # noqa: DTZ001
    shift=st.integers(-2, 2),
)
def test_a_block_is_good_only_where_its_time_lies_in_it(zone: str, time: dt.datetime, shift: int) -> None:
    block = (dt.date.fromisoformat(block_of(CONTRACTS[zone], time)) + dt.timedelta(days=shift)).isoformat()
    event = served("a", [time], block=block)
    if COUNTABLE[zone].decisions(quick(event)):  # type: ignore[arg-type]
        assert prediction_problem(event, CONTRACTS[zone]) is None


@pytest.mark.parametrize("zone", ZONES)
def test_every_hour_of_years_with_changes_of_the_offset_is_judged_alike(zone: str) -> None:
    hours = [dt.datetime(2011, 1, 1, tzinfo=dt.UTC) + dt.timedelta(minutes=29, hours=h) for h in range(366 * 24)]
    good = 0
    for time in hours:
        bounds = COUNTABLE[zone]._bounds_of(block_of(CONTRACTS[zone], time))
        good += bounds[0] <= time < bounds[1]
        for first, following in (bounds,):
            inside = [at for at in (first, following - dt.timedelta(microseconds=1)) if first < following]
            assert {block_of(CONTRACTS[zone], at) for at in inside} <= {block_of(CONTRACTS[zone], time)}
    assert good > 0.98 * len(hours), "nearly every day is read quickly"


def test_what_the_contract_does_not_know_is_not_countable() -> None:
    flights = COUNTABLE["UTC"]
    for event in (
        *(served("a", block="2013-03-02"), served("a", block="20130301"), served("a", block="garbage")),
        *(served("a", decisions=["fire"]), served("a", use_case="loans")),
        served("a").model_copy(update={"scores": [[0.5, 0.5]]}),
    ):
        assert not flights.decisions(quick(event))  # type: ignore[arg-type]
    assert flights.decisions(quick(served("a", [NOON] * 3)))  # type: ignore[arg-type]


def test_outcomes_are_countable_where_nothing_speaks_against_them() -> None:
    for contract in (flights_contract(), arrival_contract()):
        for event in (
            happened({"a/0": "late"}),
            happened({"a/0": "never"}),
            happened({"a/0": "late"}, NOON.replace(year=2200)),
        ):
            said = Countable(contract).outcomes(quick(event))  # type: ignore[arg-type]
            assert said == (outcome_problems(event, contract) is None)
