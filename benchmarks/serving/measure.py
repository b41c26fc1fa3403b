"""Rounds of load on several servers in turn, with what each costs beside what it answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.serving.dialects import Record
from benchmarks.serving.load import Loaded, LoadError, load, write_bodies
from benchmarks.serving.processes import cost_of
from benchmarks.serving.targets import Target
from shared.spine.clock import monotonic

_BODIES = {1: 1000, 100: 40}
_FEWEST_BODIES = 2


@dataclass(frozen=True)
class Scenario:
    """What is sent: records in each request, connections, and how long one round takes."""

    name: str
    records: int
    connections: int
    seconds: float
    warm_seconds: float = 1.0


@dataclass(frozen=True)
class Sample:
    """One round of one server; CPU by role, in microseconds for each answered request."""

    requests_per_second: float
    p50_ms: float
    p99_ms: float
    failed: int
    cpu_us: dict[str, float]
    resident_megabytes: dict[str, float]
    settle_seconds: float
    generator_cpu_share: float


@dataclass(frozen=True)
class Missing:
    """Why a server has no numbers for a scenario."""

    reason: str


Samples = dict[str, list[Sample] | Missing]


def bodies_of(target: Target, records: Sequence[Record], size: int) -> list[bytes]:
    """Different bodies of so many records each, in the dialect of the server."""
    count = _BODIES.get(size, _FEWEST_BODIES)
    chosen = [[records[(start * size + place) % len(records)] for place in range(size)] for start in range(count)]
    return [target.dialect.body(each) for each in chosen]


def interleave(
    targets: Sequence[Target], scenario: Scenario, rounds: int, records: Sequence[Record], folder: Path
) -> Samples:
    """Measure A, B, C, A, B, C …; a server that fails once is left out from then on, with the reason."""
    files = {target.name: folder / f"{scenario.name}-{target.name}.bodies" for target in targets}
    for target in targets:
        write_bodies(files[target.name], bodies_of(target, records, scenario.records))
        target.rest()
    found: Samples = {target.name: [] for target in targets}
    for number in range(rounds):
        for target in targets:
            taken = found[target.name]
            if isinstance(taken, Missing):
                continue
            target.wake()
            try:
                taken.append(measure(target, files[target.name], scenario))
            except LoadError as error:
                found[target.name] = Missing(str(error)[:300])
                print(f"    {scenario.name} {target.name}: {error}", flush=True)
                continue
            finally:
                target.rest()
            said = taken[-1]
            print(
                f"    {scenario.name} round {number + 1} {target.name}: {said.requests_per_second:,.1f} requests/s, "
                f"p50 {said.p50_ms:.2f} ms, p99 {said.p99_ms:.2f} ms, {said.cpu_us['worker']:,.0f} µs CPU",
                flush=True,
            )
    return found


def measure(target: Target, bodies: Path, scenario: Scenario) -> Sample:
    """Warm, load, and wait until what was answered is also shipped, so that it disturbs nobody else's round."""
    if scenario.warm_seconds:
        load(target.url, bodies, scenario.connections, scenario.warm_seconds, target.dialect.content_type)
        target.settle()
    roles = {role: list(pids) for role, pids in target.processes().items()}
    before = {role: cost_of(pids).cpu_seconds for role, pids in roles.items()}
    seen = load(target.url, bodies, scenario.connections, scenario.seconds, target.dialect.content_type)
    worker = cost_of(roles["worker"]).cpu_seconds
    begun = monotonic()
    target.settle()
    settled = monotonic() - begun
    after = {role: cost_of(pids) for role, pids in roles.items()}
    spent = {role: cost.cpu_seconds - before[role] for role, cost in after.items()}
    # The worker is read before settling, the shipper after: its work on these answers ends later.
    spent["worker"] = worker - before["worker"]
    return _sample(seen, spent, {role: cost.resident_bytes / 1e6 for role, cost in after.items()}, settled)


def _sample(seen: Loaded, spent: dict[str, float], megabytes: dict[str, float], settled: float) -> Sample:
    return Sample(
        requests_per_second=seen.per_second,
        p50_ms=seen.p50_ms,
        p99_ms=seen.p99_ms,
        failed=seen.failed,
        cpu_us={role: seconds / seen.requests * 1e6 for role, seconds in spent.items()},
        resident_megabytes=megabytes,
        settle_seconds=settled,
        generator_cpu_share=seen.generator_cpu_seconds / seen.seconds,
    )
