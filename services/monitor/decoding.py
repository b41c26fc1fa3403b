"""One record of a data topic becomes its event, or a dead letter; a bug that hits every record stops the consumer."""

import logging
from typing import Any

from services.monitor import metrics
from services.monitor.contents import outcome_problems, prediction_problem
from services.monitor.store import Contracts
from shared.events import OutcomeRecorded, PredictionServed, from_record, unknown_fields
from shared.spine.bug_limit import BugLimit
from shared.spine.dead_letters import DeadLetters
from shared.spine.error_policy import dead_kind_of, kind_of
from shared.spine.errors import PermanentError
from shared.spine.metrics import SPINE_ERRORS_TOTAL, SPINE_UNKNOWN_FIELDS_TOTAL

log = logging.getLogger(__name__)
DataEvent = PredictionServed | OutcomeRecorded


class DecisionError(PermanentError):
    """A readable `prediction_served` that cannot be counted."""


class OutcomeError(PermanentError):
    """A readable `outcome_recorded` that cannot be counted."""


class Decoder:
    """Reads records against the contracts that are known; tries once, since nothing outside takes part in it."""

    def __init__(self, contracts: Contracts, dead_letters: DeadLetters, bugs: BugLimit) -> None:
        self._contracts, self._dead_letters, self._bugs = contracts, dead_letters, bugs

    async def decode(self, record: Any) -> DataEvent | None:
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

    def _read(self, record: Any) -> DataEvent:
        event: DataEvent
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
