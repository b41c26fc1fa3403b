"""PURE: pages of the documentation that are written by the code itself: the event catalogue, the contract reference."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from shared.contract.json_schema import allowed, at, contract_json_schema, keys
from shared.events.asyncapi import document

Path = tuple[str | int, ...]
# Every section of a contract, where NAME is chosen by its writer.
SECTIONS: tuple[tuple[str, Path], ...] = (
    ("The whole contract", ()),
    ("features: NAME", ("features", "NAME")),
    ("label", ("label",)),
    ("decisions: NAME", ("decisions", "NAME")),
    ("decisions: NAME: capacity", ("decisions", "NAME", "capacity")),
    ("costs", ("costs",)),
    ("kpis: NAME", ("kpis", "NAME")),
    ("monitoring", ("monitoring",)),
    ("training", ("training",)),
    ("gates", ("gates",)),
    ("retraining", ("retraining",)),
    ("rollback", ("rollback",)),
    ("reporting", ("reporting",)),
)


def event_catalogue() -> str:
    """Every event with who says and hears it, its fields, its headers and an example, from the AsyncAPI document."""
    said = document()
    messages, schemas = said["components"]["messages"], said["components"]["schemas"]
    topics = [topic for topic in said["channels"] if not topic.endswith(".dead")]
    lines = [
        "# Events",
        "",
        "Written from the catalogue itself; `headrace asyncapi` prints the same as AsyncAPI 3. "
        + said["info"]["description"],
        "",
        *_table(
            ("Topic", "Meaning"),
            [(f"[`{t}`](#{t})", said["channels"][t]["description"].split("\n\n")[0]) for t in topics],
        ),
    ]
    for topic in topics:
        (name,) = said["channels"][topic]["messages"]
        lines += ["", f"## {topic}", "", _one_line(said["channels"][topic]["description"]), ""]
        lines += [
            _who(said["operations"], topic, "send", "Said by"),
            _who(said["operations"], topic, "receive", "Heard by"),
        ]
        lines += ["", *_fields(schemas[name])]
        for part in _parts(schemas[name], schemas):
            lines += ["", f"**{part}**: {_one_line(schemas[part].get('description', ''))}", "", *_fields(schemas[part])]
        example = messages[name]["examples"][0]
        lines += ["", "```json", json.dumps(example["headers"] | {"body": example["payload"]}, indent=2), "```"]
    dead = messages["DeadLetter"]
    headers = [(f"`{name}`", one["description"]) for name, one in dead["headers"]["properties"].items()]
    lines += [
        "",
        "## Dead letters",
        "",
        f"`<topic>.dead`: {dead['summary']}",
        "",
        *_table(("Header", "Meaning"), headers),
    ]
    return "\n".join(lines) + "\n"


def contract_reference() -> str:
    """Every key of a contract: what is allowed, what is usual, what it means, from the JSON Schema."""
    lines = [
        "# The contract",
        "",
        "Written from the schema that `headrace validate` checks. A key without a usual value must be there; one whose "
        "usual value is – may be left out. Editors complete a contract with contract.schema.json.",
    ]
    for title, path in SECTIONS:
        node = at(path)
        lines += [
            "",
            f"## {title}",
            "",
            _one_line(node.get("description", contract_json_schema().get("description", ""))),
        ]
        rows = [
            (f"`{key}`", allowed((*path, key)), _usual(node, key), _one_line(_said_of(node, key))) for key in keys(path)
        ]
        if path == ("decisions", "NAME"):
            rows.append(
                ("each class of the label", "money in the contract's currency", "", "what the decision costs then")
            )
        lines += ["", *_table(("Key", "Allowed", "Usual", "Meaning"), rows)]
    return "\n".join(lines) + "\n"


def from_the_root(text: str) -> str:
    """A page of the repository's root as one of the site: its links lead to the site's pages."""
    pages = {"README.md": "index.md", "CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md"}
    for file, page in pages.items():
        text = text.replace(f"]({file}", f"]({page}")
    return re.sub(r"\[([^\]]+)\]\(LICENSE\)", r"\1", text).replace("](docs/", "](")


def within_docs(text: str) -> str:
    """A page of docs/ as one of the site, where code is named but is no page."""
    return re.sub(r"\[([^\]]+)\]\(\.\./[^)]*\)", r"\1", text)


def _who(operations: Mapping[str, Any], topic: str, action: str, words: str) -> str:
    names = [
        one["tags"][0]["name"]
        for one in operations.values()
        if one["action"] == action and one["channel"]["$ref"] == f"#/channels/{topic}"
    ]
    return f"- {words}: {', '.join(names) or 'nobody'}"


def _fields(schema: Mapping[str, Any]) -> list[str]:
    required = schema.get("required", ())
    rows = [
        (f"`{name}`", _kind(one), "yes" if name in required else f"no, {json.dumps(one.get('default'))}")
        for name, one in schema["properties"].items()
    ]
    return _table(("Field", "Holds", "Required"), rows)


def _parts(schema: Any, schemas: Mapping[str, Any]) -> Iterator[str]:
    """The names of the pieces that a schema refers to."""
    for name in sorted(set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(schema)))):
        if "properties" in schemas[name]:
            yield name
            yield from _parts(schemas[name], schemas)


def _kind(one: Mapping[str, Any]) -> str:
    """A JSON Schema node in a few words."""
    if "$ref" in one:
        return str(one["$ref"]).rpartition("/")[2].replace("JsonValue", "anything that JSON knows")
    if "anyOf" in one:
        return " or ".join(dict.fromkeys(_kind(choice) for choice in one["anyOf"]))
    if "enum" in one or "const" in one:
        return "one of " + ", ".join(map(str, one.get("enum", [one.get("const")])))
    match one.get("type"):
        case "array":
            most = f", at most {one['maxItems']:,}" if "maxItems" in one else ""
            return f"list of {_kind(one.get('items', {}))}{most}"
        case "object":
            inner = one.get("additionalProperties")
            return f"map to {_kind(inner)}" if isinstance(inner, dict) and inner else "document"
        case "string" if one.get("format") == "date-time":
            return "time with offset"
        case "string" if "maxLength" in one:
            return f"text, at most {one['maxLength']:,}"
        case "string":
            return f"text of the form `{one['pattern']}`" if "pattern" in one else "text"
        case None:
            return "any value"
    bounds = [f"{word} {one[key]:g}" for key, word in (("minimum", "from"), ("maximum", "to")) if key in one]
    return " ".join([str(one["type"]), *bounds])


def _usual(node: Mapping[str, Any], key: str) -> str:
    if key in node.get("required", ()):
        return ""
    default = node["properties"][key].get("default")
    return f"`{json.dumps(default)}`" if default is not None and not isinstance(default, dict) else "–"


def _said_of(node: Mapping[str, Any], key: str) -> str:
    one = node["properties"][key]
    return str(one.get("description") or _section_of(one))


def _section_of(one: Mapping[str, Any]) -> str:
    """What is said of the section that a key refers to."""
    named = re.search(r'"#/\$defs/(\w+)"', json.dumps(one))
    return str(contract_json_schema()["$defs"][named[1]].get("description", "")) if named else ""


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return lines + ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]


def _one_line(text: str) -> str:
    return " ".join(text.split())
