"""What commands share: their common arguments, the settings they were called with, the running system."""

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from headrace.settings import CommandSettings

if TYPE_CHECKING:
    from headrace.registry_client import RegistryClient
    from headrace.run_info import RunInfo

console = Console()

UseCase = Annotated[str, typer.Argument(help="name of the use case, as its contract says", metavar="USE_CASE")]
UseCaseFilter = Annotated[str | None, typer.Option("--use-case", "-u", help="only this use case")]
AsJson = Annotated[bool, typer.Option("--json", help="one JSON document (or one a line), for programs")]


def settings_of(context: typer.Context) -> CommandSettings:
    """The settings, with the home that was chosen."""
    assert isinstance(context.obj, CommandSettings)
    return context.obj


def running(context: typer.Context) -> "RunInfo":
    """Where the system runs: behind HEADRACE_FRONT, or under the home; raises CommandError when it does not."""
    from headrace.against import info_of
    from headrace.run_info import read_run_info

    settings = settings_of(context)
    return info_of(settings.front) if settings.front else read_run_info(settings.home)


def registry_of(context: typer.Context) -> "RegistryClient":
    """The running system's registry."""
    from headrace.registry_client import RegistryClient

    info = running(context)
    return RegistryClient(info.services["registry"].url, settings_of(context).api_key.get_secret_value())


def a_digest(said: str, option: str) -> None:
    """Refuse what is no whole digest of a package: tables show only its beginning; raises BadParameter."""
    if not re.fullmatch(r"[0-9a-f]{64}", said):
        raise typer.BadParameter(
            "the whole digest of a package, 64 characters, as `headrace train` and `headrace status --json` print it",
            param_hint=option,
        )


def a_time(said: str | None, option: str) -> datetime | None:
    """A time of the command line, UTC unless it says otherwise; raises BadParameter."""
    if said is None:
        return None
    try:
        moment = datetime.fromisoformat(said)
    except ValueError:
        raise typer.BadParameter("a time such as 2013-05-20T04:00Z", param_hint=option) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
