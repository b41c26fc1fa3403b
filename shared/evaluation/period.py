"""PURE: what a use case earned over a period, from the newest report of each of its blocks.

Realised sums are exact. What is an estimate is named so, has an interval, and enters no realised sum.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import sqrt
from statistics import fmean, stdev
from typing import Any

from scipy.stats import t as student

from shared.evaluation.arms import ArmTotals
from shared.evaluation.estimates import (
    CAUSAL,
    DRAWN,
    Estimate,
    NotEstimated,
    Sampled,
    causal_value,
    value_of_all,
)
from shared.evaluation.reported import Reported, bound, places_of

OVER_BLOCKS = (
    "plain 95 % interval (Student's t) of the total over judged blocks, taken as independent: how much such a total "
    "varies from one period to the next; good for one look at blocks that were chosen before, not for a look every day"
)
Interval = tuple[int, int]


@dataclass(frozen=True)
class Capacity:
    """A capped decision over the period: how many it could take and took, and on how many days nothing was left."""

    limit: int
    used: int
    days: int
    days_full: int


@dataclass(frozen=True)
class Against:
    """Realised value of judged blocks beside what the packages' own out-of-sample rows said; an estimate."""

    forecast_minor: int
    realised_minor: int
    difference_interval: Interval | None
    blocks: int
    without_forecast: int


@dataclass(frozen=True)
class PeriodValue:
    """One use case from block `first` to block `last`; money in minor units, over labelled cases."""

    use_case: str
    first: str
    last: str
    currency: str
    minor_digits: int
    blocks: int
    judged_blocks: int
    volume: int
    labelled: int
    awaiting: int
    given_up: int
    selected: bool
    decisions: dict[str, int]
    reasons: dict[str, int]
    capacity: dict[str, Capacity]
    cost_minor: int
    cost_without_model_minor: int
    value_minor: int
    judged_value_minor: int
    judged_interval: Interval | None
    forecast: Against | None
    causal: Estimate | NotEstimated
    of_all: Estimate | NotEstimated | None
    withheld_minor: int | None
    incidents: int
    by_block: tuple[dict[str, Any], ...]

    @property
    def is_causal(self) -> bool:
        """Whether value was measured against cases that were really decided without the model."""
        return isinstance(self.causal, Estimate)

    def to_json(self) -> dict[str, Any]:
        """For programs; every estimate beside what it is."""
        found = asdict(self)
        names = ("causal", "of_all", "withheld_minor", "judged_value_minor", "judged_interval", "judged_blocks")
        causal, of_all, withheld, value, interval, blocks = (found.pop(name) for name in names)
        return found | {
            "coverage": self.labelled / self.volume if self.volume else 0.0,
            "judged": {"blocks": blocks, "value_minor": value, "interval": interval, "interval_is": OVER_BLOCKS},
            "causal": {
                "causal": self.is_causal,
                "says": self.causal.reason if isinstance(self.causal, NotEstimated) else CAUSAL,
                "estimate": causal,
                "withheld_minor": withheld,
                "interval_is": DRAWN,
            },
            "estimate_of_all_cases": None if of_all is None else {"estimate": of_all, "interval_is": DRAWN},
        }


