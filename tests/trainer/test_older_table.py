"""A table written before the contract gained a feature still trains, reports, is evaluated and queried."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

from services.monitor.blocks import report_block
from services.monitor.drift import Watch
from services.monitor.explain import explain
from services.trainer.job import PACKAGE, Job
from services.trainer.train import train
from shared.contract import Contract
from shared.evaluation.again import decide_again
from shared.evaluation.models import Model
from shared.events import Outcome, OutcomeRecorded, PredictionServed
from shared.feedback.joined import joined, table_versions
from shared.feedback.rows import Placed, decision_rows, outcome_rows
from shared.feedback.table import FeedbackTable
from shared.feedback.views import view
from shared.package import read_package
from shared.package.inputs import RunningProfile
from tests.trainer.conftest import AS_OF, START

pytestmark = pytest.mark.slow
MakeJob = Callable[..., Job]
FIRST, GAINED = 14, 25


@pytest.fixture
def older(tmp_path: Path, toy_contract: Contract, toy_rows: pd.DataFrame) -> str:
    """Two weeks of decisions: `colour` is logged in the last three days only."""
    location = str(tmp_path / "feedback")
    for offset, (day, rows) in enumerate(toy_rows.groupby(toy_rows["happened_at"].dt.date)):
        number = (day - START.date()).days
        if number >= FIRST:
            append(location, toy_contract, f"day-{number}", rows, offset, with_colour=number >= GAINED)
    return location


def append(location: str, contract: Contract, name: str, rows: pd.DataFrame, offset: int, *, with_colour: bool) -> None:
    count, times = len(rows), [time.to_pydatetime() for time in rows["happened_at"]]
    event = PredictionServed.begin(
        source="serving", time=times[0], use_case="toy", request_id=name, status="answered", release_sequence=1,
        package_digest="a" * 64, behaviour_digest="b" * 64, contract_digest=contract.digest, event_times=times,
        blocks=[times[0].date().isoformat()] * count, scores=[[0.5]] * count, decisions=["ignore"] * count,
        reasons=["cost"] * count, places=[None] * count, propensities=[1.0] * count, arms=["model"] * count,
        flagged=[[]] * count, numbers={"size": rows["size"].tolist()},
        categories={"colour": rows["colour"].tolist()} if with_colour else {},
    )  # fmt: skip
    told = [
        Outcome(prediction_id=f"{name}/{place}", label=label, known_at=time + timedelta(hours=6))
        for place, (label, time) in enumerate(zip(rows["outcome"], times, strict=True))
    ]
    said = OutcomeRecorded.begin(source="desk", time=times[-1], use_case="toy", outcomes=told)
    FeedbackTable(location, "decisions").append(
        decision_rows([Placed(event, 0, offset)]), {("prediction_served", 0): offset + 1}
    )
    FeedbackTable(location, "outcomes").append(
        outcome_rows([Placed(said, 0, offset)]), {("outcome_recorded", 0): offset + 1}
    )


def test_it_trains_with_nulls_where_the_feature_was_not_known_yet(
    older: str, make_job: MakeJob, tmp_path: Path
) -> None:
    result = train(make_job(feedback=older, table_version=tuple(table_versions(older))), tmp_path)
    assert result.outcome == "trained"
    manifest = read_package(tmp_path / PACKAGE).manifest
    assert [feature.name for feature in manifest.features] == ["size", "colour"]
    assert int(result.lineage["rows"]) == 28 * 24


def test_its_blocks_are_reported_evaluated_and_compared_with_a_package_that_wants_the_feature(
    older: str, make_job: MakeJob, toy_contract: Contract, tmp_path: Path
) -> None:
    result = train(make_job(feedback=older, table_version=tuple(table_versions(older))), tmp_path)
    package = read_package(tmp_path / PACKAGE)
    model = Model(str(result.package_digest), package)
    old = (START + timedelta(days=FIRST)).date().isoformat()
    new = (START + timedelta(days=GAINED)).date().isoformat()
    before = table_versions(older)
    for block in (old, new):
        rows = joined(older, "toy", AS_OF, [block], before)
        report = report_block(rows, toy_contract, block, AS_OF)
        assert (report.volume, report.labelled, report.value_minor) == (24, 24, 0)
        scores = model.score(rows)
        assert np.isfinite(scores).all()
        decided = decide_again(rows, scores, ["now"] * 24, {"now": model.policy(toy_contract)})
        assert set(decided) <= {"ignore", "inspect"}
        running = RunningProfile(package.profile.numbers, package.profile.categories)
        running.add({"size": rows["num_size"], "colour": rows["cat_colour"]})
        watch = Watch("toy", "day", 0.05, 1)
        assert {one.name for one in explain(watch, package.profile, running.profile(), [], [])} <= {"size", "colour"}


def test_a_version_from_before_has_no_such_column_and_is_scored_all_the_same(
    older: str, make_job: MakeJob, toy_contract: Contract, tmp_path: Path
) -> None:
    train(make_job(feedback=older, table_version=tuple(table_versions(older))), tmp_path)
    package = read_package(tmp_path / PACKAGE)
    table = FeedbackTable(older, "decisions")
    first = next(version for version in range(1, 30) if table.scan("toy", version=version).collect().height == 24)
    pinned = table_versions(older)._replace(decisions=first)
    rows = joined(older, "toy", AS_OF, version=pinned)
    assert "cat_colour" not in rows.columns
    assert np.isfinite(Model("0" * 64, package).score(rows)).all()
    assert "colour" not in view(older, "joined", pinned).collect_schema()
    newest = view(older, "joined", table_versions(older)).collect()
    assert newest.filter(pl.col("colour").is_null()).height == (GAINED - FIRST) * 24
