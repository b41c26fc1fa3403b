"""An entry point names a function defined below its use case's own directory, or it is refused."""

from pathlib import Path

import pytest

from services.trainer.entry_points import code_digest, load_entry_point
from services.trainer.job import CannotTrainError


@pytest.fixture
def use_case(tmp_path: Path) -> Path:
    directory = tmp_path / "case"
    (directory / "inner").mkdir(parents=True)
    (directory / "source.py").write_text("from .shared import VALUE\ndef load():\n    return VALUE\nCONSTANT = 1\n")
    (directory / "shared.py").write_text("VALUE = 42\n")
    (directory / "inner" / "deep.py").write_text("def load():\n    return 'deep'\n")
    (directory / "aliases.py").write_text("from os import system\nfrom pathlib import Path\n")
    (tmp_path / "outside.py").write_text("def load():\n    raise AssertionError('outside')\n")
    return directory


def test_functions_below_the_directory_are_found_and_their_files_import_each_other(use_case: Path) -> None:
    assert load_entry_point(use_case, "source:load")() == 42
    assert load_entry_point(use_case, "inner.deep:load")() == "deep"


def test_two_use_cases_with_the_same_file_names_do_not_mix(use_case: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "source.py").write_text("def load():\n    return 'other'\n")
    assert load_entry_point(use_case, "source:load")() == 42
    assert load_entry_point(other, "source:load")() == "other"


@pytest.mark.parametrize(
    "entry_point",
    [
        "os:system",
        "subprocess:run",
        "aliases:system",
        "aliases:path",
        "source:missing",
        "source:constant",
        "source:__import__",
        "outside:load",
        "..outside:load",
        "../outside:load",
        "/etc/passwd:load",
        "source.load",
        "source:load:more",
        "source:load()",
        "source:load\n",
        "",
        "inner:load",
        "Source:load",
    ],
)
def test_anything_else_is_refused(use_case: Path, entry_point: str) -> None:
    with pytest.raises(CannotTrainError):
        load_entry_point(use_case, entry_point)


def test_a_link_out_of_the_directory_is_refused_as_file_and_as_folder(use_case: Path, tmp_path: Path) -> None:
    (use_case / "linked.py").symlink_to(tmp_path / "outside.py")
    (use_case / "folder").symlink_to(tmp_path)
    for entry_point in ("linked:load", "folder.outside:load"):
        with pytest.raises(CannotTrainError, match="leads out"):
            load_entry_point(use_case, entry_point)


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(CannotTrainError, match="no directory"):
        load_entry_point(tmp_path / "nothing", "source:load")


def test_the_code_digest_changes_with_any_file(use_case: Path) -> None:
    before = code_digest(use_case)
    assert before == code_digest(use_case)
    (use_case / "inner" / "deep.py").write_text("def load():\n    return 'changed'\n")
    assert code_digest(use_case) != before
