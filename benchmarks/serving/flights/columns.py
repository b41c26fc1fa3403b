"""The columns of the benchmark's pipelines, and what is done to them before the trees."""

from typing import Any

from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder

NUMBERS = ["sched_dep_time", "sched_arr_time", "distance", "temp", "humid", "wind_speed", "plane_year", "dep_delay"]
CATEGORIES = ["carrier", "origin", "dest", "weekday"]


def pipeline(scaler: Any) -> Pipeline:
    """8 numbers imputed and scaled by `scaler`, 4 texts one-hot, 100 boosted trees."""
    numbers = make_pipeline(SimpleImputer(), scaler)
    texts = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    columns = ColumnTransformer([("numbers", numbers, NUMBERS), ("texts", texts, CATEGORIES)])
    forest = HistGradientBoostingClassifier(max_iter=100, early_stopping=False)
    return Pipeline([("columns", columns), ("model", forest)])
