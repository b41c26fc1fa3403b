"""The commands that prove a package once more and take it elsewhere: `verify` and `export`."""

import json
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from headrace.command_parts import AsJson, UseCase, console, registry_of, running, settings_of
from headrace.errors import CommandError

if TYPE_CHECKING:
    from shared.package.store import PackageStore


def add_commands(app: typer.Typer) -> None:
    """Register them."""
    app.command(epilog="Example:  headrace verify flights_late")(verify)
    app.command(epilog="Example:  headrace export flights_late --bento flights_bento && bentoml serve flights_bento")(
        export
    )


def verify(context: typer.Context, use_case: UseCase, as_json: AsJson = False) -> None:
    """Score the golden records of what is released again: from the store, and in the worker that answers now.

    Exit code 1 when any form answers otherwise than in training. Nothing is decided, counted or written down.
    """
    from headrace.verify import ask_serving, check_stored

    info, settings = running(context), settings_of(context)
    digest = _released(context, use_case)
    with tempfile.TemporaryDirectory(prefix="headrace-verify-") as folder:
        rows = check_stored(_store(context), digest, Path(folder))
    rows += ask_serving(info.services["serving"].url, settings.api_key.get_secret_value(), use_case, digest)
    if as_json:
        typer.echo(json.dumps({"use_case": use_case, "package": digest, "forms": rows}, indent=2))
    else:
        _show(use_case, digest, rows)
    raise typer.Exit(1 if any(row["fault"] for row in rows) else 0)


def export(
    context: typer.Context,
    what: Annotated[str, typer.Argument(help="use case, or digest of a package", metavar="USE_CASE|DIGEST")],
    bento: Annotated[Path, typer.Option("--bento", help="new directory for `bentoml serve`", metavar="DIR")],
) -> None:
    """Write a released package as a project that plain BentoML serves, with the same scores; a copy, not a link."""
    from headrace.export_bento import ExportError, export_bento
    from shared.package.refusal import PackageRefused

    digest = what if re.fullmatch(r"[0-9a-f]{64}", what) else _released(context, what)
    try:
        manifest = export_bento(_store(context), digest, bento)
    except PackageRefused as refused:
        raise ExportError(f"package {digest} was not exported: {refused}") from refused
    console.print(f"✓ {bento}: {manifest.use_case}, package {digest}", soft_wrap=True, highlight=False, markup=False)
    console.print(f"  next: bentoml serve {bento}", soft_wrap=True, highlight=False, markup=False)


def _released(context: typer.Context, use_case: str) -> str:
    """The digest of the package that is released now."""
    with registry_of(context) as registry:
        releases = registry.releases(use_case)
    if not releases:
        raise CommandError(f"{use_case} has no release yet")
    return str(releases[-1]["package_digest"])


def _store(context: typer.Context) -> "PackageStore":
    from shared.package.store import PackageStore
    from shared.spine.settings import SpineSettings

    return PackageStore(SpineSettings(home=settings_of(context).home).packages_location)


def _show(use_case: str, digest: str, rows: list[dict[str, Any]]) -> None:
    table = Table(title=f"{use_case}, package {digest[:12]}", title_justify="left")
    for name in ("Where", "Form", "Golden records", "Largest difference", "Equal"):
        table.add_column(name, justify="left" if name in ("Where", "Form") else "right")
    for row in rows:
        difference = "–" if row["difference"] is None else f"{row['difference']:.3g}"
        table.add_row(row["where"], row["form"], str(row["records"]), difference, "no" if row["fault"] else "yes")
    console.print(table)
    for row in rows:
        if row["fault"]:
            said = f"✗ {row['where']}, {row['form']}: {row['fault']}"
            console.print(said, soft_wrap=True, markup=False, highlight=False)
