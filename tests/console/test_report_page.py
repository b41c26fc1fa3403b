"""The sponsor's page: every number is what its query answers, every word is plain, nothing runs and nothing loads."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

import pytest

from services.console.handlers import on_use_case_applied
from services.console.reading import NothingKnownError, Pages
from tests.console.pages import SCRIPT, Read, answers, differing, jargon, loose_numbers, read
from tests.console.world import DAY, FIRST, START, World, applied


@dataclass(frozen=True)
class Made:
    """The world's tables, and two pages of it: of all its days, and of days without a case."""

    world: World
    page: Read
    silent: Read


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return asyncio.run(_make(tmp_path_factory.mktemp("world")))


async def _make(folder: Path) -> Made:
    world = World(folder)
    now = await world.live()
    pages = Pages(world.db, world.location)
    whole, silent = (
        await pages.report("flights", now),
        await pages.report("flights", now, "2013-05-01", "2013-05-07"),
    )
    await world.close()
    return Made(world, read(whole), read(silent))


def test_every_number_leads_to_the_query_that_gives_the_same_number(made: Made) -> None:
    page = made.page
    given = answers(page, made.world.location, made.world.database)
    assert len(page.numbers) > 25
    assert {number.target for number in page.numbers} <= page.sources.keys() <= page.ids
    assert differing(page, given) == []


def test_no_number_stands_alone(made: Made) -> None:
    assert loose_numbers(made.page) == []


def test_nobody_needs_to_know_how_it_works_inside(made: Made) -> None:
    page = made.page
    assert jargon(page) == []


def test_texts_of_a_contract_and_of_people_stay_texts(made: Made) -> None:
    page = made.page
    assert page.text.count(SCRIPT) == 2
    assert {tag for tag, _ in page.tags} & {"script", "img", "iframe", "object", "form", "link"} == set()
    assert [name for _, named in page.tags for name in named if name.startswith("on")] == []


def test_the_page_is_whole_by_itself(made: Made) -> None:
    page = made.page
    leads = [named[name] or "" for _, named in page.tags for name in ("href", "src", "xlink:href") if name in named]
    assert [target for target in leads if not target.startswith(("#", "/use_cases/"))] == []
    assert [target for target in leads if target.startswith("#") and target[1:] not in page.ids] == []


def test_it_tells_what_changed_and_why_in_order(made: Made) -> None:
    page = made.page
    told = [
        "arrivals-desk signed the terms",
        "The first model began to decide, having learned from cases up to 15 February 2013",
        "A model was trained, because it was time",
        "A newer model took over",
        "The model began to err more than it should",
        "ann put a model into use against the checks",
        "A training failed",
        "it cost more in each case than the earlier one would have",
        "a later one took its place",
        "arrivals-desk changed the terms: what decisions cost",
    ]
    places = [page.text.find(text) for text in told]
    assert -1 not in places
    assert places == sorted(places)
    assert "forced past" not in page.text


def test_it_says_that_it_is_not_causal_and_what_is_asked(made: Made) -> None:
    page = made.page
    assert "Not causal." in page.text
    assert "Against what was promised. Before a model may decide it is tried on cases" in page.text
    assert "What limited the decisions" in page.text
    assert "Every place for “review” was used" in page.text
    assert "Decide whether “review” should get more places" in page.text
    assert "The accounts of the single days add up to the same" in page.text


def test_a_period_without_cases_is_silence_and_not_good_news(made: Made) -> None:
    page = made.silent
    assert "No case was decided in this time. That is silence" in page.text
    assert "Saved against" not in page.text


async def test_what_cannot_be_reported_says_why(tmp_path: Path) -> None:
    world = World(tmp_path)
    await world.db.create_tables()
    await on_use_case_applied(applied(FIRST), world.db, ())
    pages = Pages(world.db, world.location)
    for wrong, why in ((("trains", START), "there is no use case trains"),
                       (("flights", START + DAY), "no account of any day yet")):  # fmt: skip
        with pytest.raises(NothingKnownError, match=why):
            await pages.report(*wrong)
    await world.close()
