"""By hand: how soon regret takes a bad release back, and how often a good one; simulated days, all seeds stated.

Run: python benchmarks/loop/rollback.py [--runs 200] [--seed 7]
"""

import argparse
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.monitor.regret import PairedBlock, Regret, judge_regret
from shared.contract import Contract, read_contract

CONTRACT = Path(__file__).parents[2] / "examples" / "flights_late" / "contract.yaml"
# Assumed mean and spread of the daily regret of a model that never acts, and of one that hardly acts.
BAD = {"never acts": (0.77, 0.40), "hardly acts": (0.35, 0.35)}
BLOCKS = 60


def tipped_after(regrets: NDArray[np.float64], contract: Contract) -> int | None:
    """How many blocks it took, None if they were not enough."""
    clipped = np.clip(regrets, -0.5, 0.5)
    pairs = [PairedBlock(f"{number:08d}", float(value), 0.5) for number, value in enumerate(clipped, 1)]
    verdict = judge_regret(pairs, contract, "d" * 64)
    assert isinstance(verdict, Regret)
    return int(verdict.tipped_by) if verdict.tipped_by else None


def main() -> None:
    """Print one JSON object for each kind of release."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=7)
    asked = parser.parse_args()
    contract = read_contract(CONTRACT.read_text(encoding="utf-8"))
    random = np.random.default_rng(asked.seed)
    kinds = {name: random.normal(*law, (asked.runs, BLOCKS)) for name, law in BAD.items()}
    kinds["good: as the target, heavy days"] = 0.1 * random.standard_t(3, (asked.runs, BLOCKS))
    kinds["good: as the target, half of all days at the clip"] = random.choice(
        [-0.5, 0.0, 0.0, 0.5], (asked.runs, BLOCKS)
    )
    for name, runs in kinds.items():
        after = [tipped_after(run, contract) for run in runs]
        found = [count for count in after if count is not None]
        told = {"median": float(np.median(found)), "longest": max(found)} if found else {}
        print(json.dumps({"release": name, "runs": asked.runs, "taken_back": len(found), **told}))


if __name__ == "__main__":
    main()
