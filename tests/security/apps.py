"""The HTTP side of all five services within a test, each with one API key for each role."""

import asyncio
from collections.abc import AsyncIterator, Mapping, MutableMapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from prometheus_client import REGISTRY

from services.console.app import make_app as make_console
from services.console.settings import ConsoleSettings
from services.monitor.app import Monitor
from services.monitor.settings import MonitorSettings
from services.registry.app import make_app as make_registry
from services.registry.settings import RegistrySettings
from services.serving.bento import build_behind
from services.serving.front import App, Receive, Scope, Send
from services.trainer.app import make_app as make_trainer
from services.trainer.settings import TrainerSettings
from shared.spine.app import build_app
from shared.spine.auth import ApiKeys
from shared.spine.clock import wall_now
from shared.spine.key_file import ROLES, new_key, write_keys
from tests.registry.toy import NOW
from tests.serving.fronts import open_front

BODY_BYTES = 1024 * 1024


def make_keys(file: Path) -> dict[str, str]:
    """Role -> a key with only that role, written to a file."""
    made = {role: new_key(f"{role}-of-a-test", [role], wall_now()) for role in ROLES}
    write_keys(file, [entry for _, entry in made.values()])
    return {role: key for role, (key, _) in made.items()}


@asynccontextmanager
async def open_services(
    home: Path, keys: Path | None, **settings: Any
) -> AsyncIterator[Mapping[str, httpx.AsyncClient]]:
    """Clients of registry, trainer, monitor, console and serving; nothing of Kafka runs."""
    given: dict[str, Any] = {"home": home, "clock": "replay", "api_keys_file": keys, "requests_per_second": 0}
    registry = make_registry(RegistrySettings(**given, **settings))
    trainer = make_trainer(TrainerSettings(**given))
    monitor = Monitor(MonitorSettings(**given))
    console = make_console(ConsoleSettings(**given))
    async with AsyncExitStack() as stack:
        for database in (registry.state.registry.db, trainer.state.db, monitor.db, console.state.service.db):
            await database.create_tables()
            stack.push_async_callback(database.close)
        registry.state.registry.clock.set(NOW)
        console.state.service.clock.set(NOW)
        serving = await stack.enter_async_context(open_front(home, _nobody, BODY_BYTES, ApiKeys(keys)))
        serving.behind = build_behind(serving.predictor)
        await stack.enter_async_context(_alive(serving.behind))
        apps: dict[str, Any] = {"registry": registry, "trainer": trainer, "monitor": build_app(monitor.service)}
        apps |= {"console": console, "serving": serving}
        yield {name: await stack.enter_async_context(client_of(app, name)) for name, app in apps.items()}


def client_of(app: Any, name: str) -> httpx.AsyncClient:
    """A client of an app; a bug is a 500, as over the network."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=("192.0.2.1", 1))
    return httpx.AsyncClient(transport=transport, base_url=f"http://{name}")


@asynccontextmanager
async def _alive(app: App) -> AsyncIterator[None]:
    """The lifespan of an app, spoken to as a server would."""
    said: asyncio.Queue[MutableMapping[str, Any]] = asyncio.Queue()
    heard: asyncio.Queue[MutableMapping[str, Any]] = asyncio.Queue()
    scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
    life = asyncio.ensure_future(app(scope, said.get, heard.put))
    await said.put({"type": "lifespan.startup"})
    answer = asyncio.ensure_future(heard.get())
    await asyncio.wait({life, answer}, return_when=asyncio.FIRST_COMPLETED)
    if life.done():
        life.result()
    assert answer.result()["type"] == "lifespan.startup.complete"
    yield
    await said.put({"type": "lifespan.shutdown"})
    await life
    # BentoML makes its metrics anew for each app, and this process has one place for them.
    for collector, names in list(REGISTRY._collector_to_names.items()):
        if any(name.startswith("bentoml_") for name in names):
            REGISTRY.unregister(collector)


async def _nobody(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise AssertionError("replaced before it is asked")
