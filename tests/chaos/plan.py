"""PURE: what a chaos run does and when, drawn from its seed, so that a run can be repeated."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from shared.spine.points import POINTS

SERVICES = ("registry", "trainer", "monitor", "console", "serving")
HOURS, MIDNIGHT = 24, 24
Kind = Literal["kill", "point", "pause", "kafka_restart", "tear", "torn_upload", "repeat", "malformed", "disk_full"]
# Of ten files that are torn, so many are uploads; the others lie on the disk of the running system.
_UPLOADS_OF_TEN = 4
_MALFORMED_A_DAY = 2
_TORN_AT_ONCE = 3


@dataclass(frozen=True)
class Form:
    """How much of everything: per service, per named point, or in all; `rate` is predictions a second."""

    name: str
    days: int
    kills_per_service: int
    firings_per_point: int
    pauses: int
    kafka_restarts: int
    torn_files: int
    disk_full: int
    duplicates: int
    outage_seconds: float
    rate: int
    # Shares: of labels that come late or wrong at first, of requests and events that come twice, of control cases.
    late: float = 0.0
    corrected: float = 0.0
    twice: float = 0.0
    control: float = 0.0


QUICK = Form("quick", 2, 1, 1, 1, 1, 5, 1, 500, 10.0, 100)
LONG = Form("long", 24, 20, 5, 10, 10, 50, 4, 20_000, 300.0, 100)
# Twenty kills, and labels as they come in life: the money must add up to the cent.
MONEY = Form("money", 8, 5, 0, 0, 0, 0, 0, 20, 5.0, 50, late=0.10, corrected=0.01, twice=0.05, control=0.05)


@dataclass(frozen=True)
class Act:
    """One disturbance; `target` is a service or a named point, `amount` a number of files."""

    kind: Kind
    target: str = ""
    amount: int = 1


Plan = dict[tuple[int, int], list[Act]]


def draw_plan(form: Form, seed: int) -> Plan:
    """(Day, event hour or MIDNIGHT) -> what happens there. Each kind is spread evenly over the days."""
    chance = random.Random(seed)
    plan: Plan = {}
    for acts in _wanted(form, chance):
        for number, act in enumerate(acts):
            day = (number * form.days + chance.randrange(form.days)) // len(acts)
            plan.setdefault((day, _hour_of(act, chance)), []).append(act)
    return plan


def _wanted(form: Form, chance: random.Random) -> Iterator[list[Act]]:
    for service in SERVICES:
        yield [Act("kill", service)] * form.kills_per_service
    for point in POINTS:
        yield [Act("point", point)] * form.firings_per_point
    paused = [Act("pause", SERVICES[number % len(SERVICES)]) for number in range(form.pauses)]
    yield chance.sample(paused, len(paused))
    yield [Act("kafka_restart")] * form.kafka_restarts
    uploads = form.torn_files * _UPLOADS_OF_TEN // 10
    yield [Act("torn_upload")] * uploads
    yield [Act("tear", amount=len(part)) for part in _parts(form.torn_files - uploads, _TORN_AT_ONCE)]
    yield [Act("malformed")] * (form.days * _MALFORMED_A_DAY)
    yield [Act("repeat")] * (form.days * 2)
    yield [Act("disk_full")] * form.disk_full


def _parts(count: int, size: int) -> list[range]:
    return [range(start, min(start + size, count)) for start in range(0, count, size)]


def _hour_of(act: Act, chance: random.Random) -> int:
    # A point waits for whoever comes by; what is decided at midnight must meet kills and pauses as well.
    if act.kind in ("kill", "pause", "kafka_restart", "repeat") and chance.random() < 0.5:
        return MIDNIGHT
    return chance.randrange(HOURS - 2)
