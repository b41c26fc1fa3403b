"""How well the estimates of value keep their promise on the flights, where every label is known.

Run by hand: `python -m benchmarks.value.control --report docs/reports/value-control.json`. One model, fitted on
January and February, decides March to December as serving does, with 5 % of the cases drawn for the control arm by one
seed after the other. Each month of each seed has a causal estimate of what the model earned; the labels of all its
cases say what it really earned. Then, with labels that a decision to act hides and 5 % of the cases audited, the
estimate for all cases. Prints and writes promised and seen coverage; exit status 1 when one is seen too seldom.
"""

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmarks.loop.flights_days import fit_scores, flights_contract, labelled_flights
from shared.contract import Contract, Policy, decide_in_order, derive_policy
from shared.contract.arms import Draw, draw_of
from shared.evaluation.arms import arm_totals, priced
from shared.evaluation.estimates import Estimate, NotEstimated, Sampled, causal_value, value_of_all
from shared.feedback.accounting import countable

FITTED_UNTIL, END = "2013-03-01", "2014-01-01"
PROMISED, SHARE = 0.95, 0.05
HIDDEN_AFTER = "act"
# So many standard errors of a binomial share below the promise the seen coverage may lie.
TOLERANCE = 3.0
Estimator = Callable[[Sequence[Sampled]], Estimate | NotEstimated]


@dataclass(frozen=True)
class Days:
    """The decided flights: block, scores and label of each, in event order."""

    rows: pl.DataFrame
    scores: NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """One month of one seed: the estimate, and the truth from all labels, in minor units."""

    seed: int
    month: str
    estimate: Estimate
    truth: int

    @property
    def covers(self) -> bool:
        """Whether the interval holds the truth."""
        return self.estimate.low <= self.truth <= self.estimate.high


def read_days(seed: int) -> Days:
    """Score March to December by a model that saw nothing of them."""
    flights = labelled_flights()
    # A few flights of New Year's Eve push back after midnight: no month of their own.
    flights = flights[flights["block"] < END]
    train, days = flights[flights["block"] < FITTED_UNTIL], flights[flights["block"] >= FITTED_UNTIL]
    scores = fit_scores(train, days, seed)
    rows = pl.DataFrame({"block": days["block"].tolist(), "truth": days["late"].tolist(), "scores": scores.tolist()})
    return Days(rows.with_columns(flagged=pl.lit([], dtype=pl.List(pl.String))), scores)


def served(days: Days, contract: Contract, policy: Policy, draw: Draw) -> pl.DataFrame:
    """The days as serving decides them under a draw: `arm`, `decision`, and the `label` that is seen."""
    sizes = days.rows.group_by("block", maintain_order=True).len()
    arms = [arm for block, count in sizes.iter_rows() for arm in draw.arms(block, [()] * count).arms]
    control = [arm == "control" for arm in arms]
    decided = decide_in_order(policy, days.rows["block"].to_list(), days.scores, control=control).decisions
    frame = days.rows.with_columns(arm=pl.Series(arms), decision=pl.Series(decided))
    seen_after = contract.label.observed_when
    shown = pl.lit(value=True) if seen_after == "always" else pl.col("decision").is_in(list(seen_after))
    return frame.with_columns(label=pl.when(shown | (pl.col("arm") == "audit")).then("truth"))


def earned(rows: pl.DataFrame, policy: Policy) -> int:
    """What the model earned on its cases against no model, from all their labels."""
    by_model = rows.filter(pl.col("arm") != "control").with_columns(label="truth")
    return sum(part.rows * (part.without - part.cost) for part in priced(by_model, policy))


