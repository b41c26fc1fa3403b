"""Shares of a capacity: they add up to the limit, whatever the hosts, and no place is given twice."""

from collections import Counter

import pytest

from services.serving.answers import decide_rows
from services.serving.ledger import CapacityTaken
from services.serving.settings import ServingSettings
from services.serving.shares import Hosts, behind_others, left_of, narrowed, shares_of
from shared.contract import derive_policy
from tests.serving.toy import contract, rows_of

BLOCK = "2013-03-01"


@pytest.mark.parametrize("weights", [(1,), (1, 1), (1, 1, 1), (2, 1, 1), (5, 0, 3), (1, 1000), (1,) * 50])
@pytest.mark.parametrize("limit", [0, 1, 2, 20, 199, 200, 1_000_003])
def test_shares_add_up_to_the_limit_and_differ_from_the_quota_by_less_than_one(
    limit: int, weights: tuple[int, ...]
) -> None:
    sizes = shares_of(limit, weights, "trains/review")
    assert sum(sizes) == limit
    for size, weight in zip(sizes, weights, strict=True):
        assert abs(size - limit * weight / sum(weights)) < 1


def test_small_capacities_of_many_use_cases_do_not_all_go_to_the_same_host() -> None:
    winners = Counter(shares_of(1, (1, 1, 1), f"case_{number}/review").index(1) for number in range(300))
    assert min(winners[host] for host in range(3)) > 60


def test_the_places_of_all_hosts_are_those_of_the_limit_each_once() -> None:
    policy = derive_policy(contract())
    given: list[int] = []
    for mine in range(3):
        shares = Hosts((2, 1, 1), mine).shares(policy, "trains")
        taken, own = CapacityTaken(), narrowed(policy, shares)
        for size in (1, 30, 5):
            rows = rows_of(*[1.0] * size)
            seen = behind_others(taken, shares, "trains", rows.blocks)
            found = decide_rows(own, rows, [[0.9]] * size, seen, "trains")
            taken.add("trains", found.taken)
            given += [place for place in found.places if place is not None]
        assert taken.of("trains", BLOCK)["review"] == shares["review"].size
    assert sorted(given) == list(range(1, 21))


def test_a_host_without_a_place_takes_the_next_best_decision() -> None:
    policy = derive_policy(contract(("limit: 20", "limit: 1")))
    decisions = []
    for mine in range(4):
        shares = Hosts((1,) * 4, mine).shares(policy, "trains")
        rows = rows_of(1.0)
        seen = behind_others(CapacityTaken(), shares, "trains", rows.blocks)
        decisions += decide_rows(narrowed(policy, shares), rows, [[0.9]], seen, "trains").decisions
    assert sorted(decisions) == ["act", "act", "act", "review"]


def test_a_share_that_was_made_smaller_than_what_is_taken_gives_nothing_more() -> None:
    policy = derive_policy(contract())
    shares = Hosts((1, 1, 1), 0).shares(policy, "trains")
    taken = CapacityTaken({"trains": {BLOCK: {"review": 10}}})
    rows = rows_of(1.0)
    seen = behind_others(taken, shares, "trains", rows.blocks)
    assert decide_rows(narrowed(policy, shares), rows, [[0.9]], seen, "trains").decisions == ["act"]
    assert left_of(shares, taken.of("trains", BLOCK))["review"] == {
        "limit": 20, "share": shares["review"].size, "taken": 10, "unused": 0
    }  # fmt: skip


def test_one_host_serves_the_policy_as_it_was_released() -> None:
    policy = derive_policy(contract())
    assert narrowed(policy, Hosts().shares(policy, "trains")) is policy


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"serving_shares": "1,1", "serving_share": 2}, "must name one of HEADRACE_SERVING_SHARES"),
        ({"serving_shares": "1,one"}, "serving_shares"),
        ({"serving_shares": "0,0"}, "must not be 0 for every host"),
        ({"serving_shares": "2,-1"}, "serving_shares"),
        ({"serving_shares": ""}, "serving_shares"),
    ],
)
def test_hosts_that_cannot_be_are_refused_by_name(given: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        ServingSettings.model_validate(given)


def test_shares_are_read_as_a_list_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADRACE_SERVING_SHARES", "2,1,1")
    monkeypatch.setenv("HEADRACE_SERVING_SHARE", "2")
    assert ServingSettings().hosts == Hosts((2, 1, 1), 2)
