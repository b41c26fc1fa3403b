"""SQL over the tables: read-only, helpful when wrong, and no way to any other file."""

import datetime as dt
import json
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner, Result

from headrace.cli import app
from headrace.errors import CommandError
from headrace.query import refuse_other_files, tables_of
from shared.feedback.joined import table_versions
from shared.feedback.views import view
from tests.feedback.streams import NOON, happened, served, store

DAY = dt.timedelta(days=1)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A system that is down, with two flights and a loan; one label was corrected."""
    times = [NOON, NOON + DAY]
    decisions = [served("a", times, scores=[0.1, 0.9], decisions=["none", "act"])]
    decisions.append(served("b", use_case="loans", numbers={"income": [9.5]}))
    told = [happened({"a/1": "on_time"}, NOON + 2 * DAY), happened({"a/1": "late"}, NOON + 3 * DAY)]
    store(tmp_path / "feedback", decisions, told)
    return tmp_path


def run(home: Path, *arguments: str, width: int = 200) -> Result:
    return CliRunner().invoke(app, ["--home", str(home), "query", *arguments], env={"COLUMNS": str(width)})


def rows(home: Path, *arguments: str) -> list[dict[str, object]]:
    result = run(home, *arguments, "--format", "json")
    assert result.exit_code == 0, result.output
    return list(json.loads(result.stdout))


def test_decisions_and_outcomes_are_asked_by_plain_names(home: Path) -> None:
    sql = "select prediction_id, decision, label, distance, income from joined order by use_case, event_time"
    assert rows(home, sql) == [
        {"prediction_id": "a/0", "decision": "none", "label": None, "distance": 100.0, "income": None},
        {"prediction_id": "a/1", "decision": "act", "label": "late", "distance": 100.0, "income": None},
        {"prediction_id": "b/0", "decision": "act", "label": None, "distance": None, "income": 9.5},
    ]
    assert rows(home, "select count(*) as n from outcomes") == [{"n": 2}]
    both = "select count(*) as n from decisions d join outcomes o on d.prediction_id = o.prediction_id"
    assert rows(home, both) == [{"n": 2}]


def test_a_question_that_the_engine_gives_up_on_is_a_sentence(home: Path) -> None:
    result = run(home, "select sum(0 - (case when decision = 'act' then 9000000000000 else 0 end)) from decisions")
    assert result.exit_code == 1
    assert "the engine gave up" in result.output
    assert "cast numbers to bigint" in result.output


def test_outcomes_are_those_known_at_a_time_and_rows_those_of_a_version(home: Path) -> None:
    sql = "select label from joined where prediction_id = 'a/1'"
    assert rows(home, sql, "--as-of", "2013-03-03T13:00Z") == [{"label": "on_time"}]
    assert rows(home, sql, "--as-of", "2013-03-02") == [{"label": None}]
    pinned = str(table_versions(home / "feedback"))
    store(home / "feedback", [served("c")], [happened({"c/0": "late"})], start=9)
    count = "select count(*) as n, count(label) as told from joined"
    assert rows(home, count, "--version", pinned) == [{"n": 3, "told": 1}]
    assert rows(home, count) == [{"n": 4, "told": 2}]


@pytest.mark.parametrize(
    "sql",
    [
        "select * from read_csv('{file}')",
        "select * from \"read_csv\"('{file}')",
        "SELECT * FROM READ_PARQUET('{file}')",
        "select * from decisions where exists (select 1 from read_json('{file}'))",
        "with x as (select * from read_ipc('{file}')) select * from x",
        "explain select * from read_csv('{file}')",
        "/* read */ select * from read_csv ('{file}')",
        "select * from '{file}'",
        'select * from "{file}"',
        "copy decisions to '{file}.out'",
        "create table other as select * from decisions",
        "drop table decisions",
        "delete from decisions",
        "truncate table decisions",
        "insert into decisions select * from decisions",
        "select 1; select * from decisions",
        "\n-- select\ndrop table decisions",
    ],
)
def test_nothing_is_changed_and_no_other_file_is_read_or_written(home: Path, tmp_path: Path, sql: str) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("word\nhush\n")
    before = sorted(home.rglob("*"))
    for form in ("json", "table"):
        result = run(home, sql.format(file=secret), "--format", form)
        assert result.exit_code == 1
        assert "hush" not in result.output
        assert result.stderr.startswith("✗ ")
    assert sorted(home.rglob("*")) == before
    assert rows(home, "select count(*) as n from decisions") == [{"n": 3}]


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("select lateness from joined", ['column "lateness"', "joined has use_case,", "label, value, known_at"]),
        ("select * from flights", ["'flights' was not found", "there are decisions:", "joined: each prediction once"]),
        ("select (block from joined", ["sql parser error"]),
        ("selec 1", ["only SELECT"]),
        ("", ["only SELECT"]),
        ("select nosuch(block) from joined", ["nosuch"]),
    ],
)
def test_a_mistake_is_named_beside_what_there_is(home: Path, sql: str, words: list[str]) -> None:
    result = run(home, sql)
    assert result.exit_code == 1
    for word in words:
        assert word in result.stderr.replace("\n", " ")


@pytest.mark.parametrize(
    ("version", "words"),
    [("7", "is as in 'decisions@12, outcomes@11'"), ("99, 1", "no version 99 of decisions; the newest is 1")],
)
def test_a_version_that_is_not_there_is_refused(home: Path, version: str, words: str) -> None:
    assert words in run(home, "select 1 from joined", "--version", version).stderr


def test_a_plan_that_reads_another_file_is_refused_whatever_words_made_it(home: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("word\nhush\n")
    tables = tables_of(str(home / "feedback"), None, None)
    with pytest.raises(CommandError, match=r"secret\.csv"):
        refuse_other_files(pl.scan_csv(tmp_path / "secret.csv"), tables)
    refuse_other_files(view(tables.location, "decisions", tables.version), tables)


def test_many_rows_end_with_a_hint_and_many_columns_stand_downwards(home: Path) -> None:
    store(home / "feedback", [served("many", [NOON] * 80)], start=5)
    shown = run(home, "select prediction_id, decision from decisions").stdout
    assert "50 of 83 rows" in shown
    assert "2 of 83 rows" in run(home, "select prediction_id from decisions", "--limit", "2").stdout
    wide = run(home, "select * from decisions", "--limit", "1", width=80).stdout
    assert "row 1\n  use_case: flights\n" in wide
    assert max(map(len, wide.splitlines())) < 120


def test_every_format_holds_all_rows_in_a_file(home: Path, tmp_path: Path) -> None:
    sql = "select prediction_id, scores, label from joined order by prediction_id"
    for form in ("csv", "json", "parquet", "table"):
        assert run(home, sql, "--format", form, "--out", str(tmp_path / f"answer.{form}")).exit_code == 0
    assert pl.read_csv(tmp_path / "answer.csv")["scores"].to_list() == ["[0.1]", "[0.9]", "[0.5]"]
    assert pl.read_parquet(tmp_path / "answer.parquet")["scores"].to_list() == [[0.1], [0.9], [0.5]]
    assert [row["label"] for row in json.loads((tmp_path / "answer.json").read_text())] == [None, "late", None]
    assert "a/1" in (tmp_path / "answer.table").read_text()


def test_the_file_of_a_format_is_asked_for_and_a_bad_place_is_named(home: Path, tmp_path: Path) -> None:
    assert "name a file with --out" in run(home, "select 1 from joined", "--format", "parquet").stderr
    assert run(home, "select 1 from joined", "--format", "excel").exit_code == 2
    nowhere = str(tmp_path / "nowhere" / "answer.csv")
    assert "cannot be written" in run(home, "select 1 from joined", "--format", "csv", "--out", nowhere).stderr


def test_before_the_first_decision_there_are_no_rows_but_all_columns(tmp_path: Path) -> None:
    assert rows(tmp_path, "select prediction_id, label from joined") == []
    assert run(tmp_path, "select * from joined").stdout == "No rows.\n"
    assert "column" in run(tmp_path, "select distance from joined").stderr
