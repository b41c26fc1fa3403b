"""The result by month as text, the same in the terminal and on the page."""

from collections.abc import Callable
from typing import Any

Line = dict[str, Any]
Column = tuple[str, Callable[[Line], str]]


def month_lines(report: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Heads and cells; money per labelled case. What a task does not have has no column."""
    columns: list[Column] = [
        ("month", lambda line: str(line["month"])),
        ("volume", lambda line: f"{line['volume']:,}"),
        *_quality(report),
        *_money(report),
        *_desk(report),
    ]
    return [head for head, _ in columns], [[cell(line) for _, cell in columns] for line in report["months"]]


def title(report: dict[str, Any]) -> str:
    """What the table shows, and what must be known of it: simulated cases, selected labels."""
    notes = ["simulated data"] if report["simulated"] else []
    notes += ["selected labels" if report["labels"]["selected"] else "labelled cases"]
    return f"{report['use_case']} by month ({', '.join(notes)}; cost in {report['currency']} per case)"


def selected(report: dict[str, Any]) -> str:
    """The mark of a number that rests on labels of chosen cases: " (selected)", or nothing."""
    return " (selected)" if report["labels"]["selected"] else ""


def _quality(report: dict[str, Any]) -> list[Column]:
    if report["task"] == "regression":
        return [("error", _number("mae", ".1f"))]
    positive = report["labels"]["positive"][-1]
    return [
        (positive, _number("positive_share", ".1%")),
        ("AUC", _number("auc", ".3f")),
        ("Brier", _number("brier", ".4f")),
    ]


def _money(report: dict[str, Any]) -> list[Column]:
    unit, frozen = 10 ** report["minor_digits"], report["frozen_by_month"]

    def per_case(line: Line, name: str) -> str:
        return f"{line[name] / unit / max(line['labelled'], 1):.3f}"

    def of_the_first(line: Line) -> str:
        known = frozen.get(line["month"])
        return f"{known['frozen_minor'] / unit / max(known['cases'], 1):.3f}" if known else "–"

    return [
        ("managed", lambda line: per_case(line, "cost_minor")),
        ("frozen", of_the_first),
        ("no model", lambda line: per_case(line, "cost_without_model_minor")),
    ]


def _desk(report: dict[str, Any]) -> list[Column]:
    if report["reviews"]["decision"] is None:
        return []
    return [
        ("reviews a day", lambda line: f"{line['reviews_mean']:.0f}"),
        ("max", lambda line: str(line["reviews_max"])),
    ]


def _number(name: str, form: str) -> Callable[[Line], str]:
    return lambda line: "–" if line[name] is None else format(line[name], form)
