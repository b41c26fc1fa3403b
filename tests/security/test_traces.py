"""The look for traces is no blind one: what an attack would do shows."""

import pickle
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.security.attack import PICKLE
from tests.security.traces import traces, watched


def _unpickle() -> None:
    with suppress(OSError):
        pickle.loads(PICKLE)


def _connect() -> None:
    with socket.socket() as client, suppress(OSError):
        client.connect(("127.0.0.1", 1))


def _start() -> None:
    subprocess.run([sys.executable, "-c", ""], check=True)


@pytest.mark.parametrize(
    ("act", "said"),
    [(_unpickle, "pickle.find_class"), (_connect, "socket.connect"), (_start, "subprocess.Popen")],
)
def test_an_act_is_seen(tmp_path: Path, act: object, said: str) -> None:
    assert callable(act)
    with watched(tmp_path) as watch:
        act()
    assert any(seen.startswith(said) for seen in watch.acts)
    Path("/tmp/headrace-was-here").unlink(missing_ok=True)


def test_a_file_outside_is_seen_and_one_inside_is_a_trace(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "serving" / "spool").mkdir(parents=True)
    before = traces(home)
    with watched(home) as watch:
        (home / "inside").write_text("x")
        assert watch.acts == []
        (tmp_path / "outside").write_text("x")
        (tmp_path / "outside").unlink()
    assert [seen.split()[0] for seen in watch.acts] == ["open", "os.remove"]
    assert traces(home).keys() - before.keys() == {"inside"}
