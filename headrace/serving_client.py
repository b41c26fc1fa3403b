"""A client that behaves: one request at a time, tried again with the same request_id until it is answered."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any, Self

import aiohttp

from headrace.settings import authorization
from shared.spine.clock import monotonic

RETRY_FOR_SECONDS = 60.0


class ServingClient:
    """Posts records and outcomes. A request without a 2xx after so many seconds of tries counts as failed."""

    def __init__(self, url: str, use_case: str, retry_for_seconds: float = RETRY_FOR_SECONDS) -> None:
        self._url = f"{url}/v1/{use_case}"
        self._retry_for_seconds = retry_for_seconds
        self.answered = 0
        self.tries_again = 0
        self.failed: list[str] = []
        self.decisions: Counter[str] = Counter()

    async def __aenter__(self) -> Self:
        # A replay asks thousands of times, and httpx would take more processor time for each.
        self._http = aiohttp.ClientSession(headers=authorization(), timeout=aiohttp.ClientTimeout(total=30.0))
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._http.close()

    async def predict(self, request_id: str, records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """The predictions of one request, in order; empty when it failed for good."""
        answer = await self._post("/predict", request_id, {"request_id": request_id, "records": records})
        predictions: list[dict[str, Any]] = answer["predictions"] if answer else []
        self.answered += len(predictions)
        self.decisions.update(prediction["decision"] for prediction in predictions)
        return predictions

    async def outcomes(self, name: str, outcomes: Sequence[dict[str, Any]]) -> None:
        """Report what really happened."""
        await self._post("/outcomes", name, {"outcomes": outcomes})

    async def _post(self, path: str, name: str, body: dict[str, Any]) -> dict[str, Any] | None:
        end, wait, said = monotonic() + self._retry_for_seconds, 0.05, "no answer"
        while monotonic() < end:
            try:
                async with self._http.post(self._url + path, json=body) as response:
                    if response.ok:
                        answer: dict[str, Any] = await response.json()
                        return answer
                    said = f"{response.status} {(await response.text())[:300]}"
                if response.status < 500 and response.status not in (408, 429):
                    break
            except (aiohttp.ClientError, TimeoutError, ValueError) as error:
                said = repr(error)
            self.tries_again += 1
            await asyncio.sleep(wait)
            wait = min(wait * 2, 1.0)
        self.failed.append(f"{path} {name}: {said}")
        return None
