"""A real browser, without a network, that remembers what a page says and asks for."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
WIDTHS = {"desktop": (1280, 900), "phone": (360, 740)}
_LETTERS = (
    "[...document.querySelectorAll('main p, main li, main td, svg text')].map(e => {"
    " const s = e.ownerSVGElement, k = s ? s.getBoundingClientRect().width / s.viewBox.baseVal.width : 1;"
    " return parseFloat(getComputedStyle(e).fontSize) * k })"
)


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    assert CHROMIUM, "there is no Chromium: .ci/run installs it"
    with sync_playwright() as playwright:
        # Root, as in a container, has no sandbox; the pages are our own.
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@contextmanager
def open_page(browser: Browser, file: Path, width: str) -> Iterator[Page]:
    """The page; at its end it must have asked for nothing but itself, and said nothing to the console."""
    wide, high = WIDTHS[width]
    context = browser.new_context(viewport={"width": wide, "height": high}, offline=True)
    page = context.new_page()
    heard: list[str] = []
    page.on("console", lambda message: heard.append(message.text))
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.on("request", lambda asked: heard.append(asked.url))
    page.goto(file.as_uri())
    yield page
    assert heard == [file.as_uri()], "it says or asks for something"
    context.close()


def check_width(page: Page) -> None:
    """Nothing has to be scrolled sideways."""
    seen: Any = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert seen[0] == seen[1]
    assert page.locator("h1").is_visible()


def check_links(page: Page) -> int:
    """Click every number and every plot; each leads to its query, which is then seen. Returns how many."""
    links = page.locator("a.n, a.plot")
    targets = list(dict.fromkeys(links.nth(i).get_attribute("href") or "" for i in range(links.count())))
    page.add_style_tag(content="html { scroll-behavior: auto !important }")
    high = WIDTHS["desktop"][1] if page.viewport_size is None else page.viewport_size["height"]
    for target in targets:
        page.locator(f"a[href='{target}']").first.click()
        top: Any = page.locator(target).evaluate("source => source.getBoundingClientRect().top")
        assert page.url.endswith(target)
        assert 0 <= top < high, target
        assert page.locator(f"{target} code").is_visible()
    return len(targets)


def smallest_letter(page: Page) -> float:
    """Pixels, as they are drawn."""
    sizes: list[float] = page.evaluate(_LETTERS)
    return min(sizes)
