"""The commands by which people tell what they see and what they can take: measured KPIs, a smaller desk."""

from datetime import date, timedelta
from typing import Annotated

import typer

from headrace.command_parts import UseCase, a_time, console, registry_of, running

MOST_DAYS = 31


def add_commands(app: typer.Typer) -> None:
    """Register them."""
    app.command(epilog="Example:  headrace measure flights_late contacts_per_case 0.3 --unit contacts")(measure)
    app.command(epilog='Example:  headrace capacity flights_late review 120 --reason "two of us are ill"')(capacity)


def capacity(
    context: typer.Context,
    use_case: UseCase,
    decision: Annotated[str, typer.Argument(help="a decision that has a capacity", metavar="DECISION")],
    limit: Annotated[int, typer.Argument(min=0, help="so many in a block, at most the contract's", metavar="LIMIT")],
    reason: Annotated[str, typer.Option("--reason", "-r", help="why; it stands in the ledger for ever")],
    block: Annotated[str | None, typer.Option("--block", metavar="DAY", help="as 2013-05-20; else today")] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="DAY", help="every block up to this day")] = None,
) -> None:
    """Take fewer cases of a decision for a day or some, or as many as the contract allows again; binds at once."""
    from headrace.show_answers import show_capacity

    with registry_of(context) as registry:
        answer = registry.change_capacity(use_case, decision, limit, reason, block)
        show_capacity(answer, console)
        for day in days_after(answer["block"], until):
            show_capacity(registry.change_capacity(use_case, decision, limit, reason, day), console)


def days_after(first: str, last: str | None) -> list[str]:
    """The days behind the first, up to the last one; raises BadParameter for what is no later day.

    >>> days_after("2013-02-27", "2013-03-01")
    ['2013-02-28', '2013-03-01']
    """
    try:
        count = (date.fromisoformat(last) - date.fromisoformat(first)).days if last else 0
    except ValueError:
        count = -1
    if not 0 <= count <= MOST_DAYS:
        said = f"a day from {first} on, at most {MOST_DAYS} days later, such as {first}"
        raise typer.BadParameter(said, param_hint="--until")
    return [(date.fromisoformat(first) + timedelta(days=number)).isoformat() for number in range(1, count + 1)]


def measure(
    context: typer.Context,
    use_case: UseCase,
    name: Annotated[str, typer.Argument(help="a measured KPI of the contract", metavar="NAME")],
    value: Annotated[float, typer.Argument(help="one value; a block's number is made of all of them", metavar="VALUE")],
    unit: Annotated[str | None, typer.Option("--unit", help="as the contract names it; checked where given")] = None,
    at: Annotated[
        str | None, typer.Option("--at", metavar="TIME", help="event time, as 2013-05-20T04:00Z; else now")
    ] = None,
    event_id: Annotated[
        str | None, typer.Option("--id", help="names the fact: said again under the same id it counts once")
    ] = None,
) -> None:
    """Record one value of a measured KPI; it counts in the block of its time, and may drive a rollback."""
    import asyncio

    from headrace.measuring import measurement, publish
    from headrace.status import event_time
    from shared.contract import Contract
    from shared.spine.settings import SpineSettings

    info = running(context)
    with registry_of(context) as registry:
        contract = Contract.model_validate(registry.use_case(use_case)["contract"])
    moment = a_time(at, "--at") or asyncio.run(event_time(info))
    event = measurement(contract, name, value, unit, moment, event_id)
    publish(SpineSettings(kafka=info.kafka).kafka_options(), event)
    said = f"{name} {value:g} {event.unit} recorded for {use_case} at {event.time:%Y-%m-%d %H:%MZ} (event {event.id})."
    console.print(said, soft_wrap=True, markup=False)
