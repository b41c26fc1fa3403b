"""One training run, from rows to a package directory: split, fit, out-of-fold scores, evaluation."""

import logging
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.model_selection import BaseCrossValidator, BaseShuffleSplit

from services.trainer.entry_points import code_digest, load_entry_point
from services.trainer.evaluate import demand_of_blocks, evaluate
from services.trainer.flags import check_flagged
from services.trainer.job import PACKAGE, CannotTrainError, Job, Result
from services.trainer.rows import Rows, features_of, read_rows
from services.trainer.split import FOLDS, Cut, cut_at, end_of_data, fold_of_blocks
from shared.contract import Contract, Policy, derive_policy
from shared.package import Content, Feature, Reference, ReferenceRow, predict_scores, read_package, write_package
from shared.package.golden import choose_golden
from shared.package.inputs import inputs_of_blocks
from shared.package.profile import BlockProfile, Profile, calibrate, count_labels, profile_inputs, score_bins
from shared.package.reference import Kind, sample_blocks
from shared.package.write import Form, compile_form

log = logging.getLogger(__name__)
FITS_AT_ONCE = 2
Scores = NDArray[np.float64]
FEWEST_ROWS = 20
ROWS_OF_PROOF = 20_000


@dataclass(frozen=True)
class Scored:
    """Rows with scores of a model that was not fitted on them."""

    kind: Kind
    rows: Rows
    scores: Scores


def train(job: Job, run_dir: Path) -> Result:
    """Fit and package; raises CannotTrainError when data or code do not allow it."""
    contract = Contract.model_validate(job.contract)
    load = load_entry_point(job.use_case_dir, contract.training.source)
    build = load_entry_point(job.use_case_dir, contract.training.pipeline)
    rows = read_rows(job, contract, load)
    cut = cut_at(contract, end_of_data(contract, rows.blocks, job.as_of))
    check_flagged(contract, rows.flagged, rows.by_feature)
    training = rows.take(rows.blocks < cut.first_held_out)
    held_out = rows.take(rows.blocks >= cut.first_held_out)
    _check_enough(contract, training, held_out, cut)
    estimator = seeded(build(), job.seed)
    log.info("fitting on %d rows up to %s", len(training), cut.train_until.isoformat())
    features = features_of(contract)
    # Four fits that do not depend on each other, each on one OpenMP thread: two cores do them in half the time.
    with ThreadPoolExecutor(FITS_AT_ONCE) as pool:
        fitting = pool.submit(fit, contract, clone(estimator), training)
        folding = fold_scores(contract, estimator, training, pool)
        # Last in the queue: by then the model is there, and the last fold has a core of its own.
        compiling = pool.submit(lambda: compiled(contract, fitting.result(), features, rows, held_out))
        oof, model, form = out_of_fold(contract, training, folding), fitting.result(), compiling.result()
    parts = (Scored("oof", training, oof), Scored("holdout", held_out, score(contract, model, held_out)))
    content = content_of(job, contract, cut, rows, parts, features, form)
    digest = write_package(run_dir / PACKAGE, model, content)
    behaviour = read_package(run_dir / PACKAGE).manifest.behaviour_digest
    return Result(
        outcome="trained",
        reason=f"fitted on {len(training)} rows, judged on {len(held_out)} held-out rows",
        package_digest=digest,
        behaviour_digest=behaviour,
        train_until=cut.train_until,
        evaluation=dict(content.evaluation),
        lineage=dict(content.lineage),
    )


def seeded(estimator: Any, seed: int) -> Any:
    """Set every `random_state`, however deep, of splitters too, so that the same rows give the same model."""
    states: dict[str, int] = {}
    for name, value in estimator.get_params(deep=True).items():
        # "deprecated" is scikit-learn's word for a parameter that is kept for its name only.
        if name.rpartition("__")[2] == "random_state" and value != "deprecated":
            states[name] = seed % 2**32
        elif isinstance(value, BaseCrossValidator | BaseShuffleSplit) and getattr(value, "shuffle", True):
            value.random_state = seed % 2**32
    return estimator.set_params(**states)


def fit(contract: Contract, estimator: Any, rows: Rows) -> Any:
    """Fit on labelled rows without flags; classes are numbered in the contract's order."""
    rows = rows.take(rows.labelled & ~rows.flagged)
    if contract.classification:
        truth = np.array([contract.classes.index(label) for label in rows.labels.tolist()], dtype=np.int64)
        if missing := set(range(len(contract.classes))) - set(truth.tolist()):
            names = ", ".join(contract.classes[place] for place in sorted(missing))
            raise CannotTrainError(f"no row of class {names} among {len(rows)} training rows")
        return estimator.fit(_without_empty_columns(rows.frame), truth)
    return estimator.fit(_without_empty_columns(rows.frame), rows.values)


def _without_empty_columns(frame: pd.DataFrame) -> pd.DataFrame:
    """Put 0 where a number has no value in any row: a new feature before its first data, which estimators refuse.

    Nothing can be learned from a constant, so no later value of it changes a score of a tree.
    """
    empty = [name for name, column in frame.items() if column.dtype == np.float64 and column.isna().all()]
    return frame.assign(**{str(name): 0.0 for name in empty})


def score(contract: Contract, model: Any, rows: Rows) -> Scores:
    """Score every row, flagged ones too."""
    return predict_scores(model, contract.task, rows.frame, contract.classes)


Fold = tuple[NDArray[np.bool_], Future[Scores]]


