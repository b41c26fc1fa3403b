"""Golden records hold ordinary rows and every kind of awkward one."""

from shared.package import Feature, to_frame
from shared.package.golden import MAX_RECORDS, UNKNOWN_LEVEL, choose_golden


def test_nulls_and_unknown_levels_stand_among_the_records() -> None:
    features = (Feature(name="size", type="number"), Feature(name="colour", type="category"))
    frame = to_frame(features, {"size": [float(n) for n in range(1000)], "colour": ["red"] * 1000})
    chosen = choose_golden(features, frame)
    assert {len(cells) for cells in chosen.values()} == {MAX_RECORDS}
    assert None in chosen["size"]
    assert {"red", None, UNKNOWN_LEVEL} == set(chosen["colour"])
    assert chosen["size"][0] == 0.0
    assert 999.0 in chosen["size"]


def test_infinity_becomes_null_because_json_has_none() -> None:
    features = (Feature(name="size", type="number"),)
    assert set(choose_golden(features, to_frame(features, {"size": [float("inf")]}))["size"]) == {None}
