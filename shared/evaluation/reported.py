"""PURE: a block as `kpi_reported` tells it, and which constraints bound in it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

COST_ALONE = "cost alone"


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
    def forecast_minor(self) -> int | None:
        """What the package promised for the cases that its model decided; None where it promised nothing."""
        return self.numbers.get("forecast_minor")


@dataclass(frozen=True)
class Places:
    """A capped decision in one block: how many cases it could take, and how many it took."""

    limit: int
    used: int

    @property
    def full(self) -> bool:
        """Whether nothing was left."""
        return self.used >= self.limit


def places_of(reports: Iterable[Reported]) -> dict[tuple[str, str], Places]:
    """(decision, block) -> its places: a day has one ledger, whatever releases served on it."""
    found: dict[tuple[str, str], Places] = {}
    for one in reports:
        for name, limit in one["capacity_limit"].items():
            known = found.get((name, one.block), Places(0, 0))
            used = known.used + int(one["capacity_used"].get(name, 0))
            found[name, one.block] = Places(max(known.limit, int(limit)), used)
    return found


def bound(reports: Sequence[Reported]) -> dict[str, list[str]]:
    """Block -> which constraints bound in it, whatever releases served: a capacity that was used up, cases decided
    otherwise for one, flagged cases, control cases. [] where every case got the decision that costs least.
    """
    found: dict[str, list[str]] = {one.block: [] for one in reports}
    for (name, block), places in places_of(reports).items():
        if places.full:
            found[block].append(f"{name} used up")
    for reason in ("capacity", "flagged", "control"):
        for block in dict.fromkeys(one.block for one in reports if one["reasons"].get(reason)):
            found[block].append(reason)
    return found
