"""The BentoML service behind the front: docs, health of its own, and a stock `@bentoml.api` twin of predict."""

import json
import logging
import warnings
from typing import Any

from services.serving.front import App
from services.serving.predict import Predictor


def build_behind(predictor: Predictor) -> App:
    """Return BentoML's ASGI app; imported here, because it takes a second that answering need not wait for."""
    with warnings.catch_warnings():
        # A dependency of bentoml uses names that another one deprecated; nothing of it is ours to change.
        warnings.simplefilter("ignore")
        import bentoml

        # BentoML keeps a timer for each request as long as this timeout: short, since predict is answered in front.
        @bentoml.service(name="headrace", traffic={"timeout": 15}, logging={"access": {"enabled": False}})
        class Headrace:
            """Headrace serving. `POST /v1/{use_case}/predict` is the fast twin of `predict`."""

            @bentoml.api  # type: ignore[untyped-decorator]  # bentoml leaves it untyped
            async def predict(
                self, use_case: str, records: list[dict[str, Any]], request_id: str = ""
            ) -> dict[str, Any]:
                """Decide for each record under the live release of a use case."""
                asked: dict[str, Any] = {"records": records}
                if request_id:
                    asked["request_id"] = request_id
                answer = await predictor.answer(use_case, json.dumps(asked).encode())
                document: dict[str, Any] = json.loads(answer.body)
                if answer.status != 200:
                    raise bentoml.exceptions.InvalidArgument(json.dumps(document))
                return document

        service: Any = Headrace
        app: App = service.to_asgi()
    logging.getLogger("bentoml").setLevel(logging.WARNING)
    return app
