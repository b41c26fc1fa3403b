"""A runtime for `mlserver start`: the Open Inference Protocol in and out, a DataFrame in between."""

from typing import Any

from mlserver import MLModel
from mlserver.codecs import NumpyCodec, PandasCodec
from mlserver.types import InferenceRequest, InferenceResponse
from skops_model import load_model


class Flights(MLModel):  # type: ignore[misc]
    """Adaptive batching is a matter of its settings."""

    model: Any = None

    async def load(self) -> bool:
        """Called once."""
        self.model = load_model()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """The chance of the positive class for each row."""
        scores = self.model.predict_proba(PandasCodec.decode_request(payload))[:, 1]
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("scores", scores)])
