"""What `headrace demo loans` plays: four SIMULATED weeks, in one of which half of the team is away."""

from datetime import date

from headrace.acts import Act, Stage

FIRST_DAY = date(2025, 3, 3)
LAST_DAY = date(2025, 3, 30)
USUAL_MONTHS = "3"
SIMULATED = True

# From a Wednesday to the next.
CUT_DAY = date(2025, 3, 12)
RESTORED_DAY = date(2025, 3, 19)
CAPACITY, CUT_CAPACITY = 40, 20


def acts(stage: Stage) -> dict[date, Act]:
    """The team of 40 a day is a team of 20 for a week; nobody trains anything for that."""
    return {
        CUT_DAY: stage.limit_desk(CAPACITY, CUT_CAPACITY),
        RESTORED_DAY: stage.limit_desk(CAPACITY, CAPACITY),
    }
