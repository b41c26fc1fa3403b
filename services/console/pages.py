"""Renders the pages: every text is escaped, nothing is fetched from anywhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_environment
from markupsafe import Markup

from services.console.asks import asks
from services.console.figures import Asker, Figure
from services.console.plots import Curve, Mark, plot
from services.console.report import Desk, Report
from services.console.states import ORDER, Standing
from services.console.story import kinds
from services.console.targets import Target
from services.console.words import count, day, money, number
from shared.feedback.joined import Versions

TEMPLATES = Path(__file__).parent / "templates"


@cache
def environment() -> Environment:
    """Escapes everything that no template marks as its own."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, auto_reload=False,
    )  # fmt: skip
    made.filters |= {"day": day, "part": _part, "sentence": _sentence}
    made.globals["style"] = Markup((TEMPLATES / "style.css").read_text(encoding="utf-8"))  # noqa: S704  our own file
    return made


def sponsor_page(report: Report, asker: Asker, versions: Versions, earlier: Sequence[Mapping[str, str]] = ()) -> str:
    """The sponsor's report as one HTML document."""
    return environment().get_template("report.html").render(
        report=report,
        contract=report.contract,
        worth=report.worth,
        counted=report.counted,
        promise=report.promise,
        asks=asks(report),
        value_plot=_value_plot(report),
        target_plots=[(one, _target_plot(one)) for one in report.targets if one.by_day],
        desk_plots=[(desk, _desk_plot(desk, report)) for desk in report.desks],
        asked=list(asker.asked.values()),
        versions=str(versions),
        made=_local(report.facts.now, report),
        earlier=earlier,
    )  # fmt: skip


@dataclass(frozen=True)
class Line:
    """A use case on the portfolio's page; without a value while no day can be judged."""

    name: str
    standing: Standing
    value: Figure | None
    days: Figure | None


def portfolio_page(lines: Sequence[Line], asker: Asker) -> str:
    """Every use case with its state, the worst first."""
    worst_first = sorted(lines, key=lambda line: (-ORDER.index(line.standing.state), line.name))
    made = asker.as_of.astimezone(UTC)
    return environment().get_template("portfolio.html").render(
        lines=worst_first, asked=list(asker.asked.values()),
        made=f"{day(made.date().isoformat())}, {made:%H:%M} (UTC)",
    )  # fmt: skip


def _sentence(words: str) -> str:
    """Begins with a capital letter, and leaves the rest as it is: a unit may be MB."""
    return words[:1].upper() + words[1:]


@pass_environment
def _part(env: Environment, part: str | Figure) -> str | Markup:
    """A part of a sentence: words are escaped, a number becomes a link to its query."""
    if isinstance(part, Figure):
        module: Any = env.get_template("numbers.html").module
        return Markup(str(module.n(part)))  # noqa: S704  what the macro has escaped
    return part


def _local(moment: datetime, report: Report) -> str:
    local = moment.astimezone(report.contract.zone)
    return f"{day(local.date().isoformat())}, {local:%H:%M} ({report.contract.timezone})"


def _marks(report: Report) -> list[Mark]:
    styles = {"model": "new", "back": "back", "terms": "terms"}
    shown = kinds(report.story, *styles)
    return [Mark(entry.day, styles[entry.kind]) for entry in shown]


def _value_plot(report: Report) -> Markup:
    """Saved so far, day by day."""
    rows = report.worth.by_day.rows
    total, sums = 0, []
    for _, value in rows:
        total += value
        sums.append(float(total))
    contract = report.counted

    def form(value: float) -> str:
        return money(round(value / 10**contract.digits), 0, "").strip()

    title = f"Saved since {day(report.period.first)}, in {contract.currency}"
    blocks = [str(row[0]) for row in rows]
    drawn = plot(blocks, [*_promised(report, blocks), Curve("good", sums)], form, title, _marks(report))
    return Markup(drawn)  # noqa: S704  made of dates and numbers


def _promised(report: Report, blocks: Sequence[str]) -> list[Curve]:
    """Promised so far, where every day that can be judged has a promise: else the two lines would not compare."""
    told = report.promise
    if not told.days or told.unpromised:
        return []
    by_block = {str(block): float(promised) for block, promised, _ in told.by_day.rows}
    last = max(by_block)
    sums = [sum(value for known, value in by_block.items() if known <= block) for block in blocks]
    return [Curve("promised", [one if block <= last else None for block, one in zip(blocks, sums, strict=True)])]


def _target_plot(target: Target) -> Markup:
    assert target.by_day is not None
    rows = target.by_day.rows
    limits = [float(one.value) for one in (target.most, target.least) if one is not None and one.value is not None]
    lines = [Curve("limit", [limit] * len(rows)) for limit in limits]
    lines.append(Curve("used", [float(row[1]) for row in rows]))
    drawn = plot([str(row[0]) for row in rows], lines, number, f"{target.what}, each day")
    return Markup(drawn)  # noqa: S704  made of dates and numbers, and of a text that is escaped there


def _desk_plot(desk: Desk, report: Report) -> Markup:
    rows = desk.by_day.rows
    lines = [Curve("limit", [float(row[2]) for row in rows]), Curve("used", [float(row[1]) for row in rows])]
    drawn = plot([str(row[0]) for row in rows], lines, lambda value: count(round(value)), f"{desk.name}, each day")
    return Markup(drawn)  # noqa: S704  made of dates and numbers
