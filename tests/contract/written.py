"""Small contracts as their owners would write them, for the tests of this room."""

from shared.contract import Contract, Policy, derive_policy, read_contract

BINARY = """\
use_case: late_trains
owner: desk
objective: Say which trains will be late.
task: binary
timezone: Europe/Berlin
event_time: left_at
features:
  km: {type: number, range: [0, 2000]}
  line: {type: category}
label: {name: late, classes: [on_time, late], mature_after: 1d, give_up_after: 3d}
currency: EUR
decisions:
  none: {on_time: 0.00, late: 5.00}
  act: {on_time: 1.00, late: 0.00}
  review: {on_time: 0.60, late: 0.60, capacity: {limit: 2}}
without_model: none
training: {source: "source:load", pipeline: "pipeline:build"}
signed_by: {owner: desk}
"""
MULTICLASS = (
    BINARY.replace("task: binary", "task: multiclass")
    .replace("[on_time, late]", "[on_time, late, cancelled]")
    .replace("late: 5.00}", "late: 5.00, cancelled: 9.00}")
    .replace("late: 0.00}", "late: 0.00, cancelled: 4.00}")
    .replace("late: 0.60,", "late: 0.60, cancelled: 0.60,")
)
REGRESSION = """\
use_case: demand
owner: planner
objective: Say how much is needed tomorrow.
task: regression
event_time: asked_at
features: {km: {type: number}}
label: {name: units, range: [0, 500], mature_after: 1d, give_up_after: 3d}
currency: EUR
costs: {under: 3.00, over: 1.00}
without_model: 120
training: {source: "source:load", pipeline: "pipeline:build"}
signed_by: {owner: planner}
"""

# A second desk: it looks at one case a day, better than the first where the case is late.
SECOND_DESK = ("without_model", "  ask: {on_time: 0.80, late: 0.30, capacity: {limit: 1}}\nwithout_model")


def contract(text: str = BINARY, *changes: tuple[str, str]) -> Contract:
    """The contract of this text after these replacements, each of which must hit something."""
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return read_contract(text)


def policy(text: str = BINARY, *changes: tuple[str, str]) -> Policy:
    """The policy of that contract before any demand is known: no shadow price."""
    return derive_policy(contract(text, *changes))
