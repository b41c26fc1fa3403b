"""Writes down requests of several records that arrived in one turn: one call of the model, one decision, one write.

Rows are decided in the order in which the requests came, so each is told what it would have been told alone.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from services.serving.answers import Decided
from services.serving.decode import Ask, Rows
from services.serving.ledger import Ledger, Position
from services.serving.live import Live
from services.serving.predict import Entry, Predictor
from services.serving.prepare import Prepared, decide, write_up
from services.serving.score import MOST_ROWS_TOGETHER, Scores
from shared.spine.clock import wall_seconds


class Part(NamedTuple):
    """A request, the time when it began, and its scores."""

    ask: Ask
    begun: float
    scores: Scores


def write_down(
    predictor: Predictor, live: Live, asked: Sequence[tuple[Ask, float]], admitted: Callable[[int], bool]
) -> list[Entry | None] | None:
    """Return the entries of requests to one release, each with the time when it began; None for who is not admitted.

    None or an exception, with nothing done and nobody asked for, where they have to be answered one by one: a repeat, a
    row for the original model, a contract that draws by request, a lock that is taken, a full disk.
    """
    names = [ask.request_id for ask, _ in asked if ask.request_id]
    if live.version.draw or len(set(names)) < len(names):
        return None
    rows = join([ask.rows for ask, _ in asked])
    scores, lock = live.model.at_once(rows, MOST_ROWS_TOGETHER), predictor.journal.locked()
    ledger = lock.take() if scores else None
    if not scores or ledger is None:
        return None
    try:
        if any(predictor.first(live, ask) for ask, _ in asked):
            return None
        parts = _parts(asked, scores)
        there = [admitted(place) for place in range(len(parts))]
        if not any(there):
            return [None] * len(parts)
        if not all(there):
            parts = [part for part, each in zip(parts, there, strict=True) if each]
            rows, scores = join([part.ask.rows for part in parts]), [each for part in parts for each in part.scores]
        written = _written(predictor, live, parts, decide(live.version, rows, scores, ledger.taken), ledger)
    finally:
        lock.release()
    entries = iter(written)
    return [next(entries) if each else None for each in there]


def _parts(asked: Sequence[tuple[Ask, float]], scores: Scores) -> list[Part]:
    parts, start = list[Part](), 0
    for ask, begun in asked:
        parts.append(Part(ask, begun, scores[start : start + len(ask.rows)]))
        start += len(ask.rows)
    return parts


def _written(predictor: Predictor, live: Live, parts: Sequence[Part], decided: Decided, ledger: Ledger) -> list[Entry]:
    prepared, start = list[Prepared](), 0
    for ask, begun, scores in parts:
        stop = start + len(scores)
        mine = decided.part(start, stop, ask.rows.blocks)
        prepared.append(write_up(live.version, ask, scores, mine, predictor.stamp(ask, begun)))
        start = stop
    place = predictor.journal.write(b"".join([each.frame for each in prepared]), wall_seconds())
    for each in prepared:
        ledger.apply(each.head, place)
        place = Position(place.segment, place.offset + len(each.frame))
    return [Entry(each.head, each.events) for each in prepared]


def join(parts: Sequence[Rows]) -> Rows:
    """Return the rows of all parts, one part after the other; all are of one contract."""
    first = parts[0]
    return Rows(
        _end_to_end(part.times for part in parts),
        _end_to_end(part.blocks for part in parts),
        {name: _end_to_end(part.numbers[name] for part in parts) for name in first.numbers},
        {name: _end_to_end(part.categories[name] for part in parts) for name in first.categories},
        _end_to_end(part.flagged for part in parts),
    )


def _end_to_end(columns: Iterable[Sequence[Any]]) -> list[Any]:
    whole: list[Any] = []
    for column in columns:
        whole += column
    return whole
