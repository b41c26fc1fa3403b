"""What the public V2 clients sent, sent again: `make test-clients` recorded it and asks the clients themselves."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.serving.front import Receive, Scope, Send
from shared.spine.auth import ApiKeys
from tests.clients.run import RECORDED
from tests.serving.fronts import open_front

REQUESTS: list[dict[str, Any]] = json.loads(RECORDED.read_text(encoding="utf-8"))


async def nobody(_scope: Scope, _receive: Receive, _send: Send) -> None:
    """The app behind: not asked."""
    raise AssertionError("every path of the protocol is the front's own")


def test_all_three_clients_were_recorded() -> None:
    bodies = " ".join(request["body"] for request in REQUESTS)
    assert all(sign in bodies for sign in ("kserve-True", "kserve-False", "triton-True", "triton-False", '"pd"'))


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda request: request["body"][:24])
async def test_a_clients_request_is_answered(request_: dict[str, Any], tmp_path: Path) -> None:
    async with open_front(tmp_path, nobody, 100_000, ApiKeys(None)) as front:
        transport = httpx.ASGITransport(front)
        async with httpx.AsyncClient(transport=transport, base_url="http://serving") as client:
            body = request_["body"].encode("latin-1")
            answer = await client.post(request_["path"], content=body, headers=request_["headers"])
    assert answer.status_code == 200, answer.text
    outputs = {each["name"]: each["data"] for each in answer.json()["outputs"]}
    assert (outputs["decision"], outputs["reason"]) == (["review", "none"], ["cost", "flagged"])
