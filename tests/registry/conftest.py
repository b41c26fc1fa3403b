"""A registry without Kafka: real database, real packages, real routes; events go straight to the handlers."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI
from sqlalchemy import select

from services.registry.app import make_app
from services.registry.candidates import decide_candidates
from services.registry.handlers import (
    decide_rollbacks,
    on_activation_reported,
    on_model_trained,
    on_package_evaluated,
    on_rollback_requested,
)
from services.registry.http import Parts
from services.registry.settings import RegistrySettings
from shared.events import (
    CATALOGUE,
    ActivationReported,
    Event,
    ModelTrained,
    PackageEvaluated,
    RollbackRequested,
    from_record,
)
from shared.package import PackageStore
from shared.spine.outbox import OutboxRow
from tests.containers import database_url
from tests.registry.toy import NOW, Toy, contract_text, make_toy

YAML = {"content-type": "application/yaml"}


@dataclass
class Registry:
    """The parts of a registry under test, and shorthands for what tests do with them."""

    app: FastAPI
    http: httpx.AsyncClient
    parts: Parts
    store: PackageStore
    folder: Path
    patience: Any

    async def hear(self, event: Event) -> None:
        """Handle an event as Kafka would deliver it."""
        match event:
            case ModelTrained():
                await on_model_trained(event, self.parts.db, self.parts.clock, self.parts.packages, self.patience)
            case PackageEvaluated():
                await on_package_evaluated(event, self.parts.db, self.parts.clock)
            case RollbackRequested():
                await on_rollback_requested(event, self.parts.db, self.parts.clock)
            case ActivationReported():
                await on_activation_reported(event, self.parts.db)

    async def advance(self, now: datetime) -> None:
        """Move the clock and run its steps."""
        await self.parts.clock.advance(now)

    async def decide(self, now: datetime) -> None:
        """Run the clock's step again."""
        await decide_rollbacks(now, self.parts.db, self.parts.packages)
        await decide_candidates(now, self.parts.db, self.parts.packages)

    async def said(self, *topics: str) -> list[Any]:
        """Everything in the outbox, in order; of these topics when named."""
        async with self.parts.db.read() as session:
            rows = (await session.scalars(select(OutboxRow).order_by(OutboxRow.id))).all()
        records = [row.record() for row in rows]
        return [
            from_record(CATALOGUE[record.topic], record.value, record.headers)
            for record in records
            if not topics or record.topic in topics
        ]

    async def apply(self, *changes: tuple[str, str], **params: Any) -> httpx.Response:
        """Apply the toy contract after these replacements."""
        return await self.http.post("/v1/use_cases", content=contract_text(*changes), headers=YAML, params=params)

    def package(self, *, seed: int = 0, **changed: Any) -> Toy:
        """A package in the store."""
        toy = make_toy(self.folder, seed=seed, **changed)
        self.store.put(toy.path, toy.digest)
        return toy

    async def released(self, *seeds: int) -> list[Toy]:
        """The toy contract in force, and these packages released one after the other."""
        await self.apply()
        toys = [self.package(seed=seed) for seed in seeds]
        for place, toy in enumerate(toys):
            await self.hear(toy.trained())
            if place:
                body = {"package": toy.digest, "reason": "better"}
                answer = await self.http.post("/v1/use_cases/trains/releases", json=body)
                assert answer.status_code == 201, answer.text
        return toys


def settings_for(home: Path, **changed: Any) -> RegistrySettings:
    """A replay registry below a temporary home."""
    given: dict[str, Any] = {"home": home, "clock": "replay", "registry_package_wait_seconds": 0.0}
    given["registry_database_url"] = database_url(home / "registry" / "registry.db")
    return RegistrySettings(**(given | changed))


@pytest.fixture
def settings(tmp_path: Path) -> RegistrySettings:
    return settings_for(tmp_path / "home")


@pytest_asyncio.fixture
async def registry(settings: RegistrySettings, tmp_path: Path) -> AsyncIterator[Registry]:
    app = make_app(settings)
    parts: Parts = app.state.registry
    parts.clock.set(NOW)
    await parts.db.create_tables()
    folder = tmp_path / "toys"
    folder.mkdir()
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://registry") as http:
        store = PackageStore(settings.packages_location)
        patience = app.state.service.context["patience"]
        yield Registry(app, http, parts, store, folder, patience)
    await parts.db.close()


@pytest.fixture
def toy(tmp_path: Path) -> Callable[..., Toy]:
    folder = tmp_path / "made"
    folder.mkdir()
    return lambda **changed: make_toy(folder, **changed)
