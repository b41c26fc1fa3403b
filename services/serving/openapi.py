"""What serving answers over HTTP, as OpenAPI; the twin behind has a document of its own at `/docs.json`."""

from typing import Any

from shared.spine.problems import MEDIA_TYPE

_JSON = "application/json"
_USE_CASE = {"name": "use_case", "in": "path", "required": True, "schema": {"type": "string"}}
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
}
_KNOWN = {"outcomes": {"type": "array", "items": _OUTCOME, "minItems": 1, "maxItems": 1000}}


def document() -> dict[str, Any]:
    """The OpenAPI document of the routes that the front answers itself."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Headrace serving", "version": "1"},
        "paths": {
            "/v1/{use_case}/predict": {"post": _act("Decide for each record under the live release.", _ASKED)},
            "/v1/{use_case}/outcomes": {"post": _act("Say what really happened.", _KNOWN)},
            "/v1/status": {"get": _look("Clock, what is pending, and details.")},
            "/healthz": {"get": _look("Alive.")},
            "/readyz": {"get": _look("Ready to work, or why not.")},
            "/metrics": {"get": _look("Prometheus metrics.")},
        },
        "components": {"securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}},
    }


def _act(said: str, properties: dict[str, Any]) -> dict[str, Any]:
    body = {"type": "object", "additionalProperties": False, "properties": properties}
    refused = {"description": "problem details", "content": {MEDIA_TYPE: {"schema": {"type": "object"}}}}
    return {
        "summary": said,
        "parameters": [_USE_CASE],
        "security": [{"key": []}],
        "requestBody": {"required": True, "content": {_JSON: {"schema": body}}},
        "responses": {"200": {"description": "all of it was taken"}, "4XX": refused, "503": refused},
    }


def _look(said: str) -> dict[str, Any]:
    return {"summary": said, "responses": {"200": {"description": "the answer"}}}
