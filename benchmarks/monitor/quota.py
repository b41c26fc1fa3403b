"""Processes that get a share of a core each and no more: on a small machine they stand for several machines."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_CONTROL = Path("/sys/fs/cgroup")
# Short, so that a process stands still for 20 ms at most.
_PERIOD_US = 20_000


class NoQuotaError(Exception):
    """This machine does not let us limit a process."""


@contextmanager
def limited(pid: int, cores: float) -> Iterator[None]:
    """Give a process that we have started `cores` of the processor until this ends. Raises NoQuotaError."""
    # Version 2 of control groups has one tree, version 1 one for each kind of limit.
    parent = _CONTROL if (_CONTROL / "cgroup.controllers").is_file() else _CONTROL / "cpu"
    group = parent / f"headrace-{os.getpid()}-{pid}"
    try:
        group.mkdir()
    except OSError as error:
        raise NoQuotaError(f"{group} cannot be made; it takes root and control groups: {error}") from error
    try:
        _put(pid, group, int(cores * _PERIOD_US))
        yield
    finally:
        for each in (group / "cgroup.procs").read_text().split():
            (parent / "cgroup.procs").write_text(each)
        group.rmdir()


def _put(pid: int, group: Path, quota: int) -> None:
    try:
        if group.parent == _CONTROL:
            (group / "cpu.max").write_text(f"{quota} {_PERIOD_US}")
        else:
            (group / "cpu.cfs_period_us").write_text(str(_PERIOD_US))
            (group / "cpu.cfs_quota_us").write_text(str(quota))
        (group / "cgroup.procs").write_text(str(pid))
    except OSError as error:
        raise NoQuotaError(f"{group} takes no limit: {error}") from error
