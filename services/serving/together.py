"""Answers the requests of one record that arrive in one turn of the event loop together: one call of the model, one
lock, one write; nobody waits for more to come.
"""

import asyncio
import logging
from contextlib import suppress
from typing import NamedTuple, Protocol

from services.serving.decode import Ask
from services.serving.ids import new_request_id
from services.serving.journal import Journal
from services.serving.ledger import Ledger, Position
from services.serving.live import Live
from services.serving.metrics import SERVING_PREDICTIONS_TOTAL, SERVING_REQUESTS_TOTAL, TALLY
from services.serving.one_row import Decision
from services.serving.predict import Predictor
from services.serving.score import Coalescer
from services.serving.shares import behind_others
from shared.contract import decide
from shared.spine.clock import monotonic, wall_seconds

log = logging.getLogger(__name__)

# What comes beyond this waits for nobody's sake any more: the first answers go out.
MOST_TOGETHER = 64


class Asker(Protocol):
    """Who asked."""

    def admit(self) -> None:
        """Count one request; raises Problem for one too many."""

    def answered(self, body: bytes | None) -> None:
        """Take the answer; None, with nothing done, where the usual way has to say more or to wait."""


class One(NamedTuple):
    """A request of one record that fits its contract."""

    live: Live
    ask: Ask
    started: float
    asker: Asker


class Chosen(NamedTuple):
    """One that is decided, and not yet written."""

    place: int
    one: One
    decision: Decision
    frame: bytes
    answer: bytes


class Turn:
    """The requests of this turn so far."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self._waiting: list[One] = []

    @property
    def journal(self) -> Journal:
        """Where they are written down."""
        return self._predictor.journal

    def add(self, one: One, *, alone: bool) -> None:
        """Answer at the end of this turn, or now if nobody else can come."""
        self._waiting.append(one)
        if alone or len(self._waiting) >= MOST_TOGETHER:
            self.answer()
        elif len(self._waiting) == 1:
            asyncio.get_running_loop().call_soon(self.answer)

    def answer(self) -> None:
        """Answer all who wait."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        for one, body in zip(waiting, self._answers(waiting), strict=True):
            try:
                one.asker.answered(body)
            except Exception:
                log.exception("an answer could not be sent")
            if body is not None:
                TALLY.took(one.live.version.use_case, monotonic() - one.started)

    def _answers(self, waiting: list[One]) -> list[bytes | None]:
        answers: list[bytes | None] = [None] * len(waiting)
        lock = self.journal.locked()
        try:
            scores = _score(waiting)
            ledger = lock.take()
            if ledger is None:
                return answers
            try:
                chosen = self._choose(waiting, scores, ledger, answers)
                if chosen:
                    self._write_down(chosen, ledger)
            finally:
                lock.release()
        except Exception:
            # The usual way says why: the disk, most likely. What was answered before stays answered.
            return answers
        for each in chosen:
            answers[each.place] = each.answer
        return answers

    def _choose(
        self, waiting: list[One], scores: list[list[float] | None], ledger: Ledger, answers: list[bytes | None]
    ) -> list[Chosen]:
        chosen: list[Chosen] = []
        used: dict[tuple[str, str], dict[str, int]] = {}
        names: set[str] = set()
        for place, (one, score) in enumerate(zip(waiting, scores, strict=True)):
            name = one.ask.request_id
            if score is None or name in names:
                continue
            # Whoever is refused here is told why on the usual way.
            with suppress(Exception):
                one.asker.admit()
                if name:
                    names.add(name)
                    if first := self._predictor.first(one.live, one.ask):
                        answers[place] = self._predictor.render(one.live, one.ask, first)
                        continue
                chosen.append(self._decide(place, one, score, ledger, used))
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
        frame, answer = live.one_row.write(
            ask,
            ask.request_id or new_request_id(),
            score,
            decision,
            latency_ms=(monotonic() - one.started) * 1000,
            source=self._predictor.source,
            at=wall_seconds(),
        )
        taken[name] = taken.get(name, 0) + 1
        return Chosen(place, one, decision, frame, answer)

    def _write_down(self, chosen: list[Chosen], ledger: Ledger) -> None:
        segment, offset = self.journal.write(b"".join([each.frame for each in chosen]), wall_seconds())
        for _, one, decision, frame, _ in chosen:
            use_case, block, named = one.live.version.use_case, one.ask.rows.blocks[0], one.ask.request_id
            ledger.apply_one(use_case, block, decision.decision, named, Position(segment, offset))
            TALLY.count(SERVING_PREDICTIONS_TOTAL, use_case, decision.decision, decision.reason)
            TALLY.count(SERVING_REQUESTS_TOTAL, use_case, "predict", "answered")
            offset += len(frame)


def _score(waiting: list[One]) -> list[list[float] | None]:
    """The scores of each, one call for each model."""
    by_model: dict[Coalescer, list[int]] = {}
    for place, one in enumerate(waiting):
        by_model.setdefault(one.live.model, []).append(place)
    scores: list[list[float] | None] = [None] * len(waiting)
    for model, places in by_model.items():
        for place, found in zip(places, model.one_each([waiting[each].ask.rows for each in places]), strict=True):
            scores[place] = found
    return scores
