"""`headrace init`: what it proposes from a table trains as it is, and what it cannot know it says or asks."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from headrace.cli import app
from services.trainer.job import Job
from services.trainer.job import Result as Ended
from services.trainer.train import train
from shared.contract import Contract, read_contract
from tests.headrace.past_cases import customers, write_customers

Init = Callable[..., Result]


@pytest.fixture
def init(tmp_path: Path) -> Init:
    """`headrace init` into a folder of this test."""

    def run(*arguments: str, answers: str | None = None) -> Result:
        said = ("init", *arguments, "--use-cases", str(tmp_path / "use_cases"))
        return CliRunner().invoke(app, said, input=answers, env={"COLUMNS": "200"})

    return run


def contract_in(folder: Path, name: str) -> Contract:
    """The contract that was written."""
    return read_contract((folder / "use_cases" / name / "contract.yaml").read_text(encoding="utf-8"))


def trained(folder: Path, name: str) -> Ended:
    """Train with the code that was written, as the trainer would."""
    directory = folder / "use_cases" / name
    job = Job(
        run_id="1",
        cause_id="1",
        contract=contract_in(folder, name).to_json(),
        use_case_dir=directory,
        as_of=datetime(2026, 10, 1, tzinfo=UTC),
        seed=0,
        feedback=str(folder / "no-feedback"),
        table_version=(None, None),
        memory_megabytes=16_384,
    )
    return train(job, folder / "run")


@pytest.mark.slow
def test_a_csv_file_becomes_a_use_case_that_trains_and_pays(init: Init, tmp_path: Path) -> None:
    done = init("churn", "--data", str(write_customers(tmp_path)), "--label", "churned", "--time", "Signed Up")
    assert done.exit_code == 0, done.output
    contract = contract_in(tmp_path, "churn")
    assert {name: one.type for name, one in contract.features.items()} == {
        "monthly_amount": "number",
        "tenure": "number",
        "plan": "category",
        "branch": "category",
    }
    assert contract.classes == ("not_churned", "churned")
    assert contract.features["plan"].levels == ("Basic", "Plus", "Pro (yearly)")
    assert contract.features["branch"].levels is None
    for words in ("Customer ID is different in every row", "country is always DE", "refund tells the outcome"):
        assert words in done.output
    ended = trained(tmp_path, "churn")
    assert ended.evaluation["flagged_share"] == 0
    assert ended.evaluation["value_per_day_minor"] > 0


def test_its_first_request_has_the_contracts_columns_and_no_outcome(init: Init, tmp_path: Path) -> None:
    init("churn", "--data", str(write_customers(tmp_path)), "--label", "churned", "--time", "Signed Up")
    request = json.loads((tmp_path / "use_cases" / "churn" / "request.json").read_text(encoding="utf-8"))
    assert [set(record) for record in request["records"]] == [set(contract_in(tmp_path, "churn").features)] * 2
    assert request["records"][0]["branch"].startswith("0")


@pytest.mark.slow
def test_a_parquet_file_with_three_outcomes_and_local_times(init: Init, tmp_path: Path) -> None:
    frame = customers()
    # The hour of 2026-03-29 that does not exist in Berlin and the one that comes twice are somebody's times too.
    frame["Signed Up"] = pd.to_datetime(frame["Signed Up"])
    frame.loc[5, "Signed Up"] = pd.Timestamp("2026-03-29 02:30")
    frame["level"] = np.where(frame["Monthly Amount (€)"] > 150, 2, np.where(frame["tenure"] > 60, 1, 0))
    path = tmp_path / "customers.parquet"
    frame.drop(columns=["Monthly Amount (€)", "refund"]).to_parquet(path)
    done = init("service", "--data", str(path), "--label", "level", "--timezone", "Europe/Berlin")
    assert done.exit_code == 0, done.output
    contract = contract_in(tmp_path, "service")
    assert (contract.task, contract.classes) == ("multiclass", ("level_0", "level_1", "level_2"))
    assert (contract.event_time, contract.timezone) == ("signed_up", "Europe/Berlin")
    assert trained(tmp_path, "service").outcome == "trained"


@pytest.mark.slow
def test_a_number_to_estimate_and_a_column_that_says_when_it_was_known(init: Init, tmp_path: Path) -> None:
    frame = customers()
    made = pd.to_datetime(frame["Signed Up"])
    frame["Signed Up"] = made.dt.strftime("%d.%m.%Y %H:%M")
    frame["paid"] = (made + pd.Timedelta(days=3)).dt.strftime("%d.%m.%Y %H:%M")
    frame.loc[::50, "paid"] = None
    path = tmp_path / "bills.csv"
    frame.to_csv(path, index=False)
    times = ("--time", "Signed Up", "--known-at", "paid", "--time-format", "%d.%m.%Y %H:%M")
    done = init("bill", "--data", str(path), "--label", "Monthly Amount (€)", *times)
    assert done.exit_code == 0, done.output
    contract = contract_in(tmp_path, "bill")
    assert (contract.task, contract.label.name, str(contract.label.mature_after)) == (
        "regression",
        "monthly_amount",
        "4d",
    )
    ended = trained(tmp_path, "bill")
    assert (ended.outcome, ended.evaluation["holdout_labelled"] < ended.evaluation["holdout_rows"]) == ("trained", True)


def test_on_a_terminal_it_asks_for_what_is_not_said(init: Init, tmp_path: Path) -> None:
    answers = "churned\n\n25\n4.50\n"
    done = init("churn", "--data", str(write_customers(tmp_path)), "--ask", "--currency", "USD", answers=answers)
    assert done.exit_code == 0, done.output
    assert "when the decision is asked for? [Signed Up]" in done.output
    decisions = contract_in(tmp_path, "churn").decisions or {}
    assert [str(cost) for cost in decisions["none"].costs.values()] == ["0", "25"]
    assert [str(cost) for cost in decisions["act"].costs.values()] == ["4.5", "4.5"]
    assert "assumed: what decisions cost" not in done.output


@pytest.mark.slow
def test_a_table_as_a_spreadsheet_exports_it_trains(init: Init, tmp_path: Path) -> None:
    """Semicolons, decimal commas, Windows letters, day first, blanks behind words, newest cases still open."""
    frame = customers().drop(columns="refund")
    frame["Signed Up"] = pd.to_datetime(frame["Signed Up"]).dt.strftime("%d.%m.%Y %H:%M")
    frame["Plan"] = frame["Plan"].where(frame["Plan"] != "Plus", "Größer")
    frame["churned"] = [f"{word} " if row % 2 else word for row, word in enumerate(frame["churned"])]
    frame.loc[frame.index >= 700, "churned"] = "-"
    frame.loc[3, "Signed Up"] = "31.12.9999 00:00"
    frame["code"] = np.arange(len(frame)) % 7
    path = tmp_path / "customers.csv"
    frame.to_csv(path, index=False, sep=";", decimal=",", encoding="cp1252")
    told = ("--label", "churned", "--category", "code")
    done = init("churn", "--data", str(path), *told)
    assert done.exit_code == 0, done.output
    assert "Signed Up is read as %d.%m.%Y %H:%M" in done.output
    assert "not used: 101 rows without a time, with a future one, or after the last outcome" in done.output
    contract = contract_in(tmp_path, "churn")
    assert (contract.classes, contract.numbers) == (("not_churned", "churned"), ("monthly_amount", "tenure"))
    assert (contract.features["plan"].levels or ())[1] == "Größer"
    assert contract.features["code"].levels == tuple("0123456")
    ended = trained(tmp_path, "churn")
    assert (ended.evaluation["holdout_labelled"], ended.evaluation["flagged_share"]) == (
        ended.evaluation["holdout_rows"],
        0,
    )


@pytest.mark.parametrize(("label", "task"), [("Monthly Amount (€)", "regression"), ("Plan", "multiclass")])
def test_a_column_that_tells_the_outcome_is_left_out_of_every_task(
    init: Init, tmp_path: Path, label: str, task: str
) -> None:
    frame = customers()
    frame["later"] = frame["Plan"].str.len() if task == "multiclass" else frame["Monthly Amount (€)"] * 1.19
    path = tmp_path / "customers.csv"
    frame.drop(columns="refund").to_csv(path, index=False)
    done = init("case", "--data", str(path), "--label", label)
    assert done.exit_code == 0, done.output
    assert "not used: later tells the outcome by itself" in done.output
    assert (contract_in(tmp_path, "case").task, "monthly_amount" in contract_in(tmp_path, "case").features) == (
        task,
        task == "multiclass",
    )


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (["$1,000.50", "$20.00"], "holds numbers with signs, as '$0,000.50': write them as 1234.5"),
        ([str(number / 7) for number in range(99)] + ["sold out"], "holds numbers, but also 'sold out': empty those"),
    ],
)
def test_numbers_that_are_written_otherwise_are_named(init: Init, tmp_path: Path, cells: list[str], words: str) -> None:
    frame = customers()
    rows = np.arange(len(frame))
    frame["price"] = [cells[row % len(cells)].replace("1,000", f"{row // 2},000") for row in rows]
    path = tmp_path / "customers.csv"
    frame.to_csv(path, index=False)
    done = init("churn", "--data", str(path), "--label", "churned")
    assert (done.exit_code, f"not used: price {words}" in done.output) == (0, True), done.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "Say --label COLUMN; there are: Customer ID, Signed Up"),
        (("--label", "left"), "there is no column 'left' for --label; the columns are Customer ID"),
        (("--label", "churned", "--time", "tenure"), "does not hold times as 2013-03-01 06:00"),
        (("--label", "churned", "--task", "regression"), "holds text, as 'No', and a regression needs numbers"),
        (("--label", "Plan", "--task", "binary"), "has 3 values; a binary label has at most 2"),
        (("--label", "churned", "--positive", "yes"), "--positive 'yes' is no value of 'churned'; those are No, Yes"),
        (("--label", "country"), "has 1 value: there is nothing to learn from it"),
        (("--label", "churned", "--miss", "much"), "--miss: 'much' is no amount"),
        (("--label", "churned", "--act", "NaN"), "--act: 'NaN' is no amount"),
        (("--label", "tenure", "--task", "multiclass"), "has 119 values; a multiclass label has at most 20"),
        (("--label", "churned", "--category", "branch"), "there is no column 'branch' for --category"),
        (("--label", "churned", "--currency", "dollars"), "no sound contract comes of these answers: line"),
    ],
)
def test_what_cannot_be_proposed_is_a_sentence_and_leaves_nothing(
    init: Init, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    done = init("churn", "--data", str(write_customers(tmp_path)), *arguments)
    assert done.exit_code == 1, done.output
    assert words in done.stderr
    assert not (tmp_path / "use_cases" / "churn").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("at,late\n2026-01-01,1\n", "has 1 rows; at least 60 are needed"),
        ("at,at\n" + "2026-01-01,1\n" * 60, "there is no column 'late' for --label"),
        ("day,late\n" + "31 Dec,1\n1 March,0\n" * 30, "a table without times cannot begin"),
        ("day,late\n" + "1/2/2026,1\n3/2/2026,0\n" * 30, "Say --time-format '%d/%m/%Y' or --time-format '%m/%d/%Y'"),
        ("day,late\n" + "2026-01-01,1\nsoon,0\n" * 30, "row 2 has 'soon'"),
        ("day,late\n" + "2026-01-01,1\n2026-01-01T00:00Z,0\n" * 30, "say their offset and some do not"),
        ("day,late\n" + "2126-01-01,1\n2126-01-02,0\n" * 30, "no row has an outcome in column 'late' and a time in"),
        ("day,late\n" + "2026-01-01,1\n" * 59 + "2026-01-02,0\n", "has 1 rows with '0'; at least 10 of each"),
        (
            "day,late,size\n" + "2026-01-01,1,2\n2026-01-02,0,3\n2026-01-02,0,2\n" * 30,
            "lie on 2 days; at least 6 are needed",
        ),
        (
            "day,late,size\n" + "".join(f"2026-01-{d:02},{d % 2},1\n" * 4 for d in range(1, 29)),
            "no column can be a feature",
        ),
    ],
)
def test_a_table_that_cannot_begin_says_what_it_lacks(init: Init, tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "cases.csv"
    path.write_text(text, encoding="utf-8")
    named = () if words == "a table without times cannot begin" else ("--time", text.partition(",")[0])
    done = init("late", "--data", str(path), "--label", "late", *named)
    assert done.exit_code == 1, done.output
    assert words in done.stderr
    assert str(path) in done.stderr


def test_nothing_is_written_over(init: Init, tmp_path: Path) -> None:
    arguments = ("churn", "--data", str(write_customers(tmp_path)), "--label", "churned")
    assert init(*arguments).exit_code == 0
    again = init(*arguments)
    assert (again.exit_code, "is there already" in again.stderr) == (1, True)
    wrong = init("Churn!", *arguments[1:])
    assert (wrong.exit_code, "lower-case letters" in wrong.stderr) == (2, True)
