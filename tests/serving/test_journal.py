"""The journal of a host: nothing acknowledged is lost, capacity is taken once, whoever dies whenever."""

import asyncio
import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from services.serving import entries, segments
from services.serving.bounds import JournalOptions, SpoolFullError
from services.serving.entries import Head, Message
from services.serving.journal import Journal
from services.serving.lock import SpoolBusyError

SMALL = JournalOptions(segment_bytes=2000, max_bytes=6000)

TAKER = """
import asyncio, sys
from pathlib import Path
from services.serving.journal import Journal
from services.serving.entries import Head

async def main(directory, name, tries, limit):
    journal = Journal(Path(directory))
    await journal.open()
    for number in range(tries):
        async with journal.locked() as ledger:
            taken = ledger.taken.of("flights", "2013-03-01").get("review", 0)
            if taken < limit:
                head = Head(at=0.0, use_case="flights", request_id=f"{name}-{number}", rows=1,
                            taken={"2013-03-01": {"review": 1}})
                journal.append(head, [])
                print(taken + 1, flush=True)
        await asyncio.sleep(0)

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
"""


def head(request_id: str, *, body: bytes = b"{}", block: str = "2013-03-01", taken: int = 0, digest: str = "d") -> Head:
    """The head of one answered request with one event."""
    return Head(
        at=1.0,
        use_case="flights",
        request_id=request_id,
        digest=digest,
        block=block,
        taken={block: {"review": taken}} if taken else {},
        rows=1,
        messages=[Message("prediction_served", request_id, [("ce_id", request_id)], len(body))],
    )


async def opened(directory: Path, options: JournalOptions | None = None) -> Journal:
    """A journal that has read everything."""
    journal = Journal(directory, options)
    await journal.open()
    return journal


async def add(journal: Journal, request_id: str, body: bytes = b"{}", **more: object) -> None:
    """Append one entry."""
    async with journal.locked():
        journal.append(head(request_id, body=body, **more), [body])  # type: ignore[arg-type]


async def test_what_was_appended_is_read_again_after_a_restart(tmp_path: Path) -> None:
    first = await opened(tmp_path)
    await add(first, "a", b'{"x":1}', taken=3)
    first.close()
    second = await opened(tmp_path)
    assert second.ledger.taken.of("flights", "2013-03-01") == {"review": 3}
    found = second.first_answer("flights", "a")
    assert found is not None
    assert [body for _, body in found[1]] == [b'{"x":1}']
    assert second.unacknowledged() == 1
    second.close()


async def test_a_tail_torn_at_any_byte_loses_only_the_torn_entry_and_the_next_append_is_whole(tmp_path: Path) -> None:
    origin = await opened(tmp_path / "origin")
    await add(origin, "a", taken=1)
    whole = segments.path_of(tmp_path / "origin", 1).read_bytes()
    await add(origin, "b", taken=1)
    both = segments.path_of(tmp_path / "origin", 1).read_bytes()
    origin.close()
    for cut in range(len(whole), len(both)):
        directory = tmp_path / f"cut-{cut}"
        directory.mkdir()
        segments.path_of(directory, 1).write_bytes(both[:cut])
        journal = await opened(directory)
        assert journal.ledger.taken.of("flights", "2013-03-01") == {"review": 1}
        await add(journal, "c", taken=1)
        journal.close()
        again = await opened(directory)
        assert again.ledger.taken.of("flights", "2013-03-01") == {"review": 2}
        assert again.first_answer("flights", "b") is None
        assert again.first_answer("flights", "c") is not None
        again.close()


async def test_a_flipped_bit_costs_one_entry_and_not_its_neighbours(tmp_path: Path) -> None:
    journal = await opened(tmp_path)
    for name in "abc":
        await add(journal, name, taken=1)
    position = journal.ledger.requests.find("flights", "b")
    journal.close()
    assert position is not None
    path = segments.path_of(tmp_path, 1)
    data = bytearray(path.read_bytes())
    data[position.offset + 40] ^= 1
    path.write_bytes(data)
    again = await opened(tmp_path)
    assert again.first_answer("flights", "a") is not None
    assert again.first_answer("flights", "b") is None
    assert again.first_answer("flights", "c") is not None
    again.close()


