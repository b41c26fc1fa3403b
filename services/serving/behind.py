"""Mounts BentoML's ASGI app behind the front: loaded in a thread after the first answers are possible."""

import asyncio
import gc
import logging
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from services.serving.faults import CONTENT_TYPE, problem_body
from services.serving.front import App, Receive, Scope, Send, respond
from services.serving.predict import Answer
from shared.spine.problems import Problem

log = logging.getLogger(__name__)


@dataclass
class Behind:
    """The app behind; until it is there, its paths answer 503. Its lifespan is spoken to as a server would."""

    build: Callable[[], App]
    app: App | None = None
    _to_app: asyncio.Queue[MutableMapping[str, Any]] = field(default_factory=asyncio.Queue)
    _from_app: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    _loading: asyncio.Task[None] | None = None
    _life: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand over; the server's own lifespan starts the loading and ends the app."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif self.app is not None:
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            problem = Problem(503, "the pages behind are being loaded")
            await respond(send, Answer(503, problem_body(problem), CONTENT_TYPE, (("retry-after", "1"),)))

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self._loading = asyncio.create_task(self._load(), name="load-behind")
                await send({"type": "lifespan.startup.complete"})
            else:
                await self._stop()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _load(self) -> None:
        try:
            app = await asyncio.to_thread(self.build)
            self._life = asyncio.create_task(self._live(app), name="life-behind")
            await self._to_app.put({"type": "lifespan.startup"})
            if await self._from_app.get() == "lifespan.startup.complete":
                self.app = app
                # As much as all else together, and none of it goes before the process does.
                gc.freeze()
                return
            log.error("the app behind did not start")
        except Exception:
            log.exception("the app behind cannot be loaded; predictions are answered without it")

    async def _live(self, app: App) -> None:
        async def send(message: MutableMapping[str, Any]) -> None:
            await self._from_app.put(message["type"])

        try:
            await app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, self._to_app.get, send)
        except Exception:
            log.exception("the lifespan of the app behind failed")
        await self._from_app.put("ended")

    async def _stop(self) -> None:
        if self._loading:
            self._loading.cancel()
            await asyncio.gather(self._loading, return_exceptions=True)
        if self._life and self.app:
            await self._to_app.put({"type": "lifespan.shutdown"})
            await asyncio.wait([self._life], timeout=3)
        if self._life:
            self._life.cancel()
