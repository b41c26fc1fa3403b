"""A capacity that a team lowers binds from the next decision on, in every release, and survives a restart."""

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from services.serving import snapshot
from services.serving.answers import decide_rows
from services.serving.decode import Rows
from services.serving.ledger import CapacityTaken
from services.serving.lowered import Capacities, decide_lowered
from services.serving.shares import ONE_HOST, Hosts, behind_others, narrowed
from services.serving.version import Version
from shared.contract import derive_policy
from shared.events import CapacityChanged
from tests.serving.test_activate import Desk
from tests.serving.test_follow import follower, hear, toy
from tests.serving.toy import NOW, contract, make_toy

__all__ = ["follower", "toy"]
UNDER = contract()
POLICY = derive_policy(UNDER)
((CAPPED, LIMIT),) = POLICY.limits.items()
TODAY, TOMORROW = "2013-03-01", "2013-03-02"
# A score for which the capped decision is the cheapest.
WANTS = next([p / 100] for p in range(100) if decide_rows(
    POLICY, Rows([NOW], [TODAY], {}, {}, [[]]), [[p / 100]], CapacityTaken(), "trains"
).decisions == [CAPPED])  # fmt: skip


def word(limit: int, sequence: int = 1, block: str = TODAY, **changed: Any) -> CapacityChanged:
    fields: dict[str, Any] = {"use_case": "trains", "decision": CAPPED, "contract_limit": LIMIT, "reason": "ill"}
    said = {"sequence": sequence, "block": block, "limit": limit, "changed_by": "desk"}
    return CapacityChanged.begin(source="test/registry", time=NOW, **fields | said | changed)


def rows(*blocks: str) -> Rows:
    return Rows([NOW] * len(blocks), list(blocks), {}, {}, [[] for _ in blocks])


def version(*words: CapacityChanged) -> Version:
    capacities = Capacities()
    for each in words:
        capacities.hear(each)
    lowered = capacities.policies("trains", POLICY, ONE_HOST.shares(POLICY, "trains"))
    return Version("trains", 1, "a" * 64, "b" * 64, UNDER.digest, POLICY, lowered=lowered)


def taken(count: int) -> CapacityTaken:
    return CapacityTaken({"trains": {TODAY: {CAPPED: count}}})


def test_late_repeated_and_older_words_change_nothing() -> None:
    capacities = Capacities()
    assert [capacities.hear(word(*each)) for each in ((3, 2), (1, 1), (3, 2), (0, 3))] == [True, False, False, True]
    assert capacities.of("trains") == {TODAY: {CAPPED: (3, 0)}}
    assert capacities.heard == {"trains": 3}


def test_a_word_that_lowers_nothing_leaves_no_policy_to_look_for() -> None:
    assert version(word(LIMIT)).lowered == {}
    assert version(word(LIMIT - 1, decision="unheard_of")).lowered == {}
    assert version(word(LIMIT - 1)).lowered[TODAY].limits == {CAPPED: LIMIT - 1}


def test_counts_that_were_taken_stand_and_where_they_are_more_none_is_left() -> None:
    one = version(word(1))
    first = decide_lowered(one, rows(TODAY, TODAY), [WANTS, WANTS], taken(0))
    assert (first.decisions[0], first.places) == (CAPPED, [1, None])
    assert first.decisions[1] != CAPPED
    assert CAPPED not in decide_lowered(one, rows(TODAY), [WANTS], taken(LIMIT)).decisions


