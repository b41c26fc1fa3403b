"""PURE: the kept events as tables that SQL can be asked of, beside `decisions`, `outcomes` and `joined`."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

import polars as pl

from services.console.facts import newest
from shared.evaluation.reported import COST_ALONE, Reported, bound
from shared.events import Event, KpiReported, UseCaseApplied

_INSTANT = pl.Datetime("us", "UTC")
_TEXT, _WHOLE, _NUMBER = pl.String(), pl.Int64(), pl.Float64()
_BLOCK = {"use_case": _TEXT, "block": _TEXT, "contract_digest": _TEXT, "release_sequence": _WHOLE}
_COUNTS = ("volume", "labelled", "awaiting", "given_up", "positives")
_MONEY = ("cost_minor", "cost_without_model_minor", "value_minor", "forecast_minor")

SCHEMAS: dict[str, dict[str, Any]] = {
    "reports": {
        **_BLOCK,
        "revision": _WHOLE,
        "status": _TEXT,
        "mature": pl.Boolean(),
        **dict.fromkeys((*_COUNTS, *_MONEY), _WHOLE),
        "currency": _TEXT,
        "incidents": _WHOLE,
        "time": _INSTANT,
    },
    "capacity": {**_BLOCK, "decision": _TEXT, "used": _WHOLE, "places": _WHOLE},
    "bound": {"use_case": _TEXT, "block": _TEXT, "contract_digest": _TEXT, "what": _TEXT},
    "measured": {**_BLOCK, "name": _TEXT, "value": _NUMBER},
    "contracts": {"use_case": _TEXT, "revision": _WHOLE, "time": _INSTANT, "term": _TEXT, "value": _NUMBER,
                  "text": _TEXT},
    "history": {"use_case": _TEXT, "topic": _TEXT, "time": _INSTANT, "id": _TEXT},
}  # fmt: skip
MEANINGS = {
    "reports": "the newest account of each block and release: counts, and money in minor units",
    "capacity": "of each block and release: places of a decision, and how many were used",
    "bound": "of each block: which constraints bound, whatever releases served; or cost alone",
    "measured": "every other number of a block and release, by name",
    "contracts": "every term of every revision of the contracts, by its dotted name",
    "history": "every lifecycle event",
}


def frames_of(events: Sequence[Event]) -> dict[str, pl.DataFrame]:
    """Every view over these events; what comes twice counts once."""
    once = list({event.id: event for event in events}.values())
    kpis = newest_of_each(event for event in once if isinstance(event, KpiReported))
    applied = [event for event in once if isinstance(event, UseCaseApplied)]
    rows: dict[str, Iterable[tuple[Any, ...]]] = {
        "reports": (_report(one) for one in kpis),
        "capacity": (line for one in kpis for line in _capacity(one)),
        "bound": _bound(kpis),
        "measured": (line for one in kpis for line in _measured(one)),
        "contracts": (line for one in applied for line in _terms(one)),
        "history": ((_use_case(one), one.topic, one.time, one.id) for one in once),
    }
    return {name: pl.DataFrame(list(rows[name]), schema=schema, orient="row") for name, schema in SCHEMAS.items()}


def newest_of_each(reports: Iterable[KpiReported]) -> list[KpiReported]:
    """The newest report of each block and release, use case by use case."""
    by_name: dict[str, list[KpiReported]] = {}
    for report in reports:
        by_name.setdefault(report.use_case, []).append(report)
    return [report for name in sorted(by_name) for report in newest(by_name[name])]


def _use_case(event: Event) -> str:
    return str(getattr(event, "use_case", ""))


def _key(report: KpiReported) -> tuple[str, str, str, int]:
    return report.use_case, report.block, report.contract_digest, report.release_sequence


def _report(one: KpiReported) -> tuple[Any, ...]:
    numbers = tuple(getattr(one, name) for name in (*_COUNTS, *_MONEY))
    return (*_key(one), one.revision, one.status, one.mature, *numbers, one.currency, len(one.incidents), one.time)


def _capacity(one: KpiReported) -> Iterator[tuple[Any, ...]]:
    for name, places in one.capacity_limit.items():
        yield *_key(one), name, one.capacity_used.get(name, 0), places


def _bound(reports: Iterable[KpiReported]) -> Iterator[tuple[Any, ...]]:
    for use_case, of_use_case in groupby(reports, key=lambda report: report.use_case):
        known = list(of_use_case)
        contracts = {one.block: one.contract_digest for one in known}
        for block, constraints in bound([_told(one) for one in known]).items():
            for what in constraints or (COST_ALONE,):
                yield use_case, block, contracts[block], what


def _told(one: KpiReported) -> Reported:
    numbers = {name: getattr(one, name) for name in ("capacity_limit", "capacity_used", "reasons")}
    return Reported(one.block, one.release_sequence, one.contract_digest, numbers)


def _measured(one: KpiReported) -> Iterator[tuple[Any, ...]]:
    for name, value in one.quality.items():
        yield *_key(one), name, float(value)
    # What others measure; a day without a value has no row.
    for name, kpi in one.model_dump().get("measured", {}).items():
        if kpi["value"] is not None:
            yield *_key(one), name, float(kpi["value"])


def _terms(one: UseCaseApplied) -> Iterator[tuple[Any, ...]]:
    for term, value in _leaves("", one.contract):
        number = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else _decimal(value)
        yield one.use_case, one.revision, one.time, term, number, None if value is None else str(value)


def _decimal(value: object) -> float | None:
    # Amounts of money stand in a contract's JSON as text.
    try:
        return float(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _leaves(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    match value:
        case dict():
            for key, part in value.items():
                yield from _leaves(f"{path}.{key}" if path else str(key), part)
        case list():
            for place, part in enumerate(value):
                yield from _leaves(f"{path}.{place}", part)
        case _:
            yield path, value
