"""Two services for `bentoml serve`: the stock one with a DataFrame, and adaptive batching over lists of rows."""

from typing import Annotated, Any

import bentoml
import pandas as pd
from bentoml.validators import DataframeSchema
from skops_model import load_model


@bentoml.service(workers=1)
class Stock:
    """As the documentation shows it."""

    def __init__(self) -> None:
        self.model = load_model()

    @bentoml.api
    def predict(self, frame: Annotated[pd.DataFrame, DataframeSchema(orient="records")]) -> list[float]:
        """The chance of the positive class for each row."""
        scores: list[float] = self.model.predict_proba(frame)[:, 1].tolist()
        return scores


@bentoml.service(workers=1)
class Batching:
    """Requests that wait are scored together; with a DataFrame as input batching hangs."""

    def __init__(self) -> None:
        self.model = load_model()

    # The latency is a limit above which requests are refused, not a time that is waited for.
    @bentoml.api(batchable=True, max_batch_size=1000, max_latency_ms=10_000)
    def predict(self, rows: list[dict[str, Any]]) -> list[float]:
        """The chance of the positive class for each row."""
        scores: list[float] = self.model.predict_proba(pd.DataFrame(rows))[:, 1].tolist()
        return scores
