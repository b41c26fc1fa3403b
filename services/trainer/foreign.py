"""A package around a model that was fitted elsewhere: judged on days that it never saw, like one of our own."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import is_classifier

from services.trainer.entry_points import load_entry_point
from services.trainer.flags import check_flagged
from services.trainer.job import CannotTrainError, Job
from services.trainer.rows import Rows, features_of, read_rows
from services.trainer.split import Cut
from services.trainer.train import Scored, check_labelled, compiled, content_of
from shared.contract import Contract, block_bounds, block_of
from shared.package import Feature, PackageRefused, predict_scores, write_package


@dataclass(frozen=True)
class Bench:
    """The rows of a use case's source, cut at the first day that the foreign model cannot have seen."""

    job: Job
    contract: Contract
    cut: Cut
    rows: Rows
    held_out: Rows


def read_bench(job: Job, trained_until: datetime) -> Bench:
    """Read the source's rows; raises CannotTrainError when too few of the days after `trained_until` have labels."""
    contract = Contract.model_validate(job.contract)
    rows = read_rows(job, contract, load_entry_point(job.use_case_dir, contract.training.source))
    cut = _first_whole_day(contract, trained_until)
    check_flagged(contract, rows.flagged, rows.by_feature)
    held_out = rows.take(rows.blocks >= cut.first_held_out)
    check_labelled(f"held-out (since {cut.train_until.isoformat()})", held_out)
    if len(held_out) == len(rows):
        raise CannotTrainError(f"no row lies before {trained_until.isoformat()}: was the model fitted on other data?")
    return Bench(job, contract, cut, rows, held_out)


def write_foreign(bench: Bench, model: Any, lineage: Mapping[str, str], target: Path) -> str:
    """Score the held-out days and write the package into the new directory `target`; returns its digest.

    There are no out-of-fold rows: what a model says of its own training rows is too good to compare anything with.
    """
    features = features_in_order(bench.contract, model)
    scores = foreign_scores(bench.contract, model, bench.held_out.frame)
    parts = (Scored("holdout", bench.held_out, scores),)
    form = compiled(bench.contract, model, features, bench.rows, bench.held_out)
    content = content_of(bench.job, bench.contract, bench.cut, bench.rows, parts, features, form)
    return write_package(target, model, replace(content, lineage={**content.lineage, **lineage}))


def foreign_scores(contract: Contract, model: Any, frame: pd.DataFrame) -> NDArray[np.float64]:
    """Score rows in the model's own order of columns; raises PackageRefused with what the model lacks."""
    names = [feature.name for feature in features_in_order(contract, model)]
    if contract.classification and not hasattr(model, "predict_proba"):
        raise PackageRefused(
            "golden", "the model has no predict_proba; decisions need probabilities: CalibratedClassifierCV gives them"
        )
    if not contract.classification and is_classifier(model):
        raise PackageRefused("golden", f"the model is a classifier; {contract.label.name} of the contract is a number")
    try:
        return predict_scores(model, contract.task, frame[names], contract.classes)
    except PackageRefused:
        raise
    except Exception as error:  # a foreign model may raise anything; that is a refusal, not a crash
        raise PackageRefused("golden", f"the held-out rows cannot be scored: {error!r:.500}") from error


def features_in_order(contract: Contract, model: Any) -> tuple[Feature, ...]:
    """The contract's features in the order in which the model was fitted; PackageRefused when they are others."""
    ours = {feature.name: feature for feature in features_of(contract)}
    names = [str(name) for name in getattr(model, "feature_names_in_", ())]
    if not names:
        # The same columns in another order would be scored without a sound, and wrongly.
        raise PackageRefused(
            "features", "the model does not name its columns: fit it on a DataFrame with the contract's names, no array"
        )
    if set(names) != set(ours):
        only_model, only_contract = sorted(set(names) - set(ours))[:10], sorted(set(ours) - set(names))[:10]
        raise PackageRefused("features", f"only in the model: {only_model}; only in the contract: {only_contract}")
    return tuple(ours[name] for name in names)


def _first_whole_day(contract: Contract, trained_until: datetime) -> Cut:
    """The first day that begins at or after this moment."""
    block = block_of(contract, trained_until)
    if block_bounds(contract, block)[0] < trained_until:
        block = block_of(contract, block_bounds(contract, block)[1] + timedelta(hours=1))
    return Cut(block, block_bounds(contract, block)[0])
