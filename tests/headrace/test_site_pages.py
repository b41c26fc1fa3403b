"""The site is built without a warning, and what the code writes of itself is whole."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from headrace.site_pages import SECTIONS, contract_reference, event_catalogue, from_the_root, within_docs
from shared.contract.json_schema import keys
from shared.events import CATALOGUE

ROOT = Path(__file__).resolve().parents[2]


def test_every_event_is_on_its_page_with_who_says_and_hears_it() -> None:
    page = event_catalogue()
    for topic, event in CATALOGUE.items():
        section = page.partition(f"\n## {topic}\n")[2].partition("\n## ")[0]
        assert f"- Said by: {', '.join(event.publishers)}\n- Heard by: {', '.join(event.listeners)}" in section
        body = [
            name
            for name in event.model_fields
            if name not in ("id", "source", "time", "correlation_id", "causation_id")
        ]
        assert [name for name in body if f"| `{name}` |" not in section] == []


def test_every_key_of_every_section_is_in_the_reference() -> None:
    page = contract_reference()
    for title, path in SECTIONS:
        section = page.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
        assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == keys(path)


def test_a_section_that_is_added_to_the_contract_is_missed() -> None:
    told = {path[0] for _, path in SECTIONS if path}
    assert {key for key in keys(()) if keys((key,)) or keys((key, "NAME"))} == told


def test_links_of_the_roots_pages_lead_to_the_sites() -> None:
    said = "[a](docs/errors.md#alerts) [b](CONTRIBUTING.md) [c](LICENSE) ![d](docs/loop.svg)"
    assert from_the_root(said) == "[a](errors.md#alerts) [b](contributing.md) c ![d](loop.svg)"


def test_links_to_code_become_its_name() -> None:
    said = "[a.py](../examples/a.py), [b](errors.md)"
    assert within_docs(said) == "a.py, [b](errors.md)"


@pytest.mark.slow
def test_the_site_is_built_strictly_and_fetches_nothing_from_elsewhere(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    for page in ("index", "events", "contract", "bring_your_own", "operations", "contributing", "decisions/index"):
        text = (tmp_path / f"{page}.html").read_text(encoding="utf-8")
        assert (
            re.findall(r"<(?:script|img|link rel=\"stylesheet\")[^>]*(?:src|href)=\"(?:https?:)?//[^\"]*", text) == []
        )
