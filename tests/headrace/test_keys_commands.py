"""Keys are given out, rotated and taken back by commands; only the one who asks ever sees one."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from headrace.cli import app
from shared.spine.auth import ApiKeys
from shared.spine.problems import Problem


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the services look."""
    monkeypatch.setenv("HEADRACE_API_KEYS_FILE", str(tmp_path / "keys"))
    return tmp_path / "keys"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["keys", *arguments], env={"COLUMNS": "200"})


def added(*arguments: str) -> str:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout.strip()


def listed() -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads(run("list", "--json").stdout)
    return entries


def test_a_key_is_shown_once_and_works(file: Path) -> None:
    key = added("add", "anna", "--role", "operator", "--role", "viewer")
    caller = ApiKeys(file).caller(f"Bearer {key}")
    assert (caller.name, sorted(caller.roles)) == ("anna", ["operator", "viewer"])
    assert key not in file.read_text() + run("list").output + run("list", "--json").output
    assert (listed()[0]["name"], listed()[0]["roles"]) == ("anna", ["operator", "viewer"])


def test_a_rotated_key_leaves_the_old_one_good_for_a_while(file: Path) -> None:
    old = added("add", "anna", "--role", "operator")
    new = added("rotate", "anna", "--overlap-days", "7")
    assert [ApiKeys(file).caller(f"Bearer {key}").name for key in (old, new)] == ["anna", "anna"]
    assert [entry["expires"] is None for entry in listed()] == [False, True]
    newest = added("rotate", "anna", "--overlap-days", "0")
    for key in (old, new):
        with pytest.raises(Problem, match="expired"):
            ApiKeys(file).caller(f"Bearer {key}")
    assert ApiKeys(file).caller(f"Bearer {newest}").roles == frozenset({"operator"})


def test_a_key_is_taken_back_by_id_or_all_by_name(file: Path) -> None:
    first, second, other = (added("add", name, "--role", "viewer") for name in ("anna", "anna", "bob"))
    assert run("revoke", listed()[0]["id"]).exit_code == 0
    with pytest.raises(Problem, match="needed"):
        ApiKeys(file).caller(f"Bearer {first}")
    assert ApiKeys(file).caller(f"Bearer {second}").name == "anna"
    assert run("revoke", "anna").exit_code == 0
    assert [entry["name"] for entry in listed()] == ["bob"]
    assert ApiKeys(file).caller(f"Bearer {other}").name == "bob"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("add", "a b", "--role", "viewer"), "name: "),
        (("rotate", "nobody"), "headrace keys add nobody"),
        (("revoke", "nobody"), "headrace keys list"),
    ],
)
def test_what_cannot_be_done_is_a_sentence(file: Path, arguments: tuple[str, ...], said: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 1
    assert said in result.output
    assert not file.exists()


def test_without_a_file_the_command_asks_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HEADRACE_API_KEYS_FILE", raising=False)
    result = run("list")
    assert (result.exit_code, "HEADRACE_API_KEYS_FILE" in result.output) == (1, True)
