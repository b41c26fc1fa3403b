"""Use cases that are not as usual have a page like any other: every number as its query answers, in plain words."""

import asyncio
import datetime as dt
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from services.console.reading import Pages
from shared.contract.schema import Contract
from shared.events import Event, Outcome, OutcomeRecorded
from tests.console.pages import SCRIPT, Read, answers, differing, jargon, loose_numbers, read
from tests.console.test_states import LATE
from tests.console.world import DAY, START, World, applied, released
from tests.feedback.contracts import FLIGHTS, arrival_contract, flights_contract
from tests.feedback.streams import happened, served

PLAIN = {name: one for name, one in FLIGHTS["decisions"].items() if name != "review"}
DOLLAR = flights_contract(decisions=PLAIN)
EURO = flights_contract(decisions=PLAIN, currency="EUR")
YEN = flights_contract(
    currency="JPY", decisions={"none": {"on_time": 0, "late": 500}, "act": {"on_time": 100, "late": 0}}
)
DEAR = {"none": {"on_time": 0, "late": 900_000_000}, "act": {"on_time": 100_000_000, "late": 0}}


class Past:
    """Five cases a day, decided and ended alike, under one contract after the other."""

    def __init__(self, contract: Contract = DOLLAR) -> None:
        self.terms, self.told = [applied(contract)], list[Event]()
        self.decided: list[Any] = []
        self.ended: list[Any] = []
        self.release(contract)

    def release(self, contract: Contract, day: int = 0) -> None:
        """A contract and a release under it, from this day on."""
        if contract.digest != self.terms[-1].contract_digest:
            self.terms.append(applied(contract, len(self.terms) + 1, START + day * DAY, changed=["currency"]))
        self.contract, self.sequence = contract, len(self.told) + 1
        fields = {"use_case": contract.use_case, "contract_digest": contract.digest}
        self.told.append(released(self.sequence, "first", START + day * DAY, **fields))

    def live(self, days: Iterable[int], decision: str = "act", label: str = "late") -> "Past":
        """Days with their outcomes, known in the night after."""
        for day in days:
            times = [START + day * DAY + dt.timedelta(hours=hour) for hour in range(5)]
            self.decided.append(
                served(f"d{day}", times, decisions=[decision] * 5, release=self.sequence,
                       contract_digest=self.contract.digest, use_case=self.contract.use_case)
            )  # fmt: skip
            self.end(day, label, START + (day + 1) * DAY + dt.timedelta(hours=3))
        return self

    def end(self, day: int, label: str, known_at: dt.datetime) -> None:
        """The outcomes of a day, or a correction of them."""
        labels = {f"d{day}/{place}": label for place in range(5)}
        self.ended.append(happened(labels, known_at, self.contract.use_case))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def page_of(world: World, past: Past, days: int, *asked: str, **options: Any) -> Read:
    """Play it, and check its page number by number."""

    async def make() -> str:
        now = await world.play(past.terms, (past.decided, past.ended), past.told, days, **options)
        page = await Pages(world.db, world.location).report(past.contract.use_case, now, *asked)
        await world.close()
        return page

    return checked(world, asyncio.run(make()))


def checked(world: World, html: str) -> Read:
    page = read(html)
    assert differing(page, answers(page, world.location, world.database)) == []
    assert (jargon(page), loose_numbers(page)) == ([], [])
    assert {number.target for number in page.numbers} <= page.sources.keys()
    return page


def numbers(page: Read) -> set[str]:
    return {number.text for number in page.numbers}


def test_one_day_alone_has_its_sums_and_neither_plot_nor_range(world: World) -> None:
    page = page_of(world, Past().live(range(1)), 3)
    assert "25.00 USD" in numbers(page)
    assert {tag for tag, _ in page.tags} & {"svg"} == set()
    assert "Days differ" not in page.text
    assert "What chance" not in page.text


def test_a_use_case_without_capacity_has_no_desk_and_nothing_limited_it(world: World) -> None:
    page = page_of(world, Past().live(range(3)), 5)
    assert "Room for" not in page.text
    assert "Nothing did: every case got the decision that costs least" in page.text


def test_a_desk_that_had_fewer_places_for_some_days_says_so(world: World) -> None:
    def desk(limit: int) -> Contract:
        return flights_contract(
            decisions=PLAIN | {"review": FLIGHTS["decisions"]["review"] | {"capacity": {"limit": limit}}}
        )

    past = Past(desk(7)).live(range(2), decision="review")
    past.release(desk(5), 2)
    page = page_of(world, past.live(range(2, 4), decision="review"), 6)
    assert "There were 7 places a day, and no more than 5 on the day with the fewest." in page.text
    assert "Every place for “review” was used" in page.text


def test_a_model_that_lost_money_says_so_and_asks_whether_it_goes_on(world: World) -> None:
    page = page_of(world, Past().live(range(10), label="on_time"), 12)
    assert "−50.00 USD" in numbers(page)
    assert "Decide whether the model goes on deciding" in page.text
    assert "Ask the owner why" not in page.text


def test_money_without_cents_has_none(world: World) -> None:
    page = page_of(world, Past(YEN).live(range(9)), 11)
    assert "22,500 JPY" in numbers(page)
    assert not [one for one in numbers(page) if one.endswith("USD")]


def test_very_large_sums_stay_exact(world: World) -> None:
    page = page_of(world, Past(flights_contract(decisions=DEAR)).live(range(9)), 11)
    assert "40,500,000,000.00 USD" in numbers(page)


