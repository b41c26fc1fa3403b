"""Children write to their log, hear no Ctrl-C of the terminal, and end with all that they started."""

import os
import sys
from pathlib import Path

from headrace.child_process import end, last_lines, spawn
from headrace.settings import inherited_environment


def test_a_child_has_a_session_of_its_own_and_appends_to_its_log(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "child.log"
    for word in ("one", "two"):
        child = spawn(
            [sys.executable, "-c", f"import os; print('{word}', os.getsid(0) == os.getpid())"],
            environment=inherited_environment(),
            log=log,
        )
        assert child.wait(20) == 0
    assert last_lines(log) == "one True\ntwo True"
    assert last_lines(log, 1) == "two True"
    assert last_lines(tmp_path / "nothing.log") == ""


def test_ending_a_child_that_has_ended_long_ago_touches_nobody(tmp_path: Path) -> None:
    child = spawn([sys.executable, "-c", ""], environment=inherited_environment(), log=tmp_path / "log")
    assert child.wait(20) == 0
    child.pid = os.getpid()
    end(child, 0.1)


def test_a_log_that_has_grown_large_is_put_aside_at_the_next_start(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("wb") as file:
        file.truncate(17 * 1024 * 1024)
    spawn([sys.executable, "-c", "print('new')"], environment=inherited_environment(), log=log).wait(20)
    assert log.read_text() == "new\n"
    assert (tmp_path / "log.1").stat().st_size == 17 * 1024 * 1024
