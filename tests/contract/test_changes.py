"""What differs between two contracts, and whether the released model may serve on."""

import pytest

from shared.contract import changed, objective_only
from tests.contract.written import BINARY, contract


@pytest.mark.parametrize(
    ("old", "new", "paths", "serves_on"),
    [
        ("limit: 2", "limit: 3", ["decisions.review.capacity.limit"], True),
        ("late: 5.00", "late: 6.00", ["decisions.none.late"], True),
        ("without_model: none", "without_model: act", ["without_model"], True),
        ("signed_by", "gates: {max_brier: 0.2}\nsigned_by", ["gates.max_brier"], True),
        ("give_up_after: 3d", "give_up_after: 4d", ["label.give_up_after"], True),
        ("[0, 2000]", "[0, 3000]", ["features.km.range"], False),
        ("  line: {type: category}\n", "", ["features.line"], False),
        ("name: late,", "name: belated,", ["label.name"], False),
        ("Europe/Berlin", "Europe/Paris", ["timezone"], False),
        ('"source:load"', '"other:load"', ["training.source"], False),
        ("left_at", "gone_at", ["event_time"], False),
        ("late: 5.00", "late: 5.0", [], True),
    ],
)
def test_a_change_is_named_and_judged(old: str, new: str, paths: list[str], serves_on: bool) -> None:
    assert changed(contract(), contract(BINARY, (old, new))) == paths
    assert objective_only(paths) is serves_on


def test_another_order_is_a_change_where_order_decides() -> None:
    lines = BINARY.splitlines(keepends=True)
    lines[12], lines[13] = lines[13], lines[12]
    lines[7], lines[8] = lines[8], lines[7]
    assert changed(contract(), contract("".join(lines))) == ["decisions", "features"]


def test_a_new_task_is_another_model() -> None:
    assert not objective_only(["label.classes", "task"])
