"""What an alarm costs per block, what that rests on, and whether it asks for an act or only warns. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from shared.contract.schema import Contract


class Before(Protocol):
    """What a package's reference cost, minor units per case."""

    def cost_per_case(self, contract: Contract) -> float:
        """As its labels say."""

    def expected_cost_per_case(self, contract: Contract) -> float:
        """As its scores expect; NaN where they expect nothing."""


class Block(Protocol):
    """A judged block of the epoch, with its report."""

    block: Any
    judged: Any


@dataclass(frozen=True)
class Impact:
    """An estimate, not a sum: what recent blocks cost more per block than the reference would."""

    minor_per_block: int
    rests_on: Literal["labels", "scores", "nothing"]

    def severity(self, contract: Contract) -> Literal["warning", "action"]:
        """A warning only where the business said what is too little to act on, and the impact is known to be less."""
        least = contract.monitoring.least_impact
        known = self.rests_on != "nothing"
        return "warning" if least is not None and known and self.minor_per_block < contract.minor(least) else "action"


def impact_of(recent: Sequence[Block], before: Before, contract: Contract) -> Impact:
    """Estimate from labels where there are any, else from what the scores expect, audited labels included."""
    reports = [row.judged for row in recent if row.judged is not None]
    if not reports:
        return Impact(0, "nothing")
    volume = sum(int(report["volume"]) for report in reports) / len({row.block for row in recent})
    if labelled := sum(int(report["labelled"]) for report in reports):
        per_case = sum(int(report["cost_minor"]) for report in reports) / labelled
        return Impact(round((per_case - before.cost_per_case(contract)) * volume), "labels")
    estimates = [one for report in reports if (one := report.get("estimated")) and one["cost_minor"] is not None]
    expected = before.expected_cost_per_case(contract)
    if not estimates or math.isnan(expected):
        return Impact(0, "nothing")
    per_case = sum(one["cost_minor"] for one in estimates) / sum(one["volume"] for one in estimates)
    return Impact(round((per_case - expected) * volume), "scores")
