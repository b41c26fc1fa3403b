"""PURE: whether a training request becomes a run; every refusal has a reason that people can read."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Standing:
    """What the governor looks at: is the use case known, and which runs of it are not finished."""

    known: bool
    open_runs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """Start a run, or declined because of `reason`."""

    start: bool
    reason: str


def govern(use_case: str, reason: str, standing: Standing) -> Verdict:
    """Decide on one request; `reason` is why it was made.

    One run per use case at a time: a second one would be fitted on the same rows.

    >>> govern("toy", "drift", Standing(known=True)).start
    True
    >>> govern("toy", "drift", Standing(known=True, open_runs=("r1",))).reason
    'declined, because run r1 of toy is not finished yet'
    """
    if not standing.known:
        return Verdict(False, f"declined, because no contract was applied for {use_case} yet")
    if standing.open_runs:
        return Verdict(False, f"declined, because run {standing.open_runs[0]} of {use_case} is not finished yet")
    return Verdict(True, reason)
