"""Answers predictions: decode, score, then in one short critical section decide, count and write down, then answer."""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from services.serving import answers
from services.serving.allowance import Allowance
from services.serving.answers import SERVED_JSON, Missed, Served
from services.serving.bounds import SpoolFullError
from services.serving.counting import count_pairs
from services.serving.decode import Ask
from services.serving.entries import Head, Message
from services.serving.faults import CONTENT_TYPE, Refused, problem_body
from services.serving.forms import JSON, Reader, read_json
from services.serving.ids import new_request_id
from services.serving.journal import Journal
from services.serving.ledger import CapacityTaken
from services.serving.live import Live
from services.serving.live import Served as Serving
from services.serving.lock import SpoolBusyError
from services.serving.metrics import SERVING_PREDICTIONS_TOTAL, SERVING_REQUESTS_TOTAL, TALLY
from services.serving.prepare import Prepared, Stamp, prepare
from services.serving.refusals import problem_of
from services.serving.score import MAX_ROWS_AT_ONCE, BadRowError, OverloadedError, Scores
from shared.spine.clock import Clock, monotonic, wall_now, wall_seconds
from shared.spine.problems import Problem

log = logging.getLogger(__name__)

# Larger bodies are read, decided and rendered in the thread that scores, so that the small ones need not wait for them.
SMALL_BODY = 64 * 1024
# So much of them may be there at once.
MAX_BYTES_WAITING = 64 * 1024 * 1024
# A large request decides beside the lock; when the capacity that it saw has changed, once more, and then under it.
TRIES_BESIDE_THE_LOCK = 2


class Answer(NamedTuple):
    """What goes back over HTTP."""

    status: int
    body: bytes
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()


def failed_inside(path: str) -> Answer:
    """Answer for what nobody foresaw, in an `except` that caught it: the log has the rest."""
    log.exception("a request failed", extra={"path": path[:200]})
    return Answer(500, problem_body(Problem(500, "this request failed inside")), CONTENT_TYPE)


class Entry(NamedTuple):
    """What the journal holds of a request: just written as events, or found there as their bodies."""

    head: Head
    events: Sequence[Served]
    bodies: Sequence[bytes] = ()


