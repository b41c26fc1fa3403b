"""Answers predictions: decode, score, then in one short critical section decide, count and write down, then answer."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from services.serving import answers, metrics
from services.serving.answers import SERVED_JSON, Missed, Served
from services.serving.decode import Ask
from services.serving.entries import Head, Message
from services.serving.faults import CONTENT_TYPE, Refused, problem_body
from services.serving.ids import new_request_id
from services.serving.journal import Journal, SpoolBusyError, SpoolFullError
from services.serving.live import Live
from services.serving.live import Served as Serving
from services.serving.score import BadRowError, OverloadedError, Scores
from shared.spine.clock import Clock, monotonic, wall_now
from shared.spine.problems import Problem

log = logging.getLogger(__name__)

JSON = "application/json"
# Refusals and failures are events too, but a thousand of them a second must not fill the spool.
TOLD_PER_SECOND = 20.0


class Answer(NamedTuple):
    """What goes back over HTTP."""

    status: int
    body: bytes
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()


@dataclass
class Predictor:
    """Everything that answering a prediction touches."""

    journal: Journal
    serving: Serving
    clock: Clock
    source: str
    time_limit: float = 10.0

    def __post_init__(self) -> None:
        # Each kind has its own: wrong clients must not hide a release that fails.
        self._left: dict[Missed, float] = {"refused": TOLD_PER_SECOND, "failed": TOLD_PER_SECOND}
        self._since = monotonic()

    async def answer(self, use_case: str, body: bytes) -> Answer:
        """Answer one request; everything that can go wrong is a problem document, and an event."""
        started = monotonic()
        live: Live | None = None
        ask: Ask | None = None
        try:
            live = self._live(use_case)
            ask = live.decoder.decode(body, self.clock.known)
            async with asyncio.timeout(self.time_limit):
                result = await self._predict(live, ask, started)
        except Exception as error:
            problem = _problem_of(error)
            request_id = ask.request_id if ask else getattr(problem, "request_id", None)
            return await self.refuse(use_case, problem, request_id, live, ask)
        metrics.SERVING_LATENCY_SECONDS.labels(use_case).observe(monotonic() - started)
        return Answer(200, result)

    async def refuse(
        self,
        use_case: str,
        problem: Problem,
        request_id: str | None,
        live: Live | None = None,
        ask: Ask | None = None,
    ) -> Answer:
        """Answer with a problem; the event that says so is written when the use case is known."""
        name = request_id or new_request_id()
        known = use_case in self.serving.known
        # A record that fits the contract and that the model cannot score is no fault of the client.
        model_is_why = isinstance(problem.__cause__, BadRowError)
        status: Missed = "failed" if problem.status >= 500 or model_is_why else "refused"
        metrics.SERVING_REQUESTS_TOTAL.labels(use_case if known else "", "predict", status).inc()
        spool_is_why = isinstance(problem.__cause__, SpoolBusyError | SpoolFullError)
        if known and not spool_is_why and self._may_tell(status):
            event = answers.missed_event(use_case, name, status, problem.detail, live.version if live else None)
            # The event time that an answer would have had, so that both count in the same block.
            await self._tell(event, max(ask.rows.times) if ask else self.clock.known or wall_now())
        headers = (("retry-after", "1"),) if problem.status == 503 else ()
        return Answer(problem.status, problem_body(problem, name), CONTENT_TYPE, headers)

    def _live(self, use_case: str) -> Live:
        live = self.serving.live.get(use_case)
        if live is None:
            known = self.serving.known
            if use_case in known:
                raise Problem(503, f"{use_case} has no release yet")
            raise Problem(404, f"there is no use case {use_case[:100]!r}", allowed=known)
        return live

    async def _predict(self, live: Live, ask: Ask, started: float) -> bytes:
        try:
            if ask.request_id and self.journal.ledger.requests.find(live.version.use_case, ask.request_id):
                scores: Scores = []  # most likely a repeat: the first answer is looked for before anything is scored
            else:
                scores = await live.model.score(ask.rows)
            return await self._write(live, ask, scores, started)
        except (SpoolBusyError, SpoolFullError, OverloadedError) as error:
            raise Problem(503, str(error)) from error
        except BadRowError as error:
            log.warning("a record cannot be scored", extra={"use_case": live.version.use_case, "error": str(error)})
            raise Problem(422, str(error), record=error.position) from error

    async def _write(self, live: Live, ask: Ask, scores: Scores, started: float) -> bytes:
        """Return the first answer to this request, which is this one unless the journal already has another."""
        async with self.journal.locked():
            first = self._first(live, ask)
            if first is None and scores:
                head, events = self._decide(live, ask, scores, started)
        if first is None and not scores:
            return await self._write(live, ask, await live.model.score(ask.rows), started)
        await self.journal.durable()
        if first is not None:
            head, events = first
        self._count(head, events, repeated=first is not None)
        return answers.render(head, events)

    def _first(self, live: Live, ask: Ask) -> tuple[Head, Sequence[Served]] | None:
        if ask.request_id is None:
            return None
        found = self.journal.first_answer(live.version.use_case, ask.request_id)
        if found is None:
            if other := self.journal.ledger.requests.other_use_case(live.version.use_case, ask.request_id):
                self._conflict(ask, f"was answered for the use case {other}")
            return None
        head, events = found
        if head.digest != ask.digest:
            self._conflict(ask, "was answered for other records")
        return head, [answers.read_served(body) for _, body in events]

    def _conflict(self, ask: Ask, what: str) -> None:
        refused = Refused(409, f"request_id {ask.request_id} {what}", field="request_id")
        refused.request_id = ask.request_id
        raise refused

    def _decide(self, live: Live, ask: Ask, scores: Scores, started: float) -> tuple[Head, Sequence[Served]]:
        version, rows = live.version, ask.rows
        decided = answers.decide_rows(version.policy, rows, scores, self.journal.ledger.taken, version.use_case)
        request_id = ask.request_id or new_request_id()
        latency = (monotonic() - started) * 1000
        events = answers.served_events(
            version, request_id, rows, scores, decided, body_bytes=ask.size, latency_ms=latency
        )
        bodies = [SERVED_JSON.encode(event) for event in events]
        time = max(rows.times)
        head = Head(
            at=wall_now().timestamp(),
            use_case=version.use_case,
            request_id=request_id,
            digest=ask.digest if ask.request_id else "",
            block=max(rows.blocks),
            classes=list(version.policy.classes) if version.policy.task == "multiclass" else [],
            estimates=answers.estimates(version.policy, scores, decided.decisions),
            taken=decided.taken,
            rows=len(rows),
            messages=[
                answers.message_of(event, body, self.source, time) for event, body in zip(events, bodies, strict=True)
            ],
        )
        self.journal.append(head, bodies)
        return head, events

    def _count(self, head: Head, events: Sequence[Served], *, repeated: bool) -> None:
        status = "repeated" if repeated else "answered"
        metrics.SERVING_REQUESTS_TOTAL.labels(head.use_case, "predict", status).inc()
        for event in () if repeated else events:
            for decision, reason in zip(event.decisions, event.reasons, strict=True):
                metrics.SERVING_PREDICTIONS_TOTAL.labels(head.use_case, decision, reason).inc()

    def _may_tell(self, status: Missed) -> bool:
        now = monotonic()
        gained, self._since = (now - self._since) * TOLD_PER_SECOND, now
        for kind, left in self._left.items():
            self._left[kind] = min(TOLD_PER_SECOND, left + gained)
        if self._left[status] < 1:
            return False
        self._left[status] -= 1
        return True

    async def _tell(self, event: Served, time: datetime) -> None:
        body = SERVED_JSON.encode(event)
        message: Message = answers.message_of(event, body, self.source, time)
        try:
            async with self.journal.locked():
                head = Head(
                    at=wall_now().timestamp(),
                    use_case=event.use_case,
                    request_id=event.request_id,
                    messages=[message],
                )
                self.journal.append(head, [body])
        except (SpoolBusyError, SpoolFullError):
            log.warning("it could not be written down", extra={"use_case": event.use_case, "error": event.error})


def _problem_of(error: Exception) -> Problem:
    match error:
        case Problem():
            return error
        case TimeoutError():
            return Problem(503, "no answer within the time limit")
        case _:
            log.error("a request failed", exc_info=error)
            return Problem(500, "this request failed inside")
