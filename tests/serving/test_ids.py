"""Ids are what they were when they were made the long way."""

import os
import uuid
from concurrent.futures import ThreadPoolExecutor

from hypothesis import given
from hypothesis import strategies as st

from services.serving.ids import new_request_id, served_id
from shared.events import derived_id

NAMES = st.text("ab/\n-é€😀", max_size=8)


@given(NAMES, NAMES, st.sampled_from(["answered", "refused", "failed"]), st.integers(0, 10_000))
def test_an_event_has_the_id_that_the_catalogue_derives(use_case: str, request_id: str, status: str, at: int) -> None:
    expected = derived_id("prediction_served", use_case, request_id, status, str(at))
    assert served_id(use_case, request_id, status, at) == expected


def test_request_ids_are_uuids_that_sort_by_time_and_never_meet() -> None:
    made = [new_request_id() for _ in range(10_000)]
    assert len(set(made)) == len(made)
    assert [name[:13] for name in made] == sorted(name[:13] for name in made)
    for name in made[:100]:
        parsed = uuid.UUID(name)
        assert (parsed.version, parsed.variant, str(parsed)) == (7, uuid.RFC_4122, name)


def random_part(name: str) -> str:
    """What does not come from the clock."""
    return name.split("-", 2)[2]


def test_threads_share_no_id() -> None:
    with ThreadPoolExecutor(4) as pool:
        made = [
            name for names in pool.map(lambda _: [new_request_id() for _ in range(1000)], range(4)) for name in names
        ]
    assert len({random_part(name) for name in made}) == 4000


def test_a_child_makes_none_of_its_parents_ids() -> None:
    new_request_id()
    readable, writable = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writable, " ".join(new_request_id() for _ in range(50)).encode())
        os._exit(0)
    os.close(writable)
    with os.fdopen(readable) as answer:
        theirs = {random_part(name) for name in answer.read().split()}
    os.waitpid(child, 0)
    assert len(theirs) == 50
    assert theirs.isdisjoint(random_part(new_request_id()) for _ in range(1000))
