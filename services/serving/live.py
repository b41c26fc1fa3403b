"""What a worker serves now: one immutable pair of model and release per use case, switched by one assignment."""

from dataclasses import dataclass, field, replace
from functools import cached_property

from services.serving.decode import Decoder
from services.serving.lowered import Capacities
from services.serving.one_row import OneRow
from services.serving.score import Coalescer
from services.serving.version import Version
from shared.contract import Contract
from shared.events import ModelReleased


@dataclass(frozen=True)
class Live:
    """A release with everything that answering needs; captured once per request, so answers never mix versions."""

    release: ModelReleased
    version: Version
    decoder: Decoder
    model: Coalescer

    @property
    def contract(self) -> Contract:
        """The contract of the release."""
        return self.decoder.contract

    @cached_property
    def one_row(self) -> OneRow:
        """Writes what is answered to a request of one record."""
        return OneRow(self.version)


@dataclass
class Served:
    """All use cases of this worker."""

    live: dict[str, Live] = field(default_factory=dict)
    contracts: dict[str, Contract] = field(default_factory=dict)

    def switch(self, live: Live) -> bool:
        """Serve a release from now on; an older or the same one changes nothing."""
        name = live.version.use_case
        current = self.live.get(name)
        if current and current.version.sequence >= live.version.sequence:
            return False
        self.live[name] = live
        return True

    def lower(self, use_case: str, capacities: Capacities) -> Live | None:
        """What is live decides under its teams' newest words from now on; None where nothing is live."""
        live = self.live.get(use_case)
        if live is None:
            return None
        lowered = capacities.policies(use_case, live.version.policy, live.version.shares)
        self.live[use_case] = replace(live, version=replace(live.version, lowered=lowered))
        return live

    def contract(self, use_case: str) -> Contract | None:
        """The contract of what is served, or else the one that was applied last."""
        live = self.live.get(use_case)
        return live.contract if live else self.contracts.get(use_case)

    @property
    def known(self) -> list[str]:
        """The use cases that were ever applied or released."""
        return sorted({*self.live, *self.contracts})
