"""The loans' model: one column per channel and purpose, then gradient boosting."""

from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder


def build() -> Pipeline:
    """Return the unfitted estimator."""
    categories = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    columns = ColumnTransformer([("categories", categories, ["channel", "purpose"])], remainder="passthrough")
    model = HistGradientBoostingClassifier(
        learning_rate=0.05, max_iter=80, max_leaf_nodes=8, min_samples_leaf=50, early_stopping=False
    )
    return Pipeline([("columns", columns), ("model", model)])
