"""The commands for what goes out to people: the sponsor's report, a notification to try the way."""

from pathlib import Path
from typing import Annotated

import typer

from headrace.command_parts import UseCase, console, running, settings_of


def add_commands(app: typer.Typer) -> None:
    """Register them."""
    app.command(epilog="Example:  headrace report flights_late --from 2013-04-01 --to 2013-04-30")(report)
    app.command(epilog="Example:  headrace notify --test")(notify)


def report(
    context: typer.Context,
    use_case: UseCase,
    first: Annotated[str | None, typer.Option("--from", metavar="DAY", help="first day, as 2013-04-01")] = None,
    last: Annotated[str | None, typer.Option("--to", metavar="DAY", help="last day, itself included")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="else USE_CASE.html here", dir_okay=False)
    ] = None,
) -> None:
    """Write the sponsor's report as one page that needs no network: value, targets, what changed, what is asked."""
    from headrace.console_client import ConsoleClient
    from headrace.errors import CommandError

    with ConsoleClient(running(context), settings_of(context).api_key.get_secret_value()) as client:
        page = client.report(use_case, first, last)
    file = output or Path(f"{use_case}.html")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(page, encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{file} cannot be written: {error}") from error
    console.print(f"{file}", soft_wrap=True, markup=False)


def notify(
    context: typer.Context,
    test: Annotated[bool, typer.Option("--test", help="send a test to every target, at once")] = False,
) -> None:
    """Try the way of notifications; exit code 1 when a target did not take the test."""
    from headrace.console_client import ConsoleClient

    if not test:
        raise typer.BadParameter("say --test: incidents are sent by themselves", param_hint="--test")
    with ConsoleClient(running(context), settings_of(context).api_key.get_secret_value()) as client:
        found = client.try_notifications()
    for one in found:
        console.print(f"{one['kind']} {one['target']}: {'sent' if one['sent'] else 'NOT taken'}", highlight=False)
    raise typer.Exit(0 if all(one["sent"] for one in found) else 1)