def period_value(use_case: str, reports: Iterable[Reported], digits: Sequence[int]) -> PeriodValue:
    """The value of the blocks of these reports, one per block and release; `digits` of the currency in each of them.

    ValueError without a report, or when the currency or its digits change within the period.
    """
    every = sorted(reports, key=lambda one: (one.block, one.release_sequence))
    if not every:
        raise ValueError("no block of this period is reported")
    currencies = list(dict.fromkeys(str(one["currency"]) for one in every))
    if len(currencies) > 1:
        raise ValueError(f"the currency changed from {currencies[0]} to {currencies[1]}: ask for each part by itself")
    if len(set(digits)) > 1:
        raise ValueError(f"the digits of {currencies[0]} that are counted changed: ask for each part by itself")
    judged = [one for one in every if one.judged]
    per_block = _sums(judged, "value_minor")
    causal = causal_value([sampled(one) for one in judged])
    limits = bound(every)
    return PeriodValue(
        use_case=use_case,
        first=every[0].block,
        last=every[-1].block,
        currency=currencies[0],
        minor_digits=digits[0],
        blocks=len({one.block for one in every}),
        judged_blocks=len(per_block),
        **{name: sum(int(one[name]) for one in every) for name in ("volume", "labelled", "awaiting", "given_up")},
        selected=any(one["selected"] for one in every),
        decisions=_counted(every, "decisions"),
        reasons=_counted(every, "reasons"),
        capacity=_capacity(every),
        **{
            name: sum(int(one[name]) for one in every)
            for name in ("cost_minor", "cost_without_model_minor", "value_minor")
        },
        judged_value_minor=sum(per_block.values()),
        judged_interval=over_blocks(list(per_block.values())),
        forecast=_against(judged),
        causal=causal,
        of_all=value_of_all([sampled(one) for one in judged]) if any(one["selected"] for one in every) else None,
        withheld_minor=_withheld(judged, causal),
        incidents=sum(len(one["incidents"]) for one in every),
        by_block=tuple(_line(one, limits) for one in every),
    )


def sampled(one: Reported) -> Sampled:
    """The arms of a block."""
    arms = {name: ArmTotals(**dict(arm)) for name, arm in (one.numbers.get("arms") or {}).items()}
    return Sampled(one.block, one.contract_digest, arms)


def over_blocks(values: Sequence[float]) -> Interval | None:
    """See OVER_BLOCKS; None below two blocks."""
    count = len(values)
    if count < 2:
        return None
    half = float(student.ppf(0.975, count - 1)) * stdev(values) * sqrt(count)
    return round(fmean(values) * count - half), round(fmean(values) * count + half)


def _sums(reports: Iterable[Reported], name: str) -> dict[str, int]:
    found: Counter[str] = Counter()
    for one in reports:
        found[one.block] += int(one[name])
    return dict(found)


def _counted(reports: Iterable[Reported], name: str) -> dict[str, int]:
    found: Counter[str] = Counter()
    for one in reports:
        found.update({str(key): int(count) for key, count in one[name].items()})
    return dict(sorted(found.items()))


def _capacity(reports: Sequence[Reported]) -> dict[str, Capacity]:
    places = places_of(reports)
    found = {}
    for name in sorted({name for name, _ in places}):
        of_name = [one for (each, _), one in places.items() if each == name]
        limit, used = sum(one.limit for one in of_name), sum(one.used for one in of_name)
        found[name] = Capacity(limit, used, len(of_name), sum(one.full for one in of_name))
    return found


def _against(judged: Sequence[Reported]) -> Against | None:
    known = [one for one in judged if one.forecast_minor is not None]
    if not known:
        return None
    realised, expected = _sums(known, "value_minor"), _sums(known, "forecast_minor")
    return Against(
        forecast_minor=sum(expected.values()),
        realised_minor=sum(realised.values()),
        difference_interval=over_blocks([realised[block] - expected[block] for block in realised]),
        blocks=len(realised),
        without_forecast=len({one.block for one in judged} - realised.keys()),
    )


def _withheld(judged: Sequence[Reported], causal: Estimate | NotEstimated) -> int | None:
    """What the control cases would have earned at the model's mean: the price of knowing; an estimate."""
    if isinstance(causal, NotEstimated) or not causal.cases:
        return None
    control = sum(sampled(one).arms["control"].cases for one in judged if "control" in sampled(one).arms)
    return round(causal.minor * control / causal.cases)


def _line(one: Reported, limits: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    names = ("status", "volume", "labelled", "cost_minor", "cost_without_model_minor", "value_minor", "decisions")
    return {
        "block": one.block,
        "release_sequence": one.release_sequence,
        **{name: one[name] for name in (*names, "reasons", "capacity_limit", "capacity_used", "incidents")},
        "forecast_minor": one.forecast_minor,
        "bound": list(limits[one.block]),
    }
