"""`headrace validate` shows file, line and column, the line itself, what is wrong and what is allowed."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from headrace.validate import run, validate_file

FLIGHTS = Path(__file__).parents[2] / "examples/flights_late/contract.yaml"


def _run(path: Path) -> tuple[int, str]:
    screen = io.StringIO()
    code = run(path, Console(file=screen, width=80))
    return code, screen.getvalue()


def test_a_sound_contract_is_said_to_be_sound() -> None:
    code, shown = _run(FLIGHTS)
    assert code == 0
    assert "flights_late is a sound contract" in shown
    assert validate_file(FLIGHTS) == []


def test_a_mistake_is_shown_where_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "contract.yaml"
    path.write_text(FLIGHTS.read_text(encoding="utf-8").replace("max_brier", "max_brire"), encoding="utf-8")
    code, shown = _run(path)
    lines = shown.splitlines()
    assert code == 1
    assert lines[0] == f"{path}:58:3 gates.max_brire: unknown key 'max_brire', did you mean max_brier?"
    assert lines[1] == "   58 │   max_brire: 0.15"
    assert lines[2].index("^") == lines[1].index("max_brire")
    assert lines[3].startswith("      allowed: one of beats_without_model")
    assert lines[4].endswith("1 problem")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xff\xfe", "byte 0xff is not UTF-8"),
        (b"x" * 3_000_000, "at most"),
        (b"a: '\x1b[31m'", "U+001B is not allowed"),
    ],
)
def test_a_file_that_is_no_text_is_explained(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "contract.yaml"
    path.write_bytes(content)
    code, shown = _run(path)
    assert code == 1
    assert said in shown
    assert "\x1b" not in shown


def test_a_file_that_is_not_there_is_a_problem_and_no_traceback(tmp_path: Path) -> None:
    assert "cannot be read" in _run(tmp_path / "nothing.yaml")[1]
    assert "cannot be read" in _run(tmp_path)[1]
