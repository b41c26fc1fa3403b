"""The monitor's HTTP routes: what a period was worth, and decisions for whoever cannot reach the tables themselves."""

import asyncio
import io
from datetime import date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi import Path as InPath
from pydantic import AwareDatetime

from services.monitor.values import Values
from shared.feedback.joined import joined
from shared.spine.auth import Caller
from shared.spine.http import authenticated

PARQUET = "application/vnd.apache.parquet"

router = APIRouter(prefix="/v1", tags=["feedback"])
UseCase = Annotated[str, InPath(pattern=r"^[a-z][a-z0-9_]{0,63}$")]


@router.get("/use_cases/{use_case}/value")
async def value(
    request: Request,
    use_case: UseCase,
    first: Annotated[date, Query(alias="from", description="first block")],
    last: Annotated[date, Query(alias="to", description="last block, itself included")],
    _caller: Annotated[Caller, Depends(authenticated)],
) -> dict[str, Any]:
    """What a use case earned in a period: realised sums, the forecast, estimates with their intervals."""
    values: Values = request.app.state.values
    return (await values.of(use_case, first, last)).to_json()


@router.get("/use_cases/{use_case}/decisions", response_class=Response)
async def decisions(
    request: Request,
    use_case: UseCase,
    as_of: AwareDatetime,
    _caller: Annotated[Caller, Depends(authenticated)],
) -> Response:
    """Every decision of a use case with its latest outcome known at `as_of`, as a Parquet file, in order of time."""
    location: str = request.app.state.feedback
    return Response(await asyncio.to_thread(_parquet, location, use_case, as_of), media_type=PARQUET)


def _parquet(location: str, use_case: str, as_of: datetime) -> bytes:
    buffer = io.BytesIO()
    joined(location, use_case, as_of).write_parquet(buffer)
    return buffer.getvalue()
