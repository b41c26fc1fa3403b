"""How often a candidate that is no better is promoted, on block values of the flights.

Run by hand: `python -m benchmarks.loop.promotion`. A null candidate: on each resampled day the block values of two
packages change places by a coin. The bound is 19 of 200 runs at α = .05, looked at every day. Pairs of bootstraps are
shown beside it without a bound: they differ truly.
"""

import argparse
from itertools import combinations

import numpy as np

from benchmarks.loop.flights_days import Costs, costs_per_day, fit_scores, flights_contract, labelled_flights
from services.registry.promotion import Pair, should_promote
from shared.contract import Contract

BOUND = 19


def is_promoted(contract: Contract, saved: Costs) -> bool:
    """Whether the candidate would have been promoted on any of the days, looked at after each."""
    evidence = [Pair(f"{day:04d}", int(each), False, "") for day, each in enumerate(saved)]
    return any(should_promote(evidence[:seen], contract.retraining).promote for seen in range(1, len(evidence) + 1))


def main() -> None:
    """Print both counts; exit status 1 when null candidates break the bound."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--bootstraps", type=int, default=12, help="fits; each two of them are a pair")
    parser.add_argument("--days", type=int, default=60, help="judged blocks of a candidate before it expires")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    contract, flights = flights_contract(), labelled_flights()
    train, days = flights[flights["block"] < "2013-03-01"], flights[flights["block"] >= "2013-05-01"]
    random = np.random.default_rng(asked.seed)

    old = costs_per_day(contract, days, fit_scores(train, days, asked.seed))
    later = flights[flights["block"] < "2013-05-01"]
    new = costs_per_day(contract, days, fit_scores(later, days, asked.seed))
    difference = old - new
    print(f"the later model is better on {np.mean(difference > 0):.0%} of {len(difference)} days")
    null = 0
    for _run in range(asked.runs):
        sample = random.choice(difference, asked.days) * random.choice([-1, 1], asked.days)
        null += is_promoted(contract, sample)
    print(f"null candidates promoted: {null} of {asked.runs} (bound: {BOUND} of 200)")

    fits = []
    for seed in range(asked.bootstraps):
        rows = np.sort(random.integers(len(train), size=len(train)))
        fits.append(costs_per_day(contract, days, fit_scores(train.iloc[rows], days, seed)))
    pairs = [random.choice(one - other, asked.days) for one, other in combinations(fits, 2)]
    promoted = sum(is_promoted(contract, saved) for saved in pairs)
    print(f"bootstrap pairs promoted: {promoted} of {len(pairs)} (they differ truly: no bound)")
    if null * 200 > BOUND * asked.runs:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
