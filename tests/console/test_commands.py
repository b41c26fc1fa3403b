"""`headrace report` and `headrace notify` as a person types them, against a console that listens."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import uvicorn
from typer.testing import CliRunner

from headrace.cli import app
from headrace.owned_directory import OwnedDirectory
from headrace.ports import LOOPBACK, free_ports
from headrace.run_info import SUPERVISOR_LOCK, RunInfo, ServiceInfo, write_run_info
from services.console.app import make_app
from services.console.settings import ConsoleSettings
from tests.console.world import World

DAYS = ("--from", "2013-03-04", "--to", "2013-03-10")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A console over a use case of some weeks, as a supervisor would have started it."""
    home = tmp_path_factory.mktemp("home")
    world = World(home)
    now = asyncio.run(_live(world))
    made = make_app(ConsoleSettings(home=home, clock="replay", console_database_url=world.database))
    made.state.service.clock.set(now)
    (port,) = free_ports(1)
    # Without its lifespan: no Kafka is needed to show pages.
    server = uvicorn.Server(uvicorn.Config(made, host=LOOPBACK, port=port, lifespan="off", log_config=None))
    thread = Thread(target=server.run)
    thread.start()
    owned = OwnedDirectory(home, SUPERVISOR_LOCK)
    assert owned.claim()
    services = {"console": ServiceInfo(url=f"http://{LOOPBACK}:{port}", pid=None)}
    write_run_info(RunInfo(supervisor_pid=1, kafka="", kafka_pid=None, services=services, clock="replay",
                           home=str(home)))  # fmt: skip
    yield home
    server.should_exit = True
    thread.join()
    owned.release()


async def _live(world: World) -> Any:
    now = await world.live()
    await world.close()
    return now


def run(home: Path, *words: str) -> Any:
    return CliRunner().invoke(app, ["--home", str(home), *words])


def test_a_report_is_one_file_of_the_days_that_were_asked_for(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "out" / "march.html"
    done = run(home, "report", "flights", *DAYS, "--output", str(file))
    assert done.exit_code == 0, done.output
    assert str(file) in done.output.replace("\n", "")
    text = file.read_text(encoding="utf-8")
    assert "<time>4 March 2013</time> to <time>10 March 2013</time>" in text
    assert re.search(r'data-value="70"[^>]*>70</a> cases were decided', text)


def test_what_cannot_be_reported_is_said_and_writes_nothing(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "none.html"
    done = run(home, "report", "trains", "--output", str(file))
    assert done.exit_code == 1
    assert "the console: there is no use case trains: apply its contract first" in done.output
    assert not file.exists()


def test_the_way_of_notifications_says_what_to_set(home: Path) -> None:
    assert "HEADRACE_CONSOLE_NOTIFY_URLS" in run(home, "notify", "--test").output
    assert "say --test" in run(home, "notify").output


def test_where_no_console_runs_the_command_says_so(tmp_path: Path) -> None:
    owned = OwnedDirectory(tmp_path, SUPERVISOR_LOCK)
    assert owned.claim()
    write_run_info(RunInfo(supervisor_pid=1, kafka="", kafka_pid=None, services={}, clock="wall", home=str(tmp_path)))
    done = run(tmp_path, "report", "flights")
    owned.release()
    assert "no console runs under" in done.output
