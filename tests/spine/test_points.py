"""A named point ends its process once when it is armed, does nothing otherwise, and production refuses to arm any."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from headrace.settings import inherited_environment
from shared.spine import points
from shared.spine.settings import SpineSettings

_PASS_BY = """
import sys
from pathlib import Path
from shared.spine import points
points.reached(points.MID_SPOOL_SEGMENT, lambda: Path(sys.argv[1]).write_text("half"))
print("went on")
"""


def pass_by(folder: Path | None, half: Path) -> "subprocess.CompletedProcess[str]":
    """A process that comes by a point."""
    armed = {} if folder is None else {"HEADRACE_CHAOS_DIRECTORY": str(folder)}
    environment = {k: v for k, v in inherited_environment().items() if k != "HEADRACE_CHAOS_DIRECTORY"} | armed
    command = [sys.executable, "-c", _PASS_BY, str(half)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_an_armed_point_ends_the_first_process_that_comes_by_after_its_last_act(tmp_path: Path) -> None:
    armed, half = tmp_path / points.MID_SPOOL_SEGMENT, tmp_path / "half"
    armed.write_text("")
    first, second = pass_by(tmp_path, half), pass_by(tmp_path, half)
    assert first.returncode == -signal.SIGKILL
    assert half.read_text() == "half"
    assert "went on" in second.stdout
    assert not armed.exists()
    assert len(list(tmp_path.glob(f"{points.MID_SPOOL_SEGMENT}.*.fired"))) == 1


def test_a_point_does_nothing_without_the_setting(tmp_path: Path) -> None:
    (tmp_path / points.MID_SPOOL_SEGMENT).write_text("")
    assert "went on" in pass_by(None, tmp_path / "half").stdout
    assert (tmp_path / points.MID_SPOOL_SEGMENT).exists()


def test_production_refuses_points(tmp_path: Path) -> None:
    kafka = {"kafka_security_protocol": "SASL_SSL", "kafka_sasl_username": "me", "kafka_sasl_password": "secret"}
    wanted = {"environment": "production", **kafka, "chaos_directory": tmp_path}
    with pytest.raises(ValidationError, match="HEADRACE_CHAOS_DIRECTORY"):
        SpineSettings.model_validate(wanted)
