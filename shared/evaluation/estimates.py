"""PURE: what the model earned, estimated from the cases that were drawn at random; never part of a realised sum.

Cases are drawn one by one within a block, so the error of a total is that of a stratified sample: strata are blocks,
joined until each has enough drawn cases. Means are Hájek's (weights inverse to the propensities, divided by their sum;
within a stratum the propensities are equal, so they are plain means).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import sqrt

from scipy.stats import t as student

from shared.evaluation.arms import ArmTotals

ENOUGH = 30
DRAWN = (
    "plain 95 % interval of an estimate: how far the total could be off because only some cases were drawn; good for "
    "one look at blocks that were chosen before, not for a look every day"
)
NOT_CAUSAL = (
    "not causal: no case was decided without the model. Value is the cost table's price of what was decided, against "
    "its price of deciding without a model, on the same labelled cases"
)
CAUSAL = (
    "causal: cases drawn at random were decided without the model. The estimate is what the cases that the model "
    "decided would have cost at the mean cost of those, less what they did cost"
)
HIDDEN = "no audited case has a label: what the decisions without one were worth is not known"
NONE = ArmTotals(0, 0, 0, 0, 0.0, 0.0)
Arms = Mapping[str, ArmTotals]


@dataclass(frozen=True)
class Sampled:
    """The arms of one judged block; only blocks under the same contract are joined, for they share its shares."""

    block: str
    contract: str
    arms: Arms


@dataclass(frozen=True)
class Estimate:
    """A total in minor units with its interval; `cases` it is about, `drawn` it rests on, `blocks` it covers."""

    minor: int
    low: int
    high: int
    cases: int
    drawn: int
    blocks: int


@dataclass(frozen=True)
class NotEstimated:
    """Why there is no estimate."""

    reason: str


@dataclass(frozen=True)
class _Part:
    """A stratum's total, the variance of its error, and the drawn cases it rests on."""

    total: float
    variance: float
    cases: int
    drawn: int


def causal_value(blocks: Sequence[Sampled]) -> Estimate | NotEstimated:
    """What the model earned on the cases it decided, against the mean cost of the control cases of the same blocks."""
    with_control = [one for one in blocks if "control" in one.arms]
    if not with_control:
        return NotEstimated(NOT_CAUSAL)
    if _hides_all(with_control):
        return NotEstimated(f"not causal: {HIDDEN}")
    found = _estimate(with_control, _enough_control, _effect, "labelled control cases")
    return NotEstimated(f"not causal: {found.reason}") if isinstance(found, NotEstimated) else found


def value_of_all(blocks: Sequence[Sampled]) -> Estimate | NotEstimated:
    """What the model earned on all the cases it decided, where only some decisions show a label.

    Cases with a label of their own are counted; the hidden ones get the mean of those that an audit labelled.
    """
    drawn = [one for one in blocks if one.arms]
    if not drawn or _hides_all(drawn):
        return NotEstimated(HIDDEN)
    return _estimate(drawn, _enough_hidden, _all_cases, "audited cases with a label")


def _hides_all(blocks: Sequence[Sampled]) -> bool:
    hidden = [one.arms["hidden"] for one in blocks if "hidden" in one.arms]
    return bool(hidden) and not any(arm.labelled for arm in hidden)


def _estimate(
    blocks: Sequence[Sampled], enough: Callable[[Arms], bool], part_of: Callable[[Arms], _Part], drawn: str
) -> Estimate | NotEstimated:
    strata, left_out = [], 0
    for _, same in groupby(blocks, key=lambda one: one.contract):
        group = list(same)
        joined = _strata([one.arms for one in group], enough)
        strata += joined
        left_out += 0 if joined else len(group)
    if not strata:
        return NotEstimated(f"fewer than {ENOUGH} {drawn}: too few for an estimate")
    parts = [part_of(each) for each in strata]
    total, error = sum(part.total for part in parts), sqrt(sum(part.variance for part in parts))
    freedom = max(1, sum(part.drawn - 1 for part in parts if part.drawn))
    half = float(student.ppf(0.975, freedom)) * error
    return Estimate(
        minor=round(total),
        low=round(total - half),
        high=round(total + half),
        cases=sum(part.cases for part in parts),
        drawn=sum(part.drawn for part in parts),
        blocks=len(blocks) - left_out,
    )


