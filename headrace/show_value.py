"""Shows the value of a period to people: the sum, what it is against, its intervals, and whether the money adds up."""

from collections.abc import Iterator

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from headrace.value import Value
from shared.evaluation.estimates import CAUSAL, DRAWN, Estimate
from shared.evaluation.period import OVER_BLOCKS, PeriodValue


def show_value(found: Value, console: Console) -> None:
    """Print it."""
    period = found.period
    console.print(_table(period))
    for line in (*_lines(period), _check(found)):
        console.print(line, soft_wrap=True, markup=False, highlight=False)


def _table(period: PeriodValue) -> Table:
    title = f"{period.use_case}, {period.first} to {period.last}, in {period.currency}"
    table = Table(title=title, box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    # No number and no day is cut where a terminal is narrow; headings break where they may.
    table.add_column("block", no_wrap=True)
    for column in ("release", "cases", "labelled", "cost", "without\na model", "value", "forecast"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("what bound", overflow="fold", min_width=8)
    for line in period.by_block:
        sums = (line[name] for name in ("cost_minor", "cost_without_model_minor", "value_minor", "forecast_minor"))
        counts = (str(line["release_sequence"]), f"{line['volume']:,}", f"{line['labelled']:,}")
        bound = ", ".join(line["bound"]) or "cost alone"
        table.add_row(line["block"], *counts, *(_money(period, each) for each in sums), bound)
    table.add_section()
    totals = (period.cost_minor, period.cost_without_model_minor, period.value_minor)
    forecast = period.forecast.forecast_minor if period.forecast else None
    sums = (_money(period, each) for each in (*totals, forecast))
    table.add_row("total", "", f"{period.volume:,}", f"{period.labelled:,}", *sums, "")
    return table


def _lines(period: PeriodValue) -> Iterator[str]:
    mark = " (selected: only some decisions show a label)" if period.selected else ""
    yield f"Realised value{mark}: {_money(period, period.value_minor)} {period.currency}, over labelled cases."
    if period.judged_interval:
        value, between = _money(period, period.judged_value_minor), _range(period, *period.judged_interval)
        yield f"{period.judged_blocks} judged blocks: {value}, {between}. {OVER_BLOCKS}."
    if found := period.forecast:
        said = f"Forecast (an estimate): {_money(period, found.forecast_minor)} for {found.blocks} judged blocks"
        difference = found.realised_minor - found.forecast_minor
        if found.difference_interval:
            between = _range(period, *found.difference_interval)
            yield f"{said}; realised less forecast {_money(period, difference)}, {between} over blocks."
        else:
            yield f"{said}; realised less forecast {_money(period, difference)}."
    for name, each in period.capacity.items():
        yield f"{name}: {each.used:,} of {each.limit:,} used; nothing left on {each.days_full} of {each.days} days."
    yield from _estimates(period)


def _estimates(period: PeriodValue) -> Iterator[str]:
    if isinstance(period.causal, Estimate):
        yield f"{CAUSAL}: {_estimate(period, period.causal)}"
        if period.withheld_minor is not None:
            yield f"The control cases would have earned about {_money(period, period.withheld_minor)} (an estimate)."
        yield f"{DRAWN}."
    else:
        yield f"{period.causal.reason}."
    if isinstance(period.of_all, Estimate):
        yield f"Value of all cases, hidden ones too: {_estimate(period, period.of_all)}"
    elif period.of_all is not None:
        yield f"Value of all cases is not estimated: {period.of_all.reason}."


def _estimate(period: PeriodValue, found: Estimate) -> str:
    return (
        f"estimated {_money(period, found.minor)}, {_range(period, found.low, found.high)}, for {found.cases:,} cases "
        f"of {found.blocks} blocks from {found.drawn:,} drawn ones."
    )


def _check(found: Value) -> str:
    check, period = found.check, found.period
    if check.same:
        return f"Check: the tables say {_money(period, check.table_minor)}, in every block to the cent as reported."
    return (
        f"Check: the tables say {_money(period, check.table_minor)} where {_money(period, check.reports_minor)} is "
        f"reported; {len(check.differing)} blocks differ, the first is {check.differing[0]}. Rows came since, or are "
        "kept no longer."
    )


def _range(period: PeriodValue, low: float, high: float) -> str:
    return f"{_money(period, low)} to {_money(period, high)}"


def _money(period: PeriodValue, minor: float | None) -> str:
    return "–" if minor is None else f"{minor / 10**period.minor_digits:,.{period.minor_digits}f}"
