"""Shows a backtest to people: a line for each block, the total, its interval, and what it cannot know."""

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from headrace.backtest_report import INTERVAL, Backtest

_WORDS = {
    "awaiting": "decisions await their label: no money of theirs is in these sums",
    "never_labelled": "decisions were never labelled, and their label is given up",
    "hidden_by_what_was_served": "decisions were served that never show a label (observed_when): the sums are of chosen"
    " cases",
    "shown_only_by_the_backtest": "of them would have shown a label in the backtest: nobody knows which",
    "hidden_by_the_backtest": "decisions showed a label that the backtest would not have seen",
}
_COLUMNS = (
    "Earned: value against no model as reported. Better by: the cost of what was served less the backtest's, both by"
    " the backtest's costs, on the labelled rows."
)


def show_backtest(found: Backtest, console: Console) -> None:
    """Print it."""
    console.print(f"Backtest of {found.use_case}: {found.what}", soft_wrap=True, markup=False)
    table = Table(title=f"in {found.currency}", title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    # No number and no day is cut where a terminal is narrow.
    table.add_column("block", no_wrap=True)
    for column in ("cases", "labelled", "earned", "backtest", "better by"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("decided", overflow="fold", min_width=8)
    for one in found.blocks:
        mix = ", ".join(f"{count:,} {name}" for name, count in one.decisions.items())
        counts = (f"{one.volume:,}", f"{one.labelled:,}")
        table.add_row(one.block, *counts, *(_money(found, each) for each in (one.earned, one.value, one.better)), mix)
    table.add_section()
    sums = (_money(found, found.total(name)) for name in ("earned", "value", "better"))
    labelled = sum(one.labelled for one in found.blocks)
    table.add_row("total", f"{found.rows:,}", f"{labelled:,}", *sums, f"{found.changed:,} decided otherwise")
    console.print(table)
    for line in _lines(found):
        console.print(line, soft_wrap=True, markup=False, highlight=False)


def _lines(found: Backtest) -> list[str]:
    lines = [_COLUMNS]
    if not found.changed:
        lines.append("Nothing was decided otherwise.")
    elif found.total("better") is None:
        lines.append("What was served has no price in this contract: its decisions have other names.")
    elif (interval := found.interval()) is not None:
        low, high = (_money(found, round(edge)) for edge in interval)
        lines.append(f"Better by {_money(found, found.total('better'))}, {low} to {high}: {INTERVAL}.")
    else:
        lines.append("No interval: it takes two blocks.")
    lines.append(_check(found))
    lines += [f"{count:,} {_WORDS[name]}" for name, count in found.unknown.items() if count]
    return [*lines, *(f"Note: {note}" for note in found.notes)]


def _check(found: Backtest) -> str:
    redecided, earned = (_money(found, found.total(name)) for name in ("redecided", "earned"))
    said = f"Check: the released rules, decided again, earn {redecided} {found.currency}"
    if found.reproduces:
        return f"{said}, in every block to the cent what was reported."
    off = sum(one.earned != one.redecided for one in found.blocks)
    return (
        f"{said} where {earned} was reported; {off} of {len(found.blocks)} blocks differ,"
        f" {found.redecided_otherwise:,} decisions. Requests came in another order than their event times, or were"
        " labelled since: take a difference of this size for nothing."
    )


def _money(found: Backtest, minor: int | None) -> str:
    return "–" if minor is None else f"{minor / 10**found.digits:,.{found.digits}f}"
