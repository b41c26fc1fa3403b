"""PURE: labels that come late or wrong at first, drawn by the id of their prediction: the same in every run."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from shared.evidence import uniform_of

Told = dict[str, Any]
_LONGEST_DAYS = 3


@dataclass
class Disorder:
    """Holds back a share of labels by one to three days; of others a share is wrong, until it is corrected."""

    late: float
    corrected: float
    classes: Sequence[str]
    counts: Counter[str] = field(default_factory=Counter)
    _waiting: list[tuple[int, Told]] = field(default_factory=list)

    def of(self, day: int, outcomes: Sequence[Told]) -> list[Told]:
        """What is told now of what became known; the rest waits."""
        return [said for outcome in outcomes if (said := self._now(day, outcome)) is not None]

    def due(self, day: int, at: datetime, *, everything: bool = False) -> list[Told]:
        """What waited for this day; it became known `at` its beginning."""
        ready = [told for until, told in self._waiting if everything or until <= day]
        self._waiting = [] if everything else [each for each in self._waiting if each[0] > day]
        return [told | {"known_at": at.isoformat()} for told in ready]

    def _now(self, day: int, outcome: Told) -> Told | None:
        name = outcome["prediction_id"]
        days = 1 + int(uniform_of("days", name) * _LONGEST_DAYS)
        if uniform_of("late", name) < self.late:
            self.counts["label late"] += 1
            self._waiting.append((day + days, outcome))
            return None
        if uniform_of("corrected", name) < self.corrected:
            self.counts["label corrected"] += 1
            self._waiting.append((day + days, outcome))
            return outcome | {"label": next(each for each in self.classes if each != outcome["label"])}
        return outcome
