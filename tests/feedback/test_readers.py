"""The list of readers is the list of those who import the tables."""

import ast
from importlib.util import find_spec
from pathlib import Path

from shared.feedback.readers import READERS

ROOT = Path(__file__).parents[2]
TABLES = {"shared.feedback.joined", "shared.feedback.table", "shared.feedback.upkeep", "shared.feedback.views"}


def test_who_reads_the_tables_stands_in_one_place() -> None:
    found = set()
    for folder in ("services", "headrace"):
        for path in (ROOT / folder).rglob("*.py"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            named = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
            if named & TABLES:
                found.add(".".join(path.relative_to(ROOT).with_suffix("").parts))
    # It only passes table versions on.
    found -= {"services.monitor.store"}
    assert {reader.module for reader in READERS} == found


def test_every_reader_exists_once_and_says_what_for() -> None:
    assert len({reader.module for reader in READERS}) == len(READERS)
    assert all(find_spec(reader.module) and reader.purpose for reader in READERS)
