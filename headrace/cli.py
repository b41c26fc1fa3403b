"""The command `headrace`: what can be asked of a system, from starting it to ending it."""

# Everything heavy is imported inside the commands, so that `--help` answers at once.

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from headrace import (
    data_commands,
    dead_commands,
    history_commands,
    keys_commands,
    own_commands,
    report_commands,
    steering_commands,
    verify_commands,
)
from headrace.command_group import CommandGroup
from headrace.command_parts import AsJson, UseCase, a_digest, console, registry_of, running, settings_of
from headrace.settings import CommandSettings

if TYPE_CHECKING:
    from headrace.kafka_jars import Progress
    from headrace.run_info import RunInfo

app = typer.Typer(
    cls=CommandGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Runs machine-learning models in production from a business contract, over Kafka events.",
    epilog="First steps:  headrace up   ·   headrace apply CONTRACT   ·   headrace watch   ·   headrace down",
)
EXAMPLES = Path("examples")
Reason = Annotated[str, typer.Option("--reason", "-r", help="why; it stands in the ledger for ever")]


def _say_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"headrace {version('headrace')}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    home: Annotated[
        Path | None,
        typer.Option("--home", help="where the system keeps its state  [env: HEADRACE_HOME, else .headrace]"),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="say which version this is")
    ] = False,
) -> None:
    """Choose the system."""
    settings = CommandSettings()
    context.obj = settings.model_copy(update={"home": (home or settings.home).absolute()})


@app.command(epilog="Example:  headrace up --workers 2")
def up(
    context: typer.Context,
    foreground: Annotated[bool, typer.Option("--foreground", help="stay here until Ctrl-C")] = False,
    workers: Annotated[int, typer.Option(min=1, max=64, help="serving workers")] = 1,
    clock: Annotated[str, typer.Option(help="wall, or replay: time moves by time_advanced events")] = "wall",
    seed: Annotated[int, typer.Option(help="every random state comes from it")] = 0,
    use_cases: Annotated[Path, typer.Option(help="directory with the code of the use cases")] = EXAMPLES,
    progress_lines: Annotated[bool, typer.Option("--progress-lines", hidden=True)] = False,
) -> None:
    """Start Kafka (unless HEADRACE_KAFKA names one) and the five services; returns when all are ready."""
    settings = settings_of(context)
    if clock not in ("wall", "replay"):
        raise typer.BadParameter("wall or replay", param_hint="--clock")
    if use_cases != EXAMPLES and not use_cases.is_dir():
        raise typer.BadParameter(f"there is no directory {use_cases}", param_hint="--use-cases")
    if foreground:
        from headrace.foreground import run_in_foreground

        run_in_foreground(settings, clock, seed, workers, use_cases, console, as_lines=progress_lines)
        return
    from headrace.detached import start_detached
    from headrace.owned_directory import OwnedDirectory
    from headrace.run_info import SUPERVISOR_LOCK, read_run_info

    if OwnedDirectory(settings.home, SUPERVISOR_LOCK).holder() is not None:
        console.print("It runs already.")
        _show_addresses(read_run_info(settings.home))
        return
    chosen = ["--workers", str(workers), "--clock", clock, "--seed", str(seed), "--use-cases", str(use_cases)]
    with _progress() as progress:
        info = start_detached(settings.home, chosen, progress)
    _show_addresses(info)


@app.command(epilog="Example:  headrace down")
def down(context: typer.Context) -> None:
    """End the services and then Kafka; the state stays and the next `up` goes on from it."""
    from headrace.detached import stop_detached

    home = settings_of(context).home
    with _progress() as progress:
        stopped = stop_detached(home, progress)
    console.print("Everything is stopped." if stopped else f"Nothing runs under {home}.", soft_wrap=True)


@app.command(epilog="Example:  headrace status --json")
def status(context: typer.Context, as_json: AsJson = False) -> None:
    """Show every part, its clock, what is pending and what is released; exit code 1 when something is not well."""
    import asyncio

    from headrace.status import gather_status, show_status

    found = asyncio.run(gather_status(running(context), settings_of(context).api_key.get_secret_value()))
    if as_json:
        typer.echo(json.dumps(found.to_json(), indent=2))
    else:
        show_status(found, console)
    raise typer.Exit(0 if found.well else 1)


@app.command(epilog="Example:  headrace validate examples/flights_late/contract.yaml")
def validate(file: Annotated[Path, typer.Argument(help="a use case contract")]) -> None:
    """Explain every mistake of a contract with its line and what is allowed there; needs no running system."""
    from headrace.validate import run

    raise typer.Exit(run(file))


@app.command(epilog="Example:  headrace apply examples/flights_late/contract.yaml --dry-run")
def apply(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="a use case contract", exists=True, dir_okay=False)],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only show what it would change")] = False,
) -> None:
    """Put a contract in force; changed costs or capacity release the same model under the new policy, at once."""
    from headrace.validate import run, validate_file

    if validate_file(file):
        raise typer.Exit(run(file))
    from headrace.show_answers import show_application

    with registry_of(context) as registry:
        show_application(registry.apply(file.read_text(encoding="utf-8-sig"), dry_run), console)


