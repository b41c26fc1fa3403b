"""PURE: plots as inline SVG: no script, no file, colours by the page's style, numbers by the page's words."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from math import ceil, floor, log10

WIDTH, HEIGHT = 640, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 12, 12, 30


@dataclass(frozen=True)
class Curve:
    """One line of a plot: its class in the style sheet, and a value for each day (None: a gap)."""

    style: str
    values: Sequence[float | None]


@dataclass(frozen=True)
class Mark:
    """A day on which something changed."""

    block: str
    style: str


def plot(
    blocks: Sequence[str], lines: Sequence[Curve], form: Callable[[float], str], title: str, marks: Sequence[Mark] = ()
) -> str:
    """The SVG; `form` writes the numbers of the scale. Text in it comes from dates and numbers, and from `title`."""
    values = [value for line in lines for value in line.values if value is not None]
    if len(blocks) < 2 or not values:
        return ""
    low, high, step = scale(min(0.0, *values), max(0.0, *values))
    first = date.fromisoformat(blocks[0]).toordinal()
    span = max(date.fromisoformat(blocks[-1]).toordinal() - first, 1)

    def x(block: str) -> float:
        share = (date.fromisoformat(block).toordinal() - first) / span
        return round(_LEFT + share * (WIDTH - _LEFT - _RIGHT), 1)

    def y(value: float) -> float:
        return round(_TOP + (high - value) / (high - low) * (HEIGHT - _TOP - _BOTTOM), 1)

    parts = [*_grid(low, high, step, y, form), *_days(blocks, x)]
    parts += [
        f'<line class="mark {mark.style}" x1="{x(mark.block)}" x2="{x(mark.block)}" y1="{_TOP}" '
        f'y2="{HEIGHT - _BOTTOM}"/>'
        for mark in marks
        if blocks[0] <= mark.block <= blocks[-1]
    ]
    parts += [f'<path class="line {line.style}" d="{_path(blocks, line.values, x, y)}"/>' for line in lines]
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{_escaped(title)}">'
        f"<title>{_escaped(title)}</title>{''.join(parts)}</svg>"
    )


def scale(low: float, high: float) -> tuple[float, float, float]:
    """A scale of round numbers around these values: (lowest, highest, step).

    >>> scale(0, 183), scale(-3.0, 4.0)
    ((0.0, 200.0, 50.0), (-4.0, 4.0, 2.0))
    """
    if high <= low:
        high = low + 1
    raw = (high - low) / 4
    power = 10.0 ** floor(log10(raw))
    step = next(size * power for size in (1, 2, 5, 10) if size * power >= raw)
    return floor(low / step) * step, ceil(high / step) * step, step


def _grid(low: float, high: float, step: float, y: Callable[[float], float], form: Callable[[float], str]) -> list[str]:
    parts = []
    for number in range(round((high - low) / step) + 1):
        value = low + number * step
        zero = " zero" if abs(value) < step / 1000 else ""
        parts.append(f'<line class="grid{zero}" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y(value)}" y2="{y(value)}"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{y(value) + 4}" text-anchor="end">{_escaped(form(value))}</text>')
    return parts


def _days(blocks: Sequence[str], x: Callable[[str], float]) -> list[str]:
    """The first day, the last, and one between them."""
    shown = list(dict.fromkeys([blocks[0], blocks[len(blocks) // 2], blocks[-1]]))
    anchors = ["start", *["middle"] * (len(shown) - 2), "end"]
    words = [date.fromisoformat(block) for block in shown]
    return [
        f'<text x="{x(block)}" y="{HEIGHT - 8}" text-anchor="{anchor}">{day.day} {day:%b}</text>'
        for block, day, anchor in zip(shown, words, anchors, strict=True)
    ]


def _path(
    blocks: Sequence[str],
    values: Sequence[float | None],
    x: Callable[[str], float],
    y: Callable[[float], float],
) -> str:
    path, drawing = [], False
    for block, value in zip(blocks, values, strict=True):
        if value is None:
            drawing = False
            continue
        path.append(f"{'L' if drawing else 'M'}{x(block)} {y(value)}")
        drawing = True
    return "".join(path)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
