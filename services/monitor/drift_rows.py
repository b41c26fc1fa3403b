"""What drift is judged by, from a block's rows and from the monitor's own tables. Pure."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import polars as pl

from services.monitor.baseline import Baseline
from services.monitor.before_labels import expected_of
from services.monitor.block_statistics import BlockStatistics, summarise
from services.monitor.drift import Watch, gap_evidence
from services.monitor.explain import faults
from shared.contract.policy import derive_policy
from shared.contract.schema import Contract
from shared.feedback.accounting import countable
from shared.feedback.schema import CATEGORY, NUMBER
from shared.package.inputs import InputProfile, RunningProfile, coarse_inputs

MOST_FAULTS = 20


def statistics_of_rows(block: str, rows: pl.DataFrame, baseline: Baseline, contract: Contract) -> BlockStatistics:
    """Reduce the joined rows of a block, all columns of them, to what is kept of it."""
    policy = derive_policy(contract)
    rows = countable(rows, policy)
    known = rows.with_columns(pl.when("labelled").then(pl.col(name)).alias(name) for name in ("label", "value"))
    found = summarise(baseline.kind, block, *(known[name].to_list() for name in ("scores", "label", "value")))
    now, selected = profile_of(baseline, rows), contract.label.selected
    found = replace(
        found,
        inputs=coarse_inputs(now),
        faults=tuple(faults(baseline.package.profile, now)[:MOST_FAULTS]),
        cost_gap=expected_of(rows, policy).cost_gap(audited_only=selected),
        terms=contract.digest,
    )
    # Labels of chosen rows only say nothing about a reference of all rows.
    return replace(found, loss=None, loss_counts=(0,) * len(found.loss_counts)) if selected else found


def cost_gap_evidence(
    watch: Watch, baseline: Baseline, contract: Contract, blocks: Sequence[BlockStatistics]
) -> float | None:
    """The e-value of the gap between estimated and realised cost; blocks under other costs are not compared."""
    gaps = [(one.block, one.cost_gap) for one in blocks if one.cost_gap is not None and one.terms == contract.digest]
    return gap_evidence(watch, baseline.cost_gaps(contract), gaps) if gaps else None


def profile_of(baseline: Baseline, rows: pl.DataFrame) -> InputProfile:
    """Count the features of a block's rows in the bins of their package; a column of nulls alone is missing."""
    profile = baseline.package.profile
    running = RunningProfile(profile.numbers, profile.categories)
    columns = {
        name.removeprefix(prefix): rows[name]
        for prefix in (NUMBER, CATEGORY)
        for name in rows.columns
        if name.startswith(prefix)
    }
    running.add({name: one for name, one in columns.items() if one.null_count() < len(one)}, rows.height)
    return running.profile()


def statistics_of(stored: dict[str, Any]) -> BlockStatistics:
    """A stored block again."""
    inputs: dict[str, list[int]] = stored.get("inputs", {})
    again: dict[str, Any] = {
        **stored,
        "score_counts": tuple(tuple(column) for column in stored["score_counts"]),
        "loss_counts": tuple(stored["loss_counts"]),
        "inputs": {name: tuple(counts) for name, counts in inputs.items()},
        "faults": tuple(stored.get("faults", ())),
    }
    return BlockStatistics(**again)
