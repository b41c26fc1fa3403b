"""PURE: what a use case earned over a period, from the newest report of each of its blocks.

Realised sums are exact. What is an estimate is named so, has an interval, and enters no realised sum.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
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

OVER_BLOCKS = (
    "plain 95 % interval (Student's t) of the total over judged blocks, taken as independent: how much such a total "
    "varies from one period to the next; good for one look at blocks that were chosen before, not for a look every day"
)
Interval = tuple[int, int]


@dataclass(frozen=True)
class Reported:
    """The newest report of one release in one block, as `kpi_reported` carries it."""

    block: str
    release_sequence: int
    contract_digest: str
    numbers: Mapping[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.numbers[name]

    @property
    def judged(self) -> bool:
        """Whether its labels are in, as far as they come at all."""
        return bool(self["status"] != "closed")

    @property
    def by_model(self) -> int:
        """Cases that were not control cases."""
        return int(self["volume"]) - int(self["reasons"].get("control", 0))

    @property
    def sampled(self) -> Sampled:
        """Its arms."""
        arms = {name: ArmTotals(**dict(arm)) for name, arm in (self.numbers.get("arms") or {}).items()}
        return Sampled(self.block, self.contract_digest, arms)


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


def period_value(
    use_case: str, reports: Iterable[Reported], digits: int, forecasts: Mapping[int, Fraction] | None = None
) -> PeriodValue:
    """The value of the blocks of these reports, one per block and release.

    `digits` of the currency; `forecasts`: release sequence -> value per case in minor units that its package's
    out-of-sample rows promise. ValueError without a report, or when the currency changes within the period.
    """
    every = sorted(reports, key=lambda one: (one.block, one.release_sequence))
    if not every:
        raise ValueError("no block of this period is reported")
    currencies = list(dict.fromkeys(str(one["currency"]) for one in every))
    if len(currencies) > 1:
        raise ValueError(f"the currency changed from {currencies[0]} to {currencies[1]}: ask for each part by itself")
    judged = [one for one in every if one.judged]
    per_block = _sums(judged, "value_minor")
    causal = causal_value([one.sampled for one in judged])
    return PeriodValue(
        use_case=use_case,
        first=every[0].block,
        last=every[-1].block,
        currency=currencies[0],
        minor_digits=digits,
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
        forecast=_against(judged, forecasts or {}),
        causal=causal,
        of_all=value_of_all([one.sampled for one in judged]) if any(one["selected"] for one in every) else None,
        withheld_minor=_withheld(judged, causal),
        incidents=sum(len(one["incidents"]) for one in every),
        by_block=tuple(_line(one, forecasts or {}) for one in every),
    )


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
    """A day has one ledger, whatever releases served on it: the largest limit of theirs, and what all used."""
    limits: dict[tuple[str, str], int] = {}
    used: Counter[tuple[str, str]] = Counter()
    for one in reports:
        for name, limit in one["capacity_limit"].items():
            key = (name, one.block)
            limits[key] = max(limits.get(key, 0), int(limit))
            used[key] += int(one["capacity_used"].get(name, 0))
    found = {}
    for name in sorted({name for name, _ in limits}):
        keys = [key for key in limits if key[0] == name]
        full = sum(used[key] >= limits[key] for key in keys)
        found[name] = Capacity(sum(limits[key] for key in keys), sum(used[key] for key in keys), len(keys), full)
    return found


def _against(judged: Sequence[Reported], forecasts: Mapping[int, Fraction]) -> Against | None:
    known = [one for one in judged if one.release_sequence in forecasts]
    if not known:
        return None
    realised = _sums(known, "value_minor")
    expected: dict[str, Fraction] = {}
    for one in known:
        expected[one.block] = expected.get(one.block, Fraction(0)) + forecasts[one.release_sequence] * one.by_model
    differences = [float(realised[block] - expected[block]) for block in realised]
    return Against(
        forecast_minor=round(sum(expected.values())),
        realised_minor=sum(realised.values()),
        difference_interval=over_blocks(differences),
        blocks=len(realised),
        without_forecast=len({one.block for one in judged} - realised.keys()),
    )


def _withheld(judged: Sequence[Reported], causal: Estimate | NotEstimated) -> int | None:
    """What the control cases would have earned at the model's mean: the price of knowing; an estimate."""
    if isinstance(causal, NotEstimated) or not causal.cases:
        return None
    control = sum(one.sampled.arms["control"].cases for one in judged if "control" in one.sampled.arms)
    return round(causal.minor * control / causal.cases)


def _line(one: Reported, forecasts: Mapping[int, Fraction]) -> dict[str, Any]:
    names = ("status", "volume", "labelled", "cost_minor", "cost_without_model_minor", "value_minor", "decisions")
    forecast = forecasts.get(one.release_sequence)
    return {
        "block": one.block,
        "release_sequence": one.release_sequence,
        **{name: one[name] for name in (*names, "reasons", "capacity_limit", "capacity_used", "incidents")},
        "forecast_minor": None if forecast is None else round(forecast * one.by_model),
        "bound": bound(one),
    }


def bound(one: Reported) -> list[str]:
    """Which constraints bound in a block: a capacity that was used up, cases decided otherwise for one, flagged cases.

    [] where every case of the model got the decision that costs least.
    """
    full = [name for name, limit in one["capacity_limit"].items() if int(one["capacity_used"].get(name, 0)) >= limit]
    reasons = [name for name in ("capacity", "flagged", "control") if one["reasons"].get(name)]
    return [*(f"{name} used up" for name in full), *reasons]
