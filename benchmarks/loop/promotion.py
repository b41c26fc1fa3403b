"""How often a candidate that is no better is promoted, on block values of the flights.

Run by hand: `python -m benchmarks.loop.promotion`. A null candidate: on each resampled day the block values of two
packages change places by a coin. The bound is 19 of 200 runs at α = .05, looked at every day. Pairs of bootstraps are
shown beside it without a bound: they differ truly.
"""

import argparse
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from examples.flights_late.flights import FEATURES, read_flights
from examples.flights_late.pipeline import build
from services.registry.promotion import Pair, should_promote
from shared.contract import Contract, cost_in_order, decide_in_order, derive_policy, read_contract

Costs = NDArray[np.integer]
BOUND = 19
CONTRACT = Path(__file__).parents[2] / "examples" / "flights_late" / "contract.yaml"


def is_promoted(contract: Contract, saved: Costs) -> bool:
    """Whether the candidate would have been promoted on any of the days, looked at after each."""
    evidence = [Pair(f"{day:04d}", int(each), False, "") for day, each in enumerate(saved)]
    return any(should_promote(evidence[:seen], contract.retraining).promote for seen in range(1, len(evidence) + 1))


def costs_per_day(contract: Contract, train: pd.DataFrame, days: pd.DataFrame, seed: int) -> Costs:
    """Fit on `train`, decide `days` in order with a capacity ledger of their own; minor units of each day."""
    model = build()
    model.set_params(model__random_state=seed)
    model.fit(train[FEATURES], train["late"])
    scores = model.predict_proba(days[FEATURES])[:, [list(model.classes_).index("late")]]
    policy = derive_policy(contract)
    blocks = days["block"].tolist()
    decided = decide_in_order(policy, blocks, scores).decisions
    cost = cost_in_order(policy, decided, scores.tolist(), days["late"].tolist(), [None] * len(days))
    return np.asarray(pd.Series(cost).groupby(blocks).sum())


def main() -> None:
    """Print both counts; exit status 1 when null candidates break the bound."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--bootstraps", type=int, default=12, help="fits; each two of them are a pair")
    parser.add_argument("--days", type=int, default=60, help="judged blocks of a candidate before it expires")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    contract = read_contract(CONTRACT.read_text(encoding="utf-8"))
    flights = read_flights().dropna(subset=["late"])
    flights = flights.assign(block=flights["pushback_at"].dt.strftime("%Y-%m-%d"))
    train, days = flights[flights["block"] < "2013-03-01"], flights[flights["block"] >= "2013-05-01"]
    random = np.random.default_rng(asked.seed)

    old = costs_per_day(contract, train, days, asked.seed)
    new = costs_per_day(contract, flights[flights["block"] < "2013-05-01"], days, asked.seed)
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
        fits.append(costs_per_day(contract, train.iloc[rows], days, seed))
    pairs = [random.choice(one - other, asked.days) for one, other in combinations(fits, 2)]
    promoted = sum(is_promoted(contract, saved) for saved in pairs)
    print(f"bootstrap pairs promoted: {promoted} of {len(pairs)} (they differ truly: no bound)")
    if null * 200 > BOUND * asked.runs:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
