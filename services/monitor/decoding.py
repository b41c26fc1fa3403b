"""Records of the data topics become events, or dead letters; a bug that hits every record stops the consumer."""

import logging
from collections import Counter
from typing import Any

from services.monitor import metrics
from services.monitor.contents import outcome_problems, prediction_problem
from services.monitor.countable import UNKNOWN, Countable, Unknown
from services.monitor.store import Contracts
from shared.contract.schema import Contract
from shared.events import OutcomeRecorded, PredictionServed, from_record, unknown_fields
from shared.events.quick import QuickReader, Served, Told
from shared.spine.bug_limit import BugLimit
from shared.spine.dead_letters import DeadLetters
from shared.spine.error_policy import dead_kind_of, kind_of
from shared.spine.errors import PermanentError
from shared.spine.metrics import SPINE_ERRORS_TOTAL, SPINE_UNKNOWN_FIELDS_TOTAL

log = logging.getLogger(__name__)
DataEvent = PredictionServed | OutcomeRecorded | Served | Told


class DecisionError(PermanentError):
    """A readable `prediction_served` that cannot be counted."""


class OutcomeError(PermanentError):
    """A readable `outcome_recorded` that cannot be counted."""


class Decoder:
    """Reads records against the contracts that are known; tries once, since nothing outside takes part in it.

    Nearly all records are read quickly. The few others, and all that have a fault, are read thoroughly, which names it.
    """

    def __init__(self, contracts: Contracts, dead_letters: DeadLetters, bugs: BugLimit) -> None:
        self._contracts, self._dead_letters, self._bugs = contracts, dead_letters, bugs
        self._quick = QuickReader()
        self._countable: dict[str, Countable] = {}
        self._answered: Counter[str] = Counter()

    def decode_quickly(self, record: Any) -> Served | Told | None:
        """The event, where it is plainly good under a contract that is known; None: ask `decode`. Never raises."""
        try:
            event = self._read_quickly(record)
        except Exception:
            # A bug here costs time only: it is `decode` that decides what becomes of the record.
            log.exception("not read quickly", extra={"topic": record.topic, "offset": record.offset})
            return None
        if event is not None:
            self._bugs.handled(record.topic)
        return event

    async def decode(self, record: Any) -> PredictionServed | OutcomeRecorded | None:
        """The event, or None once its dead letter is acknowledged.

        Raises ConsumerStoppedError in front of the record that was one bug too many: it has no dead letter.
        """
        self._bugs.check(record.topic)
        try:
            event = self._read(record)
        except Exception as error:
            if (kind := kind_of(error)) == "transient":
                raise
            SPINE_ERRORS_TOTAL.labels("monitor", record.topic, kind).inc()
            said = {"topic": record.topic, "offset": record.offset, "error": str(error)[:500], "kind": kind}
            log.error("not processed", extra=said, exc_info=kind == "bug")
            if kind == "bug" and self._bugs.reached(record, error):
                self._bugs.check(record.topic)
            reason, name = f"{kind}: {error}", type(error).__name__
            await self._dead_letters.send(record, reason, error=name, kind=dead_kind_of(error))
            return None
        self._bugs.handled(record.topic)
        return event

    def count(self) -> None:
        """Tell the metrics what was decoded quickly since the last time."""
        for use_case, requests in self._answered.items():
            metrics.MONITOR_REQUESTS_TOTAL.labels(use_case, "answered").inc(requests)
        self._answered.clear()

    def _read_quickly(self, record: Any) -> Served | Told | None:
        if record.topic == PredictionServed.topic:
            served = self._quick.served(record.value, record.headers)
            if served is None or not self._rules(self._contracts.get(served.contract_digest)).decisions(served):
                return None
            self._answered[served.use_case] += 1
            return served
        told = self._quick.told(record.value, record.headers)
        if told is None or not self._rules(self._contracts.newest(told.use_case)).outcomes(told):
            return None
        return told

    def _rules(self, contract: Contract | None) -> Countable | Unknown:
        if contract is None:
            return UNKNOWN
        if (rules := self._countable.get(contract.digest)) is None:
            rules = self._countable[contract.digest] = Countable(contract)
        return rules

    def _read(self, record: Any) -> PredictionServed | OutcomeRecorded:
        event: PredictionServed | OutcomeRecorded
        if record.topic == PredictionServed.topic:
            event = from_record(PredictionServed, record.value, record.headers)
            problem = prediction_problem(event, self._contracts.get(event.contract_digest))
            metrics.MONITOR_REQUESTS_TOTAL.labels(event.use_case, event.status).inc()
            if problem is not None:
                raise DecisionError(problem)
        else:
            event = from_record(OutcomeRecorded, record.value, record.headers)
            if (problem := outcome_problems(event, self._contracts.newest(event.use_case))) is not None:
                raise OutcomeError(problem)
        if dropped := unknown_fields(event):
            SPINE_UNKNOWN_FIELDS_TOTAL.labels(record.topic).inc(dropped)
        return event
