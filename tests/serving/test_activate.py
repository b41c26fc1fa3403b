"""A release becomes live after proof; whatever fails, the old one keeps answering and somebody says why."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from services.serving import snapshot
from services.serving.activate import Activator, Report
from services.serving.live import Served
from services.serving.loading import Packages
from shared.package import PackageStore
from tests.serving.toy import Toy, contract, make_toy

UNDER = contract()


class Desk:
    """An activator with a real store; its reports are waited for."""

    def __init__(self, folder: Path, executor: ThreadPoolExecutor) -> None:
        self.folder = folder
        self.store = PackageStore(str(folder / "store"))
        self.reports: asyncio.Queue[Report] = asyncio.Queue()
        self.served = Served()
        packages = Packages(self.store, folder / "cache", executor)
        self.activator = Activator(self.served, packages, folder / "releases", self.reports.put, lambda: None)

    async def next_report(self) -> Report:
        """The next thing that the activator says."""
        return await asyncio.wait_for(self.reports.get(), 30)

    def toy(self, seed: int = 0) -> Toy:
        """A package in the store."""
        return make_toy(self.folder / "made", self.store, seed=seed)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    with ThreadPoolExecutor(1) as executor:
        desk = Desk(tmp_path, executor)
        yield desk
        await desk.activator.stop()


async def test_a_release_waits_for_its_contract_and_then_goes_live(desk: Desk) -> None:
    toy = desk.toy()
    await desk.activator.want(toy.released(1, UNDER))
    assert desk.activator.unsettled() == 1
    await desk.activator.learn(UNDER)
    report = await desk.next_report()
    assert (report.status, report.release.sequence) == ("active", 1)
    assert desk.served.live["trains"].version.package_digest == toy.digest
    assert desk.activator.unsettled() == 0


async def test_an_older_or_the_same_sequence_changes_nothing(desk: Desk) -> None:
    old, new = desk.toy(0), desk.toy(1)
    await desk.activator.learn(UNDER)
    await desk.activator.want(new.released(5, UNDER))
    await desk.next_report()
    await desk.activator.want(old.released(4, UNDER))
    await desk.activator.want(old.released(5, UNDER))
    assert desk.activator.unsettled() == 0
    assert desk.served.live["trains"].version.package_digest == new.digest
    assert desk.reports.empty()


async def test_a_bad_package_is_refused_with_its_check_and_the_old_keeps_answering(desk: Desk) -> None:
    good, bad = desk.toy(0), desk.toy(1)
    await desk.activator.learn(UNDER)
    await desk.activator.want(good.released(1, UNDER))
    await desk.next_report()
    (desk.folder / "store" / bad.digest / "model.skops").write_bytes(b"torn")
    await desk.activator.want(bad.released(2, UNDER))
    report = await desk.next_report()
    assert (report.status, report.check) == ("refused", "digest")
    assert desk.served.live["trains"].version.sequence == 1
    assert desk.activator.unsettled() == 0
    await desk.activator.want(good.released(3, UNDER))
    assert (await desk.next_report()).status == "active"


@pytest.mark.parametrize(
    ("changed", "check"),
    [({"behaviour_digest": "0" * 64}, "digest"), ({"policy": {}}, "policy"), ({"use_case": "ships"}, "use_case")],
)
async def test_a_release_that_does_not_fit_its_package_is_refused(
    desk: Desk, changed: dict[str, object], check: str
) -> None:
    await desk.activator.learn(UNDER)
    await desk.activator.want(desk.toy().released(1, UNDER, **changed))
    report = await desk.next_report()
    assert (report.status, report.check) == ("refused", check)


async def test_a_package_that_arrives_late_in_the_store_is_tried_again(desk: Desk, tmp_path: Path) -> None:
    toy = make_toy(tmp_path / "elsewhere")
    await desk.activator.learn(UNDER)
    await desk.activator.want(toy.released(1, UNDER))
    while desk.activator.untried():
        await asyncio.wait([asyncio.create_task(desk.reports.join())], timeout=0.01)
    desk.store.put(toy.path, toy.digest)
    assert (await desk.next_report()).status == "active"


async def test_another_policy_for_the_same_package_shares_the_model_in_memory(desk: Desk) -> None:
    toy, dearer = desk.toy(), contract(("limit: 20", "limit: 5"))
    for sequence, under in ((1, UNDER), (2, dearer)):
        await desk.activator.learn(under)
        await desk.activator.want(toy.released(sequence, under))
        await desk.next_report()
        model = desk.served.live["trains"].model
    assert desk.served.live["trains"].version.policy.limits == {"review": 5}
    assert list(desk.activator.packages.loaded) == [toy.digest]
    assert desk.activator.packages.loaded[toy.digest].model is model


async def test_the_rollback_target_is_kept_warm(desk: Desk) -> None:
    old, new = desk.toy(0), desk.toy(1)
    await desk.activator.learn(UNDER)
    await desk.activator.want(new.released(2, UNDER, rollback_target=old.digest))
    await desk.next_report()
    await asyncio.wait_for(asyncio.gather(*desk.activator.tasks.values()), 30)
    assert set(desk.activator.packages.loaded) == {old.digest, new.digest}


async def test_a_snapshot_and_the_cache_are_enough_when_the_store_is_gone(desk: Desk, tmp_path: Path) -> None:
    toy = desk.toy()
    await desk.activator.learn(UNDER)
    await desk.activator.want(toy.released(3, UNDER))
    await desk.next_report()
    (tmp_path / "store").rename(tmp_path / "gone")
    [remembered] = snapshot.load(tmp_path / "releases")
    assert (remembered.release.sequence, remembered.contract.digest) == (3, UNDER.digest)
    with ThreadPoolExecutor(1) as executor:
        again = Desk(tmp_path, executor)
        await again.activator.learn(remembered.contract)
        await again.activator.want(remembered.release)
        assert (await again.next_report()).status == "active"
        await again.activator.stop()


def test_a_snapshot_never_goes_back_and_a_damaged_one_is_left_out(tmp_path: Path) -> None:
    toy = make_toy(tmp_path / "made")
    snapshot.save(tmp_path / "releases", toy.released(3, UNDER), UNDER)
    snapshot.save(tmp_path / "releases", toy.released(2, UNDER), UNDER)
    for number, content in enumerate((b"", b"{}", b"[1]", b'{"headers": [], "event": "x", "contract": {}}', b"\xff")):
        (tmp_path / "releases" / f"bad{number}.json").write_bytes(content)
    (whole,) = (path for path in (tmp_path / "releases").glob("*.json") if not path.stem.startswith("bad"))
    one_bit_later = whole.read_bytes().replace(b'sequence\\":3', b'sequence\\":7')
    assert one_bit_later != whole.read_bytes()
    (tmp_path / "releases" / "bad_digit.json").write_bytes(one_bit_later)
    assert [each.release.sequence for each in snapshot.load(tmp_path / "releases")] == [3]


def test_the_workers_of_a_host_write_the_same_snapshot_once(tmp_path: Path) -> None:
    release, words = make_toy(tmp_path / "made").released(3, UNDER), {"2024-03-01": {"review": (1, 20)}}
    path = tmp_path / f"{release.use_case}.json"
    snapshot.save(tmp_path, release, UNDER)
    first = path.stat()
    snapshot.save(tmp_path, release, UNDER)
    assert path.stat().st_ino == first.st_ino
    snapshot.save(tmp_path, release, UNDER, words)
    snapshot.save(tmp_path, release, UNDER)
    assert [each.words for each in snapshot.load(tmp_path)] == [words]
