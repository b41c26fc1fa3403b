"""`headrace events`: what has happened up to now, in the order in which Kafka took it."""

from collections import deque
from pathlib import Path
from typing import Any

from headrace.record_lines import is_about
from headrace.terminal import run_quietly, writer
from headrace.topic_reader import TopicReader, kafka_options, wanted_topics


def run(
    home: Path,
    topic: str | None = None,
    use_case: str | None = None,
    limit: int = 50,
    as_json: bool = False,
) -> None:
    """Show the newest `limit` events of the topics that match a pattern (all without one); raises CommandError."""
    run_quietly(_show(home, wanted_topics([topic] if topic else []), use_case, limit, as_json))


async def _show(home: Path, topics: set[str], use_case: str | None, limit: int, as_json: bool) -> None:
    newest: deque[Any] = deque(maxlen=limit)
    async with TopicReader(kafka_options(home), topics) as reader:
        # Only a filter makes older records count: without one the newest of each partition are enough.
        async for record in reader.history(None if use_case else limit):
            if is_about(record, use_case):
                newest.append(record)
    write = writer(as_json)
    for record in newest:
        write(record)
