"""One self-contained page of a replay: figures, pictures and the story, readable without a network."""

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from headrace.month_lines import month_lines, selected
from headrace.month_lines import title as heading

STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; } th, td { padding: .3rem .6rem; text-align: right; }
th:first-child, td:first-child { text-align: left; } tr + tr { border-top: 1px solid #8884; }
img { max-width: 100%; background: #fff; border-radius: 6px; }
ol { list-style: none; padding: 0; } li { padding: .25rem 0; border-top: 1px solid #8883; }
time { color: #888; margin-right: .6rem; } code { font-size: .85em; }
.wide { overflow-x: auto; }
"""


def write_page(report: dict[str, Any], pictures: Sequence[Path], file: Path) -> Path:
    """Write the page; returns its path."""
    title = f"{report['use_case']}: what it was worth" + (" (simulated data)" if report["simulated"] else "")
    parts = (_headline(report), _months(report), _trainings(report), _forced(report))
    body = "\n".join((*parts, *map(_picture, pictures), _story(report)))
    file.write_text(
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head>'
        f"<body><h1>{escape(title)}</h1>{body}</body></html>\n",
        encoding="utf-8",
    )
    return file


def _headline(report: dict[str, Any]) -> str:
    value, counts, mark = report["value"], report["accounting"], selected(report)
    ratio = report["managed_over_frozen"]
    lines = [
        f"Saved against deciding without a model{mark}: <b>{_money(report, value['table'])}</b>. Cost with the "
        f"model{mark}: {_money(report, value['cost_minor'])}; "
        f"without{mark}: {_money(report, value['cost_without_model_minor'])}.",
        f"{counts['answered']:,} decisions; {counts['joined']:,} with a known outcome, "
        f"{counts['awaiting']:,} awaiting one, {counts['given_up']:,} given up.",
        *_about_labels(report),
        *_about_desk(report),
    ]
    if ratio is not None:
        lines.append(f"A managed model cost {ratio:.3f} of what the first model would have cost, left as it was.")
    return "".join(f"<p>{line}</p>" for line in lines)


def _about_labels(report: dict[str, Any]) -> list[str]:
    labels = report["labels"]
    if not labels["selected"]:
        return []
    seen = escape(" or ".join(labels["seen_after"]))
    return [
        f"Selected: a label is seen only after {seen}; {labels['never_seen']:,} cases can never show what they were. "
        "What is marked so is true of the cases that were seen, and of no others."
    ]


def _about_desk(report: dict[str, Any]) -> list[str]:
    desk, flood = report["reviews"], report["without_capacity"]
    if flood is None:
        return []
    return [
        f"The desk had {desk['min_per_day']} to {desk['max_per_day']} cases a day; it can take {desk['capacity']}. "
        f"Without the contract's capacity it would have had {flood['min_per_day']} to {flood['max_per_day']}, "
        f"too many on {len(flood['days_over'])} days."
    ]


def _months(report: dict[str, Any]) -> str:
    heads, rows = month_lines(report)
    head = "".join(f"<th>{escape(head)}</th>" for head in heads)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>" for cells in rows)
    caption = escape(heading(report))
    return f'<h2>By month</h2><p>{caption}</p><div class="wide"><table><tr>{head}</tr>{body}</table></div>'


def _trainings(report: dict[str, Any]) -> str:
    items = "".join(
        f"<li>{escape(one['at'][:10])}: {escape(one['became'])}, "
        + ("earned " if one["became"].startswith("release") else "would have saved ")
        + f"{_money(report, one['gain_minor'])} on {one['days']} days</li>"
        for one in report["trainings"]
    )
    return f"<h2>What each training was worth</h2><ul>{items}</ul>"


def _forced(report: dict[str, Any]) -> str:
    forced = report["forced"]
    if not forced["days"]:
        return ""
    taken = "".join(
        f"<p>Taken back on {escape(one['at'][:10])}: {escape(one['cause'])}</p>" for one in report["rollbacks"]
    )
    return (
        f"<h2>The forced release</h2><p>A model forced past the gates served on {forced['days']} days and lost "
        f"{_money(report, forced['loss'])} against the one it had replaced. "
        "Its days stand here, not in the line above.</p>" + taken
    )


def _picture(file: Path) -> str:
    data = base64.b64encode(file.read_bytes()).decode("ascii")
    return f'<p><img alt="{escape(file.stem)}" src="data:image/png;base64,{data}"></p>'


def _story(report: dict[str, Any]) -> str:
    items = "".join(
        f"<li><time>{escape(entry['time'][:16].replace('T', ' '))}</time><code>{escape(entry['topic'])}</code> "
        f"{escape(entry['text'][:400])}</li>"
        for entry in report["timeline"]
    )
    return f"<h2>What happened, and why</h2><ol>{items}</ol>"


def _money(report: dict[str, Any], minor: float, digits: int = 2) -> str:
    return f"{minor / 10 ** report['minor_digits']:,.{digits}f} {report['currency']}"