def test_a_corrected_outcome_is_in_the_sum_and_in_the_accounts(world: World) -> None:
    past = Past().live(range(3))
    past.end(1, "on_time", START + 3 * DAY)
    page = page_of(world, past, 6)
    # Two days saved 25.00 each, and what was done on the third cost 5.00 for nothing.
    assert "45.00 USD" in numbers(page)
    assert "The accounts of the single days add up to the same" in page.text


def test_an_estimate_of_a_number_is_priced_and_has_a_promise(world: World) -> None:
    contract = arrival_contract(objective=SCRIPT)
    past = Past(contract)
    for day in range(9):
        times = [START + day * DAY + dt.timedelta(hours=hour) for hour in range(3)]
        past.decided.append(served(f"d{day}", times, scores=[12.5, 20.25, 99.0], decisions=["estimate"] * 3,
                                   use_case="arrival", contract_digest=contract.digest))  # fmt: skip
        known_at = START + (day + 1) * DAY
        told = [Outcome(prediction_id=f"d{day}/{place}", value=12.0 + place, known_at=known_at) for place in range(3)]
        past.ended.append(OutcomeRecorded.begin(source="desk", time=known_at, use_case="arrival", outcomes=told))
    page = page_of(world, past, 11)
    assert "Against what was promised" in page.text
    assert "27" in numbers(page)


def test_outcomes_that_came_before_the_first_account_are_not_known_yet(world: World) -> None:
    contract = arrival_contract()
    event = served("early", [START], scores=[12.5], decisions=["estimate"], use_case="arrival",
                   contract_digest=contract.digest)  # fmt: skip
    told = Outcome(prediction_id="early/0", value=30.0, known_at=START)
    past = Past(contract)
    past.decided.append(event)
    past.ended.append(OutcomeRecorded.begin(source="desk", time=START, use_case="arrival", outcomes=[told]))
    page = page_of(world, past, -1, "2013-03-01", "2013-03-01")
    assert "no day of them has been accounted for yet" in page.text


def test_without_a_known_outcome_no_cost_of_a_case_is_made_up(world: World) -> None:
    contract = arrival_contract(kpis={"cost_per_case": {"ceiling": 1.0}})
    past = Past(contract)
    past.decided.append(served("late", [START], scores=[12.5], decisions=["estimate"], use_case="arrival",
                               contract_digest=contract.digest))  # fmt: skip
    page = page_of(world, past, 9)
    assert "1 cases were decided, and none of their outcomes is known yet" in page.text
    assert "–" in numbers(page)


def test_days_on_which_no_case_came_are_said(world: World) -> None:
    page = page_of(world, Past().live((0, 1, 4)), 6)
    assert "On 2 days no case came." in page.text


def test_sums_of_two_currencies_are_never_added(world: World) -> None:
    past = Past().live(range(3))
    past.release(EURO, 3)
    page = page_of(world, past.live(range(3, 7)), 9)
    assert "100.00 EUR" in numbers(page)
    assert not [one for one in numbers(page) if one.endswith("USD")]
    assert "Not in here: what was decided under terms that count money otherwise, in USD, last on 3 March" in page.text
    assert "The accounts of the single days add up to the same" in page.text


def test_days_before_the_currency_changed_are_told_in_the_old_one(world: World) -> None:
    past = Past().live(range(3))
    past.release(EURO, 3)
    page = page_of(world, past.live(range(3, 7)), 9, "2013-03-01", "2013-03-03")
    assert "75.00 USD" in numbers(page)
    assert "Not in here" not in page.text


def test_the_portfolio_adds_up_one_currency_only(world: World) -> None:
    past = Past().live(range(3))
    past.release(EURO, 3)
    page_of(world, past.live(range(3, 7)), 9)

    async def make() -> str:
        page = await Pages(world.db, world.location).portfolio(START + 10 * DAY, LATE)
        await world.close()
        return page

    html = asyncio.run(make())
    assert numbers(checked(world, html)) == {"100.00 EUR", "4"}


def test_decisions_that_the_terms_no_longer_know_stay_in_the_sums_of_their_days(world: World) -> None:
    past = Past().live(range(3))
    renamed = {"none": PLAIN["none"], "warn": PLAIN["act"]}
    past.release(flights_contract(decisions=renamed), 3)
    page = page_of(world, past.live(range(3, 5), decision="warn"), 7)
    assert "125.00 USD" in numbers(page)
    assert {"15", "10", "25"} <= numbers(page)
    assert "The accounts of the single days add up to the same" in page.text


def test_without_any_table_a_page_is_silence(world: World) -> None:
    page = page_of(world, Past(), 1, "2013-03-01", "2013-03-07")
    assert "No case was decided in this time. That is silence" in page.text


def test_a_unit_that_is_written_like_a_page_stays_a_text(world: World) -> None:
    kpi = {"aggregation": "mean", "unit": "<img src=x>", "ceiling": 1.0}
    page = page_of(world, Past(flights_contract(decisions=PLAIN, kpis={"contacts": kpi})).live(range(3)), 5)
    assert "contacts, in <img src=x>" in page.text
    assert {tag for tag, _ in page.tags} & {"img", "script"} == set()


def test_where_nothing_was_promised_the_page_says_so(world: World) -> None:
    page = page_of(world, Past().live(range(3)), 5, promised=None)
    assert "Nothing was promised for the days that can be judged" in page.text
