"""`headrace query`: one read-only SELECT over the feedback tables, and its answer as table, CSV, JSON or Parquet."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl
import typer
from polars.exceptions import PanicException, PolarsError
from rich.console import Console
from rich.table import Table

from headrace.errors import CommandError
from headrace.event_views import EVENT_VIEWS, event_views
from shared.feedback.joined import Versions, table_versions
from shared.feedback.views import EVER, VIEWS, view

FORMATS = ("table", "csv", "json", "parquet")
# A table function reads whatever file it names; the word is refused wherever it stands, in any disguise of quotes.
_READS_FILES = re.compile(r"\b(?:read|scan)_(?:csv|parquet|ipc|ndjson|json|delta|avro|excel)\b", re.IGNORECASE)
_READ_ONLY = re.compile(r"\s*(?:select|with|explain|show\s+tables)\b", re.IGNORECASE)
_SCANNED = re.compile(r"SCAN \[([^\]]*)\]")
_COMMENTS = re.compile(r"\s*(?:--[^\n]*\n|/\*.*?\*/)", re.DOTALL)
_MOST_ROWS = 50
_LONGEST = 60
_NARROWEST, _WIDE = 12, 10_000


@dataclass(frozen=True)
class Tables:
    """The two tables at pinned versions, with outcomes as known at a time."""

    location: str
    version: Versions
    as_of: datetime = EVER
    kept: str = ""


def tables_of(location: str, version: str | None, as_of: datetime | None, kept: str = "") -> Tables:
    """The newest versions, or those that were said as in `decisions@12, outcomes@11`; raises CommandError.

    `kept`: the console's database, which the views of events come from.
    """
    newest = table_versions(location)
    if version is None:
        return Tables(location, newest, as_of or EVER, kept)
    said = re.fullmatch(r"\s*(?:decisions@)?(\d+)\s*,\s*(?:outcomes@)?(\d+)\s*", version)
    if said is None:
        raise CommandError(f"--version is as in 'decisions@12, outcomes@11', not {version!r}; the newest is {newest}")
    asked = Versions(int(said[1]), int(said[2]))
    for name, wanted, last in zip(("decisions", "outcomes"), asked, newest, strict=True):
        if last is None or wanted is None or wanted > last:
            raise CommandError(f"there is no version {wanted} of {name}; the newest is {last}")
    return Tables(location, asked, as_of or EVER, kept)


def ask(sql: str, tables: Tables) -> pl.DataFrame:
    """The answer; raises CommandError for anything but reading these tables, and names what there is to read."""
    said = sql
    while comment := _COMMENTS.match(said):
        said = said[comment.end() :]
    if not _READ_ONLY.match(said):
        raise CommandError("only SELECT (or WITH … SELECT, EXPLAIN, SHOW TABLES): nothing is ever changed here")
    if found := _READS_FILES.search(sql):
        raise CommandError(
            f"{found[0]} is refused: a query reads {', '.join((*VIEWS, *EVENT_VIEWS))} and no other file"
        )
    # The join is computed only where it is asked for.
    wanted, of_events = _named(sql, VIEWS), _named(sql, EVENT_VIEWS)
    try:
        plain = wanted if wanted or of_events else VIEWS
        frames = {name: view(tables.location, name, tables.version, tables.as_of) for name in plain}
        frames |= event_views(tables.kept, tables.as_of) if of_events else {}
        plan = pl.SQLContext(frames).execute(sql)
        refuse_other_files(plan, tables)
        return plan.collect()
    except PolarsError as error:
        raise CommandError(_explained(str(error), tables)) from error
    except PanicException as error:
        # It is no Exception: sums of numbers of 32 and of 64 bits end in it, for one.
        raise CommandError(f"the engine gave up ({error}); cast numbers to bigint, or ask in smaller steps") from None
    except OSError as error:
        raise CommandError(f"the tables at {tables.location} cannot be read at {tables.version}: {error}") from error


def _named(sql: str, views: Iterable[str]) -> list[str]:
    return [name for name in views if re.search(rf"\b{name}\b", sql, re.IGNORECASE)]


def refuse_other_files(plan: pl.LazyFrame, tables: Tables) -> None:
    """What the words above did not show, the plan does."""
    scans = _SCANNED.findall(plan.explain(optimized=False))
    if other := [scan for scan in scans if not scan.startswith(f"{tables.location.rstrip('/')}/")]:
        raise CommandError(f"refused: {other[0][:200]} is none of the tables")


def _explained(said: str, tables: Tables) -> str:
    """The first sentence of the error, and the columns there are."""
    lines = [re.split(r"; valid columns|\n\nResolved plan", said, maxsplit=1)[0].strip()[:500]]
    if "relation" in said and "not found" in said:
        lines += [f"there are {name}: {what}" for name, what in (*VIEWS.items(), *EVENT_VIEWS.items())]
    elif "find column" in said or "column not found" in said.lower():
        for name in VIEWS:
            columns = view(tables.location, name, tables.version, tables.as_of).collect_schema().names()
            lines.append(f"{name} has {', '.join(columns)}")
    return "\n".join(lines)


def write(rows: pl.DataFrame, form: str, out: Path | None, console: Console, limit: int | None) -> None:
    """Show or store it; `limit`: so many rows at most as a table (all elsewhere); raises CommandError."""
    if form == "parquet" and out is None:
        raise CommandError("parquet is no text: name a file with --out")
    try:
        match form:
            case "table" if out is None:
                show(rows, console, limit)
            case "table" if out:
                with out.open("w", encoding="utf-8") as file:
                    show(rows, Console(file=file, width=_WIDE), limit)
            case "parquet":
                rows.write_parquet(out)  # type: ignore[arg-type]
            case "json":
                _put(json.dumps(json.loads(rows.write_json()), indent=2) + "\n", out)
            case _:
                _put(_flat(rows).write_csv(), out)
    except OSError as error:
        raise CommandError(f"{out} cannot be written: {error}") from error


def _put(text: str, out: Path | None) -> None:
    if out is None:
        typer.echo(text, nl=False)
    else:
        out.write_text(text, encoding="utf-8")


def _flat(rows: pl.DataFrame) -> pl.DataFrame:
    """Lists as JSON text: CSV has no lists."""
    lists = [name for name, kind in rows.schema.items() if isinstance(kind, pl.List | pl.Struct)]
    return rows.with_columns(
        pl.Series(name, [None if cell is None else json.dumps(cell) for cell in rows[name].to_list()], dtype=pl.String)
        for name in lists
    )


def show(rows: pl.DataFrame, console: Console, limit: int | None) -> None:
    """A table; where so many columns do not fit, each row downwards."""
    most = _MOST_ROWS if limit is None else limit
    if rows.is_empty():
        console.print("No rows.")
        return
    narrow = len(rows.columns) * _NARROWEST <= console.width
    if narrow:
        table = Table()
        for name, kind in rows.schema.items():
            table.add_column(name, justify="right" if kind.is_numeric() else "left", overflow="fold")
        for row in rows.head(most).iter_rows():
            table.add_row(*(_cell(cell) for cell in row))
        console.print(table, markup=False)
    else:
        for number, row in enumerate(rows.head(most).iter_rows(), start=1):
            console.print(f"row {number}", style="bold", highlight=False)
            for name, cell in zip(rows.columns, row, strict=True):
                console.print(f"  {name}: {_cell(cell)}", markup=False, highlight=False, soft_wrap=True)
    if rows.height > most:
        console.print(f"{most:,} of {rows.height:,} rows; --limit, or --out FILE with --format csv, json or parquet")


def _cell(cell: object) -> str:
    match cell:
        case None:
            return "–"
        case float():
            return f"{cell:.6g}"
        case datetime():
            return cell.isoformat()
        case _:
            text = str(cell)
            return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
