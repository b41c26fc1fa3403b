"""Writes the files of a proposed use case: contract, source, pipeline, test, a first request."""

import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from string import Template

import pandas as pd

from headrace.columns import Input, numbers_of, text_of
from headrace.data_file import GAPS, DataFile
from headrace.errors import CommandError
from headrace.propose import Proposal
from headrace.starter_contract import Money, contract_fields
from headrace.times import UNITS
from headrace.validate import validate_file, write_schema

TEMPLATES = Path(__file__).with_name("starter")
REQUEST_ROWS = 2
_CLASSES_ARE = "# Value in the file -> class in the contract."


class StarterError(CommandError):
    """The folder cannot be written."""


def write_starter(target: Path, proposal: Proposal, table: DataFile, owner: str, money: Money) -> None:
    """Write everything into the new directory `target`, named like the use case. Raises StarterError."""
    if target.exists():
        raise StarterError(f"{target} is there already; choose another name, or remove it")
    target.mkdir(parents=True)
    try:
        _write(target, proposal, table, owner, money)
        if problems := validate_file(target / "contract.yaml"):
            told = "; ".join(f"line {one.line} {one.path}: {one.message} ({one.allowed})" for one in problems)
            raise StarterError(f"no sound contract comes of these answers: {told}")
    except BaseException:
        shutil.rmtree(target)
        raise


def _write(target: Path, proposal: Proposal, table: DataFile, owner: str, money: Money) -> None:
    name, kept = target.name, "data" + table.path.suffix.lower()
    shutil.copyfile(table.path, target / kept)
    contract = contract_fields(name, proposal, table.path.name, owner, money)
    for file, fields in (
        ("contract.yaml", contract),
        ("source.py", _source_fields(name, proposal, kept, table)),
        ("pipeline.py", _pipeline_fields(name, proposal)),
        ("test.py", {"use_case": name}),
    ):
        text = Template((TEMPLATES / f"{file}.txt").read_text(encoding="utf-8")).substitute(fields)
        lines = (line.rstrip() for line in text.splitlines())
        written = target / (f"test_{name}.py" if file == "test.py" else file)
        written.write_text("\n".join(lines) + "\n", encoding="utf-8")
    (target / "request.json").write_text(_request(proposal, table.frame), encoding="utf-8")
    write_schema(target.parent / "contract.schema.json")


def _source_fields(name: str, proposal: Proposal, kept: str, table: DataFile) -> dict[str, str]:
    choices = proposal.choices
    known = "times + pd.Timedelta(days=1),  # ASSUMED: outcomes are known a day later"
    if choices.known_at:
        known = f"_times(table[{_quoted(choices.known_at)}]),"
    regression = proposal.task == "regression"
    label = f"table[{_quoted(choices.label)}]"
    return {
        "use_case": name,
        "data": kept,
        "numbers": _literal(_columns(proposal.inputs, "number")),
        "categories": _literal(_columns(proposal.inputs, "category")),
        "classes": "" if regression else f"{_CLASSES_ARE}\nCLASSES = {_literal(proposal.classes)}\n",
        "read": _read(table),
        "time": _quoted(choices.time),
        "event_time": proposal.event_time,
        "known_at": known,
        "label": proposal.label,
        "outcome": f"_number({label})" if regression else f"_text({label}).map(CLASSES)",
        "number": _to_number(table),
        "parse": _parse(proposal),
    }


def _read(table: DataFile) -> str:
    dialect = table.dialect
    if dialect is None:
        return "pd.read_parquet(DATA).reset_index()" if table.indexed else "pd.read_parquet(DATA)"
    more = ""
    if dialect.separator != ",":
        more += f", sep={_quoted(dialect.separator)}"
    if dialect.encoding != "utf-8":
        more += f", encoding={_quoted(dialect.encoding)}"
    return f"pd.read_csv(DATA, dtype=str, na_values={_list(GAPS)}, skipinitialspace=True{more})"


def _to_number(table: DataFile) -> str:
    commas = table.dialect is not None and table.dialect.decimal == ","
    return 'pd.to_numeric(column.str.replace(",", "."))' if commas else "pd.to_numeric(column)"


def _parse(proposal: Proposal) -> str:
    form = _quoted(proposal.choices.time_format)
    if proposal.choices.time_format in UNITS:
        return f"return pd.to_datetime(pd.to_numeric(column), unit={form}, utc=True)"
    if proposal.offsets:
        return f"return pd.to_datetime(column, format={form}, utc=True)"
    lines = [f"times = pd.to_datetime(column, format={form})"]
    if proposal.choices.timezone == "UTC":
        return "\n    ".join([*lines, 'return times.dt.tz_localize("UTC")'])
    lines += [
        "# The hour that comes twice in autumn is taken as summer time, the one that is skipped in spring as the next.",
        "summer = pd.Series(True, index=column.index).to_numpy()",
        f'local = times.dt.tz_localize("{proposal.choices.timezone}", ambiguous=summer, nonexistent="shift_forward")',
        'return local.dt.tz_convert("UTC")',
    ]
    return "\n    ".join(lines)


def _pipeline_fields(name: str, proposal: Proposal) -> dict[str, str]:
    categories = [one.name for one in proposal.inputs if one.type == "category"]
    estimator = "HistGradientBoostingRegressor" if proposal.task == "regression" else "HistGradientBoostingClassifier"
    boosting = f"from sklearn.ensemble import {estimator}\n"
    if not categories:
        plain = {"imports": boosting, "returns": estimator, "body": "    return model", "encoded": ""}
        return {"use_case": name, "estimator": estimator, **plain}
    imports = (
        f"from sklearn.compose import ColumnTransformer\n{boosting}from sklearn.pipeline import Pipeline\n"
        f"from sklearn.preprocessing import OneHotEncoder\n\nCATEGORIES = {_list(categories)}\n"
    )
    body = (
        '    levels = OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=30, sparse_output=False)\n'
        '    columns = ColumnTransformer([("categories", levels, CATEGORIES)], remainder="passthrough")\n'
        '    return Pipeline([("columns", columns), ("model", model)])'
    )
    encoded = "; one column for each level of a category"
    return {
        "use_case": name,
        "estimator": estimator,
        "imports": imports,
        "returns": "Pipeline",
        "body": body,
        "encoded": encoded,
    }


def _request(proposal: Proposal, frame: pd.DataFrame) -> str:
    """Two cases of the data, asked for now: no event time, no outcome."""
    rows = frame.tail(REQUEST_ROWS)
    columns = {}
    for one in proposal.inputs:
        found = numbers_of(rows[one.column]) if one.type == "number" else text_of(rows[one.column])
        cells = rows[one.column] if found is None else found
        columns[one.name] = [None if cell is None or cell != cell else cell for cell in cells.tolist()]
    records = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return json.dumps({"request_id": "first-request", "records": records}, indent=2, ensure_ascii=False) + "\n"


def _columns(inputs: Iterable[Input], kind: str) -> dict[str, str]:
    return {one.name: one.column for one in inputs if one.type == kind}


def _literal(entries: Mapping[str, str]) -> str:
    lines = [f"    {_quoted(key)}: {_quoted(value)},\n" for key, value in entries.items()]
    return "{\n" + "".join(lines) + "}" if lines else "{}"


def _quoted(text: str) -> str:
    """A Python text, in double quotes; JSON's escapes are Python's too."""
    return json.dumps(text)


def _list(names: Iterable[str]) -> str:
    return "[" + ", ".join(f'"{name}"' for name in names) + "]"