@app.command(epilog='Example:  headrace train flights_late --reason "new data since March" --wait')
def train(
    context: typer.Context,
    use_case: UseCase,
    reason: Annotated[str, typer.Option("--reason", "-r", help="why")] = "asked for by a person",
    wait: Annotated[bool, typer.Option("--wait", help="follow it to the end; exit code 1 unless trained")] = False,
    wait_seconds: Annotated[float, typer.Option(min=1, help="the longest wait")] = 3600.0,
) -> None:
    """Ask for a training; the trainer decides whether it takes place."""
    import asyncio

    from pydantic import ValidationError

    from headrace.errors import CommandError
    from headrace.status import event_time
    from headrace.training import ask_for_training, training_request
    from shared.spine.settings import SpineSettings

    info = running(context)
    try:
        request = training_request(use_case, reason, "operator", asyncio.run(event_time(info)))
    except ValidationError as error:
        raise CommandError("; ".join(f"{m['loc'][-1]}: {m['msg']}" for m in error.errors())) from None
    kafka = SpineSettings(kafka=info.kafka).kafka_options()
    with _progress() as progress:
        progress(f"Training {use_case}" if wait else "Asking for a training", None)
        finished = asyncio.run(ask_for_training(kafka, request, wait_seconds if wait else 0.0))
    if finished is None:
        console.print(f"Asked for (event {request.id}). `headrace watch` shows what comes of it.", soft_wrap=True)
        return
    said = finished.reason if finished.reason.startswith(finished.outcome) else f"{finished.outcome}: {finished.reason}"
    console.print(said, soft_wrap=True, markup=False)
    for name, value in (("package", finished.package_digest), ("log", finished.log)):
        if value:
            console.print(f"{name}: {value}", soft_wrap=True, markup=False)
    raise typer.Exit(0 if finished.outcome == "trained" else 1)


@app.command(epilog='Example:  headrace release flights_late 3f2a… --reason "reviewed with the desk"')
def release(
    context: typer.Context,
    use_case: UseCase,
    package: Annotated[str, typer.Argument(help="its whole digest, as `train` prints it", metavar="PACKAGE")],
    reason: Reason,
) -> None:
    """Release a package by hand; the registry checks it like any other."""
    from headrace.show_answers import show_release

    a_digest(package, "PACKAGE")
    with registry_of(context) as registry:
        show_release(registry.release(use_case, package, reason), console)


@app.command(epilog='Example:  headrace rollback flights_late --reason "complaints from the desk"')
def rollback(
    context: typer.Context,
    use_case: UseCase,
    reason: Reason,
    to: Annotated[str | None, typer.Option("--to", help="digest of a package; else the last good one")] = None,
) -> None:
    """Take the release back: a higher sequence that serves the last good package."""
    from headrace.show_answers import show_release

    if to is not None:
        a_digest(to, "--to")
    with registry_of(context) as registry:
        show_release(registry.roll_back(use_case, reason, to), console)


steering_commands.add_commands(app)
history_commands.add_commands(app)
data_commands.add_commands(app)
own_commands.add_commands(app)
verify_commands.add_commands(app)
report_commands.add_commands(app)
app.add_typer(dead_commands.app, name="dead")
app.add_typer(keys_commands.app, name="keys")


@app.command(epilog="Example:  headrace asyncapi > asyncapi.json")
def asyncapi() -> None:
    """Print the AsyncAPI 3 document of all events; needs no running system."""
    from shared.events.asyncapi import document

    typer.echo(json.dumps(document(), indent=2))


@app.command(epilog="Example:  headrace demo flights --months 3-6 --report report.json")
def demo(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="which one: flights, gates, loans", metavar="NAME")] = "flights",
    months: Annotated[str | None, typer.Option(help="as 3-4 or 3; by default the demo's usual ones")] = None,
    seed: Annotated[int, typer.Option(help="the same seed gives the same ledger")] = 7,
    report: Annotated[Path | None, typer.Option(help="write all results as JSON to this file")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="leave everything running to look around")] = False,
    against: Annotated[
        str | None, typer.Option(metavar="URL", help="a running system instead, such as that of docker compose")
    ] = None,
) -> None:
    """Play a use case through a whole system of its own, and show what the model was worth."""
    from headrace import demo as play
    from headrace.foreground import end_like_ctrl_c

    end_like_ctrl_c()
    home = settings_of(context).home
    if against:
        raise typer.Exit(play.run_against(name, months, seed, report, against, home))
    raise typer.Exit(play.run(name, months, seed, report, keep, home))


@contextmanager
def _progress() -> "Iterator[Progress]":
    from headrace.progress import shown_progress

    with shown_progress(Console(stderr=True)) as progress:
        yield progress


def _show_addresses(info: "RunInfo") -> None:
    from headrace.show_answers import show_addresses

    show_addresses(info, console)
