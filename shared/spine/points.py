"""Named points at which the chaos harness ends this very process; in every other run nothing happens there.

`HEADRACE_CHAOS_DIRECTORY` names a folder. Whoever comes by the point `name` first while the file `<folder>/<name>` is
there takes it (by renaming it, so that one process does) and ends as `kill -9` would. The file may hold a delay in
milliseconds: then the process ends in the middle of what follows. Production refuses the setting.
"""

import os
import signal
from collections.abc import Callable
from functools import cache
from pathlib import Path
from threading import Timer

from shared.spine.settings import SpineSettings

AFTER_COMMIT_BEFORE_PUBLISH = "after_commit_before_publish"
AFTER_PUBLISH_BEFORE_MARK = "after_publish_before_mark"
AFTER_EFFECT_BEFORE_OFFSET = "after_effect_before_offset"
MID_PACKAGE_UPLOAD = "mid_package_upload"
AFTER_DEAD_LETTER_BEFORE_OFFSET = "after_dead_letter_before_offset"
MID_SPOOL_SEGMENT = "mid_spool_segment"
MID_DELTA_COMMIT = "mid_delta_commit"
POINTS = (
    AFTER_COMMIT_BEFORE_PUBLISH,
    AFTER_PUBLISH_BEFORE_MARK,
    AFTER_EFFECT_BEFORE_OFFSET,
    MID_PACKAGE_UPLOAD,
    AFTER_DEAD_LETTER_BEFORE_OFFSET,
    MID_SPOOL_SEGMENT,
    MID_DELTA_COMMIT,
)


def reached(name: str, last_act: Callable[[], object] | None = None) -> None:
    """End here, if this point is armed, after `last_act` (half of what the caller is about to do)."""
    folder = _folder()
    if folder is None:
        return
    taken = folder / f"{name}.{os.getpid()}.fired"
    try:
        (folder / name).rename(taken)
    except FileNotFoundError:
        return
    delay_seconds = float(taken.read_text() or 0) / 1000
    if last_act is not None:
        last_act()
    if delay_seconds:
        Timer(delay_seconds, _end).start()
    else:
        _end()


@cache
def _folder() -> Path | None:
    return SpineSettings().chaos_directory


def _end() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
