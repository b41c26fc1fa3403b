"""What the drift alarm promises, measured: on the flights in true order and with days shuffled, and on free rows.

Run by hand: `python -m benchmarks.loop.alarm`. The flights are scored once by the package that the demo fits first
(as of 2013-03-01, with its own out-of-fold and held-out days as reference). Rows: 25 columns, windows of 500, fixed
bins of the reference, drawn as counts. Prints one JSON report; exit status 1 when a bound is broken.
"""

import argparse
import json
import math
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from examples.flights_late.flights import read_flights
from services.monitor.baseline import count_reference
from services.monitor.block_statistics import BlockStatistics, Kind, summarise
from services.monitor.drift import SHARES, cumulative, histogram_ranks, loss_ranks
from services.monitor.two_sample import SCALES, ks_p, pooled_evidence
from services.trainer.job import PACKAGE, Job
from services.trainer.train import train
from shared.contract import Contract, read_contract
from shared.evidence import spending, uniform_of
from shared.evidence.ranks import e_process_of_p
from shared.package import predict_scores, read_package, to_frame
from shared.package.bins import equal_mass_edges

Floats = NDArray[np.float64]
USE_CASE = Path(__file__).parents[2] / "examples" / "flights_late"
ALPHA = 0.05
COLUMNS, ROWS, CHANGE = 25, 500, 20
MOST_FALSE, MOST_DAYS = 19, 90
DELAYS = {1.0: 1, 0.5: 1, 0.25: 3, 0.1: 20}


def flights_by_day(folder: Path) -> tuple[list[BlockStatistics], list[BlockStatistics]]:
    """Return the reference days of the first package, and the days from March on as it scores them."""
    contract = read_contract((USE_CASE / "contract.yaml").read_text(encoding="utf-8"))
    job = Job(
        run_id="alarm", cause_id="alarm", contract=contract.to_json(), use_case_dir=USE_CASE,
        as_of=datetime(2013, 3, 1, 5, tzinfo=UTC), seed=0, feedback=str(folder / "feedback"),
        table_version=(None, None), memory_megabytes=4096,
    )  # fmt: skip
    train(job, folder)
    package = read_package(folder / PACKAGE)
    edges = tuple(bins.edges for bins in package.profile.scores)
    kind, reference = count_reference(Kind("binary", contract.classes, edges), package.reference().rows)
    return list(reference), _score(contract, folder / PACKAGE, kind)


def _score(contract: Contract, path: Path, kind: Kind) -> list[BlockStatistics]:
    package = read_package(path)
    flights = read_flights()
    flights = flights.assign(block=flights["pushback_at"].dt.strftime("%Y-%m-%d"))
    flights = flights[flights["block"] >= "2013-03-01"]
    columns = {one.name: flights[one.name].to_list() for one in package.manifest.features}
    frame = to_frame(package.manifest.features, columns)
    scores = predict_scores(package.load_model(), "binary", frame, contract.classes)
    places = flights.reset_index(drop=True).groupby("block").indices
    labels = [label if isinstance(label, str) else None for label in flights["late"]]
    return [
        summarise(kind, str(day), scores[rows].tolist(), [labels[row] for row in rows], [None] * len(rows))
        for day, rows in sorted(places.items())
    ]


def evidence(reference: Sequence[BlockStatistics], days: Sequence[BlockStatistics], seed: int) -> Floats:
    """Return the shared evidence after each day, as `judge_drift` would say it."""
    draws = {name: [uniform_of(seed, "flights_late", 1, one.block, name) for one in days] for name in SHARES}
    before, losses = ([one.loss for one in part if one.loss is not None] for part in (reference, days))
    ranks = {
        "excess_loss": loss_ranks(before, losses, draws["excess_loss"]),
        "score": histogram_ranks(cumulative(reference), cumulative(days), draws["score"]),
    }
    shared = [share * np.array(e_process_of_p(ranks[name])) for name, share in SHARES.items()]
    return np.asarray(np.max(shared, axis=0))


