"""`headrace dead`: list, show, replay and discard what consumers could not process."""

import getpass
import json
import sys
from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headrace.command_parts import AsJson, UseCaseFilter, a_time, console, settings_of

if TYPE_CHECKING:
    from headrace.dead_acts import Act, Planned
    from headrace.dead_letters import Filter, Letter


class Kind(StrEnum):
    """Kinds of error."""

    MALFORMED = "malformed"
    PERMANENT = "permanent"
    BUG = "bug"


Topic = Annotated[str | None, typer.Option("--topic", "-t", help="only of this topic; * stands for anything")]
Service = Annotated[str | None, typer.Option("--service", "-s", help="only what this service (or group) refused")]
OfKind = Annotated[Kind | None, typer.Option("--kind", "-k", help="only this kind of error")]
Contains = Annotated[str | None, typer.Option("--contains", metavar="TEXT", help="only with this text in the reason")]
Since = Annotated[str | None, typer.Option("--since", metavar="TIME", help="only refused then or later")]
Until = Annotated[str | None, typer.Option("--until", metavar="TIME", help="only refused before")]
Name = Annotated[str, typer.Argument(metavar="LETTER", help="its name, as model_trained.dead/0/17")]
Names = Annotated[list[str] | None, typer.Argument(metavar="LETTER", help="their names; or choose by options")]
Newest = Annotated[int | None, typer.Option("--limit", min=1, help="the newest so many")]
By = Annotated[str | None, typer.Option("--by", help="who decides it; else the user of this machine")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="do not ask")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="only show what would be done")]

app = typer.Typer(
    no_args_is_help=True,
    help="Look at what consumers could not process, and deal with it.",
    epilog="Example:  headrace dead list --kind bug",
)


@app.command("list", epilog='Example:  headrace dead list --topic "model_*" --kind malformed --since 2026-03-01')
def list_letters(
    context: typer.Context,
    topic: Topic = None,
    use_case: UseCaseFilter = None,
    service: Service = None,
    kind: OfKind = None,
    contains: Contains = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="the newest so many")] = 50,
    every: Annotated[bool, typer.Option("--all", help="those too that are dealt with, with their state")] = False,
    as_json: AsJson = False,
) -> None:
    """List the open dead letters, oldest first, and a summary of each topic."""
    from headrace import dead_letters, dead_tables

    wanted = _filter(use_case, service, kind, contains, since, until)
    found = [letter for letter in _read(context, dead_letters.dead_topics(topic)) if wanted.takes(letter)]
    summaries = dead_letters.summarise(found)
    letters = [letter for letter in found if every or letter.state == "open"]
    shown = letters[-limit:]
    if as_json:
        documents = [dead_tables.letter_document(letter) for letter in shown]
        _say({"letters": documents, "count": len(letters), "topics": dead_tables.summary_document(summaries)})
        return
    if not summaries:
        console.print("No dead letters.")
        return
    if shown:
        dead_tables.show_letters(shown, console, with_state=every)
    if len(shown) < len(letters):
        console.print(f"The newest {len(shown)} of {len(letters)}; --limit shows more.")
    dead_tables.show_summary(summaries, console)


@app.command(epilog="Example:  headrace dead show model_trained.dead/0/17 --body-only > body.json")
def show(
    context: typer.Context,
    letter: Name,
    body_only: Annotated[bool, typer.Option("--body-only", help="nothing but the body, byte for byte")] = False,
    as_json: AsJson = False,
) -> None:
    """Show one dead letter whole: why it was refused, headers, and the body as text, or as hex when it is none."""
    from headrace import dead_letters, dead_tables

    (found,) = dead_letters.named(_read(context, {dead_letters.topic_of(letter)}), [letter])
    if body_only:
        sys.stdout.buffer.write((found.original or found.record).value or b"")
        sys.stdout.buffer.flush()
    elif as_json:
        _say(dead_tables.whole_document(found))
    else:
        dead_tables.show_letter(found, console)


