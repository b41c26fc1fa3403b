"""Measures the monitor's profiles beside other drift checks, and writes the report: `make bench-monitor`.

Each tool runs in an environment and a process of its own, one thread, on the same files, in turn: A, B, C, A, B, C.
"""

import argparse
import importlib
import importlib.util
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.monitor import frames, report
from benchmarks.monitor.picture import draw
from benchmarks.monitor.report import HEADRACE, Results
from benchmarks.reporting import write
from benchmarks.serving.environments import UnavailableError, ensure_all

HERE = Path(__file__).parent
PEERS = ("evidently", "nannyml", "whylogs", "alibi_detect")
STREAM = "benchmarks.monitor.stream"
_SECONDS = 3_600.0
_THREADS = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "NUMBA", "RAYON")
_ENVIRONMENT = {
    **{f"{name}_NUM_THREADS": "1" for name in _THREADS},
    "POLARS_MAX_THREADS": "1",
    "PYTHONWARNINGS": "ignore",
    # Nobody calls home from here.
    "DO_NOT_TRACK": "1",
    "NML_DISABLE_USAGE_LOGGING": "1",
    "WHYLOGS_NO_ANALYTICS": "True",
}


class Bench:
    """One run: who is asked, and what was found."""

    def __init__(self, asked: argparse.Namespace) -> None:
        self.asked = asked
        self.results = Results(asked.quick, about(asked))
        wanted = ["evidently"] if asked.quick else list(PEERS)
        found = ensure_all(wanted, asked.cache, HERE / "requirements")
        self.pythons = {HEADRACE: sys.executable, "scipy": sys.executable}
        for name, place in found.items():
            if isinstance(place, UnavailableError):
                self.results.not_measured[name] = str(place)
            else:
                self.pythons[name] = str(place / "bin" / "python")

    def ask(self, name: str, *arguments: object) -> dict[str, Any] | None:
        """One checker's answer; None, and the reason noted, where it has none."""
        command = [self.pythons[name], str(HERE / "checks" / f"{name}_check.py"), *map(str, arguments)]
        answer = _run(command)
        if isinstance(answer, str):
            self.results.not_measured[f"{name}, {arguments[0]}"] = answer
            return None
        return answer

    def measure_speed(self, files: frames.Files, few: Path) -> None:
        """Rounds of all; who is slow gets fewer rows in the quick form, which flatters nobody: rates hardly change."""
        for number in range(self.asked.rounds):
            for name in self.pythons:
                print(f"    round {number + 1}: {name}", flush=True)
                rows = few if self.asked.quick and name in PEERS else files.rows
                repeats = 5 if name == HEADRACE else 1
                if found := self.ask(name, "speed", files.reference, rows, repeats):
                    self.results.speeds.setdefault(name, []).append(found)

    def measure_windows(self, files: frames.Files) -> None:
        """Which windows each tool flags."""
        for name in self.pythons:
            print(f"    windows: {name}", flush=True)
            if found := self.ask(name, "windows", files.window_reference, files.windows):
                self.results.flagged[name] = found

    def measure_ours(self) -> None:
        """What has no peer: many columns, the stream, labels that are not there, an alarm looked at for ever."""
        rows, columns = (100_000, 1_000) if self.asked.quick else (1_000_000, 1_000)
        self._add(
            "many_columns", _run([sys.executable, "-m", "benchmarks.monitor.many_columns", str(rows), str(columns)])
        )
        if importlib.util.find_spec(STREAM) is None:
            self.results.not_measured["events_per_core_s"] = f"{STREAM} is not there"
        else:
            events = 100_000 if self.asked.quick else 400_000
            try:
                self.results.events_per_core_s = float(importlib.import_module(STREAM).measure(events))
            except Exception as error:
                # A machine on which no Kafka starts still has all other numbers.
                self.results.not_measured["events_per_core_s"] = repr(error)[:300]
        if not self.asked.quick:
            self._add("label_free", _run([sys.executable, "-m", "benchmarks.monitor.label_free"]))
            self.results.sequential = sequential(self.asked.runs)

    def _add(self, what: str, found: dict[str, Any] | str) -> None:
        if isinstance(found, str):
            self.results.not_measured[what] = found
        else:
            setattr(self.results, what, found)


