"""`headrace keys`: add, list, rotate and revoke API keys; running services hear of it within a second."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.table import Table

from headrace.command_parts import AsJson, console, settings_of
from headrace.errors import CommandError
from shared.spine.clock import wall_now
from shared.spine.key_file import KeyEntry, KeyFileError, new_key, read_keys, write_keys

T = TypeVar("T")


class Role(StrEnum):
    """What a key may do."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    APPROVER = "approver"
    PUBLISHER = "publisher"
    REVIEWER = "reviewer"


KeyFile = Annotated[Path | None, typer.Option("--file", help="the file of keys  [env: HEADRACE_API_KEYS_FILE]")]
Days = Annotated[float | None, typer.Option("--days", min=0.001, help="how long the key is good; else until revoked")]
Owner = Annotated[str, typer.Argument(metavar="NAME", help="who shows it: a person or a program")]

app = typer.Typer(
    no_args_is_help=True,
    help="Give out API keys and take them back; only their hashes are kept.",
    epilog="Example:  headrace keys add anna --role operator --days 90",
)


@app.command(epilog="Example:  headrace keys add anna --role operator --role approver --days 90")
def add(
    context: typer.Context,
    name: Owner,
    role: Annotated[list[Role], typer.Option("--role", help="may be repeated")],
    days: Days = None,
    file: KeyFile = None,
) -> None:
    """Make a key and show it, once; keys that the name already has stay good."""
    path, now = _file(context, file), wall_now()
    key, entry = _said(lambda: new_key(name, [each.value for each in role], now, _after(now, days)))
    write_keys(path, [*_entries(path), entry])
    _show_key(path, key, entry)


@app.command("list", epilog="Example:  headrace keys list --json")
def list_keys(context: typer.Context, file: KeyFile = None, as_json: AsJson = False) -> None:
    """List the keys: id, name, roles, until when; never the key itself."""
    entries, now = _entries(_file(context, file)), wall_now()
    if as_json:
        typer.echo(json.dumps([_document(entry, now) for entry in entries], indent=2))
        return
    table = Table("id", "name", "roles", "made", "good until")
    for entry in entries:
        until = _day(entry.expires) if entry.expires else "it is taken back"
        until = f"{until} (expired)" if entry.expired(now) else until
        table.add_row(entry.id, entry.name, ", ".join(sorted(entry.roles)), _day(entry.created), until)
    console.print(table)


@app.command(epilog="Example:  headrace keys rotate anna --overlap-days 7")
def rotate(
    context: typer.Context,
    name: Owner,
    overlap_days: Annotated[float, typer.Option(min=0, help="how long the old keys stay good")] = 7.0,
    days: Days = None,
    file: KeyFile = None,
) -> None:
    """Make a new key with the roles of the old ones, which stay good for a while so that nothing stops."""
    path, now = _file(context, file), wall_now()
    entries, end = _entries(path), now + timedelta(days=overlap_days)
    old = [entry for entry in entries if entry.name == name and not entry.expired(now)]
    if not old:
        raise CommandError(f"{name} has no key that is good; `headrace keys add {name} --role …` makes one")
    roles = sorted({role for entry in old for role in entry.roles})
    key, entry = _said(lambda: new_key(name, roles, now, _after(now, days)))
    ending = {each.id: each.model_copy(update={"expires": min(each.expires or end, end)}) for each in old}
    write_keys(path, [*(ending.get(each.id, each) for each in entries), entry])
    _show_key(path, key, entry)


@app.command(epilog="Example:  headrace keys revoke 3f2a9c01d4e5")
def revoke(
    context: typer.Context,
    which: Annotated[str, typer.Argument(metavar="KEY", help="the id of one key, or a name: all of its keys")],
    file: KeyFile = None,
) -> None:
    """Take a key back, or all keys of a name."""
    path = _file(context, file)
    entries = _entries(path)
    kept = [entry for entry in entries if which not in (entry.id, entry.name)]
    if len(kept) == len(entries):
        raise CommandError(f"no key has the id or name {which!r}; `headrace keys list` shows them")
    write_keys(path, kept)
    console.print(f"{len(entries) - len(kept)} taken back; services hear of it within a second.")


def _file(context: typer.Context, given: Path | None) -> Path:
    path = given or settings_of(context).api_keys_file
    if path is None:
        raise CommandError("which file? Say --file FILE, or set HEADRACE_API_KEYS_FILE as for the services")
    return path.absolute()


def _entries(path: Path) -> list[KeyEntry]:
    return _said(lambda: read_keys(path)) if path.exists() else []


def _document(entry: KeyEntry, now: datetime) -> dict[str, object]:
    said = entry.model_dump(mode="json", exclude={"sha256"})
    return {"id": entry.id, **said, "roles": sorted(entry.roles), "expired": entry.expired(now)}


def _said(act: Callable[[], T]) -> T:
    """Do it; what is wrong with the file or a name is a sentence."""
    try:
        return act()
    except KeyFileError as error:
        raise CommandError(str(error)) from None


def _show_key(path: Path, key: str, entry: KeyEntry) -> None:
    # The key alone on stdout, so that it can be piped to where it belongs.
    typer.echo(f"{entry.name} ({', '.join(sorted(entry.roles))}), id {entry.id}, in {path}. Shown only now:", err=True)
    typer.echo(key)


def _after(now: datetime, days: float | None) -> datetime | None:
    return now + timedelta(days=days) if days else None


def _day(moment: datetime | None) -> str:
    return moment.strftime("%Y-%m-%d %H:%M") if moment else "–"
