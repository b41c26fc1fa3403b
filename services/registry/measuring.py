"""The clock step that keeps the registry's gauges true, whether anybody asks for its status or not."""

import datetime as dt
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from services.registry.metrics import REGISTRY_LEDGER_BROKEN
from services.registry.store import LedgerStore
from shared.spine.clock import monotonic
from shared.spine.db import Database

log = logging.getLogger(__name__)
_CHAIN_SECONDS = 3600.0


class Measuring:
    """What each use case should serve and what its workers say, at each step; the ledger's chain every hour."""

    def __init__(self, db: Database, describe: Callable[[Database], Awaitable[dict[str, Any]]]) -> None:
        self._db, self._describe = db, describe
        self._verified: float | None = None

    async def step(self, _now: dt.datetime) -> None:
        """Set the gauges."""
        await self._describe(self._db)
        if self._verified is not None and monotonic() - self._verified < _CHAIN_SECONDS:
            return
        async with self._db.read() as session:
            broken = await LedgerStore(session).verify_chain()
        self._verified = monotonic()
        REGISTRY_LEDGER_BROKEN.set(broken is not None)
        if broken is not None:
            log.critical("the ledger was altered", extra={"position": broken.position, "reason": broken.reason})
