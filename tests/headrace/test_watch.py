"""`headrace watch` and `headrace events` on real Kafka, as processes of their own."""

import json
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from headrace.errors import CommandError
from headrace.settings import inherited_environment
from headrace.topic_reader import kafka_options, wanted_topics
from shared.events import RollbackRequested, TrainingRequested, to_record
from shared.events.records import Record
from shared.spine.publisher import Publisher
from shared.spine.settings import SpineSettings
from shared.spine.topics import provision
from tests.events.records import example

WATCH = "import sys; from pathlib import Path; from headrace import watch; watch.run(Path('.'), {topics}, {use_case!r}, {json}, {start})"  # noqa: E501
EVENTS = "import sys; from pathlib import Path; from headrace import events_log; events_log.run(Path('.'), {topic!r}, {use_case!r}, {limit}, {json})"  # noqa: E501


def start(kafka: str, code: str) -> "subprocess.Popen[str]":
    """A command of its own, as an operator starts it."""
    environment = {**inherited_environment(), "HEADRACE_KAFKA": kafka}
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=pipe, stderr=pipe, text=True)


async def publish(kafka: str, *records: Record) -> None:
    """Send records, topics made first."""
    options = SpineSettings(kafka=kafka).kafka_options()
    await provision(options)
    publisher = Publisher(options)
    await publisher.send(records)
    await publisher.stop()


def asked(use_case: str, reason: str) -> Record:
    """A request for training."""
    time = example("training_requested").time
    fields = {"use_case": use_case, "reason": reason, "requested_by": "ada"}
    return to_record(TrainingRequested.begin(source="test", time=time, **fields))


@pytest.fixture
def use_case() -> str:
    """A use case that no other test speaks of."""
    return f"watched_{uuid.uuid4().hex[:12]}"


@pytest.mark.kafka
async def test_watch_shows_what_has_been_and_what_comes_and_ends_quietly(kafka: str, use_case: str) -> None:
    await publish(kafka, asked(use_case, "first"), Record("training_requested", use_case.encode(), b"garbage", ()))
    watcher = start(kafka, WATCH.format(topics=["training_*"], use_case=use_case, json=False, start=True))
    assert watcher.stdout is not None
    assert "asks for training: first" in watcher.stdout.readline()
    assert "malformed" in watcher.stdout.readline()
    await publish(kafka, asked("another_one", "not shown"), asked(use_case, "second"))
    assert "asks for training: second" in watcher.stdout.readline()
    watcher.send_signal(signal.SIGINT)
    rest, errors = watcher.communicate(timeout=30)
    assert (watcher.returncode, rest, errors) == (0, "", "")


@pytest.mark.kafka
async def test_watch_ends_quietly_when_its_reader_goes_away(kafka: str, use_case: str) -> None:
    await publish(kafka, asked(use_case, "first"))
    for in_json in (False, True):
        watcher = start(kafka, WATCH.format(topics=["training_*"], use_case=use_case, json=in_json, start=True))
        assert watcher.stdout is not None
        assert watcher.stderr is not None
        assert use_case in watcher.stdout.readline()
        watcher.stdout.close()
        await publish(kafka, asked(use_case, "nobody reads this"), asked(use_case, "nor this"))
        assert watcher.stderr.read() == ""
        watcher.stderr.close()
        assert watcher.wait(30) == 0


@pytest.mark.kafka
async def test_events_shows_the_newest_in_the_order_of_appending(kafka: str, use_case: str) -> None:
    rollback = RollbackRequested.begin(
        source="test", time=example("time_advanced").time, use_case=use_case, requested_by="ada", reason="between"
    )
    for record in (
        *(asked(use_case, str(number)) for number in range(4)),
        to_record(rollback),
        asked(use_case, "last"),
    ):
        await publish(kafka, record)
    shown = start(kafka, EVENTS.format(topic=None, use_case=use_case, limit=4, json=True))
    output, errors = shown.communicate(timeout=60)
    assert (shown.returncode, errors) == (0, "")
    assert [json.loads(line)["reason"] for line in output.splitlines()] == ["2", "3", "between", "last"]


def test_a_pattern_that_matches_no_topic_is_explained() -> None:
    with pytest.raises(CommandError, match="no topic matches 'modell'; there are activation_reported"):
        wanted_topics(["modell"])


def test_dead_letters_have_a_pattern_of_their_own() -> None:
    assert {name.rpartition(".")[2] for name in wanted_topics(["*.dead"])} == {"dead"}


def test_without_a_running_system_the_error_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HEADRACE_KAFKA", raising=False)
    with pytest.raises(CommandError, match="HEADRACE_KAFKA"):
        kafka_options(tmp_path)
