"""The chain shows every record that was altered, removed, added or moved."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from services.registry.ledger import GENESIS, Entry, Link, chain_hash, find_break

START = datetime(2013, 3, 1, tzinfo=UTC)


def chain(count: int) -> list[Link]:
    links, previous = [], GENESIS
    for number in range(1, count + 1):
        entry = Entry(
            "model_released", "trains", START + timedelta(days=number), "a release", f"id-{number}", sequence=number
        )
        own = chain_hash(previous, entry)
        links.append(Link(number, entry, previous, own))
        previous = own
    return links


def test_what_was_written_holds() -> None:
    links = chain(5)
    assert find_break(links, links[-1].hash, 5) is None
    assert find_break([], GENESIS, 0) is None


@pytest.mark.parametrize("field", ["kind", "use_case", "text", "event_id", "cause", "package_digest"])
def test_an_altered_word_shows(field: str) -> None:
    links = chain(5)
    altered: dict[str, Any] = {field: "altered"}
    links[2] = replace(links[2], entry=replace(links[2].entry, **altered))
    found = find_break(links, links[-1].hash, 5)
    assert found
    assert found.position == 3


def test_an_altered_record_with_a_fitting_hash_breaks_the_next_one() -> None:
    links = chain(5)
    entry = replace(links[2].entry, text="altered")
    links[2] = Link(3, entry, links[2].previous, chain_hash(links[2].previous, entry))
    found = find_break(links, links[-1].hash, 5)
    assert found
    assert found.position == 4


def test_a_removed_record_shows_in_the_middle_and_at_the_end() -> None:
    links = chain(5)
    middle = find_break(links[:2] + links[3:], links[-1].hash, 5)
    end = find_break(links[:4], links[-1].hash, 5)
    assert middle
    assert end
    assert (middle.position, end.position) == (3, 4)


def test_the_same_moment_in_another_zone_is_the_same_record() -> None:
    entry = chain(1)[0].entry
    elsewhere = replace(entry, at=entry.at.astimezone(timezone(timedelta(hours=-5))))
    assert chain_hash(GENESIS, entry) == chain_hash(GENESIS, elsewhere)
