"""A small use case that has lived for some weeks: tables on disk, and what the monitor and the registry said of it."""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import select

from services.console.handlers import keep, on_use_case_applied
from services.monitor.closing import Closing
from services.monitor.handlers import on_use_case_applied as monitor_applies
from services.monitor.store import Contracts
from shared.contract.schema import Contract
from shared.events import (
    DriftDetected,
    Event,
    KpiReported,
    ModelRejected,
    ModelReleased,
    ModelTrained,
    OutcomeRecorded,
    PredictionServed,
    RollbackRequested,
    TrainingFinished,
    TrainingRequested,
    UseCaseApplied,
    from_record,
)
from shared.spine.db import Database
from shared.spine.outbox import OutboxRow
from tests.console.pages import SCRIPT
from tests.containers import database_url
from tests.feedback.contracts import FLIGHTS, flights_contract
from tests.feedback.streams import BEHAVIOUR, NOON, PACKAGE, happened, served, store

DAY = dt.timedelta(days=1)
START = NOON.replace(hour=0)
# Minor units that the package of these worlds had promised for a case.
PROMISED = 90
LIMITS: dict[str, Any] = {
    "regret": {"against": "last_good", "ceiling": 0.0, "clip": 0.5},
    "cost_per_case": {"ceiling": 1.05, "range": [0, 5]},
    "reviews_per_day": {"ceiling": 2},
    "brier": {"ceiling": 0.5},
}
FIRST = flights_contract(kpis=LIMITS, sponsors=["head-of-operations"], objective=f"Which flights arrive late? {SCRIPT}")
_CHEAPER = {**FLIGHTS["decisions"], "review": {**FLIGHTS["decisions"]["review"], "on_time": "0.50", "late": "0.50"}}
SECOND = flights_contract(kpis=LIMITS, sponsors=["head-of-operations"], objective=FIRST.objective, decisions=_CHEAPER)


def applied(contract: Contract, revision: int = 1, time: dt.datetime = START, **changes: Any) -> UseCaseApplied:
    """The contract in force."""
    fields: dict[str, Any] = {"changed": [], "signed_by": "arrivals-desk", "use_case": contract.use_case, **changes}
    return UseCaseApplied.begin(
        source="registry", time=time, contract_digest=contract.digest, contract=contract.to_json(), revision=revision,
        **fields,
    )  # fmt: skip


def released(sequence: int, cause: Any, time: dt.datetime, **changes: Any) -> ModelReleased:
    """A release of the one package."""
    fields: dict[str, Any] = {
        "use_case": "flights", "sequence": sequence, "package_digest": PACKAGE, "behaviour_digest": BEHAVIOUR,
        "contract_digest": FIRST.digest, "policy": {}, "cause": cause, "reason": "", "released_by": "registry",
    }  # fmt: skip
    after = changes.pop("after", None)
    if after is not None:
        return ModelReleased.follow(after, "flights", source="registry", time=time, **{**fields, **changes})
    return ModelReleased.begin(source="registry", time=time, **{**fields, **changes})


def flights(days: int, known: int, changed_on: int) -> tuple[list[Any], list[Any]]:
    """Ten flights a day for `days`; the outcomes of the first `known` days; another contract from day `changed_on`."""
    decided, ended = [], []
    for number in range(days):
        contract = (FIRST if number < changed_on else SECOND).digest
        times = [START + number * DAY + dt.timedelta(hours=2 * hour) for hour in range(10)]
        review = 2 if number % 3 else 1
        decisions = ["review"] * review + ["act"] * 3 + ["none"] * (7 - review)
        decided.append(served(f"r{number}", times, decisions=decisions, contract_digest=contract, scores=[0.4] * 10))
        if number < known:
            late = 4 + number % 5
            labels = {f"r{number}/{i}": "late" if i < late else "on_time" for i in range(10)}
            ended.append(happened(labels, known_at=START + (number + 1) * DAY + dt.timedelta(hours=3)))
    return decided, ended


