"""A demo is played only on a system that answers, takes the key, and has not begun yet."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from typer.testing import CliRunner

from headrace.against import AgainstError, Target, check_fresh, target_of
from headrace.cli import app
from headrace.ports import LOOPBACK, free_ports

START = datetime(2013, 3, 1, tzinfo=UTC)
KEY = "Bearer s3cret"


class Front(BaseHTTPRequestHandler):
    """Stands for the front of a system: statuses are open, the registry's own routes ask for the key."""

    clocks: dict[str, str | None] = {}

    def do_GET(self) -> None:
        """Answer by the path."""
        if self.path == "/registry/v1/use_cases":
            known = self.headers.get("authorization") == KEY
            self._say(200 if known else 401, [])
        else:
            service = self.path.strip("/").partition("/")[0].replace("v1", "serving")
            self._say(200, {"service": service, "clock": Front.clocks.get(service)})

    def _say(self, status: int, document: Any) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Silent."""


@pytest.fixture
def target(monkeypatch: pytest.MonkeyPatch) -> Iterator[Target]:
    """A front that listens, and a command that has the key and knows Kafka."""
    monkeypatch.setenv("HEADRACE_KAFKA", "127.0.0.1:9092")
    monkeypatch.setenv("HEADRACE_API_KEY", "s3cret")
    monkeypatch.setattr(Front, "clocks", {})
    with ThreadingHTTPServer((LOOPBACK, 0), Front) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield target_of(f"http://{LOOPBACK}:{server.server_port}/")
        server.shutdown()
        thread.join()


def test_serving_is_in_front_and_the_others_below_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADRACE_KAFKA", "broker:9092")
    target = target_of("https://ml.example/")
    assert target.kafka == "broker:9092"
    assert target.urls["serving"] == "https://ml.example"
    assert target.urls["monitor"] == "https://ml.example/monitor"


@pytest.mark.parametrize(("kafka", "front", "says"), [("", "http://x", "HEADRACE_KAFKA"), ("k:1", "x:7100", "http://")])
def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, kafka: str, front: str, says: str) -> None:
    monkeypatch.setenv("HEADRACE_KAFKA", kafka)
    with pytest.raises(AgainstError, match=says):
        target_of(front)


def test_commands_find_that_system_by_its_address(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADRACE_FRONT", target.urls["serving"])
    done = CliRunner().invoke(app, ["status", "--json"])
    said = json.loads(done.stdout)
    assert (done.exit_code, said["home"]) == (1, target.urls["serving"])
    assert {part["name"]: part["address"] for part in said["parts"]} == {"kafka": target.kafka, **target.urls}


async def test_a_fresh_system_is_taken_and_one_that_stands_before_the_start_too(target: Target) -> None:
    await check_fresh(target, START)
    Front.clocks["monitor"] = START.isoformat()
    await check_fresh(target, START)


async def test_a_system_whose_time_is_past_the_start_is_refused_by_name(target: Target) -> None:
    Front.clocks["trainer"] = "2026-11-26T12:00:00+00:00"
    with pytest.raises(AgainstError, match=r"trainer stands at 2026.*HEADRACE_CLOCK=replay"):
        await check_fresh(target, START)


async def test_a_missing_key_is_said_before_anything_is_played(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HEADRACE_API_KEY")
    with pytest.raises(AgainstError, match="HEADRACE_API_KEY"):
        await check_fresh(target, START)


async def test_a_system_that_is_away_is_named(target: Target) -> None:
    url = f"http://{LOOPBACK}:{free_ports(1)[0]}"
    with pytest.raises(AgainstError, match=f"{url}/v1/status does not answer"):
        await check_fresh(Target(target.urls | {"serving": url}, target.kafka), START)
