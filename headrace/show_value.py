"""Shows the value of a period to people: the sum, what it is against, its intervals, and whether the money adds up."""

from collections.abc import Iterator

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from headrace.value import Value
from shared.evaluation.estimates import CAUSAL, DRAWN, Estimate
from shared.evaluation.period import OVER_BLOCKS, PeriodValue
from shared.evaluation.reported import COST_ALONE

NO_FORECAST = (
    "No judged block has a forecast: its package has no out-of-sample rows, or could not be read when it was reported."
)


def show_value(found: Value, console: Console) -> None:
    """Print it."""
    period = found.period
    console.print(_table(period))
    for line in (*_lines(period), _check(found)):
        console.print(line, soft_wrap=True, markup=False, highlight=False)


def _table(period: PeriodValue) -> Table:
    title = f"{period.use_case}, {period.first} to {period.last}, in {period.currency}"
    # Narrow enough for 80 columns; where it is not, a number is folded and never cut.
    table = Table(title=title, box=SIMPLE, pad_edge=False, collapse_padding=True)
    table.add_column("block", no_wrap=True)
    for column in ("release", "decisions", "labelled", "cost", "without a model", "value", "forecast"):
        table.add_column(column, justify="right", overflow="fold")
    table.add_column("what bound")
    for line in period.by_block:
        sums = (line[name] for name in ("cost_minor", "cost_without_model_minor", "value_minor", "forecast_minor"))
        counts = (str(line["release_sequence"]), f"{line['volume']:,}", f"{line['labelled']:,}")
        bound = ", ".join(line["bound"]) or COST_ALONE
        table.add_row(line["block"], *counts, *(_money(period, each) for each in sums), bound)
    table.add_section()
    totals = (period.cost_minor, period.cost_without_model_minor, period.value_minor)
    forecasts = [line["forecast_minor"] for line in period.by_block if line["forecast_minor"] is not None]
    sums = (_money(period, each) for each in (*totals, sum(forecasts) if forecasts else None))
    table.add_row("total", "", f"{period.volume:,}", f"{period.labelled:,}", *sums, "")
    return table


def _lines(period: PeriodValue) -> Iterator[str]:
    mark = " (selected: only some decisions show a label)" if period.selected else ""
    yield f"Realised value{mark}: {_money(period, period.value_minor)} {period.currency}, over labelled cases."
    if period.judged_interval:
        value, between = _money(period, period.judged_value_minor), _range(period, *period.judged_interval)
        yield f"{period.judged_blocks} judged blocks: {value}, {between}. {OVER_BLOCKS}."
    yield _forecast(period)
    for name, each in period.capacity.items():
        yield f"{name}: {each.used:,} of {each.limit:,} used; nothing left on {each.days_full} of {each.days} days."
    yield from _estimates(period)


def _forecast(period: PeriodValue) -> str:
    found = period.forecast
    if found is None:
        return NO_FORECAST
    difference = _money(period, found.realised_minor - found.forecast_minor)
    between = f", {_range(period, *found.difference_interval)} over blocks" if found.difference_interval else ""
    without = f" {found.without_forecast} judged blocks have no forecast." if found.without_forecast else ""
    return (
        f"Forecast of the packages (an estimate): {_money(period, found.forecast_minor)} for {found.blocks} judged "
        f"blocks; realised less forecast {difference}{between}.{without}"
    )


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
