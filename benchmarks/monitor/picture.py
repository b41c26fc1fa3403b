"""Draws the report: rows a CPU second of every tool, on a logarithmic scale."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt

GREEN, GREY = "#1b7f5c", "#9aa3a8"


def draw(report: Mapping[str, Any], file: Path) -> None:
    """Write the picture."""
    rates = report["rows_per_s"]
    names = sorted(rates, key=lambda name: rates[name])
    figure, axes = plt.subplots(figsize=(6.4, 3.2), layout="constrained")
    bars = axes.barh(names, [rates[name] for name in names], color=[GREEN if n == "headrace" else GREY for n in names])
    axes.bar_label(bars, [f"{rates[name]:,.0f}" for name in names], padding=3)
    axes.set_xscale("log")
    axes.set_xlim(1_000, max(rates.values()) * 8)
    axes.set_xlabel("rows of 25 columns a CPU second")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(file, dpi=130)
    plt.close(figure)
