"""The fit process: what it may see, what it may use, and how it ends."""

import csv
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from services.trainer.job import JOB, LOG, PACKAGE, Job, Result
from services.trainer.process import FitProcess
from services.trainer.settings import fit_environment
from shared.events import OutcomeRecorded, PredictionServed
from shared.feedback.joined import table_versions
from shared.feedback.rows import Placed, decision_rows, outcome_rows
from shared.feedback.table import FeedbackTable
from shared.package import verify_package

# These start the real fit process, which takes seconds to import its libraries.
pytestmark = pytest.mark.e2e
MakeJob = Callable[..., Job]
DIGEST = "a" * 64


async def run(job: Job, run_dir: Path, limit_seconds: float = 120) -> Result:
    process = await FitProcess.start()
    process.begin(job, run_dir)
    return await process.result(limit_seconds)


def plant_feedback(location: str, rows: list[tuple[datetime, float, datetime]]) -> None:
    """Write decisions (event time, size) and outcomes (known at) into the real tables."""
    served = PredictionServed.begin(
        source="test",
        time=rows[0][0],
        use_case="toy",
        request_id="planted",
        status="answered",
        release_sequence=1,
        package_digest=DIGEST,
        behaviour_digest=DIGEST,
        contract_digest=DIGEST,
        event_times=[time for time, _, _ in rows],
        blocks=[time.date().isoformat() for time, _, _ in rows],
        scores=[[0.5]] * len(rows),
        decisions=["ignore"] * len(rows),
        reasons=["cost"] * len(rows),
        places=[None] * len(rows),
        propensities=[1.0] * len(rows),
        arms=["model"] * len(rows),
        flagged=[[]] * len(rows),
        numbers={"size": [size for _, size, _ in rows]},
        categories={"colour": ["red"] * len(rows)},
    )
    outcomes = [
        {"prediction_id": f"planted/{place}", "label": "broken", "known_at": known_at}
        for place, (_, _, known_at) in enumerate(rows)
    ]
    recorded = OutcomeRecorded.begin(source="test", time=rows[0][0], use_case="toy", outcomes=outcomes)
    FeedbackTable(location, "decisions").append(decision_rows([Placed(served, 0, 0)]), {("prediction_served", 0): 1})
    FeedbackTable(location, "outcomes").append(outcome_rows([Placed(recorded, 0, 0)]), {("outcome_recorded", 0): 1})


async def test_no_fit_sees_a_row_whose_outcome_became_known_after_as_of(
    make_job: MakeJob, toy_dir: Path, toy_rows: pd.DataFrame, tmp_path: Path
) -> None:
    as_of = make_job().as_of
    early, first_decision = datetime(2024, 3, 10, 12, tzinfo=UTC), datetime(2024, 3, 20, tzinfo=UTC)
    planted = pd.DataFrame(
        {
            "happened_at": [early, early, first_decision + timedelta(hours=1)],
            "known_at": [as_of, as_of + timedelta(microseconds=1), as_of],
            "size": [7.25, 6.25, 5.25],
            "colour": ["red"] * 3,
            "outcome": ["broken"] * 3,
        }
    )
    pd.concat([toy_rows, planted]).to_parquet(toy_dir / "rows.parquet")
    location = str(tmp_path / "feedback")
    later = first_decision + timedelta(hours=2)
    held_out = [(datetime(2024, 3, 22, tzinfo=UTC) + timedelta(hours=hour), 1.0, as_of) for hour in range(160)]
    plant_feedback(
        location,
        [
            (first_decision, 4.25, as_of),
            (later, 3.25, as_of + timedelta(microseconds=1)),
            *held_out,
        ],
    )
    job = make_job("build_recording", feedback=location, table_version=tuple(table_versions(location)))
    assert (await run(job, tmp_path / "run")).outcome == "trained"
    with (toy_dir / "seen.csv").open() as stream:
        seen = {float(row[0]) for row in csv.reader(stream) if row[0]}
    # Known in time: a source row before the first decision, and a decision. Never: known later, or a source row after.
    assert {7.25, 4.25} <= seen
    assert not {6.25, 3.25, 5.25} & seen


async def test_the_process_leaves_a_package_that_can_be_proven_and_behaves_alike_each_time(
    make_job: MakeJob, tmp_path: Path
) -> None:
    one, two = await run(make_job(), tmp_path / "1"), await run(make_job(), tmp_path / "2")
    assert one.behaviour_digest == two.behaviour_digest
    assert verify_package(tmp_path / "1" / PACKAGE, one.package_digest or "")
    assert b"fitting on" in (tmp_path / "1" / LOG).read_bytes()


@pytest.mark.parametrize(
    ("pipeline", "outcome", "said"),
    [
        ("build_broken", "failed", "RuntimeError: no model today"),
        ("build_untrusted", "failed", "_first_column"),
        ("build_greedy", "failed", "more than its 4096 MiB of memory"),
        ("build_deadly", "failed", "SIGSEGV"),
        ("build_nowhere", "declined", "no function build_nowhere"),
    ],
)
async def test_every_failure_has_a_reason_that_people_can_read(
    make_job: MakeJob, tmp_path: Path, pipeline: str, outcome: str, said: str
) -> None:
    result = await run(make_job(pipeline, memory_megabytes=4096), tmp_path / "run")
    assert result.outcome == outcome
    assert said in result.reason
    assert (tmp_path / "run" / LOG).exists()


async def test_a_fit_that_takes_too_long_is_ended(make_job: MakeJob, tmp_path: Path) -> None:
    process = await FitProcess.start()
    process.begin(make_job("build_endless"), tmp_path / "run")
    result = await process.result(limit_seconds=0.5)
    assert result.outcome == "failed"
    assert result.reason == "the fit took longer than its 0.5 seconds"
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)


def test_a_fit_ends_when_its_trainer_is_gone(make_job: MakeJob, tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    (run_dir / JOB).write_text(make_job("build_endless").model_dump_json())
    process = subprocess.Popen(
        [sys.executable, "-m", "services.trainer.fit", str(run_dir)],
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=fit_environment(),
        start_new_session=True,
    )
    assert process.stdin
    process.stdin.close()
    assert process.wait(60) == -signal.SIGKILL


def test_a_fit_that_waits_for_work_ends_when_its_trainer_is_gone() -> None:
    waiting = subprocess.Popen(
        [sys.executable, "-m", "services.trainer.fit"],
        stdin=subprocess.PIPE,
        env=fit_environment(),
        start_new_session=True,
    )
    assert waiting.stdin
    waiting.stdin.close()
    assert waiting.wait(60) == 0


def test_a_fit_gets_one_thread_and_none_of_the_service_s_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADRACE_KAFKA_SASL_PASSWORD", "secret")
    environment = fit_environment()
    assert environment["OMP_NUM_THREADS"] == "1"
    assert not [name for name in environment if name.startswith("HEADRACE_")]
