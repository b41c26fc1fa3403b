"""`headrace data`: what the feedback tables hold and mean, who reads them, and which versions trainings pinned."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import httpx
import polars as pl

from headrace.errors import CommandError
from headrace.registry_client import RegistryClient, RegistryError
from headrace.run_info import NotRunningError, RunInfo, read_run_info
from headrace.settings import CommandSettings, authorization
from shared.contract import Contract
from shared.feedback.joined import Versions, table_versions
from shared.feedback.readers import READERS
from shared.feedback.schema import CATEGORY, MEANINGS, NUMBER, SCHEMAS, TableName
from shared.feedback.table import FeedbackTable
from shared.feedback.views import VIEWS, plain_names, use_cases
from shared.spine.settings import SpineSettings

_RUNS = 1000


def gather(settings: CommandSettings, use_case: str | None) -> dict[str, Any]:
    """The catalogue as plain JSON types; raises CommandError when a use case is asked for that has no rows."""
    location = SpineSettings(home=settings.home).feedback_location
    versions = table_versions(location)
    known = use_cases(location, versions)
    if use_case is not None and use_case not in known:
        there = f"there are {', '.join(known)}" if known else "there are none yet"
        raise CommandError(f"the tables hold no decisions of {use_case!r}; {there}")
    running, note = _running(settings)
    wanted = [use_case] if use_case else known
    contracts = {name: _contract(running, settings, name) for name in wanted}
    return {
        "location": location,
        "version": str(versions),
        "views": VIEWS,
        "tables": {name: _table(location, name, version) for name, version in _each(versions)},
        "use_cases": {name: describe(location, versions, name, contracts[name]) for name in wanted},
        "readers": [reader._asdict() for reader in READERS],
        "pinned": pinned(_runs(running), wanted),
        "note": note,
    }


def describe(location: str, versions: Versions, use_case: str, contract: Contract | None) -> dict[str, Any]:
    """Rows, freshness, flagged share, and every column of one use case."""
    found: dict[str, Any] = {}
    for name, version in _each(versions):
        table = FeedbackTable(location, name)
        rows = table.scan(use_case, version=version) if version is not None else table.empty()
        when = "event_time" if name == "decisions" else "known_at"
        count, newest = rows.select(pl.len(), pl.col(when).max()).collect().row(0)
        found[name] = {
            "rows": int(count),
            "newest": newest.isoformat() if isinstance(newest, datetime) else None,
            "columns": columns(name, rows, int(count), contract),
        }
        if name == "decisions":
            found[name] |= _flagged(rows, int(count))
    return found


def columns(name: TableName, rows: pl.LazyFrame, count: int, contract: Contract | None) -> list[dict[str, Any]]:
    """Each column with type, meaning and null share; a feature that this use case never had is left out."""
    schema, fixed, told = rows.collect_schema(), SCHEMAS[name].names, []
    plain = plain_names(schema.names())
    for column, nulls in rows.select(pl.all().null_count()).collect().row(0, named=True).items():
        if column not in fixed and nulls == count:
            continue
        told.append(
            {
                "name": plain.get(column, column),
                "stored_as": column,
                "type": "Datetime (UTC)" if schema[column] == pl.Datetime else str(schema[column]),
                "meaning": MEANINGS[column] if column in fixed else meaning(column, contract),
                "null_share": _share(nulls, count),
            }
        )
    return told


def meaning(column: str, contract: Contract | None) -> str:
    """What the contract in force says of a feature: unit, range, levels.

    >>> meaning("num_distance", None)
    'feature, a number'
    """
    prefix = NUMBER if column.startswith(NUMBER) else CATEGORY
    kind = "a number" if prefix == NUMBER else "a category"
    feature = contract.features.get(column.removeprefix(prefix)) if contract else None
    if contract and (feature is None or (feature.type == "number") != (prefix == NUMBER)):
        return f"feature, {kind}; not in the contract in force"
    said = [f"feature, {kind}"]
    if feature and feature.unit:
        said.append(f"in {feature.unit}")
    if feature and feature.range:
        said.append(f"from {feature.range[0]:g} to {feature.range[1]:g}")
    if feature and feature.levels:
        more = "" if len(feature.levels) <= 8 else f" and {len(feature.levels) - 8} more"
        said.append(f"one of {', '.join(feature.levels[:8])}{more}")
    return ", ".join(said)


def pinned(runs: Sequence[Mapping[str, Any]] | None, names: Sequence[str]) -> list[dict[str, Any]] | None:
    """Which table versions trainings were fitted on, newest first; None while the trainer cannot be asked."""
    if runs is None:
        return None
    return [
        {
            "use_case": run["use_case"],
            "version": _version(run["lineage"]["table_version"]),
            "as_of": run["as_of"],
            "package_digest": run["package_digest"],
        }
        for run in runs
        if run["use_case"] in names and "," in (run.get("lineage") or {}).get("table_version", "")
    ]


def _version(said: str) -> str:
    """As `headrace query --version` takes it; before the first decision there is only the contract's source."""
    decisions, _, outcomes = said.partition(", ")
    return "the source alone" if decisions == "None" else f"decisions@{decisions}, outcomes@{outcomes}"


def _each(versions: Versions) -> tuple[tuple[TableName, int | None], ...]:
    return ("decisions", versions.decisions), ("outcomes", versions.outcomes)


def _table(location: str, name: TableName, version: int | None) -> dict[str, Any]:
    """Files, and the newest versions with the time of their commit, from the log."""
    table = FeedbackTable(location, name).open()
    if table is None or version is None:
        return {"version": None, "files": 0, "snapshots": []}
    history = [
        {
            "version": int(entry["version"]),
            "at": datetime.fromtimestamp(int(entry["timestamp"]) / 1000, UTC).isoformat(),
            "operation": str(entry.get("operation", "")),
        }
        for entry in table.history(10)
    ]
    return {"version": version, "files": len(table.file_uris()), "snapshots": history}


def _flagged(rows: pl.LazyFrame, count: int) -> dict[str, Any]:
    """Share of decisions with a feature outside its range or type, and the same by feature."""
    flagged = rows.select("flagged").filter(pl.col("flagged").list.len() > 0).collect()["flagged"]
    counts = flagged.explode().value_counts(sort=True).iter_rows()
    shares = {str(name): _share(number, count) for name, number in counts}
    return {"flagged_share": _share(flagged.len(), count), "flagged": shares}


def _share(part: Any, whole: int) -> float:
    return float(part) / whole if whole else 0.0


def _running(settings: CommandSettings) -> tuple[RunInfo | None, str]:
    try:
        return read_run_info(settings.home), ""
    except NotRunningError:
        return None, "Nothing runs here: contracts and pinned versions cannot be asked for."


def _contract(running: RunInfo | None, settings: CommandSettings, use_case: str) -> Contract | None:
    if running is None:
        return None
    try:
        with RegistryClient(running.services["registry"].url, settings.api_key.get_secret_value()) as registry:
            return Contract.model_validate(registry.use_case(use_case)["contract"])
    except RegistryError:
        return None


def _runs(running: RunInfo | None) -> list[dict[str, Any]] | None:
    if running is None:
        return None
    try:
        url = f"{running.services['trainer'].url}/v1/runs"
        answer = httpx.get(url, params={"limit": _RUNS}, headers=authorization(), timeout=30.0)
        return list(answer.raise_for_status().json())
    except (httpx.HTTPError, ValueError):
        return None
