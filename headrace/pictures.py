"""The plots of a replay, drawn from its report."""

from datetime import date
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt

GREEN, GREY, RED = "#1b7f5c", "#9aa3a8", "#c4452f"


def draw(report: dict[str, Any], folder: Path) -> list[Path]:
    """Draw cost per case, the review desk and the model's quality; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = {"cost.png": _cost, "reviews.png": _reviews, "value.png": _value}
    if report["reviews"]["decision"] is None:
        del pictures["reviews.png"]
    files = []
    for name, paint in pictures.items():
        figure, axes = plt.subplots(figsize=(9, 3.6), layout="constrained")
        paint(axes, report)
        axes.spines[["top", "right"]].set_visible(False)
        figure.autofmt_xdate()
        figure.savefig(folder / name, dpi=130)
        plt.close(figure)
        files.append(folder / name)
    return files


def _blocks(report: dict[str, Any]) -> list[date]:
    return [date.fromisoformat(day["block"]) for day in report["days"]]


def _money(report: dict[str, Any]) -> float:
    return float(10 ** report["minor_digits"])


def _cost(axes: Any, report: dict[str, Any]) -> None:
    unit, blocks = _money(report), _blocks(report)
    for key, colour, label in (
        ("cost_without_model_minor", GREY, "without a model"),
        ("cost_minor", GREEN, "with Headrace"),
    ):
        axes.plot(
            blocks, [day[key] / unit / max(day["volume"], 1) for day in report["days"]], color=colour, label=label
        )
    axes.set_ylabel(f"{report['currency']} per case")
    axes.set_title("What a case costs, day by day")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)


def _reviews(axes: Any, report: dict[str, Any]) -> None:
    axes.bar(_blocks(report), [day["reviews"] for day in report["days"]], color=GREEN, width=0.8)
    wanted = report["without_capacity"]["by_day"]
    axes.plot(_blocks(report), [wanted[day["block"]] for day in report["days"]], color=GREY, label="without it")
    axes.axhline(report["reviews"]["capacity"], color=RED, linewidth=1.2, label="capacity")
    axes.legend(frameon=False)
    axes.set_ylabel("cases a day")
    axes.set_title("Cases sent to the review desk")


def _value(axes: Any, report: dict[str, Any]) -> None:
    unit, total, earned = _money(report), 0.0, []
    for day in report["days"]:
        total += (day["cost_without_model_minor"] - day["cost_minor"]) / unit
        earned.append(total)
    axes.fill_between(_blocks(report), earned, color=GREEN, alpha=0.25)
    axes.plot(_blocks(report), earned, color=GREEN)
    axes.set_ylabel(report["currency"])
    axes.set_title("Saved against deciding without a model, added up")
