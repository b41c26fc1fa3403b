"""Shows the value of a period to people: the sum, what it is against, its intervals, and whether the money adds up."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from headrace.value import Value
from shared.evaluation.estimates import CAUSAL, DRAWN, Estimate
from shared.evaluation.period import OVER_BLOCKS, PeriodValue
from shared.evaluation.reported import COST_ALONE

_COLUMNS = ("block", "no.", "cases", "known", "cost", "no model", "value", "forecast", "what bound")
_WORDS = ("block", "what bound")
_WIDE = 110
NO_FORECAST = (
    "No judged block has a forecast: its package has no out-of-sample rows, or could not be read when it was reported."
)


def show_value(found: Value, console: Console) -> None:
    """Print it."""
    period = found.period
    console.print(_table(period, wide=console.width >= _WIDE))
    for line in (*_lines(period), _check(found)):
        console.print(line, soft_wrap=True, markup=False, highlight=False)


def _table(period: PeriodValue, *, wide: bool) -> Table:
    table = Table(
        title=f"{period.use_case}, {period.first} to {period.last}, in {period.currency}", box=None, pad_edge=False
    )
    rows = [*(_row(period, line) for line in period.by_block), _total(period)]
    # No number is ever cut: where there is no room for the constraints of each block, the lines below sum them up.
    shown = _COLUMNS if wide else _COLUMNS[:-1]
    for place, name in enumerate(shown):
        table.add_column(
            name, justify="left" if name in _WORDS else "right", min_width=max(len(row[place]) for row in rows)
        )
    for row in rows:
        table.add_row(*row[: len(shown)], style="bold" if row is rows[-1] else None)
    return table


def _row(period: PeriodValue, line: Mapping[str, Any]) -> tuple[str, ...]:
    sums = (line[name] for name in ("cost_minor", "cost_without_model_minor", "value_minor", "forecast_minor"))
    counts = (str(line["release_sequence"]), f"{line['volume']:,}", f"{line['labelled']:,}")
    return line["block"], *counts, *(_money(period, each) for each in sums), ", ".join(line["bound"]) or COST_ALONE


def _total(period: PeriodValue) -> tuple[str, ...]:
    forecasts = [line["forecast_minor"] for line in period.by_block if line["forecast_minor"] is not None]
    sums = (
        period.cost_minor,
        period.cost_without_model_minor,
        period.value_minor,
        sum(forecasts) if forecasts else None,
    )
    return "total", "", f"{period.volume:,}", f"{period.labelled:,}", *(_money(period, each) for each in sums), ""


def _lines(period: PeriodValue) -> Iterator[str]:
    mark = " (selected: only some decisions show a label)" if period.selected else ""
    yield f"Realised value{mark}: {_money(period, period.value_minor)} {period.currency}, over labelled cases."
    if period.judged_interval:
        value, between = _money(period, period.judged_value_minor), _range(period, *period.judged_interval)
        yield f"{period.judged_blocks} judged blocks: {value}, {between}. {OVER_BLOCKS}."
    yield _forecast(period)
    for name, each in period.capacity.items():
        yield f"{name}: {each.used:,} of {each.limit:,} used; nothing left on {each.days_full} of {each.days} days."
    yield f"What bound, on how many blocks: {_bound(period)}."
    yield from _estimates(period)


def _bound(period: PeriodValue) -> str:
    blocks = {line["block"]: line["bound"] or [COST_ALONE] for line in period.by_block}
    counted = Counter(what for constraints in blocks.values() for what in constraints)
    return ", ".join(f"{what} {count}" for what, count in counted.most_common())


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
