"""Plays a scenario over HTTP in event time, on a system that is already running."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import httpx

from headrace.acts import Acts
from headrace.errors import CommandError
from headrace.replay import SOURCE, Replay
from headrace.scenario import Hour, Scenario
from headrace.serving_client import ServingClient
from headrace.settings import authorization
from shared.events import TrainingRequested, derived_id

OnDay = Callable[["Progress"], Awaitable[None]]


class PlayError(CommandError):
    """The story cannot go on; the message says what the system answered."""


@dataclass
class Progress:
    """How far the replay is."""

    day: date
    number: int
    days: int
    predictions: int = 0
    decisions: dict[str, int] = field(default_factory=dict)


async def _silent(_progress: Progress) -> None:
    return


class Player:
    """Applies the contract, trains the first model, then lives through the days."""

    def __init__(
        self, scenario: Scenario, replay: Replay, client: ServingClient, registry: str, acts: Acts | None = None
    ) -> None:
        self.scenario, self.replay, self.client = scenario, replay, client
        self._acts = acts or Acts({})
        self._registry = registry
        self._ids: dict[int, str] = {}

    async def begin(self) -> None:
        """Set the clock and put the contract in force."""
        await self.replay.advance(self.scenario.start)
        async with httpx.AsyncClient(base_url=self._registry, timeout=30.0) as http:
            answer = await http.post(
                "/v1/use_cases",
                content=self.scenario.contract_text.encode(),
                headers={"content-type": "application/yaml"} | authorization(),
            )
        if not answer.is_success:
            raise PlayError(f"the registry refused the contract: {answer.text[:2000]}")
        await self.replay.quiet()

    async def train(self, seed: int) -> None:
        """Ask for the first model and wait until it is served everywhere."""
        contract = self.scenario.contract
        request = TrainingRequested.begin(
            source=SOURCE,
            time=self.scenario.start,
            id=derived_id(SOURCE, contract.use_case, "first training", str(seed)),
            use_case=contract.use_case,
            reason="the first model",
            requested_by="demo",
            kind_of_cause="person",
        )
        await self.replay.say(request)
        await self.replay.quiet()
        async with httpx.AsyncClient(base_url=self._registry, headers=authorization(), timeout=30.0) as http:
            releases = (await http.get(f"/v1/use_cases/{contract.use_case}/releases")).json()
        if not releases:
            raise PlayError("the first model was not released: see `headrace events --topic model_rejected`")

    async def live(self, on_day: OnDay = _silent) -> None:
        """Every day: each event hour one predict and one outcomes request, then midnight."""
        days = self.scenario.days
        for number, day in enumerate(days, start=1):
            if await self._acts.of(day):
                await self.replay.quiet()
            reported: asyncio.Task[None] | None = None
            for hour in self.scenario.hours(day):
                known = await self.decide(hour)
                # Outcomes keep their order; the next hour's decisions need not wait for them.
                if reported:
                    await reported
                reported = asyncio.create_task(self.client.outcomes(hour.name, known)) if known else None
            if reported:
                await reported
            await self.replay.advance(self.scenario.midnight(day + timedelta(days=1)))
            await on_day(Progress(day, number, len(days), self.client.answered, dict(self.client.decisions)))

    async def decide(self, hour: Hour) -> list[dict[str, Any]]:
        """One predict request; returns the outcomes that are known by the end of the hour."""
        if hour.records:
            predictions = await self.client.predict(hour.name, hour.records)
            # What was decided otherwise never shows what it was: nobody could report it.
            observed = self.scenario.contract.label.observed_when
            answered = {
                row: p["prediction_id"]
                for row, p in zip(hour.rows, predictions, strict=False)
                # An audited case is looked into, whatever was decided.
                if observed == "always" or p["decision"] in observed or p.get("arm") == "audit"
            }
            self._ids |= answered
        kind = "label" if self.scenario.contract.classification else "value"
        return [
            {"prediction_id": self._ids.pop(row), kind: outcome, "known_at": at.isoformat()}
            for row, outcome, at in hour.outcomes
            if row in self._ids
        ]
