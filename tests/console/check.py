"""Checks the sponsor's page of a use case that runs: `python -m tests.console.check HOME USE_CASE [SCREENSHOT.png]`.

Every query of the page is typed in, every number clicked, the words read, the page opened at both widths without a
network. Ends with an error where one number differs, one word is jargon, or anything is asked for.
"""

import json
import shlex
import sys
import tempfile
from pathlib import Path

from typer.testing import CliRunner

from headrace.cli import app
from headrace.console_client import ConsoleClient
from headrace.run_info import read_run_info
from services.console.settings import ConsoleSettings
from tests.console.browser import WIDTHS, check_links, check_width, open_browser, open_page, smallest_letter
from tests.console.pages import Read, answers, differing, jargon, read


def main(home: Path, use_case: str, picture: Path | None) -> None:
    """Check, and say what was found."""
    with ConsoleClient(read_run_info(home)) as client:
        text = client.report(use_case)
    page, settings = read(text), ConsoleSettings(home=home)
    given = answers(page, settings.feedback_location, settings.database) | estimates(page, home)
    assert given.keys() == page.sources.keys()
    wrong, words = differing(page, given), jargon(page)
    assert wrong == [], wrong
    assert words == [], words
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{use_case}.html"
        file.write_text(text, encoding="utf-8")
        for width, seen in _browse(file, picture).items():
            sys.stdout.write(f"{width}: {seen}\n")
    queries = len(page.sources)
    sys.stdout.write(f"{use_case}: {len(page.numbers)} numbers and {queries} queries, each the same; no jargon\n")


def estimates(page: Read, home: Path) -> dict[str, str]:
    """Place -> the number that `headrace value` tells there."""
    found = {}
    for place, command in page.sources.items():
        words = shlex.split(command, comments=True)
        if words[1] == "value":
            told = json.loads(CliRunner().invoke(app, ["--home", str(home), *words[1:]]).stdout)
            for name in command.partition("# ")[2].split("."):
                told = told[name]
            found[place] = str(told)
    return found


def _browse(file: Path, picture: Path | None) -> dict[str, str]:
    seen = {}
    with open_browser() as browser:
        for width in WIDTHS:
            with open_page(browser, file, width) as page:
                check_width(page)
                if picture and width == "desktop":
                    page.set_viewport_size({"width": 860, "height": 1500})
                    page.screenshot(path=picture, clip={"x": 0, "y": 0, "width": 860, "height": 1500})
                    page.set_viewport_size({"width": WIDTHS[width][0], "height": WIDTHS[width][1]})
                letter, clicked = smallest_letter(page), check_links(page)
                seen[width] = f"{clicked} links clicked, letters of {letter:.0f} pixels and more, nothing asked for"
    return seen


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]) if len(sys.argv) > 3 else None)
