"""How soon regret takes a bad release of the flights back, and how often a good one.

Run by hand: `python -m benchmarks.loop.rollback`. Good releases: each month's model against the one fitted first, 60 of
its later days drawn with replacement; bound: 5 of 200 runs taken back. A model that never acts starts on each of 20
dates from April to October; bound: taken back within 20 judged blocks every time. Beside them without a bound: a model
that hardly acts (score times .15), and two models that are exactly as good (days' costs swapped by a coin).
"""

import argparse
import json
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.loop.flights_days import costs_per_day, fit_scores, flights_contract, labelled_flights
from services.monitor.regret import Regret, judge_regret, pair
from shared.contract import Contract

Money = NDArray[np.integer]
BLOCKS, STARTS = 60, 20
MOST_GOOD, MOST_BLOCKS = 5, 20
FIRST_FIT = "2013-02-15"
FITS = ["2013-03-18", "2013-05-18", "2013-07-18", "2013-09-17"]


def tipped_after(contract: Contract, served: Sequence[int], target: Sequence[int], cases: Sequence[int]) -> int | None:
    """How many blocks it took until the release was asked back; None if they were not enough."""
    days = zip(served, target, cases, strict=True)
    pairs = [
        pair(f"{n:04d}", int(cost), int(other), int(size), contract) for n, (cost, other, size) in enumerate(days, 1)
    ]
    verdict = judge_regret([each for each in pairs if each], contract, "d" * 64)
    assert isinstance(verdict, Regret)
    return int(verdict.tipped_by) if verdict.tipped_by else None


def told(name: str, runs: int, after: Sequence[int | None]) -> None:
    """One line of the report."""
    found = [blocks for blocks in after if blocks is not None]
    spread = {"median": float(np.median(found)), "longest": max(found)} if found else {}
    print(json.dumps({"release": name, "runs": runs, "taken_back": len(found), **spread}), flush=True)


def main() -> None:
    """Print one JSON object for each kind of release; exit status 1 when a bound is broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=7)
    asked = parser.parse_args()
    contract, flights, random = flights_contract(), labelled_flights(), np.random.default_rng(asked.seed)
    days = flights[flights["block"] >= "2013-03-18"]
    names, cases = np.unique(days["block"], return_counts=True)
    scores = fit_scores(flights[flights["block"] < FIRST_FIT], days, asked.seed)
    target = costs_per_day(contract, days, scores)

    good: list[int | None] = []
    equal: list[int | None] = []
    for fitted in FITS:
        cost = costs_per_day(contract, days, fit_scores(flights[flights["block"] < fitted], days, asked.seed))
        later = np.flatnonzero(names >= fitted)
        for _run in range(asked.runs // len(FITS)):
            drawn = random.choice(later, BLOCKS)
            good.append(tipped_after(contract, cost[drawn], target[drawn], cases[drawn]))
            swap = random.random(BLOCKS) < 0.5
            one, other = np.where(swap, target[drawn], cost[drawn]), np.where(swap, cost[drawn], target[drawn])
            equal.append(tipped_after(contract, one, other, cases[drawn]))
    told("good: each month's model", len(good), good)
    told("exactly as good: days swapped by a coin", len(equal), equal)

    starts = np.linspace(np.searchsorted(names, "2013-04-01"), np.searchsorted(names, "2013-10-31"), STARTS).astype(int)
    bad: dict[str, list[int | None]] = {}
    for name, weaker in (("never acts", 0.0), ("hardly acts: score x .15", 0.15)):
        cost = costs_per_day(contract, days, scores * weaker)
        spans = [slice(start, start + BLOCKS) for start in starts]
        bad[name] = [tipped_after(contract, cost[span], target[span], cases[span]) for span in spans]
        told(name, STARTS, bad[name])
    too_late = [blocks for blocks in bad["never acts"] if blocks is None or blocks > MOST_BLOCKS]
    taken_back = sum(blocks is not None for blocks in good)
    if too_late or taken_back * 200 > MOST_GOOD * len(good):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
