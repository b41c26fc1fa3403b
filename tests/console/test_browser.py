"""The pages in a real browser, from a file, without a network: they render, fit a phone, and every number leads home.

The browser is Debian's Chromium. Where it is missing these tests are left out on a person's machine and fail in CI.
"""

import asyncio
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from services.console.reading import Pages
from tests.console.browser import CHROMIUM, WIDTHS, check_links, check_width, open_browser, open_page, smallest_letter
from tests.console.test_odd_worlds import DEAR, Past
from tests.console.test_states import LATE
from tests.console.world import World
from tests.feedback.contracts import flights_contract

_CI = os.environ.get("CI", "").lower() == "true"
pytestmark = pytest.mark.skipif(
    CHROMIUM is None and not _CI, reason="Chromium is not installed; on Debian: apt-get install chromium"
)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    # The browser keeps an event loop of its own running in this thread.
    with ThreadPoolExecutor(1) as pool:
        made = pool.submit(asyncio.run, _make(folder)).result()
    files = {name: folder / f"{name}.html" for name in made}
    for name, text in made.items():
        files[name].write_text(text, encoding="utf-8")
    return files


async def _make(folder: Path) -> dict[str, str]:
    world = World(folder)
    now = await world.live()
    pages = Pages(world.db, world.location)
    report, portfolio = await pages.report("flights", now), await pages.portfolio(now, LATE)
    await world.close()
    return {"report": report, "portfolio": portfolio, "wide": await _wide(folder / "wide")}


async def _wide(folder: Path) -> str:
    """Sums of many digits, and words without a place to break them."""
    people = {"owner": "a" * 64, "sponsors": ["b" * 64], "signed_by": {"owner": "a" * 64}}
    past, world = Past(flights_contract(decisions=DEAR, objective="x" * 500, **people)).live(range(9)), World(folder)
    now = await world.play(past.terms, (past.decided, past.ended), past.told, 11)
    page = await Pages(world.db, world.location).report("flights", now)
    await world.close()
    return page


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as opened:
        yield opened


@pytest.fixture(params=[(name, width) for name in ("report", "portfolio", "wide") for width in WIDTHS], ids="-".join)
def page(request: pytest.FixtureRequest, browser: Browser, pages: dict[str, Path]) -> Iterator[Page]:
    name, width = request.param
    with open_page(browser, pages[name], width) as opened:
        yield opened


def test_nothing_has_to_be_scrolled_sideways(page: Page) -> None:
    check_width(page)


def test_every_number_leads_to_its_query_which_is_then_seen(page: Page) -> None:
    assert check_links(page) >= 2


def test_letters_are_large_enough_to_read(page: Page) -> None:
    assert smallest_letter(page) >= 10
