"""Publishes how activations ended, through the journal: a report survives Kafka being away."""

import asyncio
import logging
from dataclasses import dataclass

from services.serving.activate import Report
from services.serving.bounds import SpoolFullError
from services.serving.entries import Head, Message
from services.serving.journal import Journal
from services.serving.lock import SpoolBusyError
from shared.events import ActivationReported, to_record
from shared.spine.clock import Clock, wall_now

log = logging.getLogger(__name__)


@dataclass
class Reporter:
    """Writes `activation_reported` events of one worker."""

    journal: Journal
    clock: Clock
    source: str
    replica: int
    worker: str

    async def __call__(self, report: Report) -> None:
        """Write one report, again and again while the spool cannot take it."""
        record = to_record(self._event(report))
        headers = [(name, value.decode()) for name, value in record.headers]
        message = Message(record.topic, record.key.decode(), headers, len(record.value))
        head = Head(at=wall_now().timestamp(), use_case=report.release.use_case, messages=[message])
        wait = 0.1
        while True:
            try:
                async with self.journal.locked():
                    self.journal.append(head, [record.value])
                return
            except (SpoolBusyError, SpoolFullError) as error:
                log.warning("an activation report waits for the spool", extra={"error": str(error)})
            await asyncio.sleep(wait)
            wait = min(wait * 2, 5.0)

    def _event(self, report: Report) -> ActivationReported:
        release = report.release
        subject = f"{self.replica}/{self.worker}/{report.status}/{report.check or ''}"
        return ActivationReported.follow(
            release,
            subject,
            source=self.source,
            time=self.clock.known or release.time,
            use_case=release.use_case,
            sequence=release.sequence,
            package_digest=release.package_digest,
            replica=self.replica,
            worker=self.worker,
            status="active" if report.status == "active" else "refused",
            check=report.check,
            detail=report.detail.replace("\0", "?") if report.detail else None,
            milliseconds=report.milliseconds,
        )
