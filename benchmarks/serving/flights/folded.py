"""The pipeline that every server serves: it can be compiled to one exact form."""

from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from .columns import pipeline


def build() -> Pipeline:
    """Return the unfitted estimator."""
    return pipeline(StandardScaler())
