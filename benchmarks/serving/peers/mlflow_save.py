"""Writes the model as MLflow's own flavour, for `mlflow models serve`; argument: the directory."""

import sys

import mlflow.sklearn
from skops_model import TRUSTED, load_model

if __name__ == "__main__":
    mlflow.sklearn.save_model(load_model(), sys.argv[1], pyfunc_predict_fn="predict_proba", skops_trusted_types=TRUSTED)
