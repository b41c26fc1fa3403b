"""PURE: from rounds to the report: medians, ratios beside what is asked of them, one document and one page."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.reporting import Row
from benchmarks.serving.measure import Missing, Sample, Samples

HEADRACE, LIMIT = "headrace", "limit"
SINGLE_1, SINGLE_8, SINGLE_64, HUNDRED_8 = "1_record_c1", "1_record_c8", "1_record_c64", "100_records_c8"
KEPT_8, KEPT_64, BULK = "kept_c8", "kept_c64", "10000_rows_c1"
COLUMNS, ARROW = "headrace_columns", "headrace_arrow"


@dataclass
class Results:
    """Everything that a run has found out."""

    quick: bool
    about: dict[str, Any]
    batching: Sequence[str]
    differences: dict[str, float] = field(default_factory=dict)
    not_measured: dict[str, str] = field(default_factory=dict)
    scenarios: dict[str, Samples] = field(default_factory=dict)
    in_process: list[dict[str, float]] = field(default_factory=list)
    start_seconds: list[float] = field(default_factory=list)

    def samples(self, scenario: str, name: str) -> list[Sample]:
        """The rounds of a server; empty when it has none."""
        found = self.scenarios.get(scenario, {}).get(name, [])
        return [] if isinstance(found, Missing) else found

    def rate(self, scenario: str, name: str) -> float | None:
        """Median requests a second."""
        return _median([one.requests_per_second for one in self.samples(scenario, name)])

    def peers(self, scenario: str) -> list[str]:
        """Everybody measured that is neither ours nor the limit."""
        known = self.scenarios.get(scenario, {})
        return [name for name in known if not name.startswith((HEADRACE, LIMIT)) and self.samples(scenario, name)]


def document(results: Results) -> dict[str, Any]:
    """The whole report; `rps`, `cpu_us` and `max_abs_diff` are the short form of it."""
    single = results.scenarios.get(SINGLE_8, {})
    ours = results.samples(SINGLE_8, HEADRACE)
    return {
        "quick": results.quick,
        "rps": {name: rate for name in single if (rate := results.rate(SINGLE_8, name)) is not None},
        "cpu_us": _median([one.cpu_us["worker"] for one in ours]),
        "shipper_cpu_us": _median([one.cpu_us.get("shipper", 0.0) for one in ours]),
        "max_abs_diff": max(results.differences.values(), default=None),
        "max_abs_diff_by_server": results.differences,
        "rows": [asdict(row) for row in rows(results)],
        "scenarios": {
            scenario: {name: _summary(found) for name, found in samples.items()}
            for scenario, samples in results.scenarios.items()
        },
        "model_alone_seconds": results.in_process,
        "start_to_first_answer_seconds": results.start_seconds,
        "not_measured": results.not_measured,
        "about": results.about,
    }


def rows(results: Results) -> list[Row]:
    """The table of what is asked; in the quick form only what it measures."""
    found = [_faster(results, SINGLE_8, ["mlflow"], 60, "MLflow")]
    if not results.quick:
        found += [
            _faster(results, SINGLE_8, ["bentoml"], 55, "BentoML, stock"),
            _faster(results, SINGLE_8, ["mlserver"], 45, "MLServer"),
            _faster(results, SINGLE_8, results.batching, 12, "the best batching peer"),
        ]
    found += [_faster(results, SINGLE_8, [LIMIT], 0.30, "the limit in Python"), _cpu(results)]
    if results.quick:
        return found
    return [
        *found,
        _sooner(results, SINGLE_1, "p50_ms", 25),
        _sooner(results, SINGLE_8, "p99_ms", 5),
        _faster(results, HUNDRED_8, results.batching, 4, "the best batching peer"),
        _bulk(results, HEADRACE, 0.25, "as rows"),
        _bulk(results, COLUMNS, 0.40, "as columns"),
        _bulk(results, ARROW, 0.40, "as an Arrow stream"),
        _faster(results, KEPT_8, ["fastapi"], 4, "FastAPI, with a pipeline that has no compiled form"),
        _faster(results, KEPT_64, ["fastapi"], 25, "FastAPI, with a pipeline that has no compiled form"),
        _start(results),
    ]


def _faster(results: Results, scenario: str, others: Sequence[str], asked: float, against: str) -> Row:
    """Requests a second against the best of some servers, round by round, for rounds are neighbours in time."""
    rates = {name: rate for name in others if (rate := results.rate(scenario, name)) is not None}
    best = max(rates, key=lambda name: rates[name], default=None)
    ratio = best and _paired(
        results, scenario, best, lambda mine, other: mine.requests_per_second / other.requests_per_second
    )
    return _at_least(f"{_said(scenario)}: requests/s against {against}", asked, ratio or None, best or "")


def _sooner(results: Results, scenario: str, what: str, asked: float) -> Row:
    """A latency of the best peer divided by ours."""
    medians = {
        name: statistics.median([getattr(one, what) for one in results.samples(scenario, name)])
        for name in results.peers(scenario)
    }
    best = min(medians, key=lambda name: medians[name], default=None)
    ratio = best and _paired(results, scenario, best, lambda mine, other: getattr(other, what) / getattr(mine, what))
    return _at_least(
        f"{_said(scenario)}: {what[:3]} of the best peer, divided by ours", asked, ratio or None, best or ""
    )


def _paired(results: Results, scenario: str, other: str, ratio: Any) -> float | None:
    pairs = zip(results.samples(scenario, HEADRACE), results.samples(scenario, other), strict=False)
    return _median([ratio(mine, theirs) for mine, theirs in pairs])


def _bulk(results: Results, name: str, asked: float, form: str) -> Row:
    """How much of the model's own speed is left when all rows come in one request; the faster form counts as model."""
    alone = [min(each.values()) for each in results.in_process]
    taken = [1 / one.requests_per_second for one in results.samples(BULK, name)]
    share = _median([model / request for model, request in zip(alone, taken, strict=False)])
    return _at_least(f"10,000 rows in one request {form}: share of the model alone in process", asked, share, "")


