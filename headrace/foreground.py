"""Runs the supervisor in this process until SIGINT or SIGTERM, with its progress for a person or for `headrace up`."""

import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Literal, cast

from rich.console import Console

from headrace.errors import CommandError
from headrace.progress import shown_progress
from headrace.settings import CommandSettings
from headrace.show_answers import show_addresses
from headrace.supervisor import Supervisor
from shared.spine.logs import setup


def end_like_ctrl_c() -> None:
    """One way out for every polite request to end: start, wait and stop are all made for KeyboardInterrupt."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)


def run_in_foreground(
    settings: CommandSettings,
    clock: str,
    seed: int,
    workers: int,
    use_cases: Path,
    console: Console,
    *,
    as_lines: bool,
) -> None:
    """Start, wait for a signal, end; raises CommandError when the start fails."""
    setup("supervisor")
    end_like_ctrl_c()
    system = Supervisor(
        settings.home,
        clock=cast(Literal["wall", "replay"], clock),
        seed=seed,
        workers=workers,
        kafka=settings.kafka or None,
        use_cases=use_cases,
    )
    with system, suppress(KeyboardInterrupt):
        if as_lines:
            _start_for_program(system)
        else:
            with shown_progress(Console(stderr=True)) as progress:
                info = system.start(progress)
            show_addresses(info, console)
            console.print("Ctrl-C ends it.")
        system.wait()


def _start_for_program(system: Supervisor) -> None:
    try:
        system.start(lambda step, fraction: _say({"step": step, "fraction": fraction}))
    except CommandError as error:
        _say({"error": str(error)})
        raise
    _say({"ready": True})
    # Nobody reads any more: whatever prints later must not break on a closed pipe.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say(line: dict[str, object]) -> None:
    with suppress(BrokenPipeError):
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
