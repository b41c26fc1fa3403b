"""The one append-only journal of a host: spool, capacity ledger and request index of all its workers in one file.

Whoever holds the lock reads what the other workers appended, repairs a torn tail (nobody else can be writing), decides
with the capacity that is really left, appends, and lets go. So capacity is taken once, before the answer.
"""

import logging
import math
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from services.serving import entries, frames, metrics, segments
from services.serving.bounds import JournalOptions, SpoolFullError
from services.serving.entries import Head
from services.serving.group_commit import GroupCommit
from services.serving.ledger import Ledger, Position, RequestIndex
from services.serving.lock import Lock
from shared.spine import points
from shared.spine.clock import wall_now

log = logging.getLogger(__name__)


# What others appended is read in pieces: a worker that nobody asked for a while would need memory for all of it.
READ_BYTES = 512 * 1024
# A segment is closed after this part of the spool's greatest age, so that what is too old can go by segments.
SEALED_AFTER = 0.1


class Journal:
    """A worker's view of the journal: `first_answer`, `ledger` and `append` belong inside `async with locked()`."""

    def __init__(self, directory: Path, options: JournalOptions | None = None) -> None:
        self.directory = directory
        self.options = options or JournalOptions()
        self.ledger = Ledger(requests=RequestIndex(self.options.indexed_requests))
        self._segment = 0
        self._offset = 0
        self._sealed_bytes = 0
        self._file = -1
        self._following = ""
        # Times of the first entry of our segment and of the last of all, and when ages are looked at next.
        self._oldest, self._newest, self._look_at_ages = math.inf, 0.0, 0.0
        # Whether the last entry was refused: then the next most likely will be, too.
        self.full = False
        self._lock: Lock[Ledger] | None = None
        self._commit = GroupCommit()

    async def open(self) -> None:
        """Read all segments; raises SpoolBusyError while another process holds the lock."""
        self.directory.mkdir(parents=True, exist_ok=True)
        self._lock = self._lock or Lock(self.directory / "lock", self.options.lock_seconds, self._read_all)
        async with self.locked():
            pass

    def close(self) -> None:
        """Close the files."""
        if self._file >= 0:
            os.close(self._file)
        if self._lock is not None:
            self._lock.close()
        self._file, self._lock = -1, None

    def locked(self) -> Lock[Ledger]:
        """`async with journal.locked() as ledger`: the lock is held, everything is read, a torn tail is cut."""
        if self._lock is None:
            raise ValueError("the journal is not open")
        return self._lock

    def _read_all(self) -> Ledger:
        self._catch_up(repair=True)
        return self.ledger

    def look(self) -> Ledger:
        """Read what others appended, without the lock and without repairing anything."""
        self._catch_up(repair=False)
        return self.ledger

    def first_answer(self, use_case: str, request_id: str) -> tuple[Head, list[tuple[entries.Message, bytes]]] | None:
        """Return the entry of the first answer to a request that the client named, if it is still known."""
        position = self.ledger.requests.find(use_case, request_id)
        found = segments.read_entry(self.directory, position) if position else None
        return found if found and found[0].request_id == request_id else None

    def append(self, head: Head, bodies: Sequence[bytes]) -> Position:
        """Write one entry and count it; under the lock. Raises SpoolFullError, having written nothing."""
        return self.append_frame(head, frames.frame(entries.encode(head, bodies)))

    def append_frame(self, head: Head, data: bytes) -> Position:
        """`append` for an entry that was framed before the lock was taken."""
        position = self.write(data, head.at)
        self._count(head, position)
        return position

    def write(self, data: bytes, at: float) -> Position:
        """Write whole frames, made at `at`, and return where the first begins; under the lock.

        The caller counts what they say. Raises SpoolFullError, having written nothing.
        """
        self.full = True
        try:
            if at >= self._look_at_ages:
                self._bound_age(at)
            if self._offset + len(data) > self.options.segment_bytes and self._offset > 0:
                self._roll()
            if self._sealed_bytes + self._offset + len(data) > self.options.max_bytes:
                self._make_room(len(data))
            position = Position(self._segment, self._offset)
            self._write(data)
        except SpoolFullError:
            metrics.SERVING_SPOOL_REFUSED_TOTAL.inc()
            raise
        self.full = False
        self._oldest, self._newest = min(self._oldest, at), max(self._newest, at)
        return position

    async def durable(self) -> None:
        """With fsync=always: return once all that was appended before is on the disk; one fsync for all who wait."""
        if self.options.fsync == "always":
            await self._commit.durable(self._file)

    def unacknowledged(self) -> int:
        """Return how many events Kafka has not acknowledged yet."""
        events, acknowledged = self.look().events, segments.load_checkpoint(self.directory)
        if (acknowledged.segment, acknowledged.offset) >= (self._segment, self._offset):
            return 0
        return max(0, events - acknowledged.events)

    @property
    def size(self) -> int:
        """How many bytes the spool holds."""
        return self._sealed_bytes + self._offset

    def _write(self, data: bytes) -> None:
        points.reached(points.MID_SPOOL_SEGMENT, lambda: os.pwrite(self._file, data[: len(data) // 2], self._offset))
        try:
            written = os.pwrite(self._file, data, self._offset)
        except OSError as error:
            os.ftruncate(self._file, self._offset)
            raise SpoolFullError(f"the disk refused the write: {error.strerror}") from error
        if written < len(data):
            os.ftruncate(self._file, self._offset)
            raise SpoolFullError("the disk is full")
        self._offset += written

    def _catch_up(self, *, repair: bool) -> None:
        if self._file < 0 and not self._enter_first(repair=repair):
            return
        while True:
            state = os.fstat(self._file)
            if state.st_size != self._offset:
                self._read_tail(state.st_size, repair=repair)
            if os.access(self._following, os.F_OK):
                # Without the lock something may have been appended between our look and the roll.
                self._read_tail(os.fstat(self._file).st_size, repair=False)
                self._enter(self._segment + 1)
                continue
            if state.st_nlink:
                return
            # Our segment was removed while we slept through several rolls: start over from what is there.
            os.close(self._file)
            self._file = -1
            if not self._enter_first(repair=repair):
                return

    def _enter_first(self, *, repair: bool) -> bool:
        known = segments.list_segments(self.directory)
        if not known:
            if not repair:
                return False
            segments.create(self.directory, 1, self._snapshot(), sync=self.options.fsync == "always")
            known = [1]
        self.ledger.requests.forget_before(known[0])
        self._enter(known[0])
        return True

    def _enter(self, segment: int) -> None:
        handle = os.open(segments.path_of(self.directory, segment), os.O_RDWR)
        if self._file >= 0:
            os.close(self._file)
        self._file, self._segment, self._offset = handle, segment, 0
        self._following = str(segments.path_of(self.directory, segment + 1))
        sealed = [number for number in segments.list_segments(self.directory) if number < segment]
        self._sealed_bytes = sum(segments.path_of(self.directory, number).stat().st_size for number in sealed)

    def _read_tail(self, size: int, *, repair: bool) -> None:
        if size < self._offset:
            log.error("the spool was cut from outside", extra={"segment": self._segment, "bytes": self._offset - size})
            self._offset = size
        most = READ_BYTES
        while self._offset < size:
            data = os.pread(self._file, min(size - self._offset, most), self._offset)
            end = self._take_all(data)
            self._offset += end
            if len(data) < most:
                torn = len(data) - end
                if torn and repair and not os.access(self._following, os.F_OK):
                    metrics.SERVING_SPOOL_TORN_BYTES_TOTAL.inc(torn)
                    log.warning("cut a torn tail", extra={"segment": self._segment, "bytes": torn})
                    os.ftruncate(self._file, self._offset)
                return
            # Of an entry that is longer, more is read.
            most = READ_BYTES if end else most * 4

    def _take_all(self, data: bytes) -> int:
        """Take the whole entries behind our place in; return where the last of them ends."""
        end = 0
        for start, stop, payload in frames.frames(data):
            if start > end:
                metrics.SERVING_SPOOL_DAMAGED_BYTES_TOTAL.inc(start - end)
                log.error("damaged bytes in the spool", extra={"segment": self._segment, "bytes": start - end})
            end = stop
            self._take(payload, self._offset + start)
        return end

    def _take(self, payload: bytes, offset: int) -> None:
        try:
            head, _ = entries.decode_head(payload)
        except (ValueError, msgspec.MsgspecError):
            metrics.SERVING_SPOOL_DAMAGED_BYTES_TOTAL.inc(len(payload))
            log.exception("an entry of the spool cannot be read")
            return
        self._count(head, Position(self._segment, offset))

    def _count(self, head: Head, position: Position) -> None:
        self.ledger.apply(head, position)
        self._oldest = math.inf if head.state is not None else min(self._oldest, head.at)
        self._newest = max(self._newest, head.at)

    def _snapshot(self) -> Head:
        """The state up to now, with the time of the last entry in it: what lies before is no younger."""
        return Head(at=self._newest or wall_now().timestamp(), state=self.ledger.state())

    def _roll(self) -> None:
        sync = self.options.fsync == "always"
        if sync:
            os.fsync(self._file)
        try:
            segments.create(self.directory, self._segment + 1, self._snapshot(), sync=sync)
        except OSError as error:
            raise SpoolFullError(f"no new segment: {error.strerror}") from error
        self._enter(self._segment + 1)
        self._read_tail(os.fstat(self._file).st_size, repair=True)
        self._remove_shipped()

    def _remove_shipped(self, *, indexed_too: bool = False, until_free: int = 0) -> None:
        """Remove segments that Kafka has, oldest first, unless a request in them may still be repeated."""
        shipped = segments.load_checkpoint(self.directory).segment
        needed = self.ledger.requests.oldest_segment()
        for number in segments.list_segments(self.directory):
            if number >= min(shipped, self._segment):
                return
            if not indexed_too and needed is not None and number >= needed:
                return
            if indexed_too and self.size + until_free <= self.options.max_bytes:
                return
            self._remove(number)

    def _remove(self, number: int) -> None:
        path = segments.path_of(self.directory, number)
        self._sealed_bytes -= path.stat().st_size
        path.unlink()
        self.ledger.requests.forget_before(number + 1)

    def _bound_age(self, now: float) -> None:
        """Refuse or drop what has waited for too long; whole segments, so each is closed in time."""
        most = self.options.max_age_seconds
        if now - self._oldest > SEALED_AFTER * most:
            self._roll()
        for number in segments.too_old(self.directory, segments.load_checkpoint(self.directory), now - most):
            if self.options.when_full == "refuse":
                raise SpoolFullError(f"events have waited for Kafka for more than {most:g} s")
            self._drop(number)
        self._look_at_ages = now + SEALED_AFTER * min(most, 600.0)

    def _make_room(self, needed: int) -> None:
        self._remove_shipped()
        self._remove_shipped(indexed_too=True, until_free=needed)
        while self.size + needed > self.options.max_bytes:
            numbers = segments.list_segments(self.directory)
            if self.options.when_full == "refuse" or numbers[0] == self._segment:
                raise SpoolFullError(f"the spool holds {self.size} bytes that Kafka has not taken yet")
            self._drop(numbers[0])

    def _drop(self, number: int) -> None:
        """Throw the oldest segment away, counted by id range in the journal itself, so that it survives us."""
        piece = segments.dropped_piece(self.directory, number, segments.load_checkpoint(self.directory))
        self._remove(number)
        if piece is None:
            return
        head = Head(at=wall_now().timestamp(), dropped=piece)
        self._write(frames.frame(entries.encode(head)))
        self._count(head, Position(self._segment, self._offset))
        metrics.SERVING_SPOOL_DROPPED_PREDICTIONS_TOTAL.inc(piece["predictions"])
        metrics.SERVING_SPOOL_DROPPED_EVENTS_TOTAL.inc(piece["events"])
        log.error("the spool is full: the oldest events are dropped", extra={"dropped": piece})