def fold_scores(contract: Contract, estimator: Any, rows: Rows, pool: Executor) -> list[Fold]:
    """Begin to score each training day with a model that is fitted on the other folds: (its rows, their scores)."""
    folds = fold_of_blocks(rows.blocks.tolist())
    fold = np.array([folds[block] for block in rows.blocks.tolist()])

    def score_fold(inside: NDArray[np.bool_]) -> Scores:
        return score(contract, fit(contract, clone(estimator), rows.take(~inside)), rows.take(inside))

    parts = [inside for inside in (fold == number for number in range(FOLDS)) if inside.any()]
    return [(inside, pool.submit(score_fold, inside)) for inside in parts]


def out_of_fold(contract: Contract, rows: Rows, folding: Sequence[Fold]) -> Scores:
    """Wait for all folds, and put their scores in the order of the rows."""
    scores = np.zeros((len(rows), len(contract.classes) if contract.task == "multiclass" else 1))
    for inside, scoring in folding:
        scores[inside] = scoring.result()
        log.info("a fold of %d rows is scored", int(inside.sum()))
    return scores


def compiled(contract: Contract, model: Any, features: tuple[Feature, ...], rows: Rows, held_out: Rows) -> Form:
    """The model's compiled form, proven on rows from all of the time."""
    golden = choose_golden(features, held_out.frame)
    return compile_form(model, contract.task, features, contract.classes, golden, _some(rows.frame))


def _check_enough(contract: Contract, training: Rows, held_out: Rows, cut: Cut) -> None:
    days, since = len(set(training.blocks.tolist())), cut.train_until.isoformat()
    if days <= FOLDS:
        raise CannotTrainError(f"{days} days with rows before {since}, at least {FOLDS + 1} needed")
    check_labelled("training", training)
    check_labelled("held-out", held_out)


def check_labelled(name: str, rows: Rows) -> None:
    """Raise CannotTrainError when too few of these rows have a label to say anything."""
    labelled = int(rows.labelled.sum())
    if labelled < FEWEST_ROWS:
        raise CannotTrainError(f"{labelled} {name} rows with a label, at least {FEWEST_ROWS} needed")


def content_of(
    job: Job,
    contract: Contract,
    cut: Cut,
    rows: Rows,
    parts: Sequence[Scored],
    features: tuple[Feature, ...],
    form: Form,
) -> Content:
    """What goes into the package; the last of `parts` are the held-out rows, `features` are in the model's order."""
    held_out = parts[-1]
    reference = _reference(parts, job.seed)
    policy = derive_policy(contract, reference.demand())
    lineage = {
        "as_of": job.as_of.isoformat(),
        "cause_id": job.cause_id,
        "code_digest": code_digest(job.use_case_dir),
        "contract_digest": contract.digest,
        "rows": str(len(rows)),
        "rows_digest": rows.digest,
        "seed": str(job.seed),
    }
    return Content(
        use_case=contract.use_case,
        task=contract.task,
        classes=contract.classes,
        contract_digest=contract.digest,
        train_until=cut.train_until,
        features=features,
        rows_digest=lineage["rows_digest"],
        rows_trained=int((rows.labelled & ~rows.flagged & (rows.blocks < cut.first_held_out)).sum()),
        evaluation=evaluate(contract, policy, held_out.rows, held_out.scores),
        lineage=lineage,
        profile=_profile(contract, policy, features, rows, parts),
        reference=reference,
        golden=choose_golden(features, held_out.rows.frame),
        form=form,
    )


def _some(frame: pd.DataFrame) -> dict[str, list[Any]]:
    """Rows from all of the time, enough to prove a compiled form on."""
    places = np.linspace(0, len(frame) - 1, min(len(frame), ROWS_OF_PROOF)).astype(np.int64)
    return {str(name): column.tolist() for name, column in frame.iloc[places].items()}


def _reference(parts: Sequence[Scored], seed: int) -> Reference:
    found: list[ReferenceRow] = []
    for part in parts:
        rows, volume = part.rows, Counter(part.rows.blocks.tolist())
        columns = (rows.times.to_pydatetime(), rows.blocks.tolist(), part.scores.tolist(), rows.flagged.tolist())
        outcomes = (rows.labels.tolist(), [None if value != value else value for value in rows.values.tolist()])
        found += [
            ReferenceRow(
                part.kind, block, len(found) + place, time, tuple(scores), flagged, label, value, volume[block]
            )
            for place, (time, block, scores, flagged, label, value) in enumerate(zip(*columns, *outcomes, strict=True))
        ]
    return sample_blocks(found, seed)


def _profile(
    contract: Contract, policy: Policy, features: tuple[Feature, ...], rows: Rows, parts: Sequence[Scored]
) -> Profile:
    numbers, categories = profile_inputs(features, rows.frame)
    by_block = inputs_of_blocks(rows.frame, rows.blocks.tolist(), numbers, categories)
    scores = np.concatenate([part.scores for part in parts])
    labels = np.concatenate([part.rows.labels for part in parts])
    known = np.array([label is not None for label in labels.tolist()], dtype=bool)
    low, high = contract.label.range or (0.0, 1.0)
    binary = contract.task == "binary"
    return Profile(
        rows=len(rows),
        numbers=numbers,
        categories=categories,
        scores=score_bins(scores, low, high),
        calibration=calibrate(scores[known, 0], labels[known] == contract.classes[-1]) if binary else (),
        labels=count_labels(contract.classes, labels.tolist()),
        blocks=tuple(
            block.model_copy(update={"inputs": by_block.get(block.block, {})})
            for part in parts
            for block in _block_profiles(policy, part)
        ),
    )


def _block_profiles(policy: Policy, part: Scored) -> list[BlockProfile]:
    volume = Counter(part.rows.blocks.tolist())
    labelled = Counter(part.rows.blocks[part.rows.labelled].tolist())
    return [
        BlockProfile(kind=part.kind, block=block, volume=volume[block], labelled=labelled[block], demand=demand)
        for block, demand in demand_of_blocks(policy, part.rows, part.scores).items()
    ]
