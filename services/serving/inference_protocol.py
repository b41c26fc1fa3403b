"""The Open Inference Protocol (V2) over HTTP: KServe, MLServer and Triton clients ask, the live release answers.

A model is a use case, its version the sequence of the release; each input is one feature. Answers are JSON, also to
requests with binary tensors.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import msgspec

from services.serving.answers import SERVED_JSON, Served
from services.serving.columnar import Given, read_table
from services.serving.decode import Ask, Form
from services.serving.entries import Head
from services.serving.faults import Refused
from services.serving.forms import JSON, columns_of
from services.serving.health import Health
from services.serving.live import Live
from services.serving.predict import Answer, Predictor
from services.serving.tensors import Request, Tensor, column_of, read_request
from shared.spine.problems import Problem

OUTPUTS = ("prediction_id", "score", "decision", "reason")
# What clients declare of their inputs; all of it is said by the tensors themselves.
CONTENT_TYPES = ("pd", "np", "str", "datetime")


@dataclass(frozen=True)
class Asked:
    """What a path below /v2 names."""

    model: str = ""
    version: str = ""
    verb: str = ""


# What anybody may ask.
OPEN = (Asked(verb="live"), Asked(verb="ready"))


def read_path(path: str) -> Asked:
    """Return what the path `/v2/…` names; raises Problem 404."""
    match path.removeprefix("/v2").strip("/").split("/"):
        case [""]:
            return Asked(verb="server")
        case ["models"]:
            return Asked(verb="models")
        case ["health", "live" | "ready" as verb]:
            return Asked(verb=verb)
        case ["models", model, "versions", version, *rest] if rest in ([], ["ready"], ["infer"]):
            return Asked(model, version, rest[0] if rest else "model")
        case ["models", model, *rest] if rest in ([], ["ready"], ["infer"]):
            return Asked(model, "", rest[0] if rest else "model")
        case _:
            raise Problem(404, f"there is nothing at {path[:100]}")


@dataclass
class InferenceProtocol:
    """Answers under /v2; who may ask is checked before."""

    predictor: Predictor
    health: Health

    def look(self, asked: Asked) -> Answer:
        """Answer a GET. Raises Problem."""
        ready = not self.health.reasons_not_ready()
        match asked.verb:
            case "server":
                return _json({"name": "headrace", "version": "2", "extensions": ["binary_tensor_data"]})
            case "live":
                return _json({"live": True})
            case "ready" if not asked.model:
                return _json({"ready": ready}, 200 if ready else 503)
            case "models":
                return _json({"models": sorted(self.predictor.serving.live)})
            case "infer":
                raise Problem(405, "GET is not allowed here", allowed=["POST"])
        live = self._live(asked)
        if asked.verb == "ready":
            return _json({"name": asked.model, "ready": ready}, 200 if ready else 503)
        return _json(_description(live))

    async def infer(self, asked: Asked, body: bytes, json_bytes: bytes | None) -> Answer:
        """Answer an inference request whose first `json_bytes` are JSON and the rest binary tensors; None: all."""
        read = partial(_read, asked=asked, json_bytes=json_bytes)
        return in_v2(await self.predictor.answer(asked.model, body, read))

    def _live(self, asked: Asked) -> Live:
        live = self.predictor.live_of(asked.model)
        _check_version(live, asked)
        return live


def in_v2(answer: Answer) -> Answer:
    """Return an answer as it is, or a problem document in the form of this protocol."""
    if answer.status == 200:
        return answer
    return Answer(answer.status, _error(msgspec.json.decode(answer.body)), headers=answer.headers)


def _error(document: dict[str, Any]) -> bytes:
    allowed = f" (allowed: {', '.join(map(str, document['allowed']))})" if "allowed" in document else ""
    return msgspec.json.encode({"error": f"{document['detail']}{allowed}"[:2000]})


def _json(document: dict[str, Any], status: int = 200) -> Answer:
    return Answer(status, msgspec.json.encode(document))


def _check_version(live: Live, asked: Asked) -> None:
    current = str(live.version.sequence)
    if asked.version and asked.version != current:
        said = f"{asked.model} serves version {current} now, not {asked.version[:40]}: ask for it, or for no version"
        raise Problem(404, said)


def _description(live: Live) -> dict[str, Any]:
    contract = live.contract
    kinds = dict.fromkeys(contract.numbers, "FP64") | dict.fromkeys(contract.categories, "BYTES")
    names = (*contract.feature_names, contract.event_time)
    return {
        "name": contract.use_case,
        "versions": [str(live.version.sequence)],
        "platform": "headrace",
        "inputs": [{"name": name, "datatype": kinds.get(name, "BYTES"), "shape": [-1]} for name in names],
        "outputs": [{"name": name, "datatype": _kind(name), "shape": [-1]} for name in _outputs(live)],
    }


def _outputs(live: Live) -> list[str]:
    scores = [f"score.{name}" for name in live.contract.classes] if live.contract.task == "multiclass" else ["score"]
    return [OUTPUTS[0], *scores, *OUTPUTS[2:], *(("arm",) if live.version.draw else ())]


def _kind(name: str) -> str:
    return "FP64" if name.startswith("score") else "BYTES"


def _read(live: Live, body: bytes, now: datetime | None, *, asked: Asked, json_bytes: bytes | None) -> Ask:
    _check_version(live, asked)
    size = len(body) if json_bytes is None else int(json_bytes) if json_bytes.isdigit() and len(json_bytes) < 20 else -1
    if not 0 < size <= len(body):
        said = f"inference-header-content-length is no number of bytes up to {len(body)}"
        raise Refused(400, said, field="inference-header-content-length", limit=len(body))
    request, raw = read_request(body[:size]), body[size:]
    _check_content_types(request)
    columns: dict[str, Given] = {}
    for tensor in request.inputs:
        if tensor.name in columns:
            raise _refused(request, f"the input {tensor.name[:100]!r} stands twice", field=tensor.name[:100])
        columns[tensor.name], raw = column_of(tensor, raw)
    if raw:
        raise _refused(request, f"{len(raw)} bytes are left behind the last binary tensor", field="body")
    form = Form(partial(_render, wanted=_wanted(live, request)), JSON)
    return read_table(live.contract, columns, now, request.id or None, body, form)


def _check_content_types(request: Request) -> None:
    parts: list[Request | Tensor] = [request, *request.inputs]
    for where in parts:
        kind = (where.parameters or {}).get("content_type")
        if kind is not None and kind not in CONTENT_TYPES:
            raise _refused(request, f"content_type {str(kind)[:100]!r} is not taken", allowed=list(CONTENT_TYPES))


def _wanted(live: Live, request: Request) -> Sequence[str]:
    known = _outputs(live)
    wanted = [each.name for each in request.outputs or ()]
    for name in wanted:
        if name not in known:
            raise _refused(request, f"there is no output {name[:100]!r}", field=name[:100], allowed=known)
    return wanted or known


def _refused(request: Request, detail: str, **more: Any) -> Refused:
    refused = Refused(422, detail, **more)
    refused.request_id = request.id or None
    return refused


def _render(head: Head, events: Sequence[Served], *, wanted: Sequence[str]) -> bytes:
    first, columns = events[0], columns_of(head, events)
    outputs = [
        {"name": name, "datatype": _kind(name), "shape": [len(columns[name])], "data": columns[name]}
        for name in wanted
        # A first answer from before the contract took a share has no arms to say.
        if name in columns
    ]
    return SERVED_JSON.encode(
        {
            "model_name": first.use_case,
            "model_version": str(first.release_sequence),
            "id": first.request_id,
            "parameters": {"package": first.package_digest, "behaviour": first.behaviour_digest},
            "outputs": outputs,
        }
    )
