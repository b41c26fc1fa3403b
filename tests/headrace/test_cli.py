"""Every command helps, and says in a sentence what is wrong."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from headrace.cli import app

COMMANDS = (
    *("up", "down", "status", "validate", "apply", "train", "release", "rollback", "watch", "events", "ledger"),
    *(
        "rebuild",
        "init",
        "import-mlflow",
        "dead",
        "keys",
        "asyncapi",
        "demo",
        "query",
        "data",
        "backtest",
        "measure",
        "capacity",
    ),
)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home."""
    monkeypatch.setenv("HEADRACE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example(command: str) -> None:
    result = _run(command, "--help")
    assert result.exit_code == 0
    assert f"Example:  headrace {command}" in result.output


def test_it_says_which_version_it_is() -> None:
    with Path("pyproject.toml").open("rb") as file:
        stated = tomllib.load(file)["project"]["version"]
    assert _run("--version").output == f"headrace {stated}\n"


@pytest.mark.parametrize("command", ["list", "show", "replay", "discard"])
def test_so_does_every_command_for_dead_letters(command: str) -> None:
    result = _run("dead", command, "--help")
    assert result.exit_code == 0
    assert f"Example:  headrace dead {command}" in result.output


@pytest.mark.parametrize(
    "arguments",
    [
        ("status",),
        ("train", "flights"),
        ("release", "flights", "ab" * 32, "--reason", "reviewed"),
        ("rollback", "flights", "--reason", "complaints"),
        ("measure", "flights", "contacts", "0.3"),
        ("capacity", "flights", "review", "100", "--reason", "ill"),
        ("watch",),
        ("events",),
        ("events", "--explain", "some-id"),
        ("ledger", "flights"),
        ("backtest", "flights", "--from", "2013-03-01", "--to", "2013-03-02"),
        ("rebuild", "registry", "--check"),
        ("dead", "list"),
        ("dead", "show", "model_trained.dead/0/1"),
        ("dead", "replay", "--kind", "bug"),
        ("dead", "discard", "model_trained.dead/0/1", "--reason", "a test"),
    ],
)
def test_without_a_running_system_each_command_says_how_to_start_it(home: Path, arguments: tuple[str, ...]) -> None:
    result = _run(*arguments)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"✗ nothing runs under {home}; start it with `headrace up`")


def test_home_as_an_option_wins_over_the_variable(home: Path, tmp_path: Path) -> None:
    result = _run("--home", str(tmp_path / "other"), "status")
    assert f"nothing runs under {tmp_path / 'other'}" in result.stderr


def test_down_with_nothing_to_stop_is_no_failure(home: Path) -> None:
    result = _run("down")
    assert (result.exit_code, result.stdout) == (0, f"Nothing runs under {home}.\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("release", "flights", "ab"), "Missing option '--reason'"),
        (("apply", "/nowhere/contract.yaml"), "does not exist"),
        (("up", "--clock", "sundial"), "wall or replay"),
        (("up", "--workers", "0"), "greater than or equal to 1"),
        (("up", "--use-cases", "/nowhere"), "there is no directory /nowhere"),
        (("release", "flights", "3f2a9c01d4e5", "--reason", "reviewed"), "the whole digest of a package"),
        (("rollback", "flights", "--to", "3f2a", "--reason", "complaints"), "the whole digest of a package"),
        (("fly",), "No such command 'fly'"),
        (("rebuild", "registry"), "say --check"),
        (("backtest", "flights", "--from", "march", "--to", "2013-03-02"), "a day such as"),
        (("backtest", "flights", "--from", "2013-03-02", "--to", "2013-03-01"), "must not lie before --from"),
        (("backtest", "flights", "--from", "2013-03-01"), "Missing option '--to'"),
        (("query", "select 1", "--format", "excel"), "table, csv, json or parquet"),
        (("rebuild", "trainer", "--check"), "registry"),
        (("dead", "replay"), "name letters, or choose them"),
        (("dead", "replay", "model_trained.dead/0/1", "--kind", "bug"), "name letters, or choose them"),
        (("dead", "replay", "--kind", "bug", "--body", __file__), "a body repairs one letter"),
        (("dead", "discard", "model_trained.dead/0/1"), "Missing option '--reason'"),
        (("dead", "list", "--kind", "odd"), "'malformed', 'permanent', 'bug'"),
        (("dead", "list", "--since", "soon"), "a time such as"),
    ],
)
def test_wrong_usage_is_exit_code_2_and_names_the_mistake(home: Path, arguments: tuple[str, ...], words: str) -> None:
    result = _run(*arguments)
    assert result.exit_code == 2
    assert words in result.stderr.replace("'--reason' / '-r'", "'--reason'")


def test_a_bad_variable_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADRACE_STOP_DEADLINE_SECONDS", "soon")
    result = _run("status")
    assert result.exit_code == 2
    assert "HEADRACE_STOP_DEADLINE_SECONDS: Input should be a valid number" in result.stderr


def test_apply_shows_the_mistakes_of_a_contract_without_asking_anybody(home: Path, tmp_path: Path) -> None:
    contract = tmp_path / "contract.yaml"
    contract.write_text("use_case: Not A Name\n")
    result = _run("apply", str(contract))
    assert result.exit_code == 1
    assert "nothing runs" not in result.output


def test_the_asyncapi_document_is_one_json_document() -> None:
    result = _run("asyncapi")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["asyncapi"].startswith("3.")


def _command(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """The command as a process of its own: what `up` starts must outlive it."""
    return subprocess.run(
        [sys.executable, "-m", "headrace", *arguments], capture_output=True, text=True, timeout=200, check=False
    )


@pytest.mark.e2e
@pytest.mark.usefixtures("home")
def test_up_status_and_down_run_the_whole_system_and_end_it() -> None:
    started = _command("up")
    assert started.returncode == 0, started.stderr
    try:
        assert "registry" in started.stdout
        again = _command("up")
        assert (again.returncode, "It runs already." in again.stdout) == (0, True)
        shown = _command("status", "--json")
        found = json.loads(shown.stdout)
        assert (shown.returncode, found["well"]) == (0, True)
        assert {part["name"] for part in found["parts"]} == {
            "kafka",
            "registry",
            "trainer",
            "monitor",
            "console",
            "serving",
        }
        assert "No use case yet" in _command("status").stdout
    finally:
        stopped = _command("down")
    assert (stopped.returncode, stopped.stdout) == (0, "Everything is stopped.\n")
    assert not any(_runs(part["pid"]) for part in found["parts"])


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
