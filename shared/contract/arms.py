"""Which cases are decided without the model, and which are labelled in any case: drawn by a hash of their id."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from shared.evidence import uniform_of

if TYPE_CHECKING:
    from shared.contract.schema import Contract

Arm = Literal["model", "control", "audit"]


class Drawn(NamedTuple):
    """One entry per row of a request: its arm, and the probability with which it came to be decided as it was."""

    arms: list[Arm]
    propensities: list[float]

    @property
    def control(self) -> list[bool]:
        """Which rows are decided without the model."""
        return [arm == "control" for arm in self.arms]


@dataclass(frozen=True)
class Draw:
    """The shares of one contract. The same seed and id give the same arm, in a repeat, a replay and any process.

    A smaller share draws some of the cases that a larger one draws.
    """

    seed: int
    use_case: str
    control: float
    audit: float

    def arms(self, request_id: str, flagged: Sequence[Sequence[str]]) -> Drawn:
        """Draw for the rows of a request, from position 0; `flagged` are the odd features of each.

        A flagged row is decided without the model in any case: it is never of the control arm, and its propensity is 1.
        Of all rows, flagged or not, the share `audit` is audited: decided by the model, and labelled.
        """
        drawn = Drawn([], [])
        for row, odd in enumerate(flagged):
            arm = self._arm(uniform_of(self.seed, self.use_case, "arm", f"{request_id}/{row}"))
            if odd and arm == "control":
                arm = "model"
            drawn.arms.append(arm)
            drawn.propensities.append(1.0 if odd else self.control if arm == "control" else 1.0 - self.control)
        return drawn

    def _arm(self, uniform: float) -> Arm:
        if uniform < self.control:
            return "control"
        return "audit" if uniform < self.control + self.audit else "model"


def draw_of(contract: Contract, seed: int) -> Draw | None:
    """The draw of a contract; None where it takes no share, so that nobody draws for nothing."""
    if not contract.control_share and not contract.audit_share:
        return None
    return Draw(seed, contract.use_case, contract.control_share, contract.audit_share)
