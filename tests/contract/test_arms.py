"""A case's arm follows from its id: the same in every try, and shares that are what the contract says."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from shared.contract.arms import Draw, draw_of
from shared.evidence import uniform_of
from tests.contract.written import BINARY, contract

NAMES = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=20)
SHARES = st.sampled_from([0.0, 0.05, 0.5])


def test_a_contract_without_shares_draws_nothing() -> None:
    assert draw_of(contract(), 7) is None
    found = draw_of(contract(BINARY, ("signed_by", "control_share: 0.05\naudit_share: 0.1\nsigned_by")), 7)
    assert found == Draw(7, "late_trains", 0.05, 0.1)


@given(NAMES, SHARES, SHARES, st.lists(st.booleans(), min_size=1, max_size=50))
def test_the_same_id_draws_the_same_arm_and_says_with_which_probability(
    request_id: str, control: float, audit: float, odd: list[bool]
) -> None:
    draw, flagged = Draw(7, "trains", control, audit), [["size"] if one else [] for one in odd]
    found = draw.arms(request_id, flagged)
    assert found == Draw(7, "trains", control, audit).arms(request_id, flagged)
    expected = [
        1.0 if bad else control if arm == "control" else 1.0 - control for arm, bad in zip(found.arms, odd, strict=True)
    ]
    assert found.propensities == expected
    assert not any(arm == "control" and bad for arm, bad in zip(found.arms, odd, strict=True))


@given(NAMES)
def test_a_larger_control_share_keeps_the_cases_of_a_smaller_one(request_id: str) -> None:
    small, large = (Draw(7, "trains", share, 0.0).arms(request_id, [[]] * 40).control for share in (0.05, 0.3))
    assert all(among for one, among in zip(small, large, strict=True) if one)


def test_the_shares_are_what_the_contract_says_and_seeds_and_use_cases_draw_apart() -> None:
    size = 40_000
    found = Draw(7, "trains", 0.05, 0.1).arms("r", [[]] * size).arms
    counts = Counter(found)
    # Six standard deviations of a binomial count.
    assert abs(counts["control"] - 0.05 * size) < 6 * (size * 0.05 * 0.95) ** 0.5
    assert abs(counts["audit"] - 0.1 * size) < 6 * (size * 0.1 * 0.9) ** 0.5
    for other in (Draw(8, "trains", 0.05, 0.1), Draw(7, "buses", 0.05, 0.1)):
        both = sum(a == b == "control" for a, b in zip(found, other.arms("r", [[]] * size).arms, strict=True))
        assert both < 0.01 * size


@given(NAMES, st.integers(0, 600))
def test_a_draw_is_that_of_the_whole_prediction_id(request_id: str, position: int) -> None:
    found = Draw(7, "trains", 0.3, 0.3).arms(request_id, [[]] * (position + 1)).arms[position]
    uniform = uniform_of(7, "trains", "arm", f"{request_id}/{position}")
    assert found == ("control" if uniform < 0.3 else "audit" if uniform < 0.6 else "model")


def test_flagged_rows_are_audited_as_often_as_others() -> None:
    audited = Counter(Draw(7, "trains", 0.05, 0.1).arms("r", [["size"]] * 40_000).arms)["audit"]
    assert abs(audited - 4_000) < 6 * 60
