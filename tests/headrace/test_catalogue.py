"""The catalogue says what is there and what it means, whether the system runs or not."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from headrace.catalogue import describe, meaning, pinned
from headrace.cli import app
from headrace.show_catalogue import show_catalogue
from shared.feedback.joined import table_versions
from shared.feedback.readers import READERS
from shared.feedback.schema import DECISIONS, MEANINGS, OUTCOMES
from tests.feedback.contracts import flights_contract
from tests.feedback.streams import NOON, happened, served, store

CONTRACT = flights_contract(
    features={
        "carrier": {"type": "category", "levels": ["UA", "AA"]},
        "distance": {"type": "number", "unit": "miles", "range": [0, 6000]},
    }
)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A system that is down: four flights, one flagged and without a distance, one with a label; and a loan."""
    odd = served("odd", numbers={"distance": [None]}).model_copy(update={"flagged": [["distance"]]})
    decisions = [served("a", [NOON] * 3), odd, served("b", use_case="loans", numbers={"income": [9.5]})]
    store(tmp_path / "feedback", decisions, [happened({"a/0": "late"})])
    return tmp_path


def run(home: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["--home", str(home), "data", *arguments], env={"COLUMNS": "200"})


def by_name(columns: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in columns}


def test_every_fixed_column_has_a_meaning_in_one_place() -> None:
    assert {*DECISIONS.names, *OUTCOMES.names} == set(MEANINGS)


def test_rows_gaps_flags_and_freshness_are_counted(home: Path) -> None:
    location = str(home / "feedback")
    found = describe(location, table_versions(location), "flights", CONTRACT)
    decisions, outcomes = found["decisions"], found["outcomes"]
    assert (decisions["rows"], decisions["newest"]) == (4, NOON.isoformat())
    assert (decisions["flagged_share"], decisions["flagged"]) == (0.25, {"distance": 0.25})
    assert (outcomes["rows"], outcomes["newest"]) == (1, "2013-03-01T17:00:00+00:00")
    columns = by_name(decisions["columns"])
    assert columns["distance"]["null_share"] == 0.25
    assert columns["distance"]["stored_as"] == "num_distance"
    assert columns["block"]["meaning"] == MEANINGS["block"]
    # Another use case's feature is none of this one.
    assert "income" not in columns


def test_features_mean_what_the_contract_in_force_says() -> None:
    assert meaning("num_distance", CONTRACT) == "feature, a number, in miles, from 0 to 6000"
    assert meaning("cat_carrier", CONTRACT) == "feature, a category, one of UA, AA"
    assert meaning("cat_distance", CONTRACT) == "feature, a category; not in the contract in force"
    assert meaning("num_distance", None) == "feature, a number"


def test_the_system_may_be_down_and_that_is_said(home: Path) -> None:
    told = json.loads(run(home, "--json").stdout)
    assert set(told["use_cases"]) == {"flights", "loans"}
    assert told["pinned"] is None
    assert told["tables"]["decisions"]["files"] == 2
    assert told["tables"]["decisions"]["snapshots"][0]["version"] == 1
    assert [one["module"] for one in told["readers"]] == [reader.module for reader in READERS]
    shown = run(home, "flights").stdout
    assert "flights, decisions: 4 rows" in shown
    assert "25.00% flagged (distance 25.00%)" in shown
    assert "Nothing runs here" in shown
    assert "loans" not in shown


def test_a_use_case_without_rows_is_answered_with_those_that_have_some(home: Path, tmp_path: Path) -> None:
    assert "no decisions of 'flight'; there are flights, loans" in run(home, "flight").stderr
    assert "there are none yet" in run(tmp_path / "new", "flights").stderr
    assert "No decisions yet." in run(tmp_path / "new").stdout


def test_versions_that_trainings_pinned_are_named_as_query_takes_them() -> None:
    def ran(version: str, use_case: str = "flights") -> dict[str, Any]:
        lineage = {"table_version": version}
        return {"use_case": use_case, "lineage": lineage, "as_of": NOON.isoformat(), "package_digest": "a" * 64}

    runs = [ran("12, 11"), ran("None, None"), ran("3, 3", "loans"), ran("") | {"lineage": None}]
    found = pinned(runs, ["flights"])
    assert found is not None
    assert [one["version"] for one in found] == ["decisions@12, outcomes@11", "the source alone"]
    assert pinned(None, ["flights"]) is None
    text = StringIO()
    shown = {"location": "x", "version": "y", "views": {}, "tables": {}, "use_cases": {}, "readers": [], "note": ""}
    show_catalogue({**shown, "pinned": found}, Console(file=text, width=200))
    assert "trained on decisions@12, outcomes@11" in text.getvalue()
