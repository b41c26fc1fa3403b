"""The flights model: ordinal carriers and airports, then gradient boosting, which takes missing values as they are."""

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder

CATEGORIES = ["carrier", "origin", "dest"]


def build() -> Pipeline:
    """Return the unfitted estimator.

    Codes instead of `categorical_features`, which a package may not hold (skops would need functools.partial). No
    early stopping: it splits by row position, so the same rows in another order would give another model.
    """
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan, encoded_missing_value=np.nan)
    columns = ColumnTransformer([("categories", codes, CATEGORIES)], remainder="passthrough")
    model = HistGradientBoostingClassifier(learning_rate=0.08, max_iter=200, early_stopping=False)
    return Pipeline([("columns", columns), ("model", model)])
