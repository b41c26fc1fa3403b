"""One self-contained page of a replay: figures, pictures and the story, readable without a network."""

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

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
    title = f"{report['use_case']}: what it was worth"
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
    value, counts, desk = report["value"]["table"], report["accounting"], report["reviews"]
    ratio = report["managed_over_frozen"]
    lines = [
        f"Saved against deciding without a model: <b>{_money(report, value)}</b>.",
        f"{counts['answered']:,} decisions; {counts['joined']:,} with a known outcome, "
        f"{counts['awaiting']:,} awaiting one, {counts['given_up']:,} given up.",
        f"The desk had {desk['min_per_day']} to {desk['max_per_day']} cases a day; it can take {desk['capacity']}.",
    ]
    if ratio is not None:
        lines.append(f"A managed model cost {ratio:.3f} of what the first model would have cost, left as it was.")
    return "".join(f"<p>{line}</p>" for line in lines)


def _months(report: dict[str, Any]) -> str:
    heads = ("month", "cases", "late", "AUC", "cost per case", "first model", "no model", "most reviews")
    rows = []
    for line in report["months"]:
        cases, frozen = max(line["labelled"], 1), report["frozen_by_month"].get(line["month"])
        cells = (
            line["month"],
            f"{line['volume']:,}",
            _share(line["late_share"]),
            "–" if line["auc"] is None else f"{line['auc']:.3f}",
            _money(report, line["cost_minor"] / cases, 3),
            "–" if frozen is None else _money(report, frozen["frozen_minor"] / max(frozen["cases"], 1), 3),
            _money(report, line["cost_without_model_minor"] / cases, 3),
            str(line["reviews_max"]),
        )
        rows.append("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>")
    head = "".join(f"<th>{head}</th>" for head in heads)
    return f'<h2>By month</h2><div class="wide"><table><tr>{head}</tr>{"".join(rows)}</table></div>'


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


def _share(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"
