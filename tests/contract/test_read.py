"""Twelve and more broken contracts: each mistake is explained where it stands, with what is allowed."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contract import ContractError, read_contract
from tests.contract.written import BINARY, contract

BROKEN = sorted((Path(__file__).parent / "broken").glob("*.yaml"))
# In the broken files, on the line of the mistake: # ✗ <column>: <what is wrong> | <what is allowed>
EXPECTED = re.compile(r"✗ (\d+): (.+?) \| (.+?)(?= ✗ |$)")


def _expected(text: str) -> list[tuple[int, int, str, str]]:
    return [
        (number, int(column), wrong, allowed)
        for number, line in enumerate(text.splitlines(), 1)
        for column, wrong, allowed in EXPECTED.findall(line)
    ]


@pytest.mark.parametrize("path", BROKEN, ids=lambda path: path.stem)
def test_a_broken_contract_is_explained_line_by_line(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    with pytest.raises(ContractError) as error:
        read_contract(text)
    said = [(one.line, one.column, one.message, one.allowed) for one in error.value.problems]
    assert said == _expected(text)


def test_there_are_at_least_twelve_broken_contracts() -> None:
    assert len(BROKEN) >= 12


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no keys at the top"),
        ("- a\n- b\n", "no keys at the top"),
        ("just text", "no keys at the top"),
        ("a: 1\n---\nb: 2\n", "expected a single document"),
        ("a: [1, 2", "expected ',' or ']'"),
        ("a: \x00", "U\\+0000 is not allowed"),
        ("a: &x [1]\nb: *x\n", "anchors and aliases"),
        ("a: *nothing\n", "anchors and aliases"),
        ("a: !!python/object/apply:os.system [ls]\n", "is missing"),
        ("a: !!python/name:os.system x\n", "the tag"),
        ("? [a, b]\n: 1\n", "a key must be a name"),
        ("a: " + "[" * 5000, "nested more than 12 levels"),
        ("a: " + "1" * 5000, "no number here"),
        ("a: " + "x" * 300_000, "characters"),
    ],
)
def test_what_is_no_contract_is_refused_with_a_place(text: str, said: str) -> None:
    with pytest.raises(ContractError, match=said) as error:
        read_contract(text)
    assert all(problem.line >= 1 and problem.column >= 1 for problem in error.value.problems)


def test_an_alias_bomb_is_refused_before_it_grows() -> None:
    layers = "\n".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 20))
    with pytest.raises(ContractError, match="anchors and aliases"):
        read_contract("l0: &l0 [x, x]\n" + layers)


def test_on_and_no_are_words_and_not_truth_values() -> None:
    worded = contract(BINARY, ("on_time", "no"), ("signed_by", "retraining: {on: [drift]}\nsigned_by"))
    assert worded.classes == ("no", "late")
    assert worded.retraining.on == ("drift",)


def test_all_mistakes_are_told_at_once_those_between_sections_too() -> None:
    with pytest.raises(ContractError) as error:
        contract(BINARY, ("owner: desk\n", "ownr: desk\n"), ("without_model: none", "without_model: nne"))
    said = [problem.message for problem in error.value.problems]
    assert said == [
        "`owner` is missing",
        "unknown key 'ownr', did you mean owner?",
        "'nne' is not a decision, did you mean none?",
    ]


def test_a_contract_may_be_json_as_well() -> None:
    assert read_contract(json.dumps(contract().to_json())).digest == contract().digest


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=200))
def test_no_text_makes_the_reader_fall_over(text: str) -> None:
    with pytest.raises(ContractError):
        read_contract(text)


@given(st.integers(0, len(BINARY) - 1), st.sampled_from(list("{}[]:,&*!|>'\"%@`#-? \n\t0é\x00")))
def test_one_wrong_character_is_explained_or_harmless(place: int, character: str) -> None:
    try:
        read_contract(BINARY[:place] + character + BINARY[place + 1 :])
    except ContractError as error:
        assert all(1 <= problem.line <= BINARY.count("\n") + 2 for problem in error.problems)  # noqa: PT017
