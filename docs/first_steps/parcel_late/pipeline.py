"""The parcels' model: one column per carrier, then gradient boosting."""

from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder


def build() -> Pipeline:
    """Return the unfitted estimator."""
    carriers = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    columns = ColumnTransformer([("carrier", carriers, ["carrier"])], remainder="passthrough")
    return Pipeline(
        [("columns", columns), ("model", HistGradientBoostingClassifier(max_iter=60, early_stopping=False))]
    )
