"""The registry's state is what its own events make of nothing: stored events, folded and compared."""

import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from headrace.ports import LOOPBACK
from headrace.rebuild import SOURCE, differences, fold, said_by, summary
from headrace.registry_client import RegistryClient
from headrace.settings import inherited_environment
from shared.events import Event, as_document, to_record
from shared.spine.publisher import Publisher
from shared.spine.settings import SpineSettings
from shared.spine.topics import provision
from tests.events.records import example

COMMAND = """
import asyncio, sys
from pathlib import Path
from headrace.rebuild import check
from headrace.registry_client import RegistryClient
print(*asyncio.run(check(Path("."), RegistryClient({url!r}), {use_case!r})), sep="|")
"""
COMPARED = "1 use cases, 2 releases, 1 rejections, 1 changed capacities"
EXPLAIN = "from pathlib import Path; from headrace import explain; explain.run(Path('.'), {id!r}, {json})"


def own(topic: str, use_case: str = "flights_late", **changes: Any) -> Event:
    """The stored example as the registry said it."""
    return example(topic).model_copy(update={"source": SOURCE, "use_case": use_case, **changes})


def events(use_case: str = "flights_late") -> list[Event]:
    """A contract, two releases, a rejection, a team's word on its capacity."""
    released = own("model_released", use_case, sequence=1, cause="first", id=f"{use_case}-1")
    return [
        own("use_case_applied", use_case, id=f"{use_case}-0"),
        released,
        released.model_copy(update={"sequence": 2, "cause": "person", "id": f"{use_case}-2"}),
        own("model_rejected", use_case, id=f"{use_case}-3"),
        own("capacity_changed", use_case, id=f"{use_case}-4"),
    ]


class Registry(BaseHTTPRequestHandler):
    """Answers as the registry does; `said` are the events that made its state."""

    said: list[dict[str, Any]] = []

    def do_GET(self) -> None:
        """Answer by the path."""
        path = self.path.partition("?")[0]
        answer: Any = [
            {name: one[name] for name in ("use_case", "revision", "contract_digest")}
            for one in self.said
            if one["type"] == "use_case_applied"
        ]
        if path.endswith("/releases"):
            answer = [{**one, "released_at": one["time"]} for one in self.said if one["type"] == "model_released"]
        elif path.endswith("/capacity"):
            words = [one for one in self.said if one["type"] == "capacity_changed"]
            answer = [{**one, "changed_at": one["time"], "event_id": one["id"]} for one in words]
        elif path.endswith("/ledger"):
            answer = {"entries": [
                {"kind": one["type"], "event_id": one["id"], "package_digest": one.get("package_digest"),
                 "text": f"{one.get('gate')}: {one.get('explanation')}"}
                for one in self.said
            ]}  # fmt: skip
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Silent."""


@pytest.fixture
def url() -> Iterator[str]:
    """A registry that listens."""
    Registry.said = [as_document(event) for event in events()]
    with ThreadingHTTPServer((LOOPBACK, 0), Registry) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://{LOOPBACK}:{server.server_port}"
        server.shutdown()
        thread.join()


def test_what_the_registry_says_equals_what_its_events_make(url: str) -> None:
    with RegistryClient(url) as registry:
        assert differences(fold(events()), said_by(registry)) == []
    assert summary(fold(events())) == COMPARED


def test_repeated_events_and_those_of_strangers_change_nothing() -> None:
    stranger = own("model_released", sequence=9, source="somebody", id="strange")
    assert fold([*events(), *events(), stranger]) == fold(events())


def test_every_difference_is_named_with_both_sides() -> None:
    told, kept = events(), events()
    kept[2] = kept[2].model_copy(update={"cause": "promotion"})
    kept[4] = kept[4].model_copy(update={"limit": 7})
    lines = differences(fold(told), fold([*kept[:3], kept[4]]))
    assert lines.pop(0) == "flights_late, capacity 1 limit: its events say 120, it says 7"
    assert [line.split(":")[0] for line in lines] == [
        "flights_late, rejection flights_late-3",
        "flights_late, release 2 cause",
    ]
    assert lines[0].endswith("it says nothing")
    assert lines[1].endswith("its events say person, it says promotion")


def test_one_use_case_can_be_looked_at_alone() -> None:
    both = fold([*events("one"), *events("other")])
    assert differences(both, fold(events("one")), "one") == []
    assert len(differences(both, fold(events("one")))) == len(both["other"])


@pytest.mark.kafka
async def test_check_and_explain_read_what_lies_on_kafka(kafka: str, url: str) -> None:
    use_case = f"rebuilt_{uuid.uuid4().hex[:12]}"
    said = events(use_case)
    Registry.said = [as_document(event) for event in said]
    options = SpineSettings(kafka=kafka).kafka_options()
    await provision(options)
    publisher = Publisher(options)
    await publisher.send([to_record(event) for event in said])
    await publisher.stop()
    assert _run(kafka, COMMAND.format(url=url, use_case=use_case)) == f"{COMPARED}|[]\n"
    Registry.said = Registry.said[:2]
    assert "release 2 cause: its events say person" in _run(kafka, COMMAND.format(url=url, use_case=use_case))
    shown = json.loads(_run(kafka, EXPLAIN.format(id=f"{use_case}-2", json=True)))
    assert [line["event"]["id"] for line in shown["lines"]] == [f"{use_case}-2"]
    assert "because person" in _run(kafka, EXPLAIN.format(id=f"{use_case}-2", json=False))
    assert "no event on Kafka has the id 'unheard-of'" in _run(kafka, EXPLAIN.format(id="unheard-of", json=False))


def _run(kafka: str, code: str) -> str:
    environment = {**inherited_environment(), "HEADRACE_KAFKA": kafka}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    return done.stdout + done.stderr
