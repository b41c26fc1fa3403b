"""The flights model: late rates for carriers and airports, then gradient boosting, which takes gaps as they are."""

from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import TargetEncoder

CATEGORIES = ["carrier", "origin", "dest"]


def build() -> Pipeline:
    """Return the unfitted estimator.

    A hundred airports have no order, their shares of late flights do; fitted crosswise, so that no flight's own outcome
    reaches its features. Not `categorical_features`, which a package may not hold (skops would need functools.partial).
    No early stopping: it splits by row position, so the same rows in another order would give another model.
    """
    rates = TargetEncoder(target_type="binary", cv=StratifiedKFold(5, shuffle=True))
    columns = ColumnTransformer([("categories", rates, CATEGORIES)], remainder="passthrough")
    model = HistGradientBoostingClassifier(learning_rate=0.08, max_iter=200, early_stopping=False)
    return Pipeline([("columns", columns), ("model", model)])
