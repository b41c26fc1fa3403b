"""Which cases are decided without the model, and which are labelled in any case: drawn by a hash of their id."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from shared.contract.schema import Contract

Arm = Literal["model", "control", "audit"]
# A draw is six bytes of a hash.
_DRAWS = 2.0**48


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
        named = hashlib.sha256("\x1f".join((str(self.seed), self.use_case, "arm", f"{request_id}/")).encode())
        control, audit = self.control * _DRAWS, (self.control + self.audit) * _DRAWS
        drawn = Drawn([], [])
        for row, odd in enumerate(flagged):
            # Of the whole id, the rows of a request differ in the last part only.
            found = named.copy()
            found.update(b"%d" % row)
            place = int.from_bytes(found.digest()[:6], "big") + 0.5
            arm: Arm = "model" if place >= audit else "audit"
            if place < control:
                arm = "model" if odd else "control"
            drawn.arms.append(arm)
            drawn.propensities.append(1.0 if odd else self.control if arm == "control" else 1.0 - self.control)
        return drawn


def draw_of(contract: Contract, seed: int) -> Draw | None:
    """The draw of a contract; None where it takes no share, so that nobody draws for nothing."""
    if not contract.control_share and not contract.audit_share:
        return None
    return Draw(seed, contract.use_case, contract.control_share, contract.audit_share)
