"""Asks for the same two predictions with the public clients of the protocol, as their own documentation does.

Runs in an environment that holds one client and nothing of ours: `python ask_v2.py URL CLIENT`. The answers go to
standard output as JSON: client -> output -> data.
"""

import asyncio
import json
import sys
from typing import Any

import numpy as np

SIZES, COLOURS = [1.0, 99.0], ["red", "blue"]
WANTED = ("score", "decision", "reason")


async def ask_kserve(url: str, *, binary: bool) -> dict[str, Any]:
    """KServe's own client, with JSON or with binary tensors."""
    from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig

    client = InferenceRESTClient(RESTConfig(protocol="v2", retries=1))
    assert await client.is_server_live(url)
    assert await client.is_server_ready(url)
    assert await client.is_model_ready(url, "trains")
    sizes, colours = InferInput("size", [2], "FP64"), InferInput("colour", [2], "BYTES")
    sizes.set_data_from_numpy(np.array(SIZES), binary_data=binary)
    colours.set_data_from_numpy(np.array(COLOURS, dtype=object), binary_data=binary)
    request = InferRequest("trains", [sizes, colours], request_id=f"kserve-{binary}")
    answer = await client.infer(url, request, model_name="trains")
    assert (answer.model_name, answer.id) == ("trains", f"kserve-{binary}")
    return {name: answer.get_output_by_name(name).data for name in WANTED}


def ask_triton(url: str, *, binary: bool) -> dict[str, Any]:
    """Triton's client; it asks for binary outputs, and takes JSON."""
    from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput

    client = InferenceServerClient(url.removeprefix("http://"))
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("trains")
    assert client.get_server_metadata()["name"] == "headrace"
    metadata = client.get_model_metadata("trains", model_version="1")
    assert [each["name"] for each in metadata["inputs"]] == ["size", "speed", "colour", "left_at"]
    sizes, colours = InferInput("size", [2, 1], "FP32"), InferInput("colour", [2], "BYTES")
    sizes.set_data_from_numpy(np.array(SIZES, dtype=np.float32).reshape(2, 1), binary_data=binary)
    colours.set_data_from_numpy(np.array(COLOURS, dtype=object), binary_data=binary)
    outputs = [InferRequestedOutput(name) for name in WANTED]
    answer = client.infer("trains", [sizes, colours], outputs=outputs, request_id=f"triton-{binary}")
    client.close()
    return {name: answer.as_numpy(name).tolist() for name in WANTED}


def ask_mlserver(url: str) -> dict[str, Any]:
    """MLServer's codec for data frames, over plain HTTP as its documentation shows."""
    import httpx
    import pandas as pd
    from mlserver.codecs import PandasCodec
    from mlserver.types import InferenceResponse

    request = PandasCodec.encode_request(pd.DataFrame({"size": SIZES, "colour": COLOURS}), use_bytes=False)
    body = request.model_dump_json() if hasattr(request, "model_dump_json") else request.json()
    answer = httpx.post(f"{url}/v2/models/trains/infer", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 200, answer.text
    frame = PandasCodec.decode_response(InferenceResponse.model_validate(answer.json()))
    return {name: frame[name].tolist() for name in WANTED}


def main() -> None:
    """Ask with one of them."""
    url, client = sys.argv[1:]
    said: dict[str, Any] = {}
    for binary in (False, True):
        match client:
            case "kserve":
                said[f"{client}, binary={binary}"] = asyncio.run(ask_kserve(url, binary=binary))
            case "triton":
                said[f"{client}, binary={binary}"] = ask_triton(url, binary=binary)
            case _:
                said[client] = ask_mlserver(url)
    sys.stdout.write(json.dumps(said, default=lambda value: value.decode()))


if __name__ == "__main__":
    main()
