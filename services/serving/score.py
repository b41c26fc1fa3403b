"""Whatever waits is scored by one call of the model, in a thread; nothing waits for more, one bad row fails alone."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor

from services.serving.decode import Rows

Scores = list[list[float]]
Columns = Mapping[str, Sequence[object]]
Scorer = Callable[[Columns], Scores]

MAX_ROWS_PER_CALL = 4096
MAX_ROWS_WAITING = 20_000


class OverloadedError(Exception):
    """More rows wait than can be answered in time."""


class BadRowError(Exception):
    """The model cannot score one record of a request."""

    def __init__(self, position: int, error: Exception) -> None:
        super().__init__(f"record {position} cannot be scored: {error!r}"[:500])
        self.position = position


Result = Scores | BadRowError | OverloadedError


class Coalescer:
    """The queue in front of one model."""

    def __init__(self, scorer: Scorer, executor: Executor, on_call: Callable[[int], None] = lambda rows: None) -> None:
        self._scorer, self._executor, self._on_call = scorer, executor, on_call
        self._waiting: list[tuple[Rows, asyncio.Future[Result]]] = []
        self._rows = 0
        self._task: asyncio.Task[None] | None = None

    async def score(self, rows: Rows) -> Scores:
        """Return one score vector per row; raises BadRowError or OverloadedError."""
        if self._rows + len(rows) > MAX_ROWS_WAITING:
            raise OverloadedError(f"{self._rows} rows are waiting")
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((rows, future))
        self._rows += len(rows)
        if self._task is None:
            self._task = asyncio.create_task(self._drain(), name="score")
        result = await future
        if isinstance(result, Exception):
            raise result
        return result

    async def _drain(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while batch := self._next_batch():
                asked = [rows for rows, _ in batch]
                try:
                    results = await loop.run_in_executor(self._executor, score_together, self._scorer, asked)
                except RuntimeError as error:  # the executor is shut down: say so to whoever still waits
                    results = [OverloadedError(f"stopping: {error}") for _ in asked]
                self._on_call(sum(map(len, asked)))
                for (_, future), result in zip(batch, results, strict=True):
                    if not future.done():
                        future.set_result(result)
        finally:
            self._task = None

    def _next_batch(self) -> list[tuple[Rows, asyncio.Future[Result]]]:
        size = taken = 0
        for rows, _ in self._waiting:
            if taken and size + len(rows) > MAX_ROWS_PER_CALL:
                break
            taken, size = taken + 1, size + len(rows)
        batch, self._waiting = self._waiting[:taken], self._waiting[taken:]
        self._rows -= size
        # Nobody waits any more for what was given up: a time limit sheds work as well.
        return [item for item in batch if not item[1].done()] or (self._next_batch() if self._waiting else [])


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
