"""Reads YAML text into plain data and remembers where everything stood."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import yaml
from yaml.reader import ReaderError

from shared.contract.problems import ContractError, Problem

LARGEST_TEXT = 256 * 1024
DEEPEST = 12
LONGEST_NUMBER = 40
# YAML also knows .nan, .inf and sexagesimal 1:30.5, none of which is an amount.
_DECIMAL = re.compile(r"[+-]?(\d[\d_]*)?\.?\d*([eE][+-]?\d{1,4})?")

Path = tuple[str | int, ...]
Place = tuple[int, int]


class _Refused(yaml.MarkedYAMLError):
    """Valid YAML that a contract has no use for."""


class _Loader(yaml.SafeLoader):
    """YAML 1.2 scalars: `on`, `no` and `12:30` are text here, as the reader of the file expects."""

    yaml_implicit_resolvers = {}
    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call] # the stubs of PyYAML leave it out
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            # Nothing is referred to, so nothing can be multiplied and every value stands where it is read.
            raise _Refused(
                problem="anchors and aliases (& and *) are not used in a contract", problem_mark=event.start_mark
            )
        if self.depth >= DEEPEST:
            raise _Refused(problem=f"is nested more than {DEEPEST} levels deep", problem_mark=event.start_mark)
        self.depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


_NUMBER = "-+0123456789"
_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""])
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:[Tt]rue|TRUE|[Ff]alse|FALSE)$"), list("tTfF"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[-+]?[0-9]+$", re.ASCII), list(_NUMBER))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$|^[-+]?\.(?:inf|Inf|INF)$|^\.(?:nan|NaN|NAN)$",
        re.ASCII,
    ),
    list(_NUMBER + "."),
)


@dataclass
class Document:
    """The data of a text, the place of each value and of each key, and what YAML alone finds wrong."""

    data: Any = None
    values: dict[Path, Place] = field(default_factory=dict)
    keys: dict[Path, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def has(self, path: Path) -> bool:
        return path in self.values

    def problem(self, path: Path, message: str, allowed: str = "", on_key: bool = False) -> Problem:
        """A problem at this path, or at the nearest section around it that stands in the text."""
        known = path
        while known and known not in self.values:
            known = known[:-1]
        place = self.keys.get(known) if on_key or known != path else None
        line, column = place or self.values.get(known, (1, 1))
        return Problem(line, column, ".".join(map(str, path)), message, allowed)


def load(text: str) -> Document:
    """Data with every number as int or Decimal, so that 0.10 is one tenth; ContractError where it is no YAML."""
    if len(text) > LARGEST_TEXT:
        raise ContractError([Problem(1, 1, "", f"the file has {len(text)} characters", f"at most {LARGEST_TEXT}")])
    try:
        root = _Loader(text).get_single_node()
    except ReaderError as error:
        before = text[: error.position]
        column = len(before) - (before.rfind("\n") + 1) + 1
        code = f"the character U+{ord(text[error.position]):04X} is not allowed in a file"
        raise ContractError([Problem(before.count("\n") + 1, column, "", code, "printable text")]) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        said = ", ".join(part for part in (error.context, error.problem) if part)
        raise ContractError([Problem(line, column, "", said or "is not YAML", "YAML")]) from None
    if not isinstance(root, yaml.MappingNode):
        raise ContractError([Problem(1, 1, "", "is not a contract: no keys at the top", "use_case: …, owner: …")])
    document = Document()
    document.data = _convert(document, root, ())
    return document


def _convert(document: Document, node: yaml.Node, path: Path) -> Any:
    document.values[path] = _place(node)
    match node:
        case yaml.MappingNode():
            return _mapping(document, node, path)
        case yaml.SequenceNode():
            return [_convert(document, item, (*path, place)) for place, item in enumerate(node.value)]
    return _scalar(document, node, path)


def _mapping(document: Document, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
    entries: dict[str, Any] = {}
    for key_node, value_node in node.value:
        if not isinstance(key_node, yaml.ScalarNode):
            line, column = _place(key_node)
            document.problems.append(
                Problem(line, column, ".".join(map(str, path)), "a key must be a name", "name: value")
            )
            continue
        key = key_node.value
        if key in entries:
            first = document.keys[(*path, key)][0]
            dotted = ".".join(map(str, (*path, key)))
            message = f"the key {key!r} stands here again, first in line {first}"
            document.problems.append(Problem(*_place(key_node), dotted, message, "each key once"))
            continue
        document.keys[(*path, key)] = _place(key_node)
        entries[key] = _convert(document, value_node, (*path, key))
    return entries


def _scalar(document: Document, node: yaml.Node, path: Path) -> Any:
    text: str = node.value
    match node.tag.removeprefix("tag:yaml.org,2002:"):
        case "null":
            return None
        case "bool":
            return text.lower() == "true"
        case "int" if len(text) <= LONGEST_NUMBER and text.lstrip("+-").isdecimal():
            return int(text)
        case "float" if len(text) <= LONGEST_NUMBER and _DECIMAL.fullmatch(text):
            return Decimal(text)
        case "str":
            return text
        case "int" | "float":
            shown = text if len(text) <= LONGEST_NUMBER else f"a number of {len(text)} characters"
            document.problems.append(document.problem(path, f"{shown} is no number here", "digits, like 12 or 0.60"))
            return None
    document.problems.append(document.problem(path, f"the tag {node.tag} is not used in a contract", "plain values"))
    return None


def _place(node: yaml.Node) -> Place:
    return node.start_mark.line + 1, node.start_mark.column + 1
