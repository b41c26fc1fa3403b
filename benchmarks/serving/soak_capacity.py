"""Soak, part four: a stormy day wants more reviews than there are people; workers are killed; is the limit kept?"""

import asyncio
import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from benchmarks.serving import dialects
from benchmarks.serving.asking import Answered, Load
from benchmarks.serving.dialects import Record
from benchmarks.serving.on_kafka import Taken, taken
from benchmarks.serving.packages import Built
from benchmarks.serving.processes import signal_all
from benchmarks.serving.records import expected_scores
from benchmarks.serving.replica import Replica, release, released
from shared.contract import Policy, decide

REVIEW = "review"
QUIET_DAY, STORMY_DAY = "2013-09-03", "2013-09-04"
# So many minutes later every flight leaves on the stormy day; tried in turn, the one with most cases to review counts.
STORMS = (5.0, 10.0, 15.0, 20.0, 30.0)
_KILLS, _CLIENTS = 3, 16


async def capacity(replica: Replica, built: Built, records: Sequence[Record], asked: Any) -> dict[str, Any]:
    """Ask about a quiet and a stormy day and kill workers meanwhile; returns the numbers."""
    await release(replica, built)
    policy = Policy.model_validate(released(built, 1).policy)
    limit = policy.limits[REVIEW]
    quiet = _quiet(records, _wanted(built, policy, records), limit)
    stormy = max((_later(records, minutes) for minutes in STORMS), key=lambda day: sum(_wanted(built, policy, day)))
    asked_of = {QUIET_DAY: quiet, STORMY_DAY: stormy}
    wanted = {day: sum(_wanted(built, policy, cases)) for day, cases in asked_of.items()}
    answers: list[Answered] = []
    # Twice the same replica: who is asked by a worker that is killed asks once more, with the same request_id.
    path, ports = dialects.headrace(built.use_case).path, [replica.port] * 2
    for day, cases in asked_of.items():
        load = Load(path, ports, _bodies(day, cases), answers.append, clients=_CLIENTS)
        async with asyncio.TaskGroup() as group:
            asking = group.create_task(load.until_done())
            if day == STORMY_DAY:
                killed = await _kill(replica, answers, len(quiet), len(stormy), asking)
    await replica.drained()
    found = await taken(replica.kafka)
    given = {day: _reviews(found, day) for day in asked_of}
    places = Counter(one.place for one in found.values() if one.block == STORMY_DAY and one.decision == REVIEW)
    return {
        "workers": replica.workers,
        "workers_killed": killed,
        "capacity": limit,
        "requests": len(answers),
        "failed": sum(answer.said is None for answer in answers),
        "asked_twice": sum(len(answer.statuses) > 1 for answer in answers),
        "answered_and_not_on_kafka": sum(
            answer.said is not None and (answer.said.request_id, 0) not in found for answer in answers
        ),
        "stormy_day_wanted": wanted[STORMY_DAY],
        "stormy_day_given": given[STORMY_DAY],
        "over_the_capacity": max(0, given[STORMY_DAY] - limit),
        "places_given_twice": sum(count - 1 for count in places.values()),
        "quiet_day_wanted": wanted[QUIET_DAY],
        "quiet_day_given": given[QUIET_DAY],
        "quiet_day_differs_by": abs(wanted[QUIET_DAY] - given[QUIET_DAY]),
    }


def _wanted(built: Built, policy: Policy, records: Sequence[Record]) -> list[bool]:
    """Which records a team without an end would review."""
    endless = dict.fromkeys(policy.limits, len(records) + 1)
    scores = expected_scores(built.path, records).tolist()
    return [decide(policy, (score,), endless).decision == REVIEW for score in scores]


def _later(records: Sequence[Record], minutes: float) -> list[Record]:
    return [record | {"dep_delay": (record["dep_delay"] or 0.0) + minutes} for record in records]


def _quiet(records: Sequence[Record], wanted: Sequence[bool], limit: int) -> list[Record]:
    """The first records, up to a quarter less than the capacity."""
    kept: list[Record] = []
    for record, review in zip(records, wanted, strict=True):
        limit -= review
        if limit < 50:
            break
        kept.append(record)
    return kept


def _bodies(day: str, records: Sequence[Record]) -> Iterator[tuple[int, bytes]]:
    for number, record in enumerate(records):
        named = record | {"pushback_at": f"{day}T12:00:00-04:00"}
        yield number, msgspec.json.encode({"request_id": f"{day}-{number:05d}", "records": [named]})


async def _kill(
    replica: Replica, answers: Sequence[Answered], before: int, cases: int, asking: "asyncio.Task[None]"
) -> int:
    """`kill -9` another worker each time that a part of the day has gone by; returns how many."""
    killed = 0
    while killed < _KILLS and not asking.done():
        await asyncio.sleep(0.002)
        if len(answers) - before > (killed + 1) * cases / (8 * _KILLS):
            workers = replica.pids("worker")
            signal_all(workers[killed % len(workers) :][:1], signal.SIGKILL)
            killed += 1
    return killed


def _reviews(found: dict[tuple[str, int], Taken], day: str) -> int:
    return sum(one.block == day and one.decision == REVIEW for one in found.values())
