"""The records that are asked about: flights from after the training, some with gaps and unknown texts."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.serving.flights.columns import CATEGORIES, NUMBERS
from benchmarks.serving.flights.source import load
from benchmarks.serving.packages import FULL
from shared.package import predict_scores, read_package, to_frame

Record = dict[str, Any]
FEATURES = [*NUMBERS, *CATEGORIES]
_ALL = datetime.fromisoformat("2014-01-02T00:00:00-05:00")
UNKNOWN = "~nowhere~"


def read_records(count: int, seed: int = 7) -> list[Record]:
    """Return different flights in random order; every hundredth has an unknown destination, others lack numbers."""
    flights = load(_ALL)
    flights = flights[flights["pushback_at"] >= pd.Timestamp(FULL)]
    random = np.random.default_rng(seed)
    rows = flights.iloc[random.choice(len(flights), count, replace=False)]
    columns = {name: rows[name].tolist() for name in FEATURES}
    records: list[Record] = []
    for place in range(count):
        cells = {name: columns[name][place] for name in FEATURES}
        record = {name: None if cell != cell else cell for name, cell in cells.items()}
        records.append(record | {"dest": UNKNOWN} if place % 100 == 99 else record)
    return records


def columns_of(records: Sequence[Record]) -> dict[str, list[Any]]:
    """The same, column by column."""
    return {name: [record[name] for record in records] for name in FEATURES}


def expected_scores(package: Path, records: Sequence[Record]) -> NDArray[np.float64]:
    """What scikit-learn itself says: the chance of the positive class for each record."""
    opened = read_package(package)
    frame = to_frame(opened.manifest.features, columns_of(records))
    found: NDArray[np.float64] = predict_scores(opened.load_model(), "binary", frame, opened.manifest.classes)[:, 0]
    return found
