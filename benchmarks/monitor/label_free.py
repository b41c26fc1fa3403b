"""How well quality is known before labels are: New York's flights, scores alone against 5 % audited labels beside them.

Run by hand: `python -m benchmarks.monitor.label_free`. A model fitted on January and February scores April to December.
At the end of each day: what was the Brier score, and the cost per flight, of the last 28 days? Windows overlap; each
draws an audit of its own, several times. Windows of 1, 7 and 14 days, in which 5 % are few labels, stand beside it
without a bound. Prints one JSON report; exit status 1 when a bound is broken.
"""

import argparse
import json
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmarks.loop.flights_days import fit_scores, flights_contract, labelled_flights
from services.monitor.before_labels import Expected, expected_of
from shared.contract import decide_in_order, derive_policy
from shared.evidence import AuditSums, corrected_mean

Floats = NDArray[np.float64]
AUDIT_SHARE, WINDOW = 0.05, 28
MOST_ERROR_RATIO, LEAST_COVERAGE, LEAST_CHUNKS = 0.4, 0.9, 200


@dataclass(frozen=True)
class Flights:
    """What the scores expected of each flight and what happened; `days` holds the first row of each, and the end."""

    expected: Expected
    days: list[int]


def score_flights(seed: int = 0) -> Flights:
    """Fit on January and February; score and decide April to December, with the contract's capacity."""
    flights = labelled_flights()
    train, later = flights[flights["block"] < "2013-03-01"], flights[flights["block"] >= "2013-04-01"]
    scores, blocks = fit_scores(train, later, seed), later["block"].tolist()
    policy = derive_policy(flights_contract())
    rows = pl.DataFrame(
        {
            "scores": scores.tolist(),
            "decision": decide_in_order(policy, blocks, scores).decisions,
            "label": later["late"].tolist(),
        }
    ).with_columns(value=pl.lit(None, pl.Float64), arm=pl.lit("model"), labelled=pl.lit(value=True))
    starts = [row for row, block in enumerate(blocks) if not row or block != blocks[row - 1]]
    return Flights(expected_of(rows, policy), [*starts, len(blocks)])


def measure(flights: Flights, days: int, draws: int, name: str) -> dict[str, float]:
    """Compare both estimates with what all labels say, window by window."""
    every = flights.expected
    expected, outcome, variance = {
        "brier": (every.brier, every.realised_brier, every.brier_variance),
        "cost": (every.cost / 100, every.realised_cost / 100, every.variance / 100**2),
    }[name]
    alone, audited, covered, widths = [], [], [], []
    ends = range(days, len(flights.days))
    for end in ends:
        rows = slice(flights.days[end - days], flights.days[end])
        truth = float(outcome[rows].mean())
        alone.append(abs(float(expected[rows].mean()) - truth))
        for draw in range(draws):
            lots = np.random.default_rng([draw, end]).random(rows.stop - rows.start)
            found = corrected_mean(AuditSums.of(expected[rows], outcome[rows], lots < AUDIT_SHARE, variance[rows]))
            if found is None:
                continue
            audited.append(abs(found.mean - truth))
            covered.append(found.low <= truth <= found.high)
            widths.append((found.high - found.low) / 2)
    return {
        "chunks": len(ends),
        "estimates": len(audited),
        "mean_error_scores_alone": float(np.mean(alone)),
        "mean_error_with_audit": float(np.mean(audited)),
        "error_ratio": float(np.mean(audited) / np.mean(alone)),
        "interval_covers": float(np.mean(covered)),
        "mean_half_width": float(np.mean(widths)),
    }


def report(draws: int) -> dict[str, object]:
    """Return everything measured, and what is broken."""
    flights = score_flights()
    found = {
        f"{days} days": {name: measure(flights, days, draws, name) for name in ("brier", "cost")}
        for days in (1, 7, 14, WINDOW)
    }
    asked = found[f"{WINDOW} days"]["brier"]
    broken = ["chunks"] * (asked["chunks"] < LEAST_CHUNKS)
    broken += ["error ratio"] * (asked["error_ratio"] > MOST_ERROR_RATIO)
    broken += ["coverage"] * (asked["interval_covers"] < LEAST_COVERAGE)
    return {"audit_share": AUDIT_SHARE, "draws": draws, **found, "broken": broken}


def main() -> None:
    """Measure, print, and fail when a bound is broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=5, help="audits drawn for each window")
    found = report(parser.parse_args().draws)
    print(json.dumps(found, indent=2))
    raise SystemExit(bool(found["broken"]))


if __name__ == "__main__":
    main()
