"""Makes the MLflow directories beside it, with MLflow itself: `python -m tests.headrace.mlflow_models.make`.

MLflow is no dependency of this project: `pip install mlflow-skinny` in an environment of its own, and run it again when
scikit-learn's minor version changes, since a model is imported only where its version is.
"""

import json
import shutil
from pathlib import Path

import mlflow.sklearn
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from tests.headrace.past_cases import customers

HERE = Path(__file__).parent
# As the contract names them, in an order of the model's own.
COLUMNS = {"Plan": "plan", "Branch": "branch", "tenure": "tenure", "Monthly Amount (€)": "monthly_amount"}
TRAINED_UNTIL = "2026-04-01"
NAMES = {"skops": "skops", "cloudpickle": "pickle"}


def fitted(frame: pd.DataFrame) -> Pipeline:
    """A model of the customers that another team might have."""
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    levels = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    columns = ColumnTransformer([("levels", levels, ["plan", "branch"]), ("n", numbers, ["tenure", "monthly_amount"])])
    known = frame[frame["Signed Up"] < TRAINED_UNTIL]
    return make_pipeline(columns, LogisticRegression()).fit(inputs(known), (known["churned"] == "Yes").astype(int))


def inputs(frame: pd.DataFrame) -> pd.DataFrame:
    """What the model reads."""
    return frame.rename(columns=COLUMNS)[list(COLUMNS.values())]


def main() -> None:
    """Write a directory for each of MLflow's formats, and what MLflow answers for forty customers."""
    frame = customers()
    model, asked = fitted(frame), inputs(frame).tail(40)
    for form, name in NAMES.items():
        shutil.rmtree(HERE / name, ignore_errors=True)
        more = {"skops_trusted_types": ["numpy.dtype"]} if form == "skops" else {}
        place = str(HERE / name)
        mlflow.sklearn.save_model(model, place, serialization_format=form, pip_requirements=["scikit-learn"], **more)
    scores = mlflow.sklearn.load_model(str(HERE / "skops")).predict_proba(asked)[:, 1]
    told = {
        "inputs": {
            name: [None if cell != cell else cell for cell in column.tolist()] for name, column in asked.items()
        },
        "scores": scores.tolist(),
    }
    (HERE / "scores.json").write_text(json.dumps(told), encoding="utf-8")


if __name__ == "__main__":
    main()
