"""Draws the report: requests a second of every server, on a logarithmic scale."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt

from benchmarks.serving.report import HUNDRED_8, SINGLE_8

GREEN, GREY, LIGHT = "#1b7f5c", "#9aa3a8", "#d5dadd"
_TITLES = {SINGLE_8: "1 record, 8 connections", HUNDRED_8: "100 records, 8 connections"}


def draw(report: Mapping[str, Any], file: Path) -> None:
    """Write the picture."""
    shown = [name for name in _TITLES if report["scenarios"].get(name)]
    figure, axes = plt.subplots(1, len(shown), figsize=(5.2 * len(shown), 3.6), layout="constrained", squeeze=False)
    for each, scenario in zip(axes[0], shown, strict=True):
        _bars(each, report["scenarios"][scenario])
        each.set_title(_TITLES[scenario])
    figure.savefig(file, dpi=130)
    plt.close(figure)


def _bars(axes: Any, servers: Mapping[str, Any]) -> None:
    rates = {name: said["requests_per_second"] for name, said in servers.items() if "missing" not in said}
    names = sorted(rates, key=lambda name: rates[name])
    colours = [{"headrace": GREEN, "limit": LIGHT}.get(name, GREY) for name in names]
    bars = axes.barh([name.replace("_", ", ") for name in names], [rates[name] for name in names], color=colours)
    axes.bar_label(bars, [f"{rates[name]:,.0f}" for name in names], padding=3)
    axes.set_xscale("log")
    axes.set_xlim(1, max(rates.values()) * 8)
    axes.set_xlabel("requests a second")
    axes.spines[["top", "right"]].set_visible(False)