def measure(days: Days, contract: Contract, estimator: Estimator, seeds: range) -> Iterator[Case]:
    """Every month of every seed."""
    policy = derive_policy(contract)
    for seed in seeds:
        draw = draw_of(contract, seed)
        assert draw is not None
        frame = countable(served(days, contract, policy, draw), policy)
        months = frame.with_columns(month=pl.col("block").str.slice(0, 7)).partition_by("month", as_dict=True)
        for (month,), rows in months.items():
            blocks = [
                Sampled(str(block), contract.digest, arm_totals(part, contract, policy))
                for (block,), part in rows.partition_by("block", as_dict=True).items()
            ]
            found = estimator(blocks)
            assert isinstance(found, Estimate), found
            yield Case(seed, str(month), found, earned(rows, policy))


def told(cases: Sequence[Case]) -> dict[str, Any]:
    """Coverage, bias and width over all cases, and by month."""
    count, covered = len(cases), sum(case.covers for case in cases)
    error = sqrt(PROMISED * (1 - PROMISED) / count)
    truths, widths, errors = (
        np.array(column, dtype=np.float64)
        for column in (
            [case.truth for case in cases],
            [case.estimate.high - case.estimate.low for case in cases],
            [case.estimate.minor - case.truth for case in cases],
        )
    )
    months = sorted({case.month for case in cases})
    return {
        "periods": count,
        "promised_coverage": PROMISED,
        "seen_coverage": covered / count,
        "least_allowed": PROMISED - TOLERANCE * error,
        "kept": covered / count >= PROMISED - TOLERANCE * error,
        "mean_truth_minor": round(float(truths.mean())),
        "mean_error_minor": round(float(errors.mean())),
        "standard_error_of_mean_error_minor": round(float(errors.std(ddof=1) / sqrt(count))),
        "mean_half_width_minor": round(float(widths.mean() / 2)),
        "half_width_over_truth": float(widths.mean() / 2 / truths.mean()),
        "drawn_cases_per_period": round(float(np.mean([case.estimate.drawn for case in cases]))),
        "coverage_by_month": {
            month: float(np.mean([case.covers for case in cases if case.month == month])) for month in months
        },
    }


def page(report: dict[str, Any]) -> str:
    """The same as Markdown."""
    lines = ["# Estimates of value on the flights", "", report["about"], ""]
    for name, found in report["measured"].items():
        lines += [f"## {name}", "", "| What | Value |", "|---|---|"]
        lines += [f"| {key.replace('_', ' ')} | {value} |" for key, value in found.items()] + [""]
    return "\n".join(lines)


def main() -> None:
    """Print and write; exit status 1 when a coverage is seen too seldom."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=60, help="draws of arms; each gives ten months")
    parser.add_argument("--seed", type=int, default=0, help="of the fit, and the first draw")
    parser.add_argument("--report", type=Path, help="write the report here as JSON, and beside it as Markdown")
    asked = parser.parse_args()
    days, seeds = read_days(asked.seed), range(asked.seed, asked.seed + asked.seeds)
    plain = flights_contract()
    controlled = plain.model_copy(update={"control_share": SHARE})
    others = tuple(name for name in plain.decisions or () if name != HIDDEN_AFTER)
    label = plain.label.model_copy(update={"observed_when": others})
    audited = plain.model_copy(update={"audit_share": SHARE, "label": label})
    measured = {
        f"control share {SHARE:.0%}: causal estimate against all labels": (controlled, causal_value),
        f"audit share {SHARE:.0%}, labels hidden after {HIDDEN_AFTER}: estimate of all cases": (audited, value_of_all),
    }
    report = {
        "about": f"{asked.seeds} draws of ten months, March to December 2013; money in minor units (cents). Made by "
        f"`python -m benchmarks.value.control --seeds {asked.seeds} --seed {asked.seed}`.",
        "seeds": asked.seeds,
        "measured": {name: told(list(measure(days, *each, seeds))) for name, each in measured.items()},
    }
    if asked.report:
        asked.report.parent.mkdir(parents=True, exist_ok=True)
        asked.report.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
        asked.report.with_suffix(".md").write_text(page(report), encoding="utf-8")
    print(json.dumps(report, indent=2))
    raise SystemExit(not all(found["kept"] for found in report["measured"].values()))


if __name__ == "__main__":
    main()