@app.command(epilog='Example:  headrace dead replay model_trained.dead/0/17 --body body.json --reason "digest added"')
def replay(
    context: typer.Context,
    letters: Names = None,
    topic: Topic = None,
    use_case: UseCaseFilter = None,
    service: Service = None,
    kind: OfKind = None,
    contains: Contains = None,
    since: Since = None,
    until: Until = None,
    limit: Newest = None,
    body: Annotated[
        typer.FileBinaryRead | None, typer.Option("--body", metavar="FILE", help="a repaired body; - is stdin")
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="those too that are dealt with")] = False,
    reason: Annotated[str, typer.Option("--reason", "-r", help="why; it is kept behind the letter")] = "",
    by: By = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Write the original record to its topic again: same id, key, headers and time; it takes effect once.

    Whoever had accepted it knows its id and does nothing; whoever had refused it tries again.
    """
    from headrace.dead_acts import plan_replay

    if body is not None and len(letters or ()) != 1:
        raise typer.BadParameter("a body repairs one letter: name it", param_hint="--body")
    wanted = _filter(use_case, service, kind, contains, since, until)
    known, chosen = _choose(context, letters, topic, wanted, limit, again)
    bodies = {chosen[0].name: body.read()} if body is not None else {}
    plan = plan_replay(chosen, known, bodies, again)
    _carry_out(context, plan, "replayed", by, reason, yes, dry_run, as_json)


@app.command(epilog='Example:  headrace dead discard --topic kpi_reported --kind malformed --reason "a test of theirs"')
def discard(
    context: typer.Context,
    reason: Annotated[str, typer.Option("--reason", "-r", help="why; it is kept behind the letter")],
    letters: Names = None,
    topic: Topic = None,
    use_case: UseCaseFilter = None,
    service: Service = None,
    kind: OfKind = None,
    contains: Contains = None,
    since: Since = None,
    until: Until = None,
    limit: Newest = None,
    by: By = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Mark letters as dealt with: nothing is deleted, `list --all` still shows them."""
    from headrace.dead_acts import plan_discard

    wanted = _filter(use_case, service, kind, contains, since, until)
    _, chosen = _choose(context, letters, topic, wanted, limit, again=False)
    _carry_out(context, plan_discard(chosen), "discarded", by, reason, yes, dry_run, as_json)


def _filter(
    use_case: str | None,
    service: str | None,
    kind: Kind | None,
    contains: str | None,
    since: str | None,
    until: str | None,
) -> "Filter":
    from headrace.dead_letters import Filter

    times = a_time(since, "--since"), a_time(until, "--until")
    return Filter(use_case, service, kind.value if kind else None, contains, *times)


def _read(context: typer.Context, topics: set[str]) -> "list[Letter]":
    import asyncio

    from headrace.dead_letters import read_letters
    from headrace.topic_reader import kafka_options

    return asyncio.run(read_letters(kafka_options(settings_of(context).home), topics))


def _choose(
    context: typer.Context,
    names: list[str] | None,
    topic: str | None,
    wanted: "Filter",
    limit: int | None,
    again: bool,
) -> "tuple[list[Letter], list[Letter]]":
    """Every letter of the topics that matter, and those that are meant."""
    from headrace import dead_letters

    by_options = topic is not None or wanted != dead_letters.Filter()
    if bool(names) == by_options:
        raise typer.BadParameter("name letters, or choose them by --topic, --kind and the like", param_hint="LETTER")
    if names:
        known = _read(context, {dead_letters.topic_of(name) for name in names})
        return known, dead_letters.named(known, names)
    known = _read(context, dead_letters.dead_topics(topic))
    chosen = [letter for letter in known if wanted.takes(letter) and (again or letter.state == "open")]
    return known, chosen[-limit:] if limit else chosen


def _carry_out(
    context: typer.Context,
    plan: "Sequence[Planned]",
    act: "Act",
    by: str | None,
    reason: str,
    yes: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Show, ask, do, tell; exit code 1 when something could not be done."""
    import asyncio

    from headrace import dead_acts, dead_tables
    from headrace.topic_reader import kafka_options
    from shared.spine.clock import wall_now

    todo = [planned for planned in plan if not planned.obstacle]
    if not as_json:
        dead_tables.show_plan(plan, console)
    if todo and not dry_run:
        if not yes:
            typer.confirm(f"{len(todo)} to be {act}. Go on?", abort=True, err=True)
        options = kafka_options(settings_of(context).home)
        who = by or getpass.getuser()
        asyncio.run(dead_acts.carry_out(options, plan, act, who, reason, wall_now()))
    if as_json:
        _say(dead_tables.plan_document(plan, act, dry_run))
    else:
        console.print(f"{len(todo)} {'would be ' if dry_run else ''}{act}.")
    raise typer.Exit(1 if len(todo) < len(plan) else 0)


def _say(document: dict[str, Any]) -> None:
    typer.echo(json.dumps(document, indent=2))
