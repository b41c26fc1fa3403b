"""The trainer's HTTP routes: what was asked of it and how it ended."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request

from services.trainer.store import RunStore
from services.trainer.tables import RunRow
from shared.spine.auth import Caller
from shared.spine.db import Database
from shared.spine.http import authenticated

router = APIRouter(prefix="/v1", tags=["runs"])


@router.get("/runs")
async def list_runs(
    request: Request,
    _caller: Annotated[Caller, Depends(authenticated)],
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[dict[str, Any]]:
    """The latest training runs, newest first."""
    db: Database = request.app.state.db
    async with db.read() as session:
        rows = await RunStore(session).list_recent(limit)
    return [describe(row) for row in rows]


def describe(row: RunRow) -> dict[str, Any]:
    """Return a run as JSON."""
    shown = ("id", "use_case", "state", "reason", "attempt", "seed", "package_digest", "lineage", "log", "wall_seconds")
    found: dict[str, Any] = {name: getattr(row, name) for name in shown}
    return found | {"as_of": row.as_of.isoformat(), "cause_id": row.cause.get("id")}
