"""`headrace watch`: follows the topics live, one readable line per event."""

from collections.abc import Sequence
from pathlib import Path

from headrace.record_lines import is_about
from headrace.terminal import run_quietly, writer
from headrace.topic_reader import TopicReader, kafka_options, wanted_topics


def run(
    home: Path,
    topics: Sequence[str] = (),
    use_case: str | None = None,
    as_json: bool = False,
    from_start: bool = False,
) -> None:
    """Follow the topics that match the patterns (all without one) until Ctrl-C; raises CommandError."""
    chosen = wanted_topics(topics)
    run_quietly(_follow(home, chosen, use_case, as_json, from_start))


async def _follow(home: Path, topics: set[str], use_case: str | None, as_json: bool, from_start: bool) -> None:
    write = writer(as_json)
    async with TopicReader(kafka_options(home), topics) as reader:
        if from_start:
            async for record in reader.history():
                if is_about(record, use_case):
                    write(record)
        else:
            await reader.skip_history()
        async for record in reader.live():
            if is_about(record, use_case):
                write(record)
