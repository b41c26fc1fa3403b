"""The file of keys holds hashes, is private to its owner, and says which line is wrong without showing it."""

import json
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from shared.spine.key_file import KeyFileError, Role, hash_of, new_key, read_keys, write_keys

NOW = datetime(2026, 3, 1, tzinfo=UTC)
GOOD = {"name": "ada", "roles": ["viewer"], "sha256": "a" * 64}


def test_what_is_written_is_read_again_and_holds_no_key(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "keys"
    key, entry = new_key("ada", ["operator", "viewer"], NOW)
    write_keys(file, [entry])
    assert read_keys(file) == [entry]
    assert key not in file.read_text()
    assert hash_of(key) in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(file.parent.iterdir()) == [file]


def test_no_two_keys_are_alike() -> None:
    keys = {new_key("ada", ["viewer"], NOW)[0] for _ in range(100)}
    assert len(keys) == 100
    assert all(key.startswith("hr_") and len(key) > 40 for key in keys)


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"name": "a b"}, "name"),
        ({"name": "ada\r\nx: y"}, "name"),
        ({"roles": []}, "roles"),
        ({"roles": ["root"]}, "roles"),
        ({"sha256": "hr_the-key-itself"}, "sha256"),
        ({"expires": "2026-03-01"}, "expires"),
        ({"key": "hr_the-key-itself"}, "key"),
    ],
)
def test_a_wrong_entry_is_named_by_line_and_field_and_not_shown(
    tmp_path: Path, changed: dict[str, Any], field: str
) -> None:
    file = tmp_path / "keys"
    file.write_text(json.dumps(GOOD) + "\n" + json.dumps(GOOD | changed))
    with pytest.raises(KeyFileError, match=f"line 2: {field}: ") as refused:
        read_keys(file)
    assert "the-key-itself" not in str(refused.value)


@pytest.mark.parametrize(("name", "roles"), [("", ["viewer"]), ("ada", []), ("../ada", ["viewer"])])
def test_a_key_for_nobody_or_nothing_is_not_made(name: str, roles: list[Role]) -> None:
    with pytest.raises(KeyFileError):
        new_key(name, roles, NOW)


def test_a_file_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="cannot be read"):
        read_keys(tmp_path / "none")
