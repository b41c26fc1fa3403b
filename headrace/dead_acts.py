"""Deals with dead letters: writes originals again or puts letters aside, and records either behind the letters."""

import hashlib
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pydantic import ValidationError

from headrace.dead_letters import Letter
from headrace.errors import CommandError
from shared.events import CATALOGUE, Event, MalformedEventError, Record, from_record
from shared.events.dead import DeadLetterSettled
from shared.spine.errors import TransientError
from shared.spine.publisher import Publisher

SOURCE = "headrace/dead"
Act = Literal["replayed", "discarded"]
_AT_ONCE = 100


@dataclass(frozen=True)
class Planned:
    """What is to be done with a letter: `record` is written (nothing, to discard), then all of `settles` are closed.

    An `obstacle` says why nothing is done.
    """

    letter: Letter
    settles: tuple[Letter, ...] = ()
    record: Record | None = None
    body_digest: str | None = None
    obstacle: str = ""


def plan_replay(
    chosen: Sequence[Letter], known: Sequence[Letter], bodies: Mapping[str, bytes] | None = None, again: bool = False
) -> list[Planned]:
    """One act for each original, however many consumers have refused it: all of them hear it again.

    `bodies` holds repaired bodies by the name of a letter. `again` takes letters too that are dealt with.
    """
    bodies = bodies or {}
    groups: dict[object, list[Letter]] = {}
    for letter in chosen:
        groups.setdefault(letter.origin, []).append(letter)
    siblings: dict[object, list[Letter]] = {origin: [] for origin in groups}
    for letter in known:
        if letter.origin in siblings and letter.state == "open":
            siblings[letter.origin].append(letter)
    plan = []
    for origin, letters in groups.items():
        first = next((letter for letter in letters if letter.name in bodies), letters[0])
        settles = {letter.name: letter for letter in (*letters, *siblings[origin])}
        plan.append(_replay(first, tuple(settles.values()), bodies.get(first.name), again))
    return plan


def _replay(letter: Letter, settles: tuple[Letter, ...], body: bytes | None, again: bool) -> Planned:
    if letter.original is None:
        return Planned(letter, obstacle="no consumer of Headrace has written it, so its original is not known")
    if not again and (obstacle := _settled(letter)):
        return Planned(letter, obstacle=f"{obstacle}; --again does it once more")
    was = letter.original
    record = Record(was.topic, was.key, was.value if body is None else body, was.headers)
    try:
        from_record(CATALOGUE[letter.topic], record.value, record.headers)
    except MalformedEventError as error:
        return Planned(letter, obstacle=f"it would be refused again, {error}; --body FILE repairs a body")
    return Planned(letter, settles, record, None if body is None else hashlib.sha256(body).hexdigest())


def plan_discard(chosen: Sequence[Letter]) -> list[Planned]:
    """Close these letters and no others."""
    return [Planned(letter, (letter,), obstacle=_settled(letter)) for letter in chosen]


def _settled(letter: Letter) -> str:
    if (settled := letter.settled) is None:
        return ""
    return f"it was {settled.act} already by {settled.by} at {settled.time:%Y-%m-%d %H:%M:%SZ}"


async def carry_out(
    options: dict[str, Any], plan: Sequence[Planned], act: Act, by: str, reason: str, now: datetime
) -> None:
    """Do what has no obstacle: originals first, then what says so.

    A crash between the two leaves letters open whose originals are written; written once more they change nothing,
    since every consumer takes an id once. Raises CommandError.
    """
    ready = [planned for planned in plan if not planned.obstacle]
    markers = [list(_markers(planned, act, by, reason, now)) for planned in ready]
    publisher = Publisher(options)
    try:
        for at in range(0, len(ready), _AT_ONCE):
            until = at + _AT_ONCE
            await publisher.send([planned.record for planned in ready[at:until] if planned.record])
            await publisher.send([marker for of_one in markers[at:until] for marker in of_one])
    except TransientError as error:
        raise CommandError(f"{error}; what is not closed yet can be done again without harm") from error
    finally:
        await publisher.stop()


def _markers(planned: Planned, act: Act, by: str, reason: str, now: datetime) -> Iterator[Record]:
    for letter in planned.settles:
        own_id, event = str(uuid.uuid4()), letter.event
        try:
            settled = DeadLetterSettled(
                id=own_id,
                source=SOURCE,
                time=now,
                correlation_id=event.correlation_id if isinstance(event, Event) else own_id,
                causation_id=letter.event_id,
                letter=letter.name,
                act=act,
                by=by,
                reason=reason,
                event_id=letter.event_id,
                body_digest=planned.body_digest,
            )
        except ValidationError as error:
            first = error.errors()[0]
            raise CommandError(f"{first['loc'][-1]}: {first['msg']}") from None
        yield settled.record(letter.record.topic)
