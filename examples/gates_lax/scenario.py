"""What `headrace demo gates` plays: March to June 2013, in which the winds change; nobody interferes."""

from datetime import date

FIRST_DAY = date(2013, 3, 1)
LAST_DAY = date(2013, 12, 31)
USUAL_MONTHS = "3-6"
SIMULATED = False