@pytest.mark.parametrize("piece", [1, 50, 400, 5000])
async def test_reading_in_pieces_finds_the_same_whatever_their_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    ours, path = await opened(tmp_path), segments.path_of(tmp_path, 1)
    for number in range(6):
        await add(ours, f"r{number}", b"x" * (700 if number % 2 else 20), taken=1)
    ours.close()
    data = bytearray(path.read_bytes())
    flipped = len(data) // 2
    data[flipped] ^= 1
    path.write_bytes(data + data[-30:-10])
    whole = await opened(tmp_path)
    monkeypatch.setattr("services.serving.journal.READ_BYTES", piece)
    path.write_bytes(data + data[-30:-10])
    pieces = await opened(tmp_path)
    assert pieces.ledger == whole.ledger
    assert pieces.ledger.taken.of("flights", "2013-03-01") == {"review": 5}
    assert path.read_bytes() == data
    for journal in (whole, pieces):
        journal.close()


async def test_a_worker_repairs_the_tail_that_a_killed_sibling_left(tmp_path: Path) -> None:
    ours, path = await opened(tmp_path), segments.path_of(tmp_path, 1)
    await add(ours, "a", taken=1)
    whole = path.read_bytes()
    path.write_bytes(whole + whole[-30:-10])
    await add(ours, "b", taken=1)
    assert [item[2].request_id for item in segments.read(path) if item[2].messages] == ["a", "b"]
    ours.close()


async def test_two_workers_see_each_other_through_rolls(tmp_path: Path) -> None:
    one, two = await opened(tmp_path, SMALL), await opened(tmp_path, SMALL)
    for number in range(10):
        await add(one if number % 2 else two, f"r{number}", b"x" * 300, taken=1)
    assert len(segments.list_segments(tmp_path)) > 1
    for journal in (one, two):
        assert journal.look().taken.of("flights", "2013-03-01") == {"review": 10}
        assert all(journal.first_answer("flights", f"r{number}") for number in range(10))
        journal.close()


def test_two_processes_never_take_the_201st_of_200(tmp_path: Path) -> None:
    command = [sys.executable, "-c", TAKER, str(tmp_path)]
    takers = [subprocess.Popen([*command, name, "150", "200"], stdout=subprocess.PIPE) for name in "ab"]
    places = [int(line) for taker in takers for line in taker.communicate(timeout=60)[0].split()]
    assert sorted(places) == list(range(1, 201))


async def test_a_killed_process_loses_nothing_that_it_had_acknowledged(tmp_path: Path) -> None:
    acknowledged = 0
    for number in range(5):
        command = [sys.executable, "-c", TAKER, str(tmp_path), f"run{number}", "1000000", "1000000"]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as taker:
            assert taker.stdout is not None
            for _ in range(20):
                acknowledged = max(acknowledged, int(taker.stdout.readline()))
            os.kill(taker.pid, signal.SIGKILL)
            *whole, _torn = taker.stdout.read().split(b"\n")
            acknowledged = max([acknowledged, *map(int, whole)])
        journal = await opened(tmp_path)
        taken = journal.ledger.taken.of("flights", "2013-03-01")["review"]
        journal.close()
        assert acknowledged <= taken <= acknowledged + 1


async def test_a_stopped_sibling_that_holds_the_lock_costs_a_second_and_not_an_answer(tmp_path: Path) -> None:
    journal = await opened(tmp_path, JournalOptions(lock_seconds=0.05))
    with (tmp_path / "lock").open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(SpoolBusyError):
            await add(journal, "a")
        fcntl.flock(other, fcntl.LOCK_UN)
    await add(journal, "a")
    journal.close()


