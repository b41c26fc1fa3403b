"""The page and the table of a replay, from the reports that are committed: what is simulated or selected says so."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from headrace import pictures
from headrace.demo import month_table
from headrace.page import write_page

REPORTS = Path(__file__).parents[2] / "docs" / "reports"


def read(name: str) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((REPORTS / f"{name}.json").read_text(encoding="utf-8"))
    return report


def shown(report: dict[str, Any]) -> str:
    console = Console(width=80, record=True, file=StringIO())
    console.print(month_table(report))
    return console.export_text()


def test_simulated_cases_and_selected_labels_are_named_on_page_and_table(tmp_path: Path) -> None:
    report = read("loans")
    page = write_page(report, pictures.draw(report, tmp_path), tmp_path / "page.html").read_text(encoding="utf-8")
    assert "(simulated data)" in page
    assert "Saved against deciding without a model (selected)" in page
    assert "a label is seen only after fund or review" in page
    assert f"would have had {report['without_capacity']['min_per_day']} to" in page
    assert "simulated data, selected labels" in " ".join(shown(report).split())


def test_a_regression_has_no_desk_and_no_picture_of_one(tmp_path: Path) -> None:
    report = read("gates")
    drawn = pictures.draw(report, tmp_path)
    page = write_page(report, drawn, tmp_path / "page.html").read_text(encoding="utf-8")
    assert [file.name for file in drawn] == ["cost.png", "value.png"]
    assert "desk" not in page.partition("What happened")[0]
    assert "selected" not in page.partition("What happened")[0]


@pytest.mark.parametrize("name", ["loans", "gates"])
def test_every_number_of_the_table_fits_on_80_columns(name: str) -> None:
    report = read(name)
    text = shown(report)
    assert "…" not in text
    for line in report["months"]:
        assert f"{line['volume']:,}" in text
