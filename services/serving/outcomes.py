"""Takes outcomes over HTTP: what really happened, checked against the contract, into the journal."""

import asyncio
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from services.serving import metrics
from services.serving.bounds import SpoolFullError
from services.serving.decode import find_duplicate_keys
from services.serving.entries import Head, Message
from services.serving.faults import CONTENT_TYPE, Refused, body_fault, problem_body
from services.serving.headers import cloud_headers
from services.serving.ids import new_request_id
from services.serving.journal import Journal
from services.serving.live import Served as Serving
from services.serving.lock import SpoolBusyError
from services.serving.predict import SMALL_BODY, Answer
from services.serving.times import read_time
from shared.contract import Contract
from shared.events import MAX_ROWS, OutcomeRecorded
from shared.spine.clock import Clock, wall_now
from shared.spine.problems import Problem

MAX_OUTCOMES = 1000
PREDICTION_ID = re.compile(r"[A-Za-z0-9._:\-]{1,128}/[0-9]{1,9}")
_JSON = msgspec.json.Encoder()


class Item(msgspec.Struct, forbid_unknown_fields=True):
    """One outcome as a client sends it."""

    prediction_id: str
    label: str | None = None
    value: float | None = None
    known_at: str | None = None


class Body(msgspec.Struct, forbid_unknown_fields=True):
    """What a client sends."""

    outcomes: list[Item]


_BODY = msgspec.json.Decoder(Body)
_ITEM_FIELDS = ("prediction_id", "label", "value", "known_at")


class Known(msgspec.Struct, frozen=True):
    """One outcome of an `outcome_recorded` event."""

    prediction_id: str
    label: str | None
    value: float | None
    known_at: datetime


@dataclass
class Outcomes:
    """Everything that taking outcomes touches."""

    journal: Journal
    serving: Serving
    clock: Clock
    source: str

    async def answer(self, use_case: str, body: bytes) -> Answer:
        """Accept all outcomes of a request, or none."""
        try:
            asked = self._contract(use_case), body, self.clock.known
            known = await asyncio.to_thread(read_outcomes, *asked) if len(body) > SMALL_BODY else read_outcomes(*asked)
            await self._write(use_case, known)
        except Problem as problem:
            status = "failed" if problem.status >= 500 else "refused"
            name = use_case if use_case in self.serving.known else ""
            metrics.SERVING_REQUESTS_TOTAL.labels(name, "outcomes", status).inc()
            headers = (("retry-after", "1"),) if problem.status == 503 else ()
            return Answer(problem.status, problem_body(problem), CONTENT_TYPE, headers)
        metrics.SERVING_REQUESTS_TOTAL.labels(use_case, "outcomes", "answered").inc()
        metrics.SERVING_OUTCOMES_TOTAL.labels(use_case).inc(len(known))
        return Answer(200, _JSON.encode({"accepted": len(known)}))

    def _contract(self, use_case: str) -> Contract:
        contract = self.serving.contract(use_case)
        if contract is None:
            raise Problem(404, f"there is no use case {use_case[:100]!r}", allowed=self.serving.known)
        return contract

    async def _write(self, use_case: str, known: list[Known]) -> None:
        messages, bodies = [], []
        for start in range(0, len(known), MAX_ROWS):
            part = known[start : start + MAX_ROWS]
            body = _JSON.encode({"use_case": use_case, "outcomes": part})
            time = max(each.known_at for each in part)
            headers = cloud_headers(OutcomeRecorded.topic, new_request_id(), self.source, time)
            key = f"{use_case}/{part[0].prediction_id}"
            messages.append(Message(OutcomeRecorded.topic, key, headers, len(body)))
            bodies.append(body)
        try:
            async with self.journal.locked():
                self.journal.append(Head(at=wall_now().timestamp(), use_case=use_case, messages=messages), bodies)
            await self.journal.durable()
        except (SpoolBusyError, SpoolFullError) as error:
            raise Problem(503, str(error)) from error


def read_outcomes(contract: Contract, body: bytes, now: datetime | None) -> list[Known]:
    """Return the outcomes of a body; raises Refused naming outcome and field."""
    try:
        items = _BODY.decode(body).outcomes
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise body_fault(body, error, ("outcomes", *_ITEM_FIELDS)) from error
    if not 1 <= len(items) <= MAX_OUTCOMES:
        said = f"{len(items)} outcomes, 1 to {MAX_OUTCOMES} are allowed"
        raise Refused(422, said, field="outcomes", limit=MAX_OUTCOMES)
    find_duplicate_keys(body, 1 + len(items))
    return [_known(contract, item, position, now) for position, item in enumerate(items)]


def _known(contract: Contract, item: Item, position: int, now: datetime | None) -> Known:
    def refuse(field: str, said: str, **more: Any) -> Refused:
        return Refused(422, f"outcome {position}: {field} {said}", record=position, field=field, **more)

    if not PREDICTION_ID.fullmatch(item.prediction_id):
        raise refuse("prediction_id", f"{item.prediction_id[:140]!r} is not <request_id>/<position>")
    if contract.classes:
        if item.label not in contract.classes or item.value is not None:
            said = f"{item.label[:100]!r} is not a class of {contract.label.name}" if item.label else "is missing"
            wrong = "label" if item.label not in contract.classes else "value"
            raise refuse(wrong, said if wrong == "label" else "belongs to a regression", allowed=contract.classes)
    elif (fault := _value_fault(contract, item)) is not None:
        raise refuse(*fault, limit=contract.label.range)
    if item.known_at is None:
        if now is None:
            raise refuse("known_at", "is missing, and no event time is known yet")
        return Known(item.prediction_id, item.label, item.value, now)
    where = f"outcome {position}: known_at"
    time = read_time(item.known_at, where, now, record=position, field="known_at")
    return Known(item.prediction_id, item.label, item.value, time)


def _value_fault(contract: Contract, item: Item) -> tuple[str, str] | None:
    low, high = contract.label.range or (float("-inf"), float("inf"))
    if item.label is not None:
        return "label", "belongs to a classification"
    if item.value is None:
        return "value", "is missing"
    return None if low <= item.value <= high else ("value", f"{item.value} lies outside {low:g} to {high:g}")
