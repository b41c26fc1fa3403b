"""Shows how a start goes on: a spinner, and a bar while something can be counted."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from headrace.kafka_jars import Progress as Report


@contextmanager
def shown_progress(console: Console) -> Iterator[Report]:
    """A function that takes (step, fraction or None) and shows it; without a terminal each new step is a line."""
    if not console.is_terminal:
        yield _Lines(console)
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=24), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("Starting", total=None)

        def show(step: str, fraction: float | None) -> None:
            bar.update(task, description=step, total=None if fraction is None else 1.0, completed=fraction or 0.0)

        yield show


class _Lines:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._last = ""

    def __call__(self, step: str, fraction: float | None) -> None:
        """Print a step once; counters in brackets do not make it a new one."""
        if (stem := step.partition(" (")[0]) != self._last:
            self._last = stem
            self._console.print(stem, soft_wrap=True, markup=False)
