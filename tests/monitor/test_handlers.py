"""What the monitor keeps of the lifecycle events that it hears."""

from pathlib import Path

from services.monitor.handlers import on_model_released
from services.monitor.store import ReleaseStore
from shared.events import ModelReleased
from shared.spine.db import Database
from tests.containers import database_url
from tests.feedback.streams import NOON

DIGEST = "a" * 64


def release(sequence: int) -> ModelReleased:
    return ModelReleased.begin(
        source="headrace/registry",
        time=NOON,
        use_case="flights_late",
        sequence=sequence,
        package_digest=DIGEST,
        behaviour_digest=DIGEST,
        contract_digest=DIGEST,
        policy={},
        cause="person",
        reason="",
        released_by="me",
    )


async def test_a_release_that_comes_late_or_twice_does_not_change_what_is_served(tmp_path: Path) -> None:
    db = Database(database_url(tmp_path / "monitor.db"))
    await db.create_tables()
    newest = release(2)
    for event in (newest, release(1), newest):
        await on_model_released(event, db)
    async with db.read() as session:
        assert await ReleaseStore(session).list_current() == {"flights_late": 2}
    await db.close()
