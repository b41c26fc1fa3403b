"""The console's HTTP routes: pages for people, with the keys and roles of every other route that reads."""

from datetime import date, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi import Path as InPath
from fastapi.responses import HTMLResponse

from services.console.metrics import CONSOLE_PAGE_SECONDS
from services.console.reading import NothingKnownError, Pages
from services.console.sending import Sender
from services.console.store import ReportStore
from shared.spine.auth import Caller
from shared.spine.clock import Clock
from shared.spine.http import authenticated, require
from shared.spine.problems import Problem

router = APIRouter(tags=["pages"])
UseCaseName = Annotated[str, InPath(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Reader = Annotated[Caller, Depends(authenticated)]
# What a page may do: show itself, and nothing else.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def html(text: str) -> HTMLResponse:
    """A page that may run nothing and fetch nothing."""
    return HTMLResponse(text, headers=_HEADERS)


@router.post("/v1/notifications/test", tags=["notifications"])
async def try_notifications(
    request: Request, _caller: Annotated[Caller, Depends(require("operator"))]
) -> list[dict[str, Any]]:
    """Send a test to every target, at once; how each ended, and never its address."""
    sender: Sender = request.app.state.sender
    if not sender.targets:
        raise Problem(409, "nobody is notified: set HEADRACE_CONSOLE_NOTIFY_URLS or HEADRACE_CONSOLE_NOTIFY_URLS_FILE")
    return await sender.test()


@router.get("/", response_class=HTMLResponse)
async def portfolio(request: Request, _caller: Reader) -> HTMLResponse:
    """Every use case with its state and the rules behind it."""
    pages: Pages = request.app.state.pages
    service = request.app.state.service
    with CONSOLE_PAGE_SECONDS.labels("portfolio").time():
        return html(await pages.portfolio(service.clock.now(), timedelta(hours=service.settings.console_overdue_hours)))


@router.get("/use_cases/{use_case}", response_class=HTMLResponse)
async def report(
    request: Request,
    use_case: UseCaseName,
    _caller: Reader,
    first: Annotated[date | None, Query(alias="from", description="first day; else the first there is")] = None,
    last: Annotated[date | None, Query(alias="to", description="last day, itself included")] = None,
) -> HTMLResponse:
    """The sponsor's report as known now; 404 while there is nothing to report on."""
    pages: Pages = request.app.state.pages
    clock: Clock = request.app.state.service.clock
    days = (first.isoformat() if first else None, last.isoformat() if last else None)
    with CONSOLE_PAGE_SECONDS.labels("report").time():
        try:
            return html(await pages.report(use_case, clock.now(), *days))
        except NothingKnownError as error:
            raise Problem(404, str(error), use_case=use_case) from error


@router.get("/use_cases/{use_case}/reports/{first}..{last}", response_class=HTMLResponse)
async def published(request: Request, use_case: UseCaseName, first: date, last: date, _caller: Reader) -> HTMLResponse:
    """A report as it went out."""
    async with request.app.state.service.db.read() as session:
        page = await ReportStore(session).get_page(use_case, first.isoformat(), last.isoformat())
    if page is None:
        raise Problem(404, f"no report on {use_case} from {first} to {last} went out", use_case=use_case)
    return html(page)
