"""Loads the model file that every server is given; the same bytes for all of them."""

from pathlib import Path
from typing import Any

import skops.io

# Each peer is started in a directory of its own that holds the file.
MODEL = Path("model.skops")
TRUSTED = ["numpy.dtype", "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"]


def load_model() -> Any:
    """Return the fitted pipeline."""
    return skops.io.load(MODEL, trusted=TRUSTED)
