"""The gates' model: gradient boosting of the quantile that the contract's two costs ask for."""

from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

# under / (under + over) = 1.00 / (1.00 + 3.00): a crew that is there early is cheaper than an aircraft that waits.
QUANTILE = 0.25


def build() -> Pipeline:
    """Return the unfitted estimator; small trees, since a day's flights share their wind."""
    carriers = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    columns = ColumnTransformer([("categories", carriers, ["carrier", "origin"])], remainder="passthrough")
    model = HistGradientBoostingRegressor(
        loss="quantile",
        quantile=QUANTILE,
        learning_rate=0.05,
        max_iter=80,
        max_leaf_nodes=8,
        min_samples_leaf=40,
        early_stopping=False,
    )
    return Pipeline([("columns", columns), ("model", model)])
