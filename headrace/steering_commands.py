"""The commands by which people tell what they see and what they can take: measurements of KPIs."""

from typing import Annotated

import typer

from headrace.command_parts import UseCase, a_time, console, registry_of, running


def add_commands(app: typer.Typer) -> None:
    """Register them."""
    app.command(epilog="Example:  headrace measure flights_late contacts_per_case 0.3 --unit contacts")(measure)


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
