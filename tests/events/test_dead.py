"""A dead letter gives its original back byte for byte, and no letter is ever taken for a marker."""

from collections.abc import Iterable
from typing import Any

import pytest

from shared.events import Record
from shared.events.dead import DeadLetterSettled, Refusal, settled_in, with_refusal, without_refusal
from tests.events.records import example, record

REFUSAL = Refusal("bug: no", "KeyError", "registry", "bug", "model_trained", 0, 17)
GOOD = record("model_trained")
Headers = tuple[tuple[str, bytes | None], ...]

ORIGINALS: dict[str, tuple[bytes | None, bytes | None, Headers]] = {
    "an event": (GOOD.key, GOOD.value, GOOD.headers),
    "a tombstone": (b"k", None, GOOD.headers),
    "nothing at all": (None, None, ()),
    "empty": (None, b"", ()),
    "bytes": (b"\xff", b"\x00\xff", (("x", b"\xff"), ("n", None), ("n", b""))),
    "headers of ours": (b"k", b"{}", (*GOOD.headers, ("dead_reason", b"mine"), ("dead_offset", b"x"))),
    "a dead letter of a dead letter": (b"k", b"{}", with_refusal(b"k", b"{}", GOOD.headers, REFUSAL).headers),
}


@pytest.mark.parametrize("original", ORIGINALS.values(), ids=ORIGINALS)
def test_the_original_comes_back_byte_for_byte(original: tuple[bytes | None, bytes | None, Headers]) -> None:
    key, value, headers = original
    letter = with_refusal(key, value, headers, REFUSAL)
    assert letter.topic == "model_trained.dead"
    assert [letter.key, letter.value] != [None, None]
    found = without_refusal(letter.key, letter.value, letter.headers)
    assert found is not None
    was, refusal = found
    assert (was.topic, was.key, was.value, was.headers) == ("model_trained", key, value, headers)
    assert refusal == REFUSAL


@pytest.mark.parametrize(
    ("reason", "error", "kind"),
    [
        ("permanent: body: must be a JSON object", "MalformedEventError", "malformed"),
        ("permanent: the package is another", "PermanentError", "permanent"),
        ("bug: 'x'", "KeyError", "bug"),
    ],
)
def test_letters_from_before_kinds_had_a_header_are_of_a_kind_too(reason: str, error: str, kind: str) -> None:
    letter = with_refusal(b"k", b"{}", (), Refusal(reason, error, "registry", "", "model_trained", 0, 17))
    headers = [(name, text) for name, text in letter.headers if name != "dead_kind"]
    found = without_refusal(letter.key, letter.value, headers)
    assert found is not None
    assert found[1].kind == kind


@pytest.mark.parametrize("headers", [(), (("dead_reason", b"x"),), (("dead_reason", None), ("dead_offset", b"one"))])
def test_what_no_consumer_has_written_is_no_letter(headers: Iterable[Any]) -> None:
    assert without_refusal(b"k", b"{}", headers) is None


def marker() -> tuple[DeadLetterSettled, Record]:
    """A marker, and its record behind a letter."""
    settled = example("dead_letter_settled")
    assert isinstance(settled, DeadLetterSettled)
    return settled, settled.record("model_trained.dead")


def test_a_marker_lies_in_the_topic_of_its_letter_and_says_what_it_said() -> None:
    settled, said = marker()
    assert (said.topic, said.key) == ("model_trained.dead", b"model_trained.dead/0/17")
    assert settled_in(said.value, said.headers) == settled


def test_a_refused_record_that_looks_like_a_marker_is_a_letter() -> None:
    _, said = marker()
    letter = with_refusal(said.key, said.value, said.headers, REFUSAL)
    assert settled_in(letter.value, letter.headers) is None
    assert without_refusal(letter.key, letter.value, letter.headers) is not None


def test_what_cannot_be_read_as_a_marker_is_none() -> None:
    _, said = marker()
    assert settled_in(b"garbage", said.headers) is None
    assert settled_in(None, ()) is None
    assert settled_in(GOOD.value, GOOD.headers) is None
