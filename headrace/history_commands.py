"""The commands that look back: events live or past, what explains them, the ledger, whether it all agrees."""

import json
from typing import Annotated

import typer

from headrace.command_parts import AsJson, UseCase, UseCaseFilter, a_time, console, registry_of, settings_of


def add_commands(app: typer.Typer) -> None:
    """Register them."""
    app.command(epilog="Example:  headrace watch --topic model_released --topic kpi_reported")(watch)
    app.command(epilog="Example:  headrace events --topic model_released --limit 5")(events)
    app.command(epilog="Example:  headrace ledger flights_late --at 2013-05-20T04:00Z")(ledger)
    app.command(epilog="Example:  headrace rebuild registry --check")(rebuild)


def watch(
    context: typer.Context,
    topic: Annotated[list[str] | None, typer.Option("--topic", "-t", help="only this topic; may be repeated")] = None,
    use_case: UseCaseFilter = None,
    as_json: AsJson = False,
    from_start: Annotated[bool, typer.Option("--from-start", help="begin with the oldest event")] = False,
) -> None:
    """Follow the events live: time, topic, use case, one readable line; ends with Ctrl-C."""
    from headrace import watch as live

    live.run(settings_of(context).home, topic or [], use_case, as_json, from_start)


def events(
    context: typer.Context,
    topic: Annotated[str | None, typer.Option("--topic", "-t", help="only this topic")] = None,
    use_case: UseCaseFilter = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="the newest so many")] = 50,
    as_json: AsJson = False,
    explain: Annotated[
        str | None, typer.Option("--explain", metavar="ID", help="what led to this event, and what it led to")
    ] = None,
) -> None:
    """Show what has happened, oldest first; or with --explain why one thing did, and what came of it."""
    home = settings_of(context).home
    if explain is not None:
        from headrace import explain as explanation

        explanation.run(home, explain, as_json)
        return
    from headrace import events_log

    events_log.run(home, topic, use_case, limit, as_json)


def ledger(
    context: typer.Context,
    use_case: UseCase,
    at: Annotated[
        str | None, typer.Option("--at", metavar="TIME", help="event time, as 2013-05-20T04:00Z; else now")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what was in production then and why, and everything that had happened to the use case by then."""
    from headrace.show_answers import show_ledger

    with registry_of(context) as registry:
        answer = registry.ledger(use_case, a_time(at, "--at"))
    if as_json:
        typer.echo(json.dumps(answer, indent=2))
    else:
        show_ledger(answer, console)


def rebuild(
    context: typer.Context,
    service: Annotated[str, typer.Argument(metavar="SERVICE", help="whose state: registry")],
    check: Annotated[bool, typer.Option("--check", help="only compare; nothing is ever changed")] = False,
    use_case: UseCaseFilter = None,
) -> None:
    """Fold the registry's own events from Kafka anew and compare with what it says; exit code 1 when they differ."""
    import asyncio

    from headrace.rebuild import check as compare

    if service != "registry":
        raise typer.BadParameter("registry", param_hint="SERVICE")
    if not check:
        raise typer.BadParameter("say --check: it compares, and changes nothing", param_hint="--check")
    with registry_of(context) as registry:
        compared, differences = asyncio.run(compare(settings_of(context).home, registry, use_case))
    for line in differences:
        console.print(line, soft_wrap=True, markup=False)
    console.print(f"{compared} from the events: {'different' if differences else 'equal'}.", soft_wrap=True)
    raise typer.Exit(1 if differences else 0)
