"""A toy use case on disk, and jobs for it."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from services.trainer.job import Job
from shared.contract import Contract, read_contract

TOY = Path(__file__).parent / "toy"
START = datetime(2024, 3, 1, tzinfo=UTC)
AS_OF = START + timedelta(days=28)
ROWS_PER_DAY = 24


def make_rows(days: int = 28) -> pd.DataFrame:
    """One row an hour; the outcome is known six hours later."""
    random = np.random.default_rng(5)
    count = days * ROWS_PER_DAY
    size = random.normal(size=count)
    colour = random.choice(np.array(["red", "green", "blue"]), count)
    broken = size + (colour == "red") + random.normal(size=count) * 0.5 > 1
    happened = pd.Series(pd.date_range(START, periods=count, freq="h"))
    return pd.DataFrame(
        {
            "happened_at": happened,
            "known_at": happened + pd.Timedelta(hours=6),
            "size": size,
            "colour": pd.Series(colour, dtype=object),
            "outcome": np.where(broken, "broken", "fine"),
        }
    )


@pytest.fixture
def toy_contract() -> Contract:
    return read_contract((TOY / "contract.yaml").read_text())


@pytest.fixture
def toy_dir(tmp_path: Path) -> Path:
    """The code of the toy and its rows, in a directory of this test's own."""
    directory = tmp_path / "use_cases" / "toy"
    shutil.copytree(TOY, directory, ignore=shutil.ignore_patterns("__pycache__"))
    make_rows().to_parquet(directory / "rows.parquet")
    return directory


@pytest.fixture
def toy_rows() -> pd.DataFrame:
    return make_rows()


@pytest.fixture
def make_job(toy_contract: Contract, toy_dir: Path, tmp_path: Path) -> Callable[..., Job]:
    def make(pipeline: str = "build", **changed: Any) -> Job:
        contract = toy_contract.to_json()
        contract["training"] |= {"pipeline": f"pipeline:{pipeline}"}
        fields: dict[str, Any] = {
            "run_id": "run-1",
            "cause_id": "cause-1",
            "contract": contract,
            "use_case_dir": toy_dir,
            "as_of": AS_OF,
            "seed": 7,
            "feedback": str(tmp_path / "feedback"),
            "table_version": (None, None),
            "memory_megabytes": 16_384,
        }
        return Job(**(fields | changed))

    return make
