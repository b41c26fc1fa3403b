"""Reads the journal for shipping: entry by entry behind the checkpoint, never past what is whole."""

import os
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from services.serving import entries, frames, segments
from services.serving.entries import Message
from services.serving.segments import Checkpoint

READ_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True)
class Batch:
    """Whole entries that follow each other, `size` bytes of them; `after` is the checkpoint once Kafka has them all."""

    events: list[tuple[Message, bytes]]
    after: Checkpoint
    oldest: float | None = None
    size: int = 0


@dataclass
class Reader:
    """The place up to which Kafka has the journal. Reads without the lock: an entry that is not whole yet is left."""

    directory: Path
    place: Checkpoint = field(init=False)

    def __post_init__(self) -> None:
        self.place = segments.load_checkpoint(self.directory)

    def next_batch(self, limit: int) -> Batch:
        """Return the next entries, up to `limit` events (more when a single entry has more)."""
        while True:
            batch = self._read(limit)
            if batch.events or batch.after == self.place:
                if batch.events or not self._move_on():
                    return batch
            else:
                # Only bookkeeping was read: nothing waits for an acknowledgement.
                self.acknowledge(batch)

    def acknowledge(self, batch: Batch) -> None:
        """Remember that Kafka has all of a batch."""
        if batch.after != self.place:
            segments.save_checkpoint(self.directory, batch.after)
            self.place = batch.after

    def waiting_bytes(self) -> int:
        """How many bytes lie behind the checkpoint."""
        total = -self.place.offset
        for number in segments.list_segments(self.directory):
            if number >= self.place.segment:
                try:
                    total += segments.path_of(self.directory, number).stat().st_size
                except FileNotFoundError:
                    continue
        return max(0, total)

    def _read(self, limit: int) -> Batch:
        data = self._bytes()
        events: list[tuple[Message, bytes]] = []
        oldest, after, size = None, self.place, 0
        for _, end, payload in frames.frames(data):
            try:
                head, start = entries.decode_head(payload)
            except (ValueError, msgspec.MsgspecError):
                continue
            if events and len(events) + len(head.messages) > limit:
                break
            events += entries.bodies(head, payload, start)
            if head.messages and oldest is None:
                oldest = head.at
            count = head.state["events"] if head.state is not None else after.events + len(head.messages)
            after, size = Checkpoint(self.place.segment, self.place.offset + end, count), end
        return Batch(events, after, oldest, size)

    def _bytes(self) -> bytes:
        """Return the bytes behind our place, at least one whole entry of them if there is one."""
        try:
            handle = os.open(segments.path_of(self.directory, self.place.segment), os.O_RDONLY)
        except FileNotFoundError:
            return b""
        try:
            size = READ_BYTES
            while True:
                data = os.pread(handle, size, self.place.offset)
                if len(data) < size or frames.next_frame(data, 0) >= 0:
                    return data
                size *= 4
        finally:
            os.close(handle)

    def _move_on(self) -> bool:
        """Go to the next segment there is; a full spool may have dropped the one we were in."""
        later = [number for number in segments.list_segments(self.directory) if number > self.place.segment]
        if not later:
            return False
        if self._bytes_were_added():
            return True
        self.place = Checkpoint(later[0], 0, self.place.events)
        return True

    def _bytes_were_added(self) -> bool:
        """An entry may have been appended between our last read and the roll."""
        return bool(self._read(1).events)
