"""Measures serving beside others: `python -m benchmarks.serving.run`, or `make bench-serving`.

Everybody serves the same model file and is asked for the same records; everybody's scores are compared with
scikit-learn's first. Rounds alternate between the servers. The report is JSON, a page and a picture beside it.
"""

import argparse
import os
import platform
import shutil
import tempfile
from contextlib import ExitStack
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.reporting import write
from benchmarks.serving import dialects, report
from benchmarks.serving.catalogue import BATCHING, HEADRACE
from benchmarks.serving.load import generator
from benchmarks.serving.ours import Ours
from benchmarks.serving.picture import draw
from benchmarks.serving.records import read_records
from benchmarks.serving.report import Results
from benchmarks.serving.stages import (
    Run,
    admit,
    attempt,
    chosen,
    launch,
    limit_process,
    measure_bulk,
    measure_kept,
    measure_single,
    measure_starts,
    prepare,
)

RECORDS = 2000


def measure(run: Run) -> None:
    """Everything, one after the other."""
    environments, folded, kept = prepare(run)
    run.results.about |= {"rows trained on": folded.rows_trained, "package": folded.digest}
    run.say("Starting Kafka, our serving and the peers")
    ours = Ours(run.folder / "home")
    run.stack.callback(ours.stop)
    ours.start()
    ours.release(folded)
    started = [limit_process(run, folded)]
    for each in chosen(run):
        found = environments.get(each.environment) if each.environment else None
        started.append(launch(run, each, found, folded, each.name))
    targets = admit(run, started, folded, [ours.target(HEADRACE, dialects.headrace(folded.use_case))])
    measure_single(run, targets)
    if run.asked.quick:
        return
    # What is not asked any more must not take the memory and the core of what is.
    for process in filter(None, started):
        process.stop()
    attempt(run, "10,000 rows", lambda: measure_bulk(run, ours, folded))
    if kept is not None:
        attempt(run, "without a compiled form", lambda: measure_kept(run, ours, kept, environments))
    attempt(run, "start to first answer", lambda: measure_starts(run, ours, folded))


def about(asked: argparse.Namespace) -> dict[str, Any]:
    """What the numbers depend on."""
    cpu = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if "model name" in line
    ]
    versions = {}
    for name in ("scikit-learn", "onnxruntime", "numpy", "uvicorn", "msgspec"):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    pins = {
        line for file in (Path(__file__).parent / "requirements").glob("*.txt") for line in file.read_text().split()
    }
    return {
        "processor": f"{cpu[0] if cpu else platform.processor()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "load generator": generator(),
        "rounds": asked.rounds,
        "seconds of a round": asked.seconds,
        "ours": ", ".join(f"{name} {number}" for name, number in versions.items()),
        "peers": ", ".join(sorted(pins)),
    }


def main() -> None:
    """Measure and report; exit status 1 when somebody's scores are wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="MLflow and the limit only, within three minutes")
    parser.add_argument("--report", type=Path, default=Path("build/bench/report.json"))
    parser.add_argument("--cache", type=Path, default=Path("build/bench"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.0, help="of one round; 4 when quick, else 6")
    parser.add_argument("--servers", nargs="*", help="only these peers")
    asked = parser.parse_args()
    asked.seconds = asked.seconds or (4.0 if asked.quick else 6.0)
    results = Results(asked.quick, about(asked), BATCHING)
    folder = Path(tempfile.mkdtemp(prefix="headrace-bench-"))
    try:
        with ExitStack() as stack:
            measure(Run(asked, folder, results, read_records(RECORDS), stack))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    write(report.document(results), report.page, draw, asked.report)
    if wrong := [name for name, value in results.differences.items() if not value <= 1e-9]:
        raise SystemExit(f"wrong scores: {', '.join(wrong)}")


if __name__ == "__main__":
    main()
