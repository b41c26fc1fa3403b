"""A small boosting model, and entry points that misbehave in one way each."""

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OrdinalEncoder

SEEN = Path(__file__).with_name("seen.csv")
STARTED = Path(__file__).with_name("started")
GATE = Path(__file__).with_name("gate")


def build() -> Pipeline:
    """Return the unfitted model."""
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan, encoded_missing_value=np.nan)
    columns = ColumnTransformer([("codes", codes, ["colour"])], remainder="passthrough")
    return Pipeline([("columns", columns), ("model", HistGradientBoostingClassifier(max_iter=5, min_samples_leaf=5))])


def build_regression() -> Pipeline:
    """Return the same for a number."""
    return build().set_params(model=HistGradientBoostingRegressor(max_iter=5, min_samples_leaf=5))


def build_recording() -> Pipeline:
    """Append every row that any fit sees to a file."""
    original = Pipeline.fit

    def fit(self: Pipeline, frame: Any, truth: Any = None, **params: Any) -> Any:
        frame.assign(truth=truth).to_csv(SEEN, mode="a", header=False, index=False)
        return original(self, frame, truth, **params)

    Pipeline.fit = fit
    return build()


def build_untrusted() -> Pipeline:
    """Hold a function of our own, which no package may."""
    return Pipeline(
        [("own", FunctionTransformer(_first_column)), ("model", HistGradientBoostingClassifier(max_iter=2))]
    )


def _first_column(frame: Any) -> Any:
    return frame[["size"]]


def build_greedy() -> Pipeline:
    """Ask for more memory than anyone has."""
    bytearray(2**45)
    return build()


def build_broken() -> Pipeline:
    """Raise."""
    raise RuntimeError("no model today")


def build_deadly() -> Pipeline:
    """Die as a crash in native code would."""
    os.kill(os.getpid(), signal.SIGSEGV)
    return build()


def build_endless() -> Pipeline:
    """Say through one pipe that it has begun, and hang on another that nobody writes to."""
    os.mkfifo(GATE)
    if STARTED.exists():
        STARTED.write_text(str(os.getpid()))
    GATE.read_text()
    return build()


def build_after_a_crash() -> Pipeline:
    """Hang the first time, work the second."""
    return build() if GATE.exists() else build_endless()
