"""What runs under a home directory: <home>/run.json, written by the supervisor, read by every other command."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from headrace.errors import CommandError
from headrace.owned_directory import OwnedDirectory

SUPERVISOR_LOCK = "supervisor.lock"


class ServiceInfo(BaseModel):
    """Where a service answers, and its process (None while it is being started again)."""

    model_config = ConfigDict(frozen=True)

    url: str
    pid: int | None


class RunInfo(BaseModel):
    """One running system; without processes when somebody else started it (`headrace/against.py`)."""

    model_config = ConfigDict(frozen=True)

    supervisor_pid: int | None
    kafka: str
    kafka_pid: int | None
    services: dict[str, ServiceInfo]
    clock: Literal["wall", "replay"]
    home: str


class NotRunningError(CommandError):
    """Nothing runs under this home; the message says how to start it."""


def write_run_info(info: RunInfo) -> None:
    """Replace the file in one step: a reader sees the old one or the new one."""
    path = _path(Path(info.home))
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    draft.write_text(info.model_dump_json(indent=2) + "\n", encoding="utf-8")
    draft.replace(path)


def read_run_info(home: Path) -> RunInfo:
    """The running system; raises NotRunningError, also when only the file of a dead one is left."""
    if OwnedDirectory(home, SUPERVISOR_LOCK).holder() is None:
        raise NotRunningError(f"nothing runs under {home}; start it with `headrace up`")
    info = last_run_info(home)
    if info is None:
        raise NotRunningError(f"the system under {home} is just starting or stopping; try again in a moment")
    return info


def last_run_info(home: Path) -> RunInfo | None:
    """The last thing a supervisor wrote here, whether it is alive or not."""
    try:
        return RunInfo.model_validate_json(_path(home).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValidationError):
        return None


def remove_run_info(home: Path) -> None:
    """Forget the run; nothing happens when there is none."""
    _path(home).unlink(missing_ok=True)


def _path(home: Path) -> Path:
    return home / "run.json"