async def test_a_full_spool_refuses_and_keeps_what_it_has(tmp_path: Path) -> None:
    journal = await opened(tmp_path, SMALL)
    kept = 0
    while journal.size + 1500 < SMALL.max_bytes:
        await add(journal, f"r{kept}", b"x" * 500)
        kept += 1
    with pytest.raises(SpoolFullError):
        await add(journal, "too much", b"x" * 1500)
    assert journal.size <= SMALL.max_bytes
    assert all(journal.first_answer("flights", f"r{number}") for number in range(kept))
    journal.close()


async def test_a_full_spool_may_drop_the_oldest_and_counts_them_by_id_range_for_ever(tmp_path: Path) -> None:
    options = JournalOptions(segment_bytes=2000, max_bytes=6000, when_full="drop_oldest")
    journal = await opened(tmp_path, options)
    for number in range(40):
        await add(journal, f"r{number:03}", b"x" * 500, taken=1)
    journal.close()
    again = await opened(tmp_path, options)
    dropped = again.ledger.dropped
    kept = sum(len(h.messages) for s in segments.list_segments(tmp_path) for _, _, h, _ in _read(tmp_path, s))
    assert dropped.predictions == 40 - kept
    assert dropped.ranges[0]["first"] == "r000"
    assert int(dropped.ranges[-1]["last"][1:]) == 40 - kept - 1
    assert again.ledger.taken.of("flights", "2013-03-01") == {"review": 40}
    again.close()


async def test_segments_go_when_kafka_has_them_and_no_request_in_them_may_be_repeated(tmp_path: Path) -> None:
    journal = await opened(tmp_path, JournalOptions(segment_bytes=2000, max_bytes=1_000_000))
    for number in range(12):
        await add(journal, f"old{number}", b"x" * 500, block="2013-03-01")
    last = segments.list_segments(tmp_path)[-1]
    segments.save_checkpoint(tmp_path, segments.Checkpoint(last, 0, 0))
    for number in range(8):
        await add(journal, f"next{number}", b"x" * 500, block="2013-03-02")
    assert segments.list_segments(tmp_path)[0] == 1, "the previous block may still be repeated"
    for number in range(8):
        await add(journal, f"new{number}", b"x" * 500, block="2013-03-03")
    assert segments.list_segments(tmp_path)[0] == last
    assert journal.first_answer("flights", "old0") is None
    assert journal.first_answer("flights", "next0") is not None
    journal.close()


@pytest.mark.parametrize("bit", range(8))
def test_a_checkpoint_with_one_bit_changed_means_from_the_start_and_never_further(tmp_path: Path, bit: int) -> None:
    segments.save_checkpoint(tmp_path, segments.Checkpoint(2, 4096, 30))
    assert segments.load_checkpoint(tmp_path) == segments.Checkpoint(2, 4096, 30)
    path = tmp_path / segments.CHECKPOINT
    whole = path.read_bytes()
    for at in range(len(whole)):
        path.write_bytes(bytes([*whole[:at], whole[at] ^ 1 << bit, *whole[at + 1 :]]))
        assert segments.load_checkpoint(tmp_path) in (segments.Checkpoint(), segments.Checkpoint(2, 4096, 30))


async def test_many_waiters_share_a_sync_and_all_return(tmp_path: Path) -> None:
    journal = await opened(tmp_path, JournalOptions(fsync="always"))
    await add(journal, "a")
    await asyncio.gather(*(journal.durable() for _ in range(50)))
    journal.close()


async def test_a_spool_cut_from_outside_goes_on_from_what_is_left(tmp_path: Path) -> None:
    journal = await opened(tmp_path)
    for name in "abc":
        await add(journal, name)
    position = journal.ledger.requests.find("flights", "b")
    assert position is not None
    os.truncate(segments.path_of(tmp_path, 1), position.offset)
    await add(journal, "d")
    assert journal.first_answer("flights", "c") is None
    assert journal.first_answer("flights", "d") is not None
    journal.close()


def _read(directory: Path, segment: int) -> list[tuple[int, int, Head, bytes]]:
    return list(segments.read(segments.path_of(directory, segment)))


def test_an_entry_that_is_no_entry_is_said_so() -> None:
    with pytest.raises(ValueError, match="without a head"):
        entries.decode_head(b"{}")
