"""The stages of a run: install and fit, start and check, then measure one thing after the other."""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.serving import dialects, report
from benchmarks.serving.catalogue import HEADRACE, LIMIT, PEER_LIST, Peer, peer
from benchmarks.serving.check import largest_difference
from benchmarks.serving.environments import UnavailableError, ensure_all
from benchmarks.serving.measure import Missing, Scenario, interleave
from benchmarks.serving.ours import Ours
from benchmarks.serving.packages import FULL, SMALL, Built, build
from benchmarks.serving.processes import wait_until_idle
from benchmarks.serving.records import Record, expected_scores, read_records
from benchmarks.serving.report import Results
from benchmarks.serving.targets import ONE_THREAD, PeerProcess, Target
from headrace.settings import inherited_environment

ROOT = Path(__file__).parents[2]
BULK_ROWS = 10_000
_ALONE_SECONDS = 120.0


@dataclass
class Run:
    """One run: what was asked for, where things lie, and what was found out so far."""

    asked: argparse.Namespace
    folder: Path
    results: Results
    records: list[Record]
    stack: ExitStack

    @property
    def cache(self) -> Path:
        """Environments and packages, kept between runs."""
        return Path(self.asked.cache).absolute()

    def say(self, what: str) -> None:
        """Tell a person how far it is."""
        print(f"==> {what}", flush=True)


def prepare(run: Run) -> tuple[dict[str, Path | UnavailableError], Built, Built | None]:
    """Install the peers and fit the packages, both at once; both are kept."""
    wanted = {each.environment for each in chosen(run) if each.environment}
    run.say(f"Environments ({', '.join(sorted(wanted))}) and packages in {run.cache}")
    with ThreadPoolExecutor(1) as pool:
        environments = pool.submit(ensure_all, sorted(wanted), run.cache)
        as_of = SMALL if run.asked.quick else FULL
        folded = build(run.cache, as_of)
        kept = None if run.asked.quick else build(run.cache, as_of, "kept", "bench_kept")
        return dict(environments.result()), folded, kept


def chosen(run: Run) -> list[Peer]:
    """The peers of this run."""
    names = ["mlflow"] if run.asked.quick else [each.name for each in PEER_LIST]
    return [each for each in PEER_LIST if each.name in (run.asked.servers or names)]


def launch(
    run: Run, each: Peer, environment: Path | UnavailableError | None, built: Built, name: str
) -> PeerProcess | None:
    """Start a peer; None with a reason in the results when it cannot be had."""
    try:
        if isinstance(environment, UnavailableError):
            raise environment
        process = each.launch(environment, run.folder / name, built.path / "model.skops", name)
    except UnavailableError as error:
        run.results.not_measured[name] = str(error)
        return None
    run.stack.callback(process.stop)
    return process


def admit(run: Run, started: Sequence[PeerProcess | None], built: Built, ours: Sequence[Target]) -> list[Target]:
    """Wait for everybody, compare everybody's scores with scikit-learn's, and return who answers all of them."""
    expected, found = expected_scores(built.path, run.records), list[Target]()
    everybody: list[Target | PeerProcess] = [*ours, *filter(None, started)]
    for one in everybody:
        try:
            target = one if isinstance(one, Target) else one.ready(run.records[:1])
            difference = largest_difference(target, run.records, expected)
        except UnavailableError as error:
            run.results.not_measured[one.name] = str(error)
            run.say(f"{one.name} is not measured: {error}")
            continue
        run.results.differences[target.name] = difference
        run.say(f"{target.name}: scores differ from scikit-learn by at most {difference:.3g}")
        found.append(target)
    wait_until_idle([pid for target in found for pids in target.processes().values() for pid in pids])
    return found


def limit_process(run: Run, built: Built) -> PeerProcess | None:
    """The limit of what Python can do with the compiled model; without a compiled form there is none."""
    if not (built.path / "compiled.onnx").exists():
        run.results.not_measured[LIMIT] = "the package has no compiled form"
        return None

    def command(environment: Path, _work: Path, port: int) -> list[str]:
        python = str(environment / "bin" / "python")
        return [python, "-m", "benchmarks.serving.peers.limit", str(built.path), str(port)]

    return launch(run, Peer(LIMIT, None, dialects.PLAIN, command), None, built, LIMIT)


