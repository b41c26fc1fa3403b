"""Shows the catalogue of the feedback tables to people."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

_SHOWN = 5


def show_catalogue(found: Mapping[str, Any], console: Console) -> None:
    """Print it: tables, use cases with their columns, readers, versions."""
    console.print(f"Feedback tables at {found['location']} ({found['version']})", soft_wrap=True, markup=False)
    for name, what in found["views"].items():
        console.print(f"  {name}: {what}", soft_wrap=True, markup=False)
    for name, table in found["tables"].items():
        newest = table["snapshots"][0]["at"][:19] if table["snapshots"] else "never written"
        console.print(f"  {name}: {table['files']:,} files, version {table['version']}, {newest}", markup=False)
    if not found["use_cases"]:
        console.print("No decisions yet.")
    for use_case, parts in found["use_cases"].items():
        _show_use_case(use_case, parts, console)
    readers = Table(title="Who reads them", title_justify="left")
    for column in ("who", "module", "purpose"):
        readers.add_column(column, overflow="fold")
    for reader in found["readers"]:
        readers.add_row(*reader.values())
    console.print(readers)
    for pin in (found["pinned"] or ())[:_SHOWN]:
        package = (pin["package_digest"] or "no package")[:12]
        console.print(f"{pin['use_case']}: trained on {pin['version']} as of {pin['as_of']}: {package}", markup=False)
    if found["note"]:
        console.print(found["note"])


def _show_use_case(use_case: str, parts: Mapping[str, Any], console: Console) -> None:
    for name, part in parts.items():
        line = f"{use_case}, {name}: {part['rows']:,} rows, the newest of {part['newest'] or '–'}"
        if "flagged_share" in part:
            line += f", {part['flagged_share']:.2%} flagged"
            line += "".join(f" ({feature} {share:.2%})" for feature, share in list(part["flagged"].items())[:_SHOWN])
        console.print(line, soft_wrap=True, markup=False, highlight=False)
        table = Table()
        for column in ("column", "type", "null", "meaning"):
            table.add_column(column, overflow="fold", justify="right" if column == "null" else "left")
        for one in part["columns"]:
            table.add_row(one["name"], one["type"], f"{one['null_share']:.1%}", one["meaning"])
        console.print(table)
