"""`headrace verify`: the stored package and the worker that answers, each against the scores of training."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from headrace import verify_commands
from headrace.cli import app
from headrace.verify import ask_serving, check_stored
from services.serving.front import Front, Receive, Scope, Send
from shared.package import PackageStore
from shared.spine.auth import ApiKeys
from tests.serving.fronts import listening, open_front
from tests.serving.toy import Toy, contract, make_toy


async def nobody(_scope: Scope, _receive: Receive, _send: Send) -> None:
    """The app behind: not asked."""
    raise AssertionError


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[tuple[Front, Toy, str]]:
    """A front that serves a real package, and where."""
    async with open_front(tmp_path, nobody, 100_000, ApiKeys(None)) as front, listening(front) as url:
        activator, under = front.health.activator, contract()
        toy = make_toy(tmp_path / "made", activator.packages.store)
        await activator.learn(under)
        await activator.want(toy.released(2, under))
        await asyncio.gather(*activator.tasks.values())
        yield front, toy, url


def test_a_sound_package_is_equal_and_a_torn_one_says_why(tmp_path: Path) -> None:
    store = PackageStore(str(tmp_path / "store"))
    toy = make_toy(tmp_path / "made", store)
    rows = check_stored(store, toy.digest, tmp_path / "first")
    assert rows[0] == {"where": "store", "form": "original", "records": 20, "difference": 0.0, "fault": None}
    assert [(row["form"], row["fault"]) for row in rows[1:]] == [("compiled", None), ("compiled, row by row", None)]
    (tmp_path / "store" / toy.digest / "golden.json").write_bytes(b"{}")
    [row] = check_stored(store, toy.digest, tmp_path / "second")
    assert row["fault"] == "digest: golden.json is not the file that the manifest names"
    [row] = check_stored(store, "0" * 64, tmp_path / "third")
    assert "has no package" in row["fault"]


async def test_the_worker_that_answers_is_asked_what_it_holds(served: tuple[Front, Toy, str]) -> None:
    front, toy, url = served
    before = front.predictor.journal.size
    rows = await asyncio.to_thread(ask_serving, url, "", "trains", toy.digest)
    assert [(row["where"], row["form"], row["fault"]) for row in rows] == [
        ("serving", "compiled", None),
        ("serving", "compiled, row by row", None),
    ]
    assert front.predictor.journal.size == before
    [row] = await asyncio.to_thread(ask_serving, url, "", "trains", "0" * 64)
    assert row["fault"] == f"serving still answers with package {toy.digest}"
    [row] = await asyncio.to_thread(ask_serving, url, "", "planes", toy.digest)
    assert row["fault"] == "serving answered 404: there is no use case 'planes'"
    compiled = front.health.activator.packages.loaded[toy.digest].compiled
    assert compiled is not None
    sound = compiled._run
    compiled._run = lambda *asked: [scores + 1e-6 for scores in sound(*asked)]
    row, _ = await asyncio.to_thread(ask_serving, url, "", "trains", toy.digest)
    assert "apart from training" in row["fault"]


def test_a_service_that_is_away_is_a_fault_too() -> None:
    [row] = ask_serving("http://127.0.0.1:9", "", "trains", "0" * 64)
    assert "does not answer" in row["fault"]


def test_the_table_shows_every_form_and_every_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = Console(record=True, width=120, file=None)
    monkeypatch.setattr(verify_commands, "console", shown)
    sound = {"where": "store", "form": "original", "records": 20, "difference": 8e-16, "fault": None}
    wrong = {"where": "serving", "form": "compiled", "records": 20, "difference": None, "fault": "apart"}
    verify_commands._show("trains", "d" * 64, [sound, wrong])
    text = shown.export_text()
    assert "8e-16" in text
    assert "✗ serving, compiled: apart" in text


def test_the_commands_explain_themselves_without_a_running_system(tmp_path: Path) -> None:
    for command in (["verify", "trains"], ["export", "trains", "--bento", str(tmp_path / "out")]):
        answer = CliRunner().invoke(app, ["--home", str(tmp_path), *command])
        assert answer.exit_code == 1
        assert "headrace up" in answer.output
    shutil.rmtree(tmp_path)
