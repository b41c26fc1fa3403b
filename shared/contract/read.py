"""Reads a contract file and explains everything that is wrong with it at once."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Annotated, Any, cast

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from shared.contract.document import Document, Path, load
from shared.contract.faults import Fault, did_you_mean
from shared.contract.json_schema import allowed, at, keys
from shared.contract.problems import ContractError, Problem
from shared.contract.rules import find_faults
from shared.contract.schema import Contract

LONGEST_SHOWN = 60
# What pydantic calls the kinds of value, and what the writer of a contract calls them.
WORDS = {
    "Input should": "must",
    "a valid integer": "a whole number",
    "a valid dictionary": "a section",
    "a valid tuple": "a list",
    "a valid string": "text",
    "a valid boolean": "true or false",
}


def read_contract(text: str) -> Contract:
    """The contract in this YAML (or JSON) text; ContractError lists every mistake with its line and column."""
    document = load(text)
    problems = list(document.problems)
    try:
        contract = Contract.model_validate(document.data)
    except ValidationError as error:
        problems += _problems(document, error.errors(include_url=False))
    if problems:
        raise ContractError(problems)
    return contract


def _problems(document: Document, errors: list[ErrorDetails]) -> Iterator[Problem]:
    said: set[Path] = set()
    for error in errors:
        if error["type"] == "faults":
            yield from _faults(document, error["ctx"]["faults"])
            continue
        problem_path, problem = _explain(document, error)
        # A value of several possible kinds fails once per kind: one explanation is enough.
        if problem_path not in said:
            said.add(problem_path)
            yield problem
    broken = {error["loc"][0] for error in errors if error["loc"]}
    if broken:
        yield from _faults(document, _agreement_of_the_rest(document.data, broken))


def _faults(document: Document, faults: list[Fault]) -> Iterator[Problem]:
    for fault in faults:
        yield document.problem(fault.path, fault.message, fault.allowed, fault.on_key)


def _explain(document: Document, error: ErrorDetails) -> tuple[Path, Problem]:
    """One error of pydantic in the words of a contract's reader."""
    path = _in_document(document, error["loc"])
    last = error["loc"][-1] if error["loc"] else ""
    shown = _shown(error["input"])
    match error["type"]:
        case "missing" if isinstance(last, int):
            expected = f"{last + 1} values or more are expected here"
            return path, document.problem(path, expected, allowed(path))
        case "missing":
            path = (*path, last)
            return path, document.problem(path, f"`{last}` is missing", allowed(path))
        case "extra_forbidden":
            known = keys(path[:-1])
            message = f"unknown key {last!r}{did_you_mean(str(last), known)}"
            return path, document.problem(path, message, "one of " + ", ".join(known), on_key=True)
        case "literal_error":
            words = at(path).get("enum", ())
            hint = did_you_mean(str(error["input"]), [str(word) for word in words])
            return path, document.problem(path, f"{shown} is not allowed here{hint}", allowed(path))
        case "string_pattern_mismatch" | "string_too_long" | "string_too_short":
            if last == "[key]":
                form = "lower-case letters, digits and _, beginning with a letter, at most 64"
                return (*path, "[key]"), document.problem(path, f"{shown} is not a name", form, on_key=True)
            return path, document.problem(path, f"{shown} does not fit", allowed(path))
    message = error["msg"].replace("Input should", "must").replace("a valid integer", "a whole number")
    message = (
        message.replace("valid dictionary", "section").replace("valid tuple", "list").replace("valid string", "text")
    )
    return path, document.problem(path, f"{message}, not {shown}", allowed(path))


def _in_document(document: Document, location: tuple[str | int, ...]) -> Path:
    """The part of pydantic's location that stands in the text: it also names the kinds it tried."""
    path: Path = ()
    for part in location:
        if document.has((*path, part)):
            path = (*path, part)
    return path


def _shown(value: Any) -> str:
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case dict():
            return "a section"
        case list():
            return "a list"
        case str():
            text = repr(value)
            return text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 1] + "…"
    return str(value)


@cache
def _adapters() -> dict[str, TypeAdapter[Any]]:
    return {
        # Annotated wants something behind the type, so a field without limits is followed by its own name.
        name: TypeAdapter(cast(Any, Annotated[(info.annotation, *info.metadata, name)]))
        for name, info in Contract.model_fields.items()
    }


def _agreement_of_the_rest(data: dict[str, Any], broken: set[str | int]) -> list[Fault]:
    """What the readable fields contradict among themselves, so that one reading names all mistakes."""
    sound = {
        name: adapter.validate_python(data[name])
        for name, adapter in _adapters().items()
        if name in data and name not in broken
    }
    absent = {name for name, info in Contract.model_fields.items() if name not in data and not info.is_required()}
    return find_faults(Contract.model_construct(**sound), sound.keys() | absent)