@dataclass
class Predictor:
    """Everything that answering a prediction touches."""

    journal: Journal
    serving: Serving
    clock: Clock
    source: str
    time_limit: float = 10.0

    def __post_init__(self) -> None:
        self._allowance = Allowance()
        self._bytes_waiting = 0

    def read(self, use_case: str, body: bytes) -> tuple[Live, Ask] | None:
        """Read what may be answered without waiting for anything; None where `answer` has to say more."""
        live = self.serving.live.get(use_case)
        if live is None or len(body) > SMALL_BODY or self.journal.full or self.journal.options.fsync != "never":
            return None
        try:
            return live, live.decoder.decode(body, self.clock.known)
        except Exception:
            return None

    def at_once(self, live: Live, ask: Ask, started: float, admit: Callable[[], None]) -> bytes | None:
        """Answer without waiting for anything; None, with nothing done, where `answer` has to say more or to wait.

        `admit` is asked last; what it raises is `answer`'s to say as well.
        """
        lock = self.journal.locked()
        try:
            scores = live.model.at_once(ask.rows)
            ledger = lock.take() if scores else None
            if not scores or ledger is None:
                return None
            try:
                admit()
                entry = self.first(live, ask) or self._append(self._prepare(live, ask, scores, started, ledger.taken))
            finally:
                lock.release()
        except Exception:
            return None
        return self.say(live, ask, entry, started)

    def say(self, live: Live, ask: Ask, entry: Entry, started: float) -> bytes:
        """Render an answer, and count it with the time that it took."""
        said = self.render(live, ask, entry)
        TALLY.took(live.version.use_case, monotonic() - started)
        return said

    async def answer(self, use_case: str, body: bytes, read: Reader = read_json) -> Answer:
        """Answer one request; everything that can go wrong is a problem document, and an event."""
        started = monotonic()
        live: Live | None = None
        ask: Ask | None = None
        try:
            live = self.live_of(use_case)
            if len(body) <= SMALL_BODY:
                ask = read(live, body, self.clock.known)
            with self._room_for(body):
                async with asyncio.timeout(self.time_limit):
                    if ask is None:
                        ask = await self._decode(read, live, body)
                    result = await self._predict(live, ask, started)
        except Exception as error:
            problem = problem_of(error)
            request_id = ask.request_id if ask else getattr(problem, "request_id", None)
            return await self.refuse(use_case, problem, request_id, live, ask)
        TALLY.took(use_case, monotonic() - started)
        return Answer(200, result, ask.form.content_type if ask.form else JSON)

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
        TALLY.count(SERVING_REQUESTS_TOTAL, use_case if known else "", "predict", status)
        spool_is_why = isinstance(problem.__cause__, SpoolBusyError | SpoolFullError)
        if known and not spool_is_why and self._allowance.take(status):
            event = answers.missed_event(use_case, name, status, problem.detail, live.version if live else None)
            # The event time that an answer would have had, so that both count in the same block.
            await self._tell(event, max(ask.rows.times) if ask else self.clock.known or wall_now())
        headers = (("retry-after", "1"),) if problem.status == 503 else ()
        return Answer(problem.status, problem_body(problem, name), CONTENT_TYPE, headers)

    def live_of(self, use_case: str) -> Live:
        """Return what is live; raises Problem 404 or 503."""
        live = self.serving.live.get(use_case)
        if live is None:
            known = self.serving.known
            if use_case in known:
                raise Problem(503, f"{use_case} has no release yet")
            raise Problem(404, f"there is no use case {use_case[:100]!r}", allowed=known)
        return live

    @contextmanager
    def _room_for(self, body: bytes) -> Iterator[None]:
        """Count a body while it is worked on; raises OverloadedError when too much is there already."""
        if self._bytes_waiting + len(body) > MAX_BYTES_WAITING:
            raise OverloadedError(f"{self._bytes_waiting} bytes are waiting")
        self._bytes_waiting += len(body)
        try:
            yield
        finally:
            self._bytes_waiting -= len(body)

    async def _decode(self, read: Reader, live: Live, body: bytes) -> Ask:
        return await live.model.in_thread(_read, read, live, body, self.clock.known)

    async def _predict(self, live: Live, ask: Ask, started: float) -> bytes:
        """Answer what takes its time: a model that is not compiled, many rows, a disk that is waited for."""
        large = len(ask.body) > SMALL_BODY or len(ask.rows) > MAX_ROWS_AT_ONCE
        entry = await self._repeated(live, ask)
        if entry is None:
            scores = live.model.at_once(ask.rows) or await live.model.score(ask.rows)
            write = self._write_beside if large else self._write
            entry = await write(live, ask, scores, started)
        await self.journal.durable()
        return await live.model.in_thread(self.render, live, ask, entry) if large else self.render(live, ask, entry)

    async def _repeated(self, live: Live, ask: Ask) -> Entry | None:
        """Look for a first answer before anything is scored, where there most likely is one."""
        if not self.repeats(live, ask):
            return None
        async with self.journal.locked():
            return self.first(live, ask)

    async def _write(self, live: Live, ask: Ask, scores: Scores, started: float) -> Entry:
        """Return the entry of the first answer, which is this one unless the journal already has another."""
        async with self.journal.locked() as ledger:
            first = self.first(live, ask)
            return first or self._append(self._prepare(live, ask, scores, started, ledger.taken))

    async def _write_beside(self, live: Live, ask: Ask, scores: Scores, started: float) -> Entry:
        """Do the same for many rows, and decide them beside the lock: it is held for the write alone."""
        use_case, limits = live.version.use_case, live.version.policy.limits
        for _ in range(TRIES_BESIDE_THE_LOCK):
            seen = self.journal.look().taken.copy_of(use_case, set(ask.rows.blocks))
            prepared = await live.model.in_thread(self._prepare, live, ask, scores, started, seen)
            async with self.journal.locked() as ledger:
                if first := self.first(live, ask):
                    return first
                if ledger.taken.same(seen, use_case, limits):
                    return self._append(prepared)
        return await self._write(live, ask, scores, started)

    def _append(self, prepared: Prepared) -> Entry:
        self.journal.append_frame(prepared.head, prepared.frame)
        return Entry(prepared.head, prepared.events)

    def repeats(self, live: Live, ask: Ask) -> bool:
        """Whether there most likely is a first answer to this request."""
        return bool(ask.request_id and self.journal.ledger.requests.find(live.version.use_case, ask.request_id))

    def first(self, live: Live, ask: Ask) -> Entry | None:
        """Return the first answer to a request that its client named; under the lock. Refused: to another request."""
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
        return Entry(head, (), [body for _, body in events])

    def _conflict(self, ask: Ask, what: str) -> None:
        refused = Refused(409, f"request_id {ask.request_id} {what}", field="request_id")
        refused.request_id = ask.request_id
        raise refused

    def _prepare(self, live: Live, ask: Ask, scores: Scores, started: float, taken: CapacityTaken) -> Prepared:
        return prepare(live.version, ask, scores, taken, self.stamp(ask, started))

    def stamp(self, ask: Ask, started: float) -> Stamp:
        """Return what is said of a request that is answered now."""
        return Stamp(ask.request_id or new_request_id(), (monotonic() - started) * 1000, self.source, wall_seconds())

    def render(self, live: Live, ask: Ask, entry: Entry) -> bytes:
        """Count an entry and render it: read back from the journal or just written, the answer is the same."""
        head, events, bodies = entry
        use_case = live.version.use_case
        TALLY.count(SERVING_REQUESTS_TOTAL, use_case, "predict", "repeated" if bodies else "answered")
        counts: dict[tuple[str, str], int] = {}
        for event in events:
            for kind, count in count_pairs(event.decisions, event.reasons).items():
                counts[kind] = counts.get(kind, 0) + count
        for (decision, reason), count in counts.items():
            TALLY.count(SERVING_PREDICTIONS_TOTAL, use_case, decision, reason, by=count)
        render = ask.form.render if ask.form else answers.render
        return render(head, events or [answers.read_served(body) for body in bodies])

    async def _tell(self, event: Served, time: datetime) -> None:
        body = SERVED_JSON.encode(event)
        message: Message = answers.message_of(event, body, self.source, time)
        try:
            async with self.journal.locked():
                head = Head(
                    at=wall_seconds(),
                    use_case=event.use_case,
                    request_id=event.request_id,
                    messages=[message],
                )
                self.journal.append(head, [body])
        except (SpoolBusyError, SpoolFullError):
            log.warning("it could not be written down", extra={"use_case": event.use_case, "error": event.error})


def _read(read: Reader, live: Live, body: bytes, now: datetime | None) -> Ask:
    ask = read(live, body, now)
    if ask.request_id:
        _ = ask.digest  # worked out here, in the thread
    return ask