def _strata(blocks: Iterable[Arms], enough: Callable[[Arms], bool]) -> list[Arms]:
    """Blocks joined in order until each stratum has enough; what is left over joins the last. [] for too few."""
    found: list[Arms] = []
    open_: Arms = {}
    for arms in blocks:
        open_ = _join(open_, arms)
        if enough(open_):
            found.append(open_)
            open_ = {}
    if open_ and found:
        found.append(_join(found.pop(), open_))
    return found


def _enough_control(arms: Arms) -> bool:
    return arms.get("control", NONE).labelled >= ENOUGH and _enough_hidden(arms)


def _enough_hidden(arms: Arms) -> bool:
    hidden = arms.get("hidden", NONE)
    return hidden.labelled >= ENOUGH or hidden.labelled == hidden.cases


def _effect(arms: Arms) -> _Part:
    control, model, hidden = (arms.get(name, NONE) for name in ("control", "model", "hidden"))
    # Of cases that show their label, those that have one count, as in the realised sums; of the hidden all.
    cases = model.labelled + hidden.cases
    if not cases:
        return _Part(0.0, 0.0, 0, control.labelled)
    without = cases * control.cost_minor / control.labelled
    # The control cases' mean predicts that of the others: both are draws from the same block.
    variance = cases**2 * control.cost_variance * (1 / control.labelled + 1 / cases)
    cost = model.cost_minor + _scaled(hidden, hidden.cost_minor)
    return _Part(without - cost, variance + _sampling(hidden, hidden.cost_variance), cases, control.labelled)


def _all_cases(arms: Arms) -> _Part:
    model, hidden = arms.get("model", NONE), arms.get("hidden", NONE)
    value = model.cost_without_model_minor - model.cost_minor
    value_of_hidden = _scaled(hidden, hidden.cost_without_model_minor - hidden.cost_minor)
    cases = model.labelled + hidden.cases
    return _Part(value + value_of_hidden, _sampling(hidden, hidden.value_variance), cases, hidden.labelled)


def _scaled(arm: ArmTotals, total: int) -> float:
    return arm.cases * total / arm.labelled if arm.labelled else 0.0


def _sampling(arm: ArmTotals, variance: float) -> float:
    """Variance of a scaled total: a simple random sample without replacement."""
    return arm.cases**2 * variance / arm.labelled * (1 - arm.labelled / arm.cases) if arm.labelled else 0.0


def _join(one: Arms, other: Arms) -> dict[str, ArmTotals]:
    names = dict.fromkeys([*one, *other])
    return {name: _add(one.get(name, NONE), other.get(name, NONE)) for name in names}


def _add(one: ArmTotals, other: ArmTotals) -> ArmTotals:
    labelled, cost = one.labelled + other.labelled, one.cost_minor + other.cost_minor
    without = one.cost_without_model_minor + other.cost_without_model_minor
    costs = sum(_squares(each.labelled, each.cost_minor, each.cost_variance) for each in (one, other))
    values = sum(
        _squares(each.labelled, each.cost_without_model_minor - each.cost_minor, each.value_variance)
        for each in (one, other)
    )
    return ArmTotals(
        one.cases + other.cases,
        labelled,
        cost,
        without,
        _variance(labelled, cost, costs),
        _variance(labelled, without - cost, values),
    )


def _squares(count: int, total: int, variance: float) -> float:
    return variance * (count - 1) + total * total / count if count else 0.0


def _variance(count: int, total: int, squares: float) -> float:
    return max(0.0, (squares - total * total / count) / (count - 1)) if count > 1 else 0.0
