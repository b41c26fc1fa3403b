"""The pages in a real browser, from a file, without a network: they render, fit a phone, and every number leads home.

The browser is Debian's Chromium. Where it is missing these tests are left out on a person's machine and fail in CI.
"""

import asyncio
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from services.console.reading import Pages
from tests.console.test_states import LATE
from tests.console.world import World

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
WIDTHS = {"desktop": (1280, 900), "phone": (360, 740)}
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
    return {"report": report, "portfolio": portfolio}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    assert CHROMIUM, "CI needs Chromium: .ci/run installs it"
    with sync_playwright() as playwright:
        # Root, as in a container, has no sandbox; the pages are our own.
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(params=[(name, width) for name in ("report", "portfolio") for width in WIDTHS], ids="-".join)
def page(request: pytest.FixtureRequest, browser: Browser, pages: dict[str, Path]) -> Iterator[Page]:
    name, width = request.param
    wide, high = WIDTHS[width]
    context = browser.new_context(viewport={"width": wide, "height": high}, offline=True)
    opened = context.new_page()
    heard: list[str] = []
    opened.on("console", lambda message: heard.append(message.text))
    opened.on("pageerror", lambda error: heard.append(str(error)))
    opened.on("request", lambda asked: heard.append(asked.url))
    opened.goto(pages[name].as_uri())
    yield opened
    assert heard == [pages[name].as_uri()], "it says or asks for something"
    context.close()


def test_nothing_has_to_be_scrolled_sideways(page: Page) -> None:
    seen: Any = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert seen[0] == seen[1]
    assert page.locator("h1").is_visible()


def test_every_number_leads_to_its_query_which_is_then_seen(page: Page) -> None:
    links = page.locator("a.n, a.plot")
    targets = list(dict.fromkeys(links.nth(i).get_attribute("href") or "" for i in range(links.count())))
    assert len(targets) >= 2
    page.add_style_tag(content="html { scroll-behavior: auto !important }")
    for target in targets:
        page.locator(f"a[href='{target}']").first.click()
        top: Any = page.locator(target).evaluate("source => source.getBoundingClientRect().top")
        assert page.url.endswith(target)
        assert 0 <= top < high_of(page), target
        assert page.locator(f"{target} code").is_visible()


def high_of(page: Page) -> int:
    size = page.viewport_size
    assert size is not None
    return size["height"]


def test_letters_are_large_enough_to_read(page: Page) -> None:
    sizes: Any = page.evaluate(
        "[...document.querySelectorAll('main p, main li, main td, svg text')].map(e => {"
        " const s = e.ownerSVGElement, k = s ? s.getBoundingClientRect().width / s.viewBox.baseVal.width : 1;"
        " return parseFloat(getComputedStyle(e).fontSize) * k })"
    )
    assert min(sizes) >= 10