def measure_single(run: Run, targets: Sequence[Target]) -> None:
    """One record and a hundred in each request, from several numbers of connections."""
    seconds, rounds = run.asked.seconds, run.asked.rounds
    scenarios = [Scenario(report.SINGLE_8, 1, 8, seconds)]
    if not run.asked.quick:
        scenarios += [
            Scenario(report.SINGLE_1, 1, 1, seconds),
            Scenario(report.SINGLE_64, 1, 64, seconds),
            Scenario(report.HUNDRED_8, 100, 8, seconds),
        ]
    for scenario in scenarios:
        run.say(f"{scenario.name}: {rounds} rounds of {seconds:g} s with {len(targets)} servers")
        run.results.scenarios[scenario.name] = interleave(targets, scenario, rounds, run.records, run.folder)


def measure_bulk(run: Run, ours: Ours, built: Built) -> None:
    """Ten thousand rows in one request, in each form that this version takes, between runs of the model alone."""
    use_case, records = built.use_case, read_records(BULK_ROWS)
    forms = {
        HEADRACE: dialects.headrace(use_case),
        report.COLUMNS: dialects.headrace_columns(use_case),
        report.ARROW: dialects.headrace_arrow(use_case),
    }
    targets, expected = [], expected_scores(built.path, records)
    for name, dialect in forms.items():
        target = ours.target(name, dialect)
        try:
            run.results.differences[f"{name}_bulk"] = largest_difference(target, records, expected, together=BULK_ROWS)
            targets.append(target)
        except UnavailableError as error:
            run.results.not_measured[f"10,000 rows, {name}"] = str(error)[:300]
    run.say(f"{report.BULK}: {len(targets)} forms of body")
    found = {target.name: [] for target in targets}  # type: ignore[var-annotated]
    for _ in range(run.asked.rounds):
        run.results.in_process.append(model_alone(built))
        once = interleave(targets, Scenario(report.BULK, BULK_ROWS, 1, run.asked.seconds), 1, records, run.folder)
        for name, samples in once.items():
            found[name] += [] if isinstance(samples, Missing) else samples
    run.results.scenarios[report.BULK] = {
        name: samples or Missing("no round succeeded") for name, samples in found.items()
    }


def model_alone(built: Built) -> dict[str, float]:
    """Seconds that the model itself takes for the rows, in a process of its own with one thread."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.serving.in_process", str(built.path), str(BULK_ROWS)],
        capture_output=True, text=True, check=True, timeout=_ALONE_SECONDS, cwd=ROOT,
        env=inherited_environment() | ONE_THREAD | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    said: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return said


def measure_kept(run: Run, ours: Ours, kept: Built, environments: dict[str, Path | UnavailableError]) -> None:
    """A pipeline without a compiled form, ours against plain FastAPI."""
    ours.release(kept)
    plain = launch(run, peer("fastapi"), environments.get("fastapi"), kept, "fastapi_kept")
    mine = ours.target("headrace_kept", dialects.headrace(kept.use_case))
    targets = admit(run, [plain], kept, [mine])
    for name, connections in ((report.KEPT_8, 8), (report.KEPT_64, 64)):
        run.say(f"{name}: a pipeline without a compiled form")
        scenario = Scenario(name, 1, connections, run.asked.seconds)
        found = interleave(targets, scenario, run.asked.rounds, run.records, run.folder)
        run.results.scenarios[name] = {each.removesuffix("_kept"): samples for each, samples in found.items()}


def measure_starts(run: Run, ours: Ours, built: Built) -> None:
    """From start to first answer, with Kafka absent and the package in the local cache; it ends Kafka for good."""
    run.say("From start to first answer, with Kafka absent")
    run.results.start_seconds = ours.starts(built.use_case, run.records[:1], max(3, run.asked.rounds))


def attempt(run: Run, name: str, stage: Callable[[], None]) -> None:
    """Run a late stage; when it fails, what was measured before it is still reported, and the failure beside it."""
    try:
        stage()
    except Exception as error:
        run.results.not_measured[name] = repr(error)[:500]
        run.say(f"{name} failed: {error!r}")
