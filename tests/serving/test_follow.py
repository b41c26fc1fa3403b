"""Following is deaf to nonsense, to old news, and to contracts that are not what they say."""

from pathlib import Path
from typing import Any

import pytest

from services.serving.activate import Activator, Report
from services.serving.follow import Follower
from services.serving.live import Served
from services.serving.loading import Packages
from services.serving.settings import ServingSettings
from shared.events import Event, ModelReleased, TimeAdvanced, to_record
from shared.package import PackageStore
from shared.spine.clock import Clock
from tests.serving.toy import NOW, Toy, applied, contract, make_toy

UNDER = contract()


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    return make_toy(tmp_path_factory.mktemp("follow"))


@pytest.fixture
def follower(tmp_path: Path) -> Follower:
    async def report(said: Report) -> None:
        raise AssertionError(said)

    packages = Packages(PackageStore(str(tmp_path / "store")), tmp_path / "cache", None)  # type: ignore[arg-type]
    activator = Activator(Served(), packages, tmp_path / "releases", report, lambda: None)
    settings = ServingSettings(home=tmp_path, clock="replay")
    return Follower(settings, activator, Clock("replay"))


async def hear(follower: Follower, *events: Event) -> None:
    """Let it read what these events are on Kafka."""
    for event in events:
        record = to_record(event)
        await follower.hear(record.topic, record.value, record.headers)


async def test_of_history_only_the_newest_release_counts(follower: Follower, toy: Toy) -> None:
    for sequence in (1, 3, 2):
        await hear(follower, toy.released(sequence, UNDER))
    assert follower.newest["trains"].sequence == 3
    assert follower.activator.wanted == {}


async def test_once_caught_up_a_newer_release_is_wanted_and_an_older_is_not(follower: Follower, toy: Toy) -> None:
    follower.caught_up = True
    await hear(follower, toy.released(3, UNDER), toy.released(2, UNDER))
    assert follower.activator.wanted["trains"].sequence == 3
    await follower.activator.stop()


@pytest.mark.parametrize(
    ("value", "headers"),
    [
        (None, []),
        (b"", []),
        (b"\xff\x00", [("ce_id", b"\xff")]),
        (b"{}", [("ce_id", None)]),
        (b"[]", [("ce_specversion", b"1.0"), ("ce_type", b"model_released")]),
        (b"[" * 100_000, [("ce_specversion", b"1.0"), ("ce_type", b"model_released"), ("ce_id", b"a")]),
        (b'{"reply_to": "x"}', [("reply_to", b"stranger"), ("ce_type", b"model_released")]),
    ],
)
async def test_nonsense_is_passed_over(follower: Follower, toy: Toy, value: Any, headers: Any) -> None:
    for topic in ("use_case_applied", "model_released", "time_advanced", "something_else"):
        await follower.hear(topic, value, headers)
    await hear(follower, toy.released(1, UNDER))
    assert follower.newest["trains"].sequence == 1


async def test_a_contract_must_have_the_digest_that_its_event_names(follower: Follower) -> None:
    event = applied(UNDER)
    await hear(follower, event.model_copy(update={"contract_digest": "0" * 64}))
    await hear(follower, event.model_copy(update={"contract": {"use_case": "trains"}}))
    assert follower.activator.contracts == {}
    await hear(follower, event)
    assert set(follower.activator.contracts) == {UNDER.digest}


async def test_time_moves_the_clock_of_a_replay(follower: Follower) -> None:
    await hear(follower, TimeAdvanced.begin(source="test", time=NOW, now=NOW))
    assert follower.clock.known == NOW


def test_a_release_event_survives_being_written_and_read(toy: Toy) -> None:
    assert isinstance(toy.released(1, UNDER), ModelReleased)