def test_each_of_several_hosts_gives_its_part_of_a_lowered_capacity_and_what_was_given_counts() -> None:
    places: list[int] = []
    for mine, already in enumerate((8, 3)):
        hosts = Hosts((1, 1), mine)
        capacities, shares = Capacities(hosts), hosts.shares(POLICY, "trains")
        own = narrowed(POLICY, shares)
        capacities.hear(word(10))
        lowered = capacities.policies("trains", own, shares)
        assert lowered[TODAY].limits == {CAPPED: shares[CAPPED].before + 5}
        one = Version("trains", 1, "a" * 64, "b" * 64, UNDER.digest, own, shares=shares, lowered=lowered)
        assert one.shares_in(TODAY)[CAPPED].size == 5
        seen = behind_others(taken(already), shares, "trains", [TODAY])
        decided = decide_lowered(one, rows(*[TODAY] * LIMIT), [WANTS] * LIMIT, seen)
        places += [place for place in decided.places if place is not None]
    # The first host had given more than its five; the second has two left, behind the ten places of the first.
    assert places == [LIMIT // 2 + 4, LIMIT // 2 + 5]


def test_other_blocks_of_the_same_request_keep_their_own_limits() -> None:
    one = version(word(0))
    decided = decide_lowered(one, rows(TOMORROW, TODAY, TOMORROW), [WANTS] * 3, taken(0))
    assert [each == CAPPED for each in decided.decisions] == [True, False, True]
    assert decided.places == [1, None, 2]
    assert decided.taken[TOMORROW] == {CAPPED: 2}


@pytest.mark.parametrize("many", [3, 40])
def test_blocks_without_a_word_are_decided_as_ever(many: int) -> None:
    asked, scores = rows(*[TOMORROW] * many), [[0.01 * place] for place in range(many)]
    assert decide_lowered(version(word(0)), asked, scores, taken(0)) == decide_rows(
        POLICY, asked, scores, taken(0), "trains"
    )


async def test_it_binds_the_live_release_and_the_next_one(tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as executor:
        desk = Desk(tmp_path, executor)
        await desk.activator.learn(UNDER)
        await desk.activator.want(desk.toy(0).released(1, UNDER))
        await desk.next_report()
        await desk.activator.lower(word(1))
        assert desk.served.live["trains"].version.lowered[TODAY].limits == {CAPPED: 1}
        await desk.activator.want(desk.toy(1).released(2, UNDER))
        await desk.next_report()
        live = desk.served.live["trains"].version
        assert (live.sequence, live.lowered[TODAY].limits) == (2, {CAPPED: 1})
        await desk.activator.lower(word(LIMIT, 2))
        assert desk.served.live["trains"].version.lowered == {}
        await desk.activator.stop()
    (remembered,) = snapshot.load(tmp_path / "releases")
    assert remembered.words == {TODAY: {CAPPED: (2, LIMIT)}}


async def test_a_restart_without_kafka_obeys_what_the_snapshot_remembers(tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as executor:
        before, after = Desk(tmp_path, executor), Desk(tmp_path, executor)
        await before.activator.learn(UNDER)
        await before.activator.lower(word(1))
        await before.activator.want(before.toy().released(1, UNDER))
        await before.next_report()
        (remembered,) = snapshot.load(tmp_path / "releases")
        after.activator.capacities.add("trains", remembered.words)
        await after.activator.learn(remembered.contract)
        await after.activator.want(remembered.release)
        await after.next_report()
        assert after.served.live["trains"].version.lowered[TODAY].limits == {CAPPED: 1}
        for desk in (before, after):
            await desk.activator.stop()


def test_a_worker_that_heard_less_does_not_make_the_host_forget(tmp_path: Path) -> None:
    release = make_toy(tmp_path / "made").released(3, UNDER)
    snapshot.save(tmp_path / "releases", release, UNDER, {TODAY: {CAPPED: (2, 5)}})
    snapshot.save(tmp_path / "releases", release, UNDER, {TODAY: {CAPPED: (1, 9)}, TOMORROW: {CAPPED: (3, 0)}})
    snapshot.save(tmp_path / "releases", release, UNDER)
    (remembered,) = snapshot.load(tmp_path / "releases")
    assert remembered.words == {TODAY: {CAPPED: (2, 5)}, TOMORROW: {CAPPED: (3, 0)}}


async def test_it_is_followed_like_a_release(follower: Any, toy: Any) -> None:
    await hear(follower, word(4), word(7, 1), toy.released(1, UNDER), word(2, 2, TOMORROW))
    assert follower.activator.capacities.of("trains") == {TODAY: {CAPPED: (1, 4)}, TOMORROW: {CAPPED: (2, 2)}}


def test_only_the_latest_blocks_are_remembered() -> None:
    capacities = Capacities()
    for day in range(500):
        capacities.hear(word(1, day + 1, (dt.date(2013, 1, 1) + dt.timedelta(days=day)).isoformat()))
    assert len(capacities.of("trains")) == 400
    assert min(capacities.of("trains")) == "2013-04-11"
