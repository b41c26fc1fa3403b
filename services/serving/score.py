"""Scores rows: at once by the model's compiled form, or else by one call for whatever waits, in a thread.

Nothing waits for more to come, and one bad row fails alone.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import NamedTuple, ParamSpec, Protocol, TypeVar

from services.serving.decode import Rows
from shared.package.compiled.runtime import Asked, OutsideError

Scores = list[list[float]]
Columns = Mapping[str, Sequence[object]]
Scorer = Callable[[Columns], Scores]
P = ParamSpec("P")
T = TypeVar("T")

MAX_ROWS_PER_CALL = 4096
MAX_ROWS_WAITING = 40_000
# Fewer rows than this are scored before a thread would have begun.
MAX_ROWS_AT_ONCE = 500
# And these, of small requests that came together: each turn costs the same, and who comes in one waits for all of it.
MOST_ROWS_TOGETHER = 1000
# Between two calls of the model, at least these turns of the event loop bring nobody new, and no more than those pass.
QUIET_TURNS, MOST_TURNS = 4, 32


class OverloadedError(Exception):
    """More rows wait than can be answered in time."""


class BadRowError(Exception):
    """The model cannot score one record of a request."""

    def __init__(self, position: int, error: Exception) -> None:
        super().__init__(f"record {position} cannot be scored: {error!r}"[:500])
        self.position = position


Result = Scores | BadRowError | OverloadedError


class Compiled(Protocol):
    """A model's compiled form; raises OutsideError for what only the original may answer."""

    def score(self, columns: Columns) -> Scores:
        """Many rows, column by column."""

    def score_rows(self, rows: Sequence[Asked]) -> list[list[float] | None]:
        """Rows of different requests, in the contract's order; None for each that only the original may answer."""


class Waiting(NamedTuple):
    """Requests that came together, and who waits for their results."""

    asked: Sequence[Rows]
    rows: int
    future: asyncio.Future[list[Result]]


