"""The state of a system is shown part by part; what does not answer is a line, not an error."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from threading import Thread
from typing import Any

import pytest
from rich.console import Console

from headrace.ports import LOOPBACK, free_ports
from headrace.run_info import RunInfo, ServiceInfo
from headrace.status import SystemStatus, gather_status, show_status

SAID: dict[str, Any] = {
    "/v1/status": {"ready": False, "clock": "2013-03-02T05:00:00+00:00", "pending": {"outbox": 3, "runs": 0}},
    "/readyz": {"ready": False, "reasons": ["Kafka has not answered yet"]},
    "/v1/use_cases": [
        {
            "use_case": "flights_late",
            "revision": 2,
            "release": {"sequence": 4, "package_digest": "ab" * 32, "cause": "person"},
            "activations": [{"status": "active", "sequence": 4}, {"status": "active", "sequence": 3}],
        }
    ],
}


class Service(BaseHTTPRequestHandler):
    """A service with much to do."""

    def do_GET(self) -> None:
        """Answer by the path."""
        body = json.dumps(SAID[self.path]).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Silent."""


@pytest.fixture
def info() -> Iterator[RunInfo]:
    """A system whose registry answers, whose trainer is away and whose Kafka is gone."""
    dead, kafka = free_ports(2)
    with ThreadingHTTPServer((LOOPBACK, 0), Service) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield RunInfo(
            supervisor_pid=1,
            kafka=f"{LOOPBACK}:{kafka}",
            kafka_pid=None,
            services={
                "registry": ServiceInfo(url=f"http://{LOOPBACK}:{server.server_port}", pid=11),
                "trainer": ServiceInfo(url=f"http://{LOOPBACK}:{dead}", pid=None),
            },
            clock="replay",
            home="/somewhere",
        )
        server.shutdown()
        thread.join()


def _shown(status: SystemStatus) -> str:
    console = Console(file=StringIO(), width=200)
    show_status(status, console)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


async def test_trouble_is_named_part_by_part(info: RunInfo) -> None:
    status = await gather_status(info)
    assert not status.well
    troubles = {part.name: part.trouble for part in status.parts}
    assert troubles.pop("kafka").startswith(f"Kafka at {info.kafka} does not answer: ")
    assert troubles == {
        "registry": "Kafka has not answered yet",
        "trainer": "does not answer: ConnectError",
    }
    shown = _shown(status)
    assert "outbox 3" in shown
    assert "runs" not in shown
    assert "1 of 2" in shown
    assert json.loads(json.dumps(status.to_json()))["parts"][1]["pending"] == {"outbox": 3, "runs": 0}


@pytest.mark.kafka
async def test_a_kafka_that_works_is_ready(info: RunInfo, kafka: str) -> None:
    status = await gather_status(info.model_copy(update={"kafka": kafka}))
    assert status.parts[0].ready
