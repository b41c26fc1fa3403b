"""Exports the contract as JSON Schema, so that an editor completes and checks it while it is written."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from shared.contract.durations import Duration
from shared.contract.schema import Contract


class _Schema(GenerateJsonSchema):
    """A default stands in the schema as it would stand in the file."""

    def encode_default(self, dft: Any) -> Any:
        return str(dft) if isinstance(dft, Duration) else super().encode_default(dft)


@cache
def contract_json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of the contract file; what needs two places at once is left to `headrace validate`."""
    schema = Contract.model_json_schema(mode="validation", schema_generator=_Schema)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "Headrace use case contract"}


def schema_text() -> str:
    """The schema as the file docs/contract.schema.json holds it."""
    return json.dumps(contract_json_schema(), indent=2, ensure_ascii=False) + "\n"


def at(path: tuple[str | int, ...]) -> dict[str, Any]:
    """The part of the schema for a place in the contract; empty where nothing is known about it."""
    node = _resolved(contract_json_schema())
    for part in path:
        node = _resolved(_child(node, part))
    return node


def allowed(path: tuple[str | int, ...]) -> str:
    """What may stand at a place in the contract, in one line."""
    node = at(path)
    if "enum" in node:
        return "one of " + ", ".join(map(str, node["enum"]))
    if "const" in node:
        return str(node["const"])
    if "x-allowed" in node:
        return str(node["x-allowed"])
    return _kind(node)


def keys(path: tuple[str | int, ...]) -> list[str]:
    """The keys a section may have; empty where it takes any."""
    return list(at(path).get("properties", ()))


def _kind(node: dict[str, Any]) -> str:
    low, high = node.get("minimum", node.get("exclusiveMinimum")), node.get("maximum", node.get("exclusiveMaximum"))
    match node.get("type"):
        case "object" if "properties" in node:
            return "a section with the keys " + ", ".join(node["properties"])
        case "object":
            return _counted("named entries", node.get("minProperties"), node.get("maxProperties"))
        case "array":
            items = _resolved(node.get("items") or {})
            entries = "a list, each " + _kind(items) if items.get("enum") else "a list"
            return _counted(entries, node.get("minItems"), node.get("maxItems"))
        case "boolean":
            return "true or false"
        case "integer":
            return _counted("a whole number", low, high)
        case "number":
            return _counted("a number", low, high)
        case "string":
            return "text"
    return "one of " + ", ".join(map(str, node["enum"])) if "enum" in node else ""


def _counted(what: str, low: float | None, high: float | None) -> str:
    if low is not None and low == high:
        return f"{what}, exactly {low}"
    bounds = [f"{word} {bound}" for word, bound in (("from", low), ("to", high)) if bound is not None]
    return ", ".join([what, " ".join(bounds)]) if bounds else what


def _resolved(node: dict[str, Any]) -> dict[str, Any]:
    """The node behind a reference or an optional value, with what was said about it on the way."""
    said = {key: node[key] for key in ("description", "x-allowed") if key in node}
    choices = [one for one in node.get("anyOf", ()) if one.get("type") != "null"]
    if "$ref" in node:
        return _resolved(contract_json_schema()["$defs"][node["$ref"].rsplit("/", 1)[1]]) | said
    if len(choices) == 1 and "properties" not in node:
        return _resolved(choices[0]) | said
    return node


def _child(node: dict[str, Any], part: str | int) -> dict[str, Any]:
    if isinstance(part, int):
        prefix = node.get("prefixItems", [])
        found = prefix[part] if part < len(prefix) else node.get("items")
    else:
        entries = [node.get("additionalProperties"), *node.get("patternProperties", {}).values()]
        found = node.get("properties", {}).get(part) or next((one for one in entries if isinstance(one, dict)), {})
    return found if isinstance(found, dict) else {}