def measure_flights(seeds: int) -> dict[str, object]:
    """True order, then whole days shuffled, each with as many seeds as asked."""
    with tempfile.TemporaryDirectory() as folder:
        reference, days = flights_by_day(Path(folder))
    # The last flights pushed back after midnight: a day of too few rows.
    days = [one for one in days if one.loss is not None]
    every = [*reference, *days]
    alphas = {"epoch 1": spending(ALPHA, 1), "whole": ALPHA}
    found: dict[str, object] = {"reference_days": len(reference), "days": len(days)}
    true_order = [evidence(reference, days, seed) for seed in range(min(seeds, 100))]
    shuffled = []
    for seed in range(seeds):
        order = np.random.default_rng(seed).permutation(len(every))
        mixed = [every[place] for place in order]
        shuffled.append(evidence(mixed[: len(reference)], mixed[len(reference) :], seed))
    for name, alpha in alphas.items():
        delays = [first(run >= 1 / alpha) for run in true_order]
        found[name] = {
            "true_order": {"runs": len(delays), "median_day": np.median(delays), "last_day": max(delays)},
            "shuffled": {"runs": seeds, "alarms": sum(bool((run >= 1 / alpha).any()) for run in shuffled)},
        }
    return found


def measure_rows(runs: int, rows: int, windows: int, shift: float, random: np.random.Generator) -> list[float]:
    """Return the first alarming window of each run, infinity for none; `shift` moves one column after CHANGE."""
    alarms = []
    for _ in range(runs):
        samples = random.normal(size=(COLUMNS, rows))
        edges = [equal_mass_edges(sample) for sample in samples]
        bins = max(len(one) for one in edges) + 1
        pool, counts = np.zeros((COLUMNS, bins)), np.zeros((windows, COLUMNS, bins))
        for column, cut in enumerate(edges):
            at = np.array(cut)
            slots = np.searchsorted(at, samples[column], side="right")
            pool[column, : len(at) + 1] = np.bincount(slots, minlength=len(at) + 1)
            moved = shift if column == 0 else 0.0
            first_part = random.multinomial(ROWS, shares(at, 0.0), min(CHANGE, windows))
            rest = random.multinomial(ROWS, shares(at, moved), windows - len(first_part))
            counts[:, column, : len(at) + 1] = np.concatenate([first_part, rest])
        found = pooled_evidence(pool, counts, ks_p).mean(axis=2).max(axis=1) / len(SCALES)
        alarms.append(first(found >= 1 / ALPHA))
    return alarms


def shares(edges: Floats, mean: float) -> Floats:
    """Return the chance of each bin under a normal law with this mean."""
    below = [0.0, *(0.5 * math.erfc((mean - edge) / math.sqrt(2)) for edge in edges), 1.0]
    return np.maximum(np.diff(below), 0.0)


def first(alarms: NDArray[np.bool_]) -> float:
    """Return the number of the first one, counted from 1; infinity where there is none."""
    return float(np.argmax(alarms)) + 1 if alarms.any() else math.inf


def main() -> None:
    """Measure, print, and fail when a bound is broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--windows", type=int, default=1000)
    parser.add_argument("--skip", choices=["flights", "rows"], action="append", default=[])
    asked = parser.parse_args()
    report: dict[str, object] = {}
    broken: list[str] = []
    if "flights" not in asked.skip:
        report["flights"] = flights = measure_flights(asked.runs)
        epoch: dict[str, dict[str, float]] = flights["epoch 1"]  # type: ignore[assignment]
        broken += ["true order"] * (epoch["true_order"]["last_day"] > MOST_DAYS)
        broken += ["shuffled"] * (epoch["shuffled"]["alarms"] > MOST_FALSE)
    if "rows" not in asked.skip:
        random = np.random.default_rng(0)
        for rows in (2_000, 10_000):
            still = measure_rows(asked.runs, rows, asked.windows, 0.0, random)
            false = sum(math.isfinite(one) for one in still)
            delays = {
                shift: float(np.median(measure_rows(max(asked.runs // 4, 1), rows, CHANGE + 60, shift, random)))
                - CHANGE
                for shift in DELAYS
            }
            report[f"rows, reference {rows}"] = {"runs": len(still), "alarms": false, "median_delay": delays}
            broken += [f"false alarms, reference {rows}"] * (false > MOST_FALSE)
            broken += [
                f"delay of {shift} sd, reference {rows}" for shift, most in DELAYS.items() if delays[shift] > most
            ]
    print(json.dumps({**report, "broken": broken}, indent=2))
    raise SystemExit(bool(broken))


if __name__ == "__main__":
    main()
