"""The flights by day, and what a model fitted on some of them would have cost on others."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from examples.flights_late.flights import FEATURES, read_flights
from examples.flights_late.pipeline import build
from services.trainer.train import seeded
from shared.contract import Contract, cost_in_order, decide_in_order, derive_policy, read_contract

USE_CASE = Path(__file__).parents[2] / "examples" / "flights_late"
Costs = NDArray[np.integer]


def flights_contract() -> Contract:
    """The contract of the example."""
    return read_contract((USE_CASE / "contract.yaml").read_text(encoding="utf-8"))


def labelled_flights() -> pd.DataFrame:
    """Every flight with a label, in event order, with its `block`."""
    flights = read_flights().dropna(subset=["late"])
    return flights.assign(block=flights["pushback_at"].dt.strftime("%Y-%m-%d"))


def fit_scores(train: pd.DataFrame, days: pd.DataFrame, seed: int) -> NDArray[np.float64]:
    """Fit on `train`; the chances of being late of `days`, [rows, 1]."""
    model = seeded(build(), seed)
    model.fit(train[FEATURES], train["late"])
    scores: NDArray[np.float64] = model.predict_proba(days[FEATURES])[:, [list(model.classes_).index("late")]]
    return scores


def costs_per_day(contract: Contract, days: pd.DataFrame, scores: NDArray[np.float64]) -> Costs:
    """Decide `days` in order with a capacity ledger of their own; minor units of each day."""
    policy, blocks = derive_policy(contract), days["block"].tolist()
    decided = decide_in_order(policy, blocks, scores).decisions
    cost = cost_in_order(policy, decided, scores.tolist(), days["late"].tolist(), [None] * len(days))
    return np.asarray(pd.Series(cost).groupby(blocks).sum())