def changes() -> list[Event]:
    """What happened to the use case in those weeks, contracts aside."""
    asked = TrainingRequested.begin(
        source="trainer", time=START + 6 * DAY, use_case="flights", reason="e-value 40", requested_by="schedule",
        kind_of_cause="schedule",
    )  # fmt: skip
    back = RollbackRequested.begin(
        source="monitor", time=START + 12 * DAY, use_case="flights", requested_by="monitor", kpi="regret",
        reason="e-value 111 of 100", release_sequence=3,
    )  # fmt: skip
    run: dict[str, Any] = {"use_case": "flights", "run_id": "1", "reason": "fitted on 100 rows"}
    alarm: dict[str, Any] = {
        "use_case": "flights", "release_sequence": 2, "package_digest": PACKAGE, "behaviour_digest": BEHAVIOUR,
        "contract_digest": FIRST.digest, "block": "2013-03-09", "unit": "day", "method": "ranks", "alpha": 0.05,
        "epoch": 1, "e_value": 41.0, "threshold": 40.0, "effect_size": 0.2, "signals": {},
    }  # fmt: skip
    trained: dict[str, Any] = {
        "use_case": "flights", "package_digest": PACKAGE, "behaviour_digest": BEHAVIOUR,
        "contract_digest": FIRST.digest, "train_until": START - 14 * DAY,
    }  # fmt: skip
    return [
        ModelTrained.begin(source="trainer", time=START, **trained),
        released(1, "first", START),
        asked,
        TrainingFinished.follow(asked, "flights", source="trainer", time=START + 6 * DAY, outcome="trained", **run),
        released(2, "promotion", START + 7 * DAY),
        DriftDetected.begin(source="monitor", time=START + 9 * DAY, **alarm),
        released(3, "person", START + 10 * DAY, released_by="ann", forced=True,
                 reason=f"it looked better {SCRIPT}; forced past max_brier (0.2 above 0.15)"),
        TrainingFinished.begin(source="trainer", time=START + 11 * DAY, outcome="failed", **run),
        back,
        released(4, "rollback", START + 12 * DAY, after=back),
        ModelRejected.begin(source="registry", time=START + 13 * DAY, use_case="flights", package_digest=PACKAGE,
                            gate="superseded", explanation="another digest"),
    ]  # fmt: skip


class World:
    """The tables, and the console's database filled from them by the real monitor."""

    def __init__(self, folder: Path) -> None:
        self.location = str(folder / "feedback")
        self.database = database_url(folder / "console" / "console.db")
        (folder / "console").mkdir(parents=True, exist_ok=True)
        self.db = Database(self.database)
        self._monitor = Database(database_url(folder / "monitor.db"))

    async def live(self, days: int = 24, known: int = 22, changed_on: int = 14) -> dt.datetime:
        """Play it; returns the time at its end."""
        terms = [applied(FIRST), applied(SECOND, 2, START + changed_on * DAY, changed=["decisions.review.late"])]
        return await self.play(terms, flights(days, known, changed_on), changes(), days)

    async def play(
        self,
        terms: Sequence[UseCaseApplied],
        rows: tuple[Sequence[PredictionServed], Sequence[OutcomeRecorded]],
        told: Sequence[Event],
        days: int,
        promised: int | None = PROMISED,
    ) -> dt.datetime:
        """Days under any terms, with rows in the tables and accounts that promise so much for a case."""
        await self.db.create_tables()
        store(Path(self.location), *rows)
        for event in terms:
            await on_use_case_applied(event, self.db, ())
        accounts = await self._accounts(terms, days)
        if promised is not None:
            accounts = [one.model_copy(update={"forecast_minor": promised * one.volume}) for one in accounts]
        for heard in [*told, *accounts]:
            await keep(self.db, heard)
        return START + (days + 1) * DAY

    async def _accounts(self, terms: Sequence[UseCaseApplied], days: int) -> list[KpiReported]:
        await self._monitor.create_tables()
        contracts = Contracts()
        for event in terms:
            await monitor_applies(event, self._monitor, contracts)
        closing = Closing(self._monitor, self.location, contracts)
        for number in range(days + 1):
            await closing.step(START + (number + 1) * DAY)
        async with self._monitor.read() as session:
            rows = list(await session.scalars(select(OutboxRow).order_by(OutboxRow.id)))
        return [from_record(KpiReported, row.value, row.record().headers) for row in rows]

    async def close(self) -> None:
        """Let both databases go."""
        await self.db.close()
        await self._monitor.close()
