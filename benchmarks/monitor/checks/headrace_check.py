"""Ours: counts in the reference's bins, and a p-value for each column from them."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from protocol import Check, answer

sys.path.insert(0, str(Path(__file__).parents[3]))

from services.monitor.two_sample import chi2_p, ks_p
from shared.package.bins import fit_category_levels, fit_number_bins
from shared.package.inputs import InputProfile, RunningProfile


def prepare(reference: pd.DataFrame, rows: int) -> Check:
    numbers = {name: fit_number_bins(reference[name].to_numpy()) for name in reference if name[0] == "n"}
    categories = {name: fit_category_levels(reference[name].tolist()) for name in reference if name[0] == "c"}

    def check(window: pd.DataFrame) -> bool:
        running = RunningProfile(numbers, categories)
        running.add(window)
        ps = p_values(InputProfile(numbers=numbers, categories=categories), running.profile())
        return min(ps) < 0.05 / len(ps)

    return check


def p_values(before: InputProfile, now: InputProfile) -> list[float]:
    pairs = [(ks_p, before.numbers[name], now.numbers[name]) for name in before.numbers]
    pairs += [(chi2_p, before.categories[name], now.categories[name]) for name in before.categories]
    return [
        float(test(*(np.array([[*one.counts, one.other, one.nulls]], dtype=np.float64) for one in (then, later)))[0])
        for test, then, later in pairs
    ]


if __name__ == "__main__":
    answer(prepare)
