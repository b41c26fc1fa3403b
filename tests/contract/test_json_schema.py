"""The JSON Schema for editors agrees with the reader and stands in the docs as the code writes it."""

from pathlib import Path

import jsonschema
import pytest
import yaml

from headrace.validate import write_schema
from shared.contract import contract_json_schema
from tests.contract.written import BINARY, MULTICLASS, REGRESSION, contract

ROOT = Path(__file__).parents[2]
CHECK = jsonschema.Draft202012Validator(contract_json_schema())


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(contract_json_schema())


@pytest.mark.parametrize("text", [BINARY, MULTICLASS, REGRESSION])
def test_a_sound_contract_fits_the_schema(text: str) -> None:
    CHECK.validate(yaml.safe_load(text))
    CHECK.validate(contract(text).to_json())


@pytest.mark.parametrize(
    ("old", "new"), [("task: binary", "task: binery"), ("owner: desk\n", "ownr: desk\n"), ("limit: 2", "limit: lots")]
)
def test_an_editor_marks_what_the_reader_refuses(old: str, new: str) -> None:
    assert not CHECK.is_valid(yaml.safe_load(BINARY.replace(old, new, 1)))


def test_the_schema_in_the_docs_is_the_one_the_code_writes(tmp_path: Path) -> None:
    write_schema(tmp_path / "schema.json")
    stored = (ROOT / "docs/contract.schema.json").read_text(encoding="utf-8")
    assert stored == (tmp_path / "schema.json").read_text(encoding="utf-8")


def test_the_example_points_editors_to_the_schema() -> None:
    example = ROOT / "examples/flights_late/contract.yaml"
    first = example.read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith("# yaml-language-server: $schema=")
    assert (example.parent / first.partition("$schema=")[2]).resolve() == ROOT / "docs/contract.schema.json"