class Coalescer:
    """The queue in front of one model; what its compiled form answers does not queue."""

    def __init__(
        self,
        scorer: Scorer,
        executor: Executor,
        on_call: Callable[[int], None] = lambda rows: None,
        compiled: Compiled | None = None,
    ) -> None:
        self._scorer, self._executor, self._on_call, self._compiled = scorer, executor, on_call, compiled
        self._waiting: list[Waiting] = []
        self._rows = 0
        self._task: asyncio.Task[None] | None = None

    def at_once(self, rows: Rows, most: int = MAX_ROWS_AT_ONCE) -> Scores | None:
        """Return one score vector per row without a thread; None for what has to wait for `score`."""
        if self._compiled is None or len(rows) > most:
            return None
        try:
            return score_compiled(self._compiled, rows)
        except OutsideError:
            return None

    @property
    def compiled(self) -> bool:
        """Whether the model has a compiled form."""
        return self._compiled is not None

    def one_each(self, asked: Sequence[Rows]) -> list[list[float] | None]:
        """Score requests of one row by the compiled form, in one call; None for each that has to wait for `score`."""
        return self._compiled.score_rows([_only_row(rows) for rows in asked]) if self._compiled else [None] * len(asked)

    async def in_thread(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run one function in the thread that scores; raises OverloadedError when it has ended."""
        try:
            future = asyncio.get_running_loop().run_in_executor(self._executor, partial(function, *args, **kwargs))
        except RuntimeError as error:
            raise OverloadedError(f"stopping: {error}") from error
        return await future

    async def score(self, rows: Rows) -> Scores:
        """Return one score vector per row; raises BadRowError or OverloadedError."""
        if self._compiled is not None:
            with suppress(OutsideError):
                return await self.in_thread(score_compiled, self._compiled, rows)
        return await self._queued(rows)

    async def _queued(self, rows: Rows) -> Scores:
        [result] = await self.score_each([rows])
        if isinstance(result, Exception):
            raise result
        return result

    async def score_each(self, asked: Sequence[Rows]) -> list[Result]:
        """Return the scores of each request by the original model, or why it has none; raises OverloadedError."""
        count = sum(map(len, asked))
        if self._rows + count > MAX_ROWS_WAITING:
            raise OverloadedError(f"{self._rows} rows are waiting")
        future: asyncio.Future[list[Result]] = asyncio.get_running_loop().create_future()
        self._waiting.append(Waiting(asked, count, future))
        self._rows += count
        if self._task is None:
            self._task = asyncio.create_task(self._drain(), name="score")
        return await future

    async def _drain(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while batch := self._next_batch():
                asked = [rows for each in batch for rows in each.asked]
                try:
                    results = await loop.run_in_executor(self._executor, score_together, self._scorer, asked)
                except RuntimeError as error:  # the executor is shut down: say so to whoever still waits
                    results = [OverloadedError(f"stopping: {error}") for _ in asked]
                self._on_call(sum(map(len, asked)))
                found = iter(results)
                for each in batch:
                    mine = list(islice(found, len(each.asked)))
                    if not each.future.done():
                        each.future.set_result(mine)
                await self._look_around()
        finally:
            self._task = None

    async def _look_around(self) -> None:
        """Let the answers out, and those in who asked meanwhile: they go along with the next call, not the one after.

        No time is waited for: it ends when some turns of the event loop, microseconds each, have brought nobody new.
        """
        quiet, seen = 0, self._rows
        for _ in range(MOST_TURNS):
            await asyncio.sleep(0)
            quiet, seen = 0 if self._rows > seen else quiet + 1, self._rows
            if quiet >= QUIET_TURNS:
                return

    def _next_batch(self) -> list[Waiting]:
        size = taken = 0
        for each in self._waiting:
            if taken and size + each.rows > MAX_ROWS_PER_CALL:
                break
            taken, size = taken + 1, size + each.rows
        batch, self._waiting = self._waiting[:taken], self._waiting[taken:]
        self._rows -= size
        # Nobody waits any more for what was given up: a time limit sheds work as well.
        return [each for each in batch if not each.future.done()] or (self._next_batch() if self._waiting else [])


def score_compiled(compiled: Compiled, rows: Rows) -> Scores:
    """Score by the compiled form; raises OutsideError."""
    if len(rows) > 1:
        return compiled.score(rows.columns())
    [scores] = compiled.score_rows([_only_row(rows)])
    if scores is None:
        raise OutsideError("the compiled form does not speak for this row")
    return [scores]


def _only_row(rows: Rows) -> Asked:
    return [column[0] for column in rows.numbers.values()], [column[0] for column in rows.categories.values()]


def score_together(scorer: Scorer, asked: Sequence[Rows]) -> list[Result]:
    """Score all requests in one call; when that fails, each alone."""
    try:
        scores = scorer(_joined([rows.columns() for rows in asked]))
    except Exception:
        if len(asked) == 1:
            return [_bad_row(scorer, asked[0].columns(), len(asked[0]))]
        return [result for rows in asked for result in score_together(scorer, [rows])]
    results: list[Result] = []
    start = 0
    for rows in asked:
        results.append(scores[start : start + len(rows)])
        start += len(rows)
    return results


def _bad_row(scorer: Scorer, columns: Columns, count: int) -> Result:
    """Halve until the first bad row is found; rows that can only be scored apart are scored apart."""
    scores: Scores = []
    pending = [(0, count)]
    while pending:
        start, stop = pending.pop()
        try:
            scores += scorer({name: column[start:stop] for name, column in columns.items()})
        except Exception as error:
            if stop - start == 1:
                return BadRowError(start, error)
            middle = (start + stop) // 2
            pending += [(middle, stop), (start, middle)]
    return scores


def _joined(parts: Sequence[Columns]) -> Columns:
    if len(parts) == 1:
        return parts[0]
    return {name: [value for part in parts for value in part[name]] for name in parts[0]}
