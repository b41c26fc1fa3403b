"""A table that stays open shows its newest version, whoever wrote it and however often."""

import shutil
from pathlib import Path

from deltalake import DeltaTable

from shared.feedback.open_table import _COMMITS, OpenTable
from tests.feedback.streams import happened, served, store


def test_there_is_no_table_before_its_first_row_and_afterwards_there_is(tmp_path: Path) -> None:
    kept = OpenTable(str(tmp_path / "decisions"))
    assert kept.newest() is None
    store(tmp_path, [served("a")])
    newest = kept.newest()
    assert newest is not None
    assert newest.version() == 1


def test_it_follows_others_and_is_opened_anew_after_many_commits(tmp_path: Path) -> None:
    kept, opened = OpenTable(str(tmp_path / "outcomes")), list[DeltaTable]()
    for commit in range(1, 2 * _COMMITS + 4):
        store(tmp_path, [], [happened({f"r{commit}/0": "late"})], start=commit)
        newest = kept.newest()
        assert newest is not None
        assert newest.version() == commit
        if not any(newest is one for one in opened):
            opened.append(newest)
    assert len(opened) == 3


def test_a_table_that_was_removed_is_none_again(tmp_path: Path) -> None:
    store(tmp_path, [served("a")])
    kept = OpenTable(str(tmp_path / "decisions"))
    assert kept.newest() is not None
    kept.close()
    shutil.rmtree(tmp_path / "decisions")
    assert kept.newest() is None
