"""Answers the requests that arrive together: one call of the model, one lock, one write. While each turn of the event
loop brings more they wait for those, and for nothing else. Where the model has no compiled form, those of one record
wait for it together.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple

from services.serving import joint
from services.serving.asking import One, admitted, tell
from services.serving.ledger import Ledger, Position
from services.serving.metrics import SERVING_PREDICTIONS_TOTAL, SERVING_REQUESTS_TOTAL, TALLY
from services.serving.one_row import Decision
from services.serving.predict import Answer, Entry, Predictor, failed_inside
from services.serving.refusals import problem_of
from services.serving.score import MOST_ROWS_TOGETHER, Coalescer
from services.serving.shares import behind_others
from shared.contract import decide
from shared.spine.clock import monotonic, wall_seconds

log = logging.getLogger(__name__)

# What comes beyond this waits for nobody's sake any more: the first answers go out.
MOST_TOGETHER = 64


class Chosen(NamedTuple):
    """One that is decided, and not yet written."""

    place: int
    one: One
    decision: Decision
    frame: bytes
    answer: bytes


class Settled(NamedTuple):
    """An answer to each, None for each that has to go the usual way; and what was decided for it just now."""

    answers: list[bytes | None]
    chosen: list[Chosen]


class Turn:
    """The requests of this turn so far."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self._waiting: list[One] = []
        self._rows = 0
        # A task that nobody holds may be collected before it ends.
        self._scoring: set[asyncio.Task[None]] = set()

    def add(self, one: One, *, alone: bool) -> None:
        """Answer when nobody else is there, or now if nobody else can come."""
        rows = len(one.ask.rows)
        if self._rows + rows > MOST_ROWS_TOGETHER:
            self.answer()
        self._waiting.append(one)
        self._rows += rows
        if alone or len(self._waiting) >= MOST_TOGETHER:
            self.answer()
        elif len(self._waiting) == 1:
            asyncio.get_running_loop().call_soon(self._look_around, 1)

    def _look_around(self, seen: int) -> None:
        """Answer as soon as a turn of the event loop has brought nobody new."""
        if len(self._waiting) > seen:
            asyncio.get_running_loop().call_soon(self._look_around, len(self._waiting))
        else:
            self.answer()

    def answer(self) -> None:
        """Answer all who wait; those of one record whose model has no compiled form when it has scored them."""
        waiting, self._waiting, self._rows = self._waiting, [], 0
        by_model: dict[Coalescer, list[One]] = {}
        by_release: dict[int, list[One]] = {}
        for one in waiting:
            if self._is_usual(one):
                by_model.setdefault(one.live.model, []).append(one)
            else:
                by_release.setdefault(id(one.live), []).append(one)
        for model, ones in by_model.items():
            if model.compiled:
                self._now(model, ones)
            else:
                task = asyncio.create_task(self._later(model, ones), name="together")
                self._scoring.add(task)
                task.add_done_callback(self._scoring.discard)
        for ones in by_release.values():
            self._joined(ones)

    def _is_usual(self, one: One) -> bool:
        """Whether it is one record whose entry and answer are written by the templates of its release."""
        rows, draw = one.ask.rows, one.live.version.draw
        return len(rows) == 1 and not (draw or rows.flagged[0] or self._predictor.repeats(one.live, one.ask))

    def _joined(self, ones: list[One]) -> None:
        entries: Sequence[Entry | None] | None = None
        if len(ones) > 1:
            # What fails here has written nothing, and is tried again one by one.
            with suppress(Exception):
                asks = [(one.ask, one.started) for one in ones]
                entries = joint.write_down(self._predictor, ones[0].live, asks, lambda place: admitted(ones[place]))
        for place, one in enumerate(ones):
            try:
                said = self._said(one, entries[place]) if entries else self._alone(one)
            except Exception:
                one.asker.failed(failed_inside(one.live.version.use_case))
            else:
                tell(one, said)

    def _alone(self, one: One) -> bytes | None:
        return self._predictor.at_once(one.live, one.ask, one.started, one.asker.admit)

    def _said(self, one: One, entry: Entry | None) -> bytes | None:
        return self._predictor.say(one.live, one.ask, entry, one.started) if entry else None

    def _now(self, model: Coalescer, ones: list[One]) -> None:
        settled = _unsettled(ones)
        # What fails here has written nothing. The usual way says why: the disk, most likely.
        with suppress(Exception):
            scores, lock = model.one_each([one.ask.rows for one in ones]), self._predictor.journal.locked()
            ledger = lock.take()
            if ledger is not None:
                try:
                    settled = self._settle(ones, scores, ledger, admitted)
                finally:
                    lock.release()
        self._reply(ones, settled)

    async def _later(self, model: Coalescer, ones: list[One]) -> None:
        allowed: list[One] = []
        for one in ones:
            if admitted(one):
                allowed.append(one)
            else:
                tell(one, None)
        found: list[tuple[One, list[float]]] = []
        wrong: list[tuple[One, Exception]] = []
        try:
            async with asyncio.timeout(self._predictor.time_limit):
                results = await model.score_each([one.ask.rows for one in allowed])
            for one, result in zip(allowed, results, strict=True):
                if isinstance(result, Exception):
                    wrong.append((one, result))
                else:
                    found.append((one, result[0]))
            async with self._predictor.journal.locked() as ledger:
                settled = self._settle([one for one, _ in found], [each for _, each in found], ledger)
            self._reply([one for one, _ in found], settled)
        except Exception as error:
            wrong = [(one, error) for one in allowed]
        for one, why in wrong:
            one.asker.failed(await self._refused(one, why))

    async def _refused(self, one: One, why: Exception) -> Answer:
        use_case = one.live.version.use_case
        try:
            return await self._predictor.refuse(use_case, problem_of(why), one.ask.request_id, one.live, one.ask)
        except Exception:
            # Whoever asked must hear something, and so must all behind him.
            return failed_inside(use_case)

    def _reply(self, ones: list[One], settled: Settled) -> None:
        for one, body in zip(ones, settled.answers, strict=True):
            tell(one, body)
        # Nobody has to wait until he is counted.
        asyncio.get_running_loop().call_soon(_count, ones, settled, monotonic())

    def _settle(
        self,
        ones: list[One],
        scores: Sequence[list[float] | None],
        ledger: Ledger,
        admitted: Callable[[One], bool] = lambda one: True,
    ) -> Settled:
        """Decide and write all down, under the lock."""
        answers: list[bytes | None] = [None] * len(ones)
        chosen = self._choose(ones, scores, ledger, answers, admitted)
        if chosen:
            self._write_down(chosen, ledger)
        for each in chosen:
            answers[each.place] = each.answer
        return Settled(answers, chosen)

    def _choose(
        self,
        ones: list[One],
        scores: Sequence[list[float] | None],
        ledger: Ledger,
        answers: list[bytes | None],
        admitted: Callable[[One], bool],
    ) -> list[Chosen]:
        chosen: list[Chosen] = []
        used: dict[tuple[str, str], dict[str, int]] = {}
        names: set[str] = set()
        for place, (one, score) in enumerate(zip(ones, scores, strict=True)):
            name = one.ask.request_id
            if score is None or name in names or not admitted(one):
                continue
            try:
                if name:
                    names.add(name)
                    if first := self._predictor.first(one.live, one.ask):
                        answers[place] = self._predictor.render(one.live, one.ask, first)
                        continue
                chosen.append(self._decide(place, one, score, ledger, used))
            except Exception:
                answers[place] = None  # who is refused here is told why on the usual way
        return chosen

    def _decide(
        self,
        place: int,
        one: One,
        score: list[float],
        ledger: Ledger,
        used: dict[tuple[str, str], dict[str, int]],
    ) -> Chosen:
        live, ask = one.live, one.ask
        of = live.version.use_case, ask.rows.blocks[0]
        policy = live.version.lowered.get(of[1], live.version.policy)
        taken = used.get(of)
        if taken is None:
            seen = behind_others(ledger.taken, live.version.shares, of[0], of[1:])
            taken = used[of] = dict(seen.of(*of))
        left = {name: limit - taken.get(name, 0) for name, limit in policy.limits.items()}
        name, reason, _ = decide(policy, score, left)
        decision = Decision(name, reason, taken.get(name, 0) + 1 if name in left else None)
        frame, answer = live.one_row.write(ask, score, decision, self._predictor.stamp(ask, one.started))
        taken[name] = taken.get(name, 0) + 1
        return Chosen(place, one, decision, frame, answer)

    def _write_down(self, chosen: list[Chosen], ledger: Ledger) -> None:
        segment, offset = self._predictor.journal.write(b"".join([each.frame for each in chosen]), wall_seconds())
        for _, one, decision, frame, _ in chosen:
            use_case, block, named = one.live.version.use_case, one.ask.rows.blocks[0], one.ask.request_id
            ledger.apply_one(use_case, block, decision.decision, named, Position(segment, offset))
            offset += len(frame)


def _unsettled(ones: list[One]) -> Settled:
    return Settled([None] * len(ones), [])


def _count(ones: list[One], settled: Settled, now: float) -> None:
    """Count answers of one model that went out at `now`."""
    if not ones:
        return
    use_case = ones[0].live.version.use_case
    TALLY.took(use_case, *[now - one.started for one, body in zip(ones, settled.answers, strict=True) if body])
    if settled.chosen:
        TALLY.count(SERVING_REQUESTS_TOTAL, use_case, "predict", "answered", by=len(settled.chosen))
    for (decision, reason), count in Counter([each.decision[:2] for each in settled.chosen]).items():
        TALLY.count(SERVING_PREDICTIONS_TOTAL, use_case, decision, reason, by=count)
