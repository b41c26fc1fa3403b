"""A mistake in a contract file: where it is, what is wrong, what is allowed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Problem:
    """Line and column count from 1, as editors do; `path` is dotted, "decisions.review.capacity.limit"."""

    line: int
    column: int
    path: str
    message: str
    allowed: str = ""

    def __str__(self) -> str:
        place = f"line {self.line}, column {self.column}"
        where = f"{place}, {self.path}: " if self.path else f"{place}: "
        return where + self.message + (f" (allowed: {self.allowed})" if self.allowed else "")


class ContractError(ValueError):
    """A text that is no contract, with everything that is wrong with it."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = sorted(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))
