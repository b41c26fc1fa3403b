"""What serving answers over HTTP, as OpenAPI; the twin behind has a document of its own at `/docs.json`."""

from typing import Any

from services.serving.arrow_body import ARROW
from services.serving.tensors import DATATYPES
from shared.spine.problems import MEDIA_TYPE

_JSON = "application/json"
_USE_CASE = {"name": "use_case", "in": "path", "required": True, "schema": {"type": "string"}}
_VERSION = {"name": "version", "in": "path", "required": True, "schema": {"type": "string"}}
_RECORD = {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean", "null"]}}
_OUTCOME = {
    "type": "object",
    "additionalProperties": False,
    "required": ["prediction_id"],
    "properties": {
        "prediction_id": {"type": "string"},
        "label": {"type": "string"},
        "value": {"type": "number"},
        "known_at": {"type": "string", "format": "date-time"},
    },
}
_ASKED = {
    "request_id": {"type": "string", "pattern": "^[A-Za-z0-9._:\\-]{1,128}$"},
    "records": {"type": "array", "items": _RECORD, "minItems": 1, "maxItems": 10_000},
    "record": _RECORD,
    "columns": {"type": "object", "additionalProperties": {"type": "array", "maxItems": 10_000}},
}
_TENSOR = {
    "type": "object",
    "required": ["name", "datatype", "shape"],
    "properties": {
        "name": {"type": "string"},
        "datatype": {"enum": list(DATATYPES)},
        "shape": {"type": "array", "items": {"type": "integer"}},
        "data": {"type": "array"},
    },
}
_INFERENCE = {"id": {"type": "string"}, "inputs": {"type": "array", "items": _TENSOR}}
_KNOWN = {"outcomes": {"type": "array", "items": _OUTCOME, "minItems": 1, "maxItems": 1000}}


def document() -> dict[str, Any]:
    """The OpenAPI document of the routes that the front answers itself."""
    predict = _act("Decide for each record, or each row of columns, under the live release.", _ASKED)
    predict["requestBody"]["content"][ARROW] = {"schema": {"type": "string", "format": "binary"}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Headrace serving", "version": "1"},
        "paths": {
            "/v1/{use_case}/predict": {"post": predict},
            "/v1/{use_case}/outcomes": {"post": _act("Say what really happened.", _KNOWN)},
            "/v1/{use_case}/parity": {"get": _look("Score the golden records of what is live again.", _USE_CASE)},
            "/v1/status": {"get": _look("Clock, what is pending, and details.")},
            "/healthz": {"get": _look("Alive.")},
            "/readyz": {"get": _look("Ready to work, or why not.")},
            "/metrics": {"get": _look("Prometheus metrics.")},
            **_inference_protocol(),
        },
        "components": {"securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}},
    }


def _inference_protocol() -> dict[str, Any]:
    """The routes of the Open Inference Protocol (V2)."""
    paths: dict[str, Any] = {
        "/v2": {"get": _look("Name and extensions of the server.")},
        "/v2/health/live": {"get": _look("Alive.")},
        "/v2/health/ready": {"get": _look("Ready to work.")},
        "/v2/models": {"get": _look("The use cases that have a release.")},
    }
    for place, named in (("", ()), ("/versions/{version}", (_VERSION,))):
        model = f"/v2/models/{{use_case}}{place}"
        paths[model] = {"get": _look("Inputs and outputs of a use case.", _USE_CASE, *named)}
        paths[f"{model}/ready"] = {"get": _look("Whether it is served.", _USE_CASE, *named)}
        paths[f"{model}/infer"] = {"post": _act("Decide for each row of the tensors.", _INFERENCE, *named)}
    return paths


def _act(said: str, properties: dict[str, Any], *named: dict[str, Any]) -> dict[str, Any]:
    body = {"type": "object", "additionalProperties": False, "properties": properties}
    refused = {"description": "problem details", "content": {MEDIA_TYPE: {"schema": {"type": "object"}}}}
    return {
        "summary": said,
        "parameters": [_USE_CASE, *named],
        "security": [{"key": []}],
        "requestBody": {"required": True, "content": {_JSON: {"schema": body}}},
        "responses": {"200": {"description": "all of it was taken"}, "4XX": refused, "503": refused},
    }


def _look(said: str, *named: dict[str, Any]) -> dict[str, Any]:
    found = {"summary": said, "responses": {"200": {"description": "the answer"}}}
    return found | ({"parameters": list(named), "security": [{"key": []}]} if named else {})
