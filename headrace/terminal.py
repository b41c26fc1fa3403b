"""Writes lines to the terminal or a pipe, and ends quietly when the reader goes away or says Ctrl-C."""

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from rich.console import Console

from headrace.record_lines import as_json, as_line


class _Terminal(Console):
    def on_broken_pipe(self) -> None:
        """Rich would end the process with an error."""
        raise BrokenPipeError


def writer(in_json: bool) -> Callable[[Any], None]:
    """A function that writes one record as one line, at once."""
    if in_json:

        def write(record: Any) -> None:
            sys.stdout.write(as_json(record) + "\n")
            sys.stdout.flush()

        return write
    console = _Terminal(highlight=False, soft_wrap=True)

    def show(record: Any) -> None:
        console.print(as_line(record), soft_wrap=True)
        sys.stdout.flush()

    return show


def run_quietly(work: Coroutine[Any, Any, None]) -> None:
    """Run to the end; Ctrl-C and a closed pipe are ends like any other."""
    try:
        asyncio.run(work)
    except KeyboardInterrupt:
        pass
    except BrokenPipeError:
        # What is still buffered must not raise once more when the interpreter flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
