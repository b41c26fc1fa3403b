"""A trainer without Kafka: real database, real packages, real tables; events go straight to the handlers."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from sqlalchemy import select

from services.trainer.evaluations import Evaluations
from services.trainer.handlers import (
    Seed,
    on_drift_detected,
    on_kpi_reported,
    on_model_rejected,
    on_model_released,
    on_model_trained,
    on_training_requested,
    on_use_case_applied,
)
from services.trainer.requests import decide_requests
from services.trainer.runs import Runs
from services.trainer.settings import TrainerSettings
from services.trainer.store import Ending, RunStore
from services.trainer.tables import RunRow
from shared.contract import Contract, decide_in_order, derive_policy
from shared.contract.arms import Draw
from shared.evaluation.models import Models
from shared.events import (
    CATALOGUE,
    DriftDetected,
    Event,
    KpiReported,
    ModelRejected,
    ModelReleased,
    ModelTrained,
    Outcome,
    OutcomeRecorded,
    PredictionServed,
    TrainingRequested,
    UseCaseApplied,
    from_record,
)
from shared.feedback.rows import Placed, decision_rows, outcome_rows
from shared.feedback.table import FeedbackTable
from shared.package import PackageStore, predict_scores, read_package, to_frame
from shared.spine.clock import Clock
from shared.spine.db import Database
from shared.spine.outbox import OutboxRow
from tests.containers import database_url
from tests.registry.toy import NOW, Toy, contract, make_toy

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
# Tight enough that capacity decides something on a day of 200 trains, twice what the references expect.
CONTRACT = contract(
    ("limit: 40", "limit: 5"),
    ("gates: {max_brier: 0.25}", "gates: {max_brier: 0.25}\nretraining: {on: [drift, schedule], every: 1 month}"),
)
CHEAPER = contract(("limit: 40", "limit: 2"), ("late: 5.00", "late: 4.00"))
Known = TypeVar("Known", bound=Event)


async def tables_are_fresh() -> None:
    """There is no Kafka here that could hold more than the tables."""


class Bench:
    """The parts of a trainer under test, and shorthands for what tests do with them."""

    def __init__(self, folder: Path, seed: int = 7) -> None:
        self.folder, self.settings = folder, TrainerSettings(home=folder, clock="replay", seed=seed)
        self.db = Database(database_url(folder / "trainer.db"))
        self.clock = Clock("replay", NOW)
        self.store = PackageStore(self.settings.packages_location)
        self.runs = Runs(self.settings, self.db, self.clock, self.store, tables_are_fresh)
        self.rows = 0
        self.restart()

    def restart(self) -> None:
        """Forget what is only in memory."""
        models = Models(self.store, self.settings.packages_cache)
        self.evaluations = Evaluations(self.db, self.settings.feedback_location, models)

    async def hear(self, *events: Event) -> None:
        """Handle events as Kafka would deliver them."""
        for event in events:
            match event:
                case UseCaseApplied():
                    await on_use_case_applied(event, self.db)
                case TrainingRequested():
                    await on_training_requested(event, self.db, self.clock, self.runs, Seed(self.settings.seed))
                case DriftDetected():
                    await on_drift_detected(event, self.db, self.clock)
                case ModelTrained():
                    await on_model_trained(event, self.db, self.clock, self.evaluations)
                case ModelRejected():
                    await on_model_rejected(event, self.db)
                case ModelReleased():
                    await on_model_released(event, self.db)
                case KpiReported():
                    await on_kpi_reported(event, self.db, self.evaluations)
                case _:
                    raise AssertionError(event.topic)

    async def step(self, now: datetime) -> None:
        """The clock moves."""
        self.clock.set(now)
        await decide_requests(now, self.db, self.settings.seed, self.runs.wake)

    async def said(self, kind: type[Known]) -> list[Known]:
        """What was written to the outbox, of one kind."""
        async with self.db.read() as session:
            rows = list(await session.scalars(select(OutboxRow).order_by(OutboxRow.id)))
        events = [from_record(CATALOGUE[row.topic], row.value, row.record().headers) for row in rows]
        return [event for event in events if isinstance(event, kind)]

    async def list_runs(self) -> list[RunRow]:
        """Every run and every refusal, oldest first."""
        async with self.db.read() as session:
            return list(await session.scalars(select(RunRow).order_by(RunRow.as_of, RunRow.id)))

    async def finish(self, package: str | None = None) -> None:
        """End the open run, with a package or without."""
        async with self.db.transaction() as session:
            (run,) = await RunStore(session).list_open()
            attempt = await RunStore(session).take(run, "test")
            assert attempt is not None
            ending = Ending("trained" if package else "failed", "because", 1.0, "log", package)
            assert await RunStore(session).finish(run.id, attempt, ending)

    def package(self, seed: int, days: int = 0) -> Toy:
        """A package in the store, trained up to some days after the others."""
        toy = make_toy(self.folder, seed=seed, train_until=NOW + days * DAY)
        self.store.put(toy.path, toy.digest)
        return toy

    def serve(
        self,
        day: int,
        toy: Toy,
        release: int = 1,
        rows: int = 200,
        hour: int = 0,
        labelled: float = 1.0,
        flagged: int = 0,
        control: float = 0.0,
    ) -> None:
        """Decisions of some hours, with labels that are known at the end of the next day."""
        random = np.random.default_rng(100 * day + hour)
        size, speed = random.normal(size=rows), random.normal(size=rows)
        late = size + 0.5 * speed + random.normal(size=rows) * 0.4 > 0.7
        start = NOW + day * DAY + hour * HOUR
        package, block = read_package(toy.path), start.date().isoformat()
        frame = to_frame(package.manifest.features, {"size": size, "speed": speed})
        scores = predict_scores(package.load_model(), "binary", frame, package.manifest.classes)
        policy = derive_policy(CONTRACT, package.demand())
        bad = [place < flagged for place in range(rows)]
        name, odd = f"{day}-{hour}-{release}", [["size"] if one else [] for one in bad]
        drawn = Draw(7, "trains", control, 0.0).arms(name, odd)
        found = decide_in_order(policy, [block] * rows, scores, bad, control=drawn.control)
        event = PredictionServed.begin(
            source="serving", time=start, use_case="trains", request_id=name, status="answered",
            release_sequence=release, package_digest=toy.digest, behaviour_digest=toy.manifest.behaviour_digest,
            contract_digest=CONTRACT.digest, event_times=[start + timedelta(minutes=place) for place in range(rows)],
            blocks=[block] * rows, scores=scores.tolist(), decisions=found.decisions, reasons=found.reasons,
            places=found.places, propensities=drawn.propensities, arms=drawn.arms, flagged=odd,
            numbers={"size": size.tolist(), "speed": speed.tolist()}, categories={},
        )  # fmt: skip
        told = range(int(rows * labelled))
        known_at = NOW + (day + 1) * DAY
        outcomes = [
            Outcome(prediction_id=f"{name}/{place}", label=("on_time", "late")[int(late[place])], known_at=known_at)
            for place in told
        ]
        self._append(event, outcomes, known_at)

    def tell(self, day: int, label: str, known_at: datetime, rows: Sequence[int], release: int = 1) -> None:
        """Labels that come later."""
        outcomes = [
            Outcome(prediction_id=f"{day}-0-{release}/{place}", label=label, known_at=known_at) for place in rows
        ]
        self._append(None, outcomes, known_at)

    def _append(self, event: PredictionServed | None, outcomes: list[Outcome], time: datetime) -> None:
        place = self.settings.feedback_location
        if event is not None:
            rows = decision_rows([Placed(event, 0, self.rows)])
            FeedbackTable(place, "decisions").append(rows, {("prediction_served", 0): self.rows + 1})
        if outcomes:
            said = OutcomeRecorded.begin(source="test", time=time, use_case="trains", outcomes=outcomes)
            told = outcome_rows([Placed(said, 0, self.rows)])
            FeedbackTable(place, "outcomes").append(told, {("outcome_recorded", 0): self.rows + 1})
        self.rows += 1


def applied(given: Contract = CONTRACT, revision: int = 1) -> UseCaseApplied:
    return UseCaseApplied.begin(
        source="registry", time=NOW, use_case="trains", contract_digest=given.digest, contract=given.to_json(),
        revision=revision, changed=[], signed_by="desk",
    )  # fmt: skip


def released(toy: Toy, sequence: int, at: datetime, target: Toy | None = None) -> ModelReleased:
    return ModelReleased.begin(
        source="registry", time=at, use_case="trains", sequence=sequence, package_digest=toy.digest,
        behaviour_digest=toy.manifest.behaviour_digest, contract_digest=CONTRACT.digest, policy={}, cause="person",
        reason="because", released_by="me", rollback_target=target.digest if target else None,
    )  # fmt: skip


def rejected(digest: str, at: datetime, gate: str = "max_brier") -> ModelRejected:
    return ModelRejected.begin(
        source="registry", time=at, use_case="trains", package_digest=digest, gate=gate, explanation="because"
    )


def trained(toy: Toy, at: datetime) -> ModelTrained:
    return toy.trained(f"trained-{toy.digest[:8]}").model_copy(update={"time": at})


def judged(day: int, toy: Toy, release: int = 1, after: timedelta = 2 * DAY, **changed: Any) -> KpiReported:
    """The report of a block: by default at the midnight a day after its end."""
    fields: dict[str, Any] = {
        "use_case": "trains",
        "block": (NOW + day * DAY).date().isoformat(),
        "release_sequence": release,
        "package_digest": toy.digest,
        "behaviour_digest": toy.manifest.behaviour_digest,
        "contract_digest": CONTRACT.digest,
        "status": "judged",
        "revision": 1,
        "volume": 200,
        "labelled": 200,
        "awaiting": 0,
        "given_up": 0,
        "coverage": 1.0,
        "mature": True,
        "decisions": {},
        "reasons": {},
        "currency": "EUR",
        "cost_minor": 0,
        "cost_without_model_minor": 0,
        "value_minor": 0,
    }
    return KpiReported.begin(
        id=f"kpi-{day}-{release}-{changed.get('revision', 1)}", source="monitor", time=NOW + day * DAY + after,
        **(fields | changed),
    )  # fmt: skip


def drift(number: int, at: datetime, epoch: int = 1, package: str = "a" * 64) -> DriftDetected:
    return DriftDetected.begin(
        id=f"drift-{number}", source="monitor", time=at, use_case="trains", release_sequence=1, package_digest=package,
        behaviour_digest="b" * 64, contract_digest=CONTRACT.digest, block="2013-03-01", unit="day",
        method="conformal rank", alpha=0.05, epoch=epoch, e_value=50.0, threshold=20.0, effect_size=0.1, signals={},
    )  # fmt: skip


def asked(number: int, at: datetime, kind: str = "service", **more: Any) -> TrainingRequested:
    return TrainingRequested.begin(
        id=f"request-{number}", source="test", time=at, use_case="trains", reason="why", requested_by="me",
        kind_of_cause=kind, **more,
    )  # fmt: skip
