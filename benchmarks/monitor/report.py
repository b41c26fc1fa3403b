"""PURE: from what was measured to the report: ratios beside what is asked of them, one document and one page."""

import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.reporting import Row

HEADRACE = "headrace"


@dataclass
class Results:
    """Everything that a run has found out; `speeds` holds one entry per round."""

    quick: bool
    about: dict[str, Any]
    speeds: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    flagged: dict[str, dict[str, list[bool]]] = field(default_factory=dict)
    sequential: dict[str, Any] = field(default_factory=dict)
    many_columns: dict[str, Any] = field(default_factory=dict)
    label_free: dict[str, Any] = field(default_factory=dict)
    events_per_core_s: float | None = None
    not_measured: dict[str, str] = field(default_factory=dict)

    def rates(self, name: str) -> list[float]:
        """Rows a CPU second of each round: the median of its repeats."""
        return [one["rows"] / statistics.median(one["cpu_seconds"]) for one in self.speeds.get(name, [])]


def document(results: Results) -> dict[str, Any]:
    """The whole report; `rows_per_s` and `events_per_core_s` are the short form of it."""
    return {
        "quick": results.quick,
        "rows_per_s": {name: statistics.median(results.rates(name)) for name in results.speeds},
        "events_per_core_s": results.events_per_core_s,
        "extra_megabytes": {
            name: max(one["extra_megabytes"] for one in rounds) for name, rounds in results.speeds.items()
        },
        "rows": [asdict(row) for row in rows(results)],
        "flagged_share": {
            name: {window: sum(said) / len(said) for window, said in found.items()}
            for name, found in results.flagged.items()
        },
        "sequential": results.sequential,
        "many_columns": results.many_columns,
        "label_free": results.label_free,
        "speeds": results.speeds,
        "not_measured": results.not_measured,
        "about": results.about,
    }


def rows(results: Results) -> list[Row]:
    """The table of what is asked."""
    found = [_faster(results, "evidently", 100), _faster(results, "scipy", 4)]
    sizes = [one["extra_megabytes"] for one in results.speeds.get(HEADRACE, [])]
    counted = [one["rows"] for one in results.speeds.get(HEADRACE, [])]
    note = f"{counted[0]:,} rows" if counted else ""
    found.append(_at_most("extra memory of a profile, MB", 32, max(sizes, default=None), note))
    found.append(_at_least("events into the table per CPU second of the monitor", 20_000, results.events_per_core_s))
    if many := results.many_columns:
        what = f"{many['columns']:,} columns × {many['rows']:,} rows: memory, MB per million rows"
        found.append(_at_most(what, 1, many["megabytes_per_million_rows"], f"{many['cpu_seconds']:.0f} s of CPU"))
    if label_free := results.label_free:
        asked = label_free["28 days"]["brier"]
        note = f"{asked['chunks']} windows of 28 days, {asked['estimates']} estimates"
        what = "quality before labels, 5 % audited: mean error against scores alone"
        found.append(_at_most(what, 0.4, asked["error_ratio"], note))
        found.append(_at_least("its 95 % interval covers", 0.9, asked["interval_covers"], note))
    if ours := results.sequential:
        note = f"{ours['runs']} runs of {ours['windows']} windows of 500 rows, reference {ours['reference']:,}"
        what = "share of undrifted runs with an alarm, looked at after every window"
        found.append(_at_most(what, 0.095, ours["alarmed"] / ours["runs"], note))
        for shift, most in (("1", 1), ("0.5", 1), ("0.25", 3), ("0.1", 20)):
            found.append(_at_most(f"windows until a shift of {shift} sd is found, median", most, ours["delay"][shift]))
    return found


def page(said: Mapping[str, Any], picture: str) -> str:
    """The report as Markdown."""
    lines = ["# The monitor beside others", "", f"![rows a CPU second]({picture})", ""]
    lines += ["| what | asked | measured | met | note |", "|---|---|---|---|---|"]
    for row in said["rows"]:
        met = {True: "yes", False: "**no**", None: "not measured"}[row["met"]]
        lines.append(f"| {row['what']} | {row['asked']} | {_number(row['measured'])} | {met} | {row['note']} |")
    lines += ["", "## A check of 25 columns", "", "| tool | rows a CPU second | extra memory, MB |", "|---|---|---|"]
    for name, rate in sorted(said["rows_per_s"].items(), key=lambda one: -one[1]):
        lines.append(f"| {name} | {rate:,.0f} | {said['extra_megabytes'][name]:,.1f} |")
    if said["flagged_share"]:
        lines += _windows(said["flagged_share"])
    lines += ["", "## About this run", ""]
    lines += [f"- {name}: {value}" for name, value in said["about"].items()]
    lines += [f"- not measured, {name}: {why}" for name, why in said["not_measured"].items()]
    return "\n".join(lines) + "\n"


def _windows(flagged: Mapping[str, Mapping[str, float]]) -> list[str]:
    names = list(next(iter(flagged.values())))
    heads = [f"{window.split()[0]} rows, {window.split()[1]} sd" for window in names]
    lines = ["", "## Share of windows flagged, one column of 25 shifted, each tool at its defaults", ""]
    lines += [f"| tool | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    for tool, found in flagged.items():
        lines.append(f"| {tool} | {' | '.join(f'{found[name]:.0%}' for name in names)} |")
    note = (
        "Flagged per window: whoever looks window after window is called by every such rule sooner or later. "
        "`headrace` here is p < .05/25 on the same bins; what the monitor raises an alarm by is the e-process of the "
        "table above, which holds however often one looks."
    )
    return [*lines, "", note]


def _faster(results: Results, other: str, asked: float) -> Row:
    pairs = zip(results.rates(HEADRACE), results.rates(other), strict=False)
    ratios = [mine / theirs for mine, theirs in pairs]
    what = f"profile and check of 25 columns: rows a CPU second against {other}"
    note = f"{len(ratios)} rounds" if ratios else ""
    return _at_least(what, asked, statistics.median(ratios) if ratios else None, note)


def _at_least(what: str, asked: float, measured: float | None, note: str = "") -> Row:
    return Row(what, f"≥ {asked:,g}", measured, None if measured is None else measured >= asked, note)


def _at_most(what: str, asked: float, measured: float | None, note: str = "") -> Row:
    return Row(what, f"≤ {asked:,g}", measured, None if measured is None else measured <= asked, note)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.3g}" if abs(value) < 1000 else f"{value:,.0f}"
