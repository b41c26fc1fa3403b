"""One effect per event id."""

from datetime import timedelta

from shared.events import TimeAdvanced
from shared.spine.db import Database
from shared.spine.inbox import first_time
from tests.spine.told import NOW, asked


async def test_an_event_is_new_once(db: Database) -> None:
    event = asked("x")
    for expected in (True, False, False):
        async with db.transaction() as session:
            assert await first_time(session, event) is expected


async def test_an_event_is_new_once_within_a_transaction_too(db: Database) -> None:
    event = asked("x")
    async with db.transaction() as session:
        assert [await first_time(session, event) for _ in range(2)] == [True, False]


async def test_the_same_id_on_another_topic_is_another_event(db: Database) -> None:
    event = asked("x")
    namesake = TimeAdvanced.begin(source="test", time=NOW, id=event.id, now=NOW + timedelta(days=1))
    async with db.transaction() as session:
        assert await first_time(session, event)
        assert await first_time(session, namesake)
