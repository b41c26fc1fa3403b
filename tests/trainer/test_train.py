"""A run from rows to a proven package, in this process."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from services.trainer.job import PACKAGE, CannotTrainError, Job
from services.trainer.train import seeded, train
from shared.contract import Contract
from shared.package import read_package, verify_package

pytestmark = pytest.mark.slow

MakeJob = Callable[..., Job]


def test_a_trained_package_is_proven_and_says_where_it_comes_from(
    make_job: MakeJob, toy_contract: Contract, tmp_path: Path
) -> None:
    result = train(make_job(), tmp_path)
    assert result.package_digest
    features = [(name, feature.type) for name, feature in toy_contract.features.items()]
    proof = verify_package(tmp_path / PACKAGE, result.package_digest, features)
    assert proof.behaviour_digest == result.behaviour_digest
    manifest = read_package(tmp_path / PACKAGE).manifest
    assert manifest.train_until == datetime(2024, 3, 22, tzinfo=UTC)
    assert manifest.evaluation["auc"] > 0.8
    assert manifest.evaluation["value_per_day_minor"] > 0
    assert manifest.lineage["cause_id"] == "cause-1"
    assert manifest.lineage["seed"] == "7"


def test_reference_rows_are_all_days_each_scored_by_a_model_that_did_not_see_it(
    make_job: MakeJob, tmp_path: Path
) -> None:
    train(make_job(), tmp_path)
    package = read_package(tmp_path / PACKAGE)
    reference = package.reference()
    blocks = reference.blocks()
    assert list(blocks) == [f"2024-03-{day:02}" for day in range(1, 29)]
    assert {rows[0].kind for block, rows in blocks.items() if block >= "2024-03-22"} == {"holdout"}
    assert {rows[0].kind for block, rows in blocks.items() if block < "2024-03-22"} == {"oof"}
    assert [row.position for row in reference.rows] == sorted(row.position for row in reference.rows)
    # Six hours before midnight the outcome of the last day was not known yet.
    assert {block: rows[0].volume for block, rows in blocks.items() if rows[0].volume != 24} == {"2024-03-28": 19}
    assert sum(package.profile.labels.values()) == 28 * 24 - 5
    assert [profile.block for profile in package.profile.blocks] == list(blocks)
    columns = {*package.profile.numbers, *package.profile.categories}
    assert [{*one.inputs} for one in package.profile.blocks] == [columns] * len(blocks)
    assert all(sum(counts) == one.volume for one in package.profile.blocks for counts in one.inputs.values())


def test_the_same_job_twice_behaves_alike_and_another_seed_is_not_the_same_run(
    make_job: MakeJob, tmp_path: Path
) -> None:
    one, two = train(make_job(), tmp_path / "1"), train(make_job(), tmp_path / "2")
    assert one.behaviour_digest == two.behaviour_digest
    assert one.evaluation == two.evaluation


def test_the_order_in_which_a_source_returns_its_rows_changes_nothing(
    make_job: MakeJob, toy_dir: Path, toy_rows: pd.DataFrame, tmp_path: Path
) -> None:
    before = train(make_job(), tmp_path / "1")
    toy_rows.sample(frac=1, random_state=3).to_parquet(toy_dir / "rows.parquet")
    assert train(make_job(), tmp_path / "2").behaviour_digest == before.behaviour_digest


def test_every_random_state_comes_from_the_seed_however_deep() -> None:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.model_selection import StratifiedKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import TargetEncoder

    rates = TargetEncoder(cv=StratifiedKFold(5, shuffle=True))
    pipeline = seeded(make_pipeline(rates, RandomForestClassifier()), 2**32 + 5)
    assert pipeline.get_params()["randomforestclassifier__random_state"] == 5
    assert rates.cv.random_state == 5
    assert rates.random_state == "deprecated"
    assert seeded(TargetEncoder(cv=StratifiedKFold(5)), 5).cv.random_state is None


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda rows: rows.drop(columns="size"), "no column size"),
        (lambda rows: rows.assign(happened_at=rows["happened_at"].dt.tz_localize(None)), "with an offset"),
        (lambda rows: rows.assign(outcome="lost"), "'lost' is not one of fine, broken"),
        (lambda rows: rows.assign(outcome="fine"), "no row of class broken"),
        (lambda rows: rows[rows["happened_at"] > "2024-03-20"], "at least 4 needed"),
        (lambda rows: rows.assign(outcome=None), "0 training rows with a label"),
        (lambda rows: rows.assign(size=np.where(rows.index % 10 == 0, 99, rows["size"])), r"max_flagged .* size"),
        (lambda rows: rows.iloc[:0], "0 days with rows"),
    ],
)
def test_data_that_do_not_allow_a_fit_are_explained(
    make_job: MakeJob,
    toy_dir: Path,
    toy_rows: pd.DataFrame,
    tmp_path: Path,
    spoil: Callable[[pd.DataFrame], pd.DataFrame],
    said: str,
) -> None:
    spoil(toy_rows).to_parquet(toy_dir / "rows.parquet")
    with pytest.raises(CannotTrainError, match=said):
        train(make_job(), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_feature_that_is_all_null_does_not_stop_a_fit(
    make_job: MakeJob, toy_dir: Path, toy_rows: pd.DataFrame, tmp_path: Path
) -> None:
    toy_rows.assign(size=None).to_parquet(toy_dir / "rows.parquet")
    result = train(make_job(), tmp_path / "run")
    assert verify_package(tmp_path / "run" / PACKAGE, result.package_digest or "")


def test_the_day_of_as_of_is_not_used_before_it_is_over(make_job: MakeJob, tmp_path: Path) -> None:
    as_of = datetime(2024, 3, 28, 18, tzinfo=UTC)
    train(make_job(as_of=as_of), tmp_path / "run")
    assert max(read_package(tmp_path / "run" / PACKAGE).reference().blocks()) == "2024-03-27"
    assert read_package(tmp_path / "run" / PACKAGE).manifest.train_until == as_of - timedelta(days=7, hours=18)


def test_three_classes_give_three_scores_in_the_contracts_order(
    make_job: MakeJob, toy_contract: Contract, toy_dir: Path, toy_rows: pd.DataFrame, tmp_path: Path
) -> None:
    toy_rows.loc[toy_rows["size"] > 1.5, "outcome"] = "shattered"
    toy_rows.to_parquet(toy_dir / "rows.parquet")
    body = make_job().contract | {"task": "multiclass"}
    body["label"] = body["label"] | {"classes": ["shattered", "fine", "broken"]}
    body["decisions"] = {
        "ignore": {"fine": "0.00", "broken": "5.00", "shattered": "9.00"},
        "inspect": {"fine": "1.00", "broken": "0.50", "shattered": "0.50"},
    }
    result = train(make_job(contract=body), tmp_path / "run")
    package = read_package(tmp_path / "run" / PACKAGE)
    assert verify_package(package.path, result.package_digest or "")
    assert result.evaluation["accuracy"] > 0.7
    sizes = np.array([row.scores for row in package.reference().rows])
    assert sizes.shape[1] == 3
    labels = [row.label for row in package.reference().rows]
    shattered = np.array([label == "shattered" for label in labels])
    assert sizes[shattered, 0].mean() > 5 * sizes[~shattered, 0].mean()


def test_a_number_can_be_estimated(make_job: MakeJob, toy_dir: Path, toy_rows: pd.DataFrame, tmp_path: Path) -> None:
    toy_rows.assign(outcome=toy_rows["size"] * 2 + 20).to_parquet(toy_dir / "rows.parquet")
    body = make_job("build_regression").contract | {
        "task": "regression",
        "costs": {"under": "3.00", "over": "1.00"},
        "without_model": 20.0,
        "label": {"name": "outcome", "range": [0, 100], "mature_after": "1d", "give_up_after": "3d"},
    }
    del body["decisions"]
    result = train(make_job(contract=body), tmp_path / "run")
    package = read_package(tmp_path / "run" / PACKAGE)
    assert verify_package(package.path, result.package_digest or "")
    assert result.evaluation["mae"] < 1.5
    assert result.evaluation["value_per_day_minor"] > 0
    assert package.profile.calibration == ()
    assert all(row.label is None and row.value is not None for row in package.reference().rows)