def _cpu(results: Results) -> Row:
    spent = _median([one.cpu_us["worker"] for one in results.samples(SINGLE_8, HEADRACE)])
    beside = _median([one.cpu_us.get("shipper", 0.0) for one in results.samples(SINGLE_8, HEADRACE)])
    note = "" if beside is None else f"shipper {beside:.0f} µs beside it"
    return _at_most(f"{_said(SINGLE_8)}: CPU µs in the worker for each prediction", 120, spent, note)


def _start(results: Results) -> Row:
    return _at_most("start to first answer, Kafka absent, seconds", 1.5, _median(results.start_seconds), "")


def _at_least(what: str, asked: float, measured: float | None, note: str) -> Row:
    return Row(what, f">= {asked:g}", measured, None if measured is None else measured >= asked, note)


def _at_most(what: str, asked: float, measured: float | None, note: str) -> Row:
    return Row(what, f"<= {asked:g}", measured, None if measured is None else measured <= asked, note)


def _summary(found: list[Sample] | Missing) -> dict[str, Any]:
    if isinstance(found, Missing):
        return {"missing": found.reason}
    return {
        "requests_per_second": _median([one.requests_per_second for one in found]),
        "p50_ms": _median([one.p50_ms for one in found]),
        "p99_ms": _median([one.p99_ms for one in found]),
        "failed": sum(one.failed for one in found),
        "cpu_us": {role: _median([one.cpu_us[role] for one in found]) for role in found[0].cpu_us},
        "resident_megabytes": found[-1].resident_megabytes,
        "settle_seconds": _median([one.settle_seconds for one in found]),
        "generator_cpu_share": _median([one.generator_cpu_share for one in found]),
        "rounds": [one.requests_per_second for one in found],
    }


def _median(values: Sequence[float]) -> float | None:
    return statistics.median(values) if values else None


def _said(scenario: str) -> str:
    words = {"kept_c8": "1 record, c=8", "kept_c64": "1 record, c=64", BULK: "10,000 rows, c=1"}
    return words.get(scenario, scenario.replace("_record_c", " record, c=").replace("_records_c", " records, c="))


def page(report: Mapping[str, Any], picture: str | None) -> str:
    """The same as Markdown."""
    form = "`make bench-serving QUICK=1`" if report["quick"] else "`make bench-serving`"
    lines = [
        "# Serving beside others",
        "",
        f"Made by {form}; the same numbers, and every round, stand in the JSON beside this page. Ratios matter, "
        "absolute numbers belong to the machine. Ours does all that it does in production while it is measured: "
        "validation, decisions, ids, spool, shipping to Kafka, metrics.",
        "",
        *([f"![Requests a second]({picture})", ""] if picture else []),
        "| What | Asked | Measured | Met | |",
        "|---|---|---|---|---|",
        *(_line(row) for row in report["rows"]),
        "",
    ]
    for scenario, servers in report["scenarios"].items():
        lines += [*_table(scenario, servers), ""]
    lines += ["## Scores", "", "| Server | Largest difference to scikit-learn |", "|---|---|"]
    lines += [f"| {name} | {value:.3g} |" for name, value in report["max_abs_diff_by_server"].items()]
    if report["not_measured"]:
        lines += ["", "## Not measured", "", *(f"- {name}: {why}" for name, why in report["not_measured"].items())]
    lines += ["", "## About this run", "", *(f"- {name}: {value}" for name, value in report["about"].items()), ""]
    return "\n".join(lines)


def _line(row: Mapping[str, Any]) -> str:
    measured = "not measured" if row["measured"] is None else f"{row['measured']:,.3g}"
    met = {None: "", True: "yes", False: "**no**"}[row["met"]]
    return f"| {row['what']} | {row['asked']} | {measured} | {met} | {row['note']} |"


def _table(scenario: str, servers: Mapping[str, Any]) -> list[str]:
    title = f"{_said(scenario)}" + (", a pipeline that has no compiled form" if scenario.startswith("kept") else "")
    lines = [
        f"## {title}",
        "",
        "| Server | requests/s | p50 ms | p99 ms | CPU µs per request | MB | failed |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, said in servers.items():
        if "missing" in said:
            lines.append(f"| {name} | {said['missing']} | | | | | |")
            continue
        cpu = ", ".join(f"{role} {spent:,.0f}" for role, spent in said["cpu_us"].items())
        memory = ", ".join(f"{role} {size:,.0f}" for role, size in said["resident_megabytes"].items())
        lines.append(
            f"| {name} | {said['requests_per_second']:,.1f} | {said['p50_ms']:.2f} | {said['p99_ms']:.2f} | {cpu} "
            f"| {memory} | {said['failed']:,} |"
        )
    return lines
