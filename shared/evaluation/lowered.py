"""PURE: what a report says about lowered capacities, as decisions take it."""

from shared.contract import Lowered
from shared.events import KpiReported


def lowered_of(report: KpiReported) -> list[Lowered]:
    """The words of the teams in the report's block, oldest first."""
    return [
        Lowered(word.sequence, word.at, report.block, word.decision, word.limit) for word in report.capacity_changes
    ]
