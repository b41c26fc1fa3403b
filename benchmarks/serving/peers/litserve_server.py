"""LitServe with batching; argument: the port."""

import sys
from typing import Any

import litserve
import pandas as pd
from skops_model import load_model

Records = list[dict[str, Any]]


class Flights(litserve.LitAPI):  # type: ignore[misc]
    """Requests that arrive within the batch's time are scored together."""

    def setup(self, device: str) -> None:
        """Called once in the worker."""
        self.model = load_model()

    def decode_request(self, request: dict[str, Records]) -> Records:
        """The records of one request."""
        return request["records"]

    def batch(self, inputs: list[Records]) -> list[Records]:
        """Keep requests apart: each may hold several records."""
        return inputs

    def predict(self, asked: list[Records]) -> list[list[float]]:
        """The chance of the positive class for each record of each request."""
        scores = self.model.predict_proba(pd.DataFrame([record for records in asked for record in records]))[:, 1]
        answers, start = [], 0
        for records in asked:
            answers.append(scores[start : start + len(records)].tolist())
            start += len(records)
        return answers

    def unbatch(self, output: list[list[float]]) -> list[list[float]]:
        """One answer for each request."""
        return output

    def encode_response(self, output: list[float]) -> dict[str, list[float]]:
        """What is sent."""
        return {"scores": output}


if __name__ == "__main__":
    server = litserve.LitServer(
        Flights(max_batch_size=64, batch_timeout=0.005), accelerator="cpu", workers_per_device=1
    )
    server.run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False, num_api_servers=1)
