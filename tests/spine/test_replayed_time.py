"""A restarted service of a replay reads its time back, whatever lies behind the newest time."""

from datetime import UTC, datetime

import pytest

from headrace.embedded_kafka import EmbeddedKafka
from shared.events import Record, TimeAdvanced, to_record
from shared.spine.publisher import Publisher
from shared.spine.replayed_time import last_time
from shared.spine.topics import provision

pytestmark = pytest.mark.kafka


def step(day: int) -> Record:
    """Event time is at the begin of this day."""
    now = datetime(2026, 3, day, tzinfo=UTC)
    return to_record(TimeAdvanced.begin(source="test", time=now, id=f"step-{day}", now=now))


async def test_the_latest_time_counts_though_an_earlier_one_was_repeated_behind_it(kafka_node: EmbeddedKafka) -> None:
    # A broker of its own: on the shared one other tests tell other times.
    options = {"bootstrap_servers": kafka_node.start()}
    await provision(options)
    spoilt = Record(TimeAdvanced.topic, b"clock", b"no time", ())
    publisher = Publisher(options)
    try:
        await publisher.send([step(1), step(2), step(1), spoilt])
        assert await last_time(options) == datetime(2026, 3, 2, tzinfo=UTC)
    finally:
        await publisher.stop()
