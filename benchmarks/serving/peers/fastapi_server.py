"""FastAPI as most people write it: records to a DataFrame to the pipeline; argument: the port."""

import sys
from typing import Any

import pandas as pd
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from skops_model import load_model

app = FastAPI()
model = load_model()


class Asked(BaseModel):
    """What a client sends."""

    records: list[dict[str, Any]]


@app.post("/predict")
def predict(asked: Asked) -> dict[str, list[float]]:
    """The chance of the positive class for each record."""
    return {"scores": model.predict_proba(pd.DataFrame(asked.records))[:, 1].tolist()}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False)
