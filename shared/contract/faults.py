"""What a rule of the contract says when it is broken, and how a rule is registered."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.contract.schema import Contract


@dataclass(frozen=True)
class Fault:
    """One place where the contract contradicts itself. `on_key`: the name is wrong there, not its value."""

    path: tuple[str | int, ...]
    message: str
    allowed: str = ""
    on_key: bool = False


Rule = Callable[["Contract"], Iterator[Fault]]
RULES: list[tuple[frozenset[str], Rule]] = []


def rule(*needs: str) -> Callable[[Rule], Rule]:
    """Register a rule that reads only these top-level fields, so it can run while others are still broken."""

    def register(function: Rule) -> Rule:
        RULES.append((frozenset(needs), function))
        return function

    return register


def did_you_mean(word: str, known: Collection[str]) -> str:
    """A hint for a word that is close to an allowed one.

    >>> did_you_mean("revew", ["none", "review"])
    ', did you mean review?'
    """
    near = get_close_matches(word, list(known), n=1)
    return f", did you mean {near[0]}?" if near else ""


def unknown(path: tuple[str | int, ...], word: str, known: Collection[str], what: str, on_key: bool = False) -> Fault:
    return Fault(path, f"{word!r} is not {what}{did_you_mean(word, known)}", "one of " + ", ".join(known), on_key)


def repeated(path: tuple[str | int, ...], words: Collection[str]) -> Iterator[Fault]:
    seen: set[str] = set()
    for place, word in enumerate(words):
        if word in seen:
            yield Fault((*path, place), f"{word!r} stands here twice", "each name once")
        seen.add(word)


def ordered(path: tuple[str | int, ...], bounds: tuple[float, float] | None) -> Iterator[Fault]:
    if bounds is not None and bounds[0] >= bounds[1]:
        yield Fault(path, f"{bounds[0]:g} is not below {bounds[1]:g}", "[lowest, highest], lowest < highest")
