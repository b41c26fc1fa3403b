"""The commands about logged decisions: SQL over the tables, their catalogue, and other rules tried on them."""

import json
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from headrace.command_parts import AsJson, UseCase, a_time, console, settings_of


def add_commands(app: typer.Typer) -> None:
    """Register them."""
    app.command(epilog='Example:  headrace query "select block, count(*) n from joined group by block order by block"')(
        query
    )
    app.command(epilog="Example:  headrace data flights_late")(data)
    app.command(
        epilog="Example:  headrace backtest flights_late --contract small.yaml --from 2013-04-01 --to 2013-04-30"
    )(backtest)
    app.command(epilog="Example:  headrace value flights_late --from 2013-04-01 --to 2013-04-30")(value)


def query(
    context: typer.Context,
    sql: Annotated[str, typer.Argument(help="one SELECT over decisions, outcomes, joined, reports …", metavar="SQL")],
    as_of: Annotated[
        str | None, typer.Option("--as-of", metavar="TIME", help="joined: outcomes known by then; else all")
    ] = None,
    version: Annotated[
        str | None, typer.Option(metavar="VERSIONS", help="as a training pinned them: 'decisions@12, outcomes@11'")
    ] = None,
    form: Annotated[str, typer.Option("--format", help="table, csv, json or parquet")] = "table",
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="write it there", dir_okay=False)] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="rows shown as a table; 50 unless said")] = None,
) -> None:
    """Ask the decisions and outcomes in SQL, read-only; the system may be running or not."""
    from headrace.query import FORMATS, ask, tables_of, write
    from services.console.settings import ConsoleSettings

    if form not in FORMATS:
        raise typer.BadParameter("table, csv, json or parquet", param_hint="--format")
    settings = ConsoleSettings(home=settings_of(context).home)
    tables = tables_of(settings.feedback_location, version, a_time(as_of, "--as-of"), settings.database)
    write(ask(sql, tables), form, out, console, limit)


def data(
    context: typer.Context,
    use_case: Annotated[str | None, typer.Argument(help="only this one, with its columns", metavar="USE_CASE")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what is in the tables: columns and their meaning, rows, freshness, gaps, readers, pinned versions."""
    from headrace.catalogue import gather
    from headrace.show_catalogue import show_catalogue

    found = gather(settings_of(context), use_case)
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    else:
        show_catalogue(found, console)


def backtest(
    context: typer.Context,
    use_case: UseCase,
    first: Annotated[str, typer.Option("--from", metavar="DAY", help="first block, as 2013-04-01")],
    last: Annotated[str, typer.Option("--to", metavar="DAY", help="last block, itself included")],
    contract: Annotated[
        Path | None, typer.Option(help="other rules: a contract file", exists=True, dir_okay=False)
    ] = None,
    package: Annotated[str | None, typer.Option(metavar="DIGEST", help="another package, under the rules then")] = None,
    as_of: Annotated[
        str | None, typer.Option("--as-of", metavar="TIME", help="labels known by then; else by the system's time")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Decide what was logged again under another contract or package, and say what it would have earned."""
    import asyncio

    from headrace.backtest import Asked, run
    from headrace.run_info import read_run_info
    from headrace.show_backtest import show_backtest
    from headrace.status import event_time
    from headrace.validate import run as explain
    from headrace.validate import validate_file
    from shared.contract import read_contract

    if contract and package:
        raise typer.BadParameter("name a contract or a package, not both", param_hint="--contract")
    days = (_a_day(first, "--from"), _a_day(last, "--to"))
    if days[0] > days[1]:
        raise typer.BadParameter("must not lie before --from", param_hint="--to")
    if contract and validate_file(contract):
        raise typer.Exit(explain(contract))
    home = settings_of(context).home
    moment = a_time(as_of, "--as-of") or asyncio.run(event_time(read_run_info(home)))
    other = read_contract(contract.read_text(encoding="utf-8-sig")) if contract else None
    found = run(home, Asked(use_case, *days, moment, other, package))
    if as_json:
        typer.echo(json.dumps(found.to_json(), indent=2))
    else:
        show_backtest(found, console)


def value(
    context: typer.Context,
    use_case: UseCase,
    first: Annotated[str, typer.Option("--from", metavar="DAY", help="first block, as 2013-04-01")],
    last: Annotated[str, typer.Option("--to", metavar="DAY", help="last block, itself included")],
    as_json: AsJson = False,
) -> None:
    """Show what a use case earned, against no model and its forecast; exit code 1 when reports and tables differ."""
    import asyncio

    from headrace.run_info import read_run_info
    from headrace.show_value import show_value
    from headrace.status import event_time
    from headrace.value import run

    home = settings_of(context).home
    days = (_a_day(first, "--from"), _a_day(last, "--to"))
    if days[0] > days[1]:
        raise typer.BadParameter("must not lie before --from", param_hint="--to")
    found = run(home, use_case, *days, asyncio.run(event_time(read_run_info(home))))
    if as_json:
        typer.echo(json.dumps(found.to_json(), indent=2))
    else:
        show_value(found, console)
    raise typer.Exit(0 if found.check.same else 1)


def _a_day(said: str, option: str) -> date:
    try:
        return date.fromisoformat(said)
    except ValueError:
        raise typer.BadParameter("a day such as 2013-05-20", param_hint=option) from None
