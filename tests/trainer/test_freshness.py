"""A training waits for what lies in the topics, and in production no longer than it is told to."""

import asyncio
import logging
from pathlib import Path

import pytest

from headrace.embedded_kafka import EmbeddedKafka
from services.trainer.freshness import Freshness
from shared.events import to_record
from shared.feedback.rows import Placed, decision_rows
from shared.feedback.table import FeedbackTable
from shared.spine.topics import provision
from tests.delivery.seen import send
from tests.feedback.streams import served


@pytest.mark.kafka
async def test_it_waits_until_the_tables_hold_what_the_topics_hold(
    kafka_node: EmbeddedKafka, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    options = {"bootstrap_servers": kafka_node.start()}
    await provision(options, data_partitions=1)
    hasty, patient = (Freshness(options, str(tmp_path / "feedback"), patience) for patience in (0.0, None))
    await asyncio.wait_for(patient.wait(), 60)
    event = served("r1")
    await send(options["bootstrap_servers"], to_record(event))
    with caplog.at_level(logging.WARNING):
        await hasty.wait()
    assert "the tables are behind the topics" in caplog.records[-1].__dict__["why"]
    waiting = asyncio.create_task(patient.wait())
    FeedbackTable(tmp_path / "feedback", "decisions").append(
        decision_rows([Placed(event, 0, 0)]), {("prediction_served", 0): 1}
    )
    await asyncio.wait_for(waiting, 60)
    caplog.clear()
    await hasty.wait()
    assert not caplog.records


async def test_without_kafka_it_goes_on_when_its_patience_has_ended(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        await Freshness({"bootstrap_servers": "127.0.0.1:1"}, str(tmp_path), 0.0).wait()
    assert "training on what the tables hold" in caplog.text
