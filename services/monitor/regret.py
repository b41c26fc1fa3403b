"""Whether a release costs more than the package it would go back to, and whether to ask for a rollback. Pure.

Regret of a block: mean cost per labelled case of what was served, minus that of the rollback target on the same rows.
It does not rise in a bad month, as the cost itself does. Blocks are the units of evidence, never cases.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from shared.contract.kpis import Kpi
from shared.contract.schema import Contract
from shared.evidence import betting_e_process, confidence_lower_bound


@dataclass(frozen=True)
class PairedBlock:
    """One judged block of a release: its regret in currency units per case, cut at ± `clip`."""

    block: str
    regret: float
    clip: float


@dataclass(frozen=True)
class NotJudged:
    """Nothing can be said about the release, and why."""

    reason: str


@dataclass(frozen=True)
class Regret:
    """What the blocks of a release say; `e_value` is the largest that any block has reached."""

    kpi: str
    currency: str
    target: str
    alpha: float
    ceiling: float
    clip: float
    blocks: int
    mean: float
    lower_bound: float
    e_value: float
    first_block: str
    last_block: str
    tipped_by: str | None
    selected: bool = False

    @property
    def threshold(self) -> float:
        """The e-value at which the evidence suffices."""
        return 1 / self.alpha

    @property
    def too_high(self) -> bool:
        """Whether the release is worse than its target: shown once, and still so on average."""
        return self.tipped_by is not None and self.mean > self.ceiling

    def evidence(self) -> dict[str, float]:
        """The numbers of `rollback_requested`; a block is told as 20130504."""
        return {
            "blocks": float(self.blocks),
            "mean_regret": self.mean,
            "lower_bound": self.lower_bound,
            "upper_bound": self.clip,
            "e_value": self.e_value,
            "threshold": self.threshold,
            "first_block": _number(self.first_block),
            "last_block": _number(self.last_block),
        }

    def reason(self) -> str:
        """The same in a sentence that names the KPI, its interval and the blocks."""
        return (
            f"{self.kpi} is {self.mean:.4f} {self.currency} per case against package {self.target[:8]} over "
            f"{self.blocks} blocks, {self.first_block} to {self.last_block}: its confidence interval at "
            f"{100 * (1 - self.alpha):g} %, {self.lower_bound:.4f} to {self.clip:.4f}, lies above {self.ceiling:g} "
            f"{'on selected labels ' if self.selected else ''}(e-value {self.e_value:.0f}, needed {self.threshold:.0f})"
        )


def regret_kpi(contract: Contract) -> tuple[str, Kpi] | None:
    """The KPI that is paired with the last good package; one that rollbacks rest on comes first."""
    paired = [(name, kpi) for name, kpi in contract.kpis.items() if kpi.against == "last_good"]
    return min(paired, key=lambda one: one[0] not in contract.rollback.on, default=None)


def pair(block: str, served_minor: int, target_minor: int, labelled: int, contract: Contract) -> PairedBlock | None:
    """One block's regret under the contract that was in force on it; None where there is none.

    `served_minor`, `target_minor`: cost in minor units over the same `labelled` cases.
    """
    found = regret_kpi(contract)
    if found is None or found[1].clip is None or labelled == 0:
        return None
    clip = found[1].clip
    per_case = (served_minor - target_minor) / labelled / 10**contract.digits
    return PairedBlock(block, min(max(per_case, -clip), clip), clip)


def judge_regret(pairs: Sequence[PairedBlock], contract: Contract, target: str | None) -> Regret | NotJudged:
    """Judge a release on its whole blocks, in block order; `contract` is the one in force, `target` a package digest.

    Bets against "the mean regret of a block is at most the ceiling", which may be looked at after every block:
    a release for which that is true is asked back with probability α at most, however long it serves.
    """
    found = regret_kpi(contract)
    if target is None:
        return NotJudged("the release has no rollback target: there is nothing to compare it with")
    if found is None:
        return NotJudged("the contract has no KPI against last_good")
    if not pairs:
        return NotJudged("no whole block of this release is judged and compared with its rollback target yet")
    name, kpi = found
    clip, ceiling, alpha = max(one.clip for one in pairs), kpi.ceiling or 0.0, contract.rollback.alpha
    if not -clip < ceiling < clip:
        return NotJudged(f"the ceiling of {name} lies outside its clip: no regret could ever exceed it")
    regrets = [one.regret for one in pairs]
    e_values = betting_e_process(regrets, -clip, clip, ceiling)
    tipped = next((one.block for one, e in zip(pairs, e_values, strict=True) if e >= 1 / alpha), None)
    return Regret(
        kpi=name,
        currency=contract.currency,
        target=target,
        alpha=alpha,
        ceiling=ceiling,
        clip=clip,
        blocks=len(pairs),
        mean=sum(regrets) / len(regrets),
        lower_bound=confidence_lower_bound(regrets, -clip, clip, alpha),
        e_value=max(e_values),
        first_block=pairs[0].block,
        last_block=pairs[-1].block,
        selected=contract.label.selected,
        tipped_by=tipped,
    )


def may_ask(regret: Regret, contract: Contract, last_asked: dt.datetime | None, now: dt.datetime) -> bool:
    """Whether to ask for a rollback now: where the contract rests it on this KPI, and once per cooldown."""
    if not regret.too_high or regret.kpi not in contract.rollback.on:
        return False
    return last_asked is None or now >= contract.rollback.cooldown.after(last_asked)


def _number(block: str) -> float:
    return float(block.replace("-", ""))
