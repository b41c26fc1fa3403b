"""Tables of past cases as a newcomer has them: foreign column names, gaps, an identifier, a column that leaks."""

from pathlib import Path

import numpy as np
import pandas as pd

DAYS, ROWS = 40, 800


def customers(rows: int = ROWS, days: int = DAYS) -> pd.DataFrame:
    """SIMULATED customers who stay or leave; `refund` is known only afterwards, `Branch` begins with zeros."""
    chance = np.random.default_rng(3)
    times = pd.Timestamp("2026-03-01") + pd.to_timedelta(np.sort(chance.integers(0, days * 86_400, rows)), unit="s")
    amount, tenure = chance.gamma(2, 60, rows).round(2), chance.integers(0, 120, rows).astype(float)
    plan = chance.choice(["Basic", "Plus", "Pro (yearly)"], rows)
    leaves = chance.random(rows) < 1 / (1 + np.exp(1.5 - 0.02 * amount + 0.05 * tenure - 2.0 * (plan == "Basic")))
    tenure[chance.random(rows) < 0.05] = np.nan
    return pd.DataFrame(
        {
            "Customer ID": np.arange(rows) + 10_000,
            "Signed Up": times.strftime("%Y-%m-%d %H:%M:%S"),
            "Monthly Amount (€)": amount,
            "tenure": tenure,
            "Plan": plan,
            "Branch": chance.choice([f"{number:04d}" for number in range(40)], rows),
            "country": "DE",
            "churned": np.where(leaves, "Yes", "No"),
            "refund": np.where(leaves, amount, 0.0),
        }
    )


def write_customers(folder: Path, rows: int = ROWS) -> Path:
    """Write them as CSV."""
    path = folder / "customers.csv"
    customers(rows).to_csv(path, index=False)
    return path