def sequential(runs: int, windows: int = 1_000, reference: int = 10_000) -> dict[str, Any]:
    """False alarms and delays of the monitor's own alarm on independent rows, looked at after every window."""
    from benchmarks.loop.alarm import CHANGE, DELAYS, measure_rows

    random = np.random.default_rng(0)
    still = measure_rows(runs, reference, windows, 0.0, random)
    delay = {
        f"{shift:g}": statistics.median(measure_rows(max(runs // 4, 1), reference, CHANGE + 60, shift, random)) - CHANGE
        for shift in DELAYS
    }
    return {
        "runs": runs,
        "windows": windows,
        "reference": reference,
        "alarmed": sum(map(math.isfinite, still)),
        "delay": delay,
    }


def about(asked: argparse.Namespace) -> dict[str, Any]:
    """What the numbers depend on."""
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if "model name" in line
    ]
    pins = {line for file in (HERE / "requirements").glob("*.txt") for line in file.read_text().split()}
    return {
        "processor": f"{models[0] if models else platform.processor()}, {os.cpu_count()} cores",
        "load while measuring": f"{os.getloadavg()[0]:.1f} at the start",
        "python": platform.python_version(),
        "numpy": np.__version__,
        "asked for": " ".join(sys.argv[1:]) or "nothing but the default",
        "rounds": asked.rounds,
        "windows": 0 if asked.quick else f"{asked.windows} of each size and shift",
        "rows": f"{asked.rows:,}; 20 numbers and 5 texts, reference {frames.REFERENCE_ROWS:,} rows",
        "seconds": "of the processor, all threads of the process; one thread asked for",
        "peers": ", ".join(sorted(pins)),
    }


def _run(command: list[str]) -> dict[str, Any] | str:
    """The last line that a program prints, as JSON; the reason where it fails."""
    variables = {**_ENVIRONMENT, "PYTHONPATH": str(HERE.parents[1])}
    command = ["env", *(f"{name}={value}" for name, value in variables.items()), *command]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        return f"no answer within {_SECONDS:.0f} s"
    try:
        # A report over many lines begins with a line of its own.
        text = done.stdout[done.stdout.index("\n{\n") + 1 :] if "\n{\n" in done.stdout else done.stdout
        found = json.loads(text if text.startswith("{\n") else text.strip().splitlines()[-1])
    except (ValueError, IndexError):
        return (done.stderr.strip().splitlines() or ["it printed nothing"])[-1][:300]
    return dict(found)


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="Evidently and scipy only, within three minutes")
    parser.add_argument("--report", type=Path, default=Path("build/bench/monitor.json"))
    parser.add_argument("--cache", type=Path, default=Path("build/bench"))
    parser.add_argument("--rounds", type=int, default=0, help="2 when quick, else 3")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--windows", type=int, default=20, help="of each size and shift")
    parser.add_argument("--runs", type=int, default=200, help="of the monitor's own alarm")
    asked = parser.parse_args()
    asked.rounds = asked.rounds or (2 if asked.quick else 3)
    bench = Bench(asked)
    with tempfile.TemporaryDirectory(prefix="headrace-bench-") as folder:
        files = frames.make(Path(folder), asked.rows, 0 if asked.quick else asked.windows)
        few = frames.few(files.rows, Path(folder) / "few.npz") if asked.quick else files.rows
        bench.measure_speed(files, few)
        if not asked.quick:
            bench.measure_windows(files)
    bench.measure_ours()
    write(report.document(bench.results), report.page, draw, asked.report)


if __name__ == "__main__":
    main()
