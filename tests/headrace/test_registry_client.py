"""The registry's answers and refusals reach a person as sentences; a real HTTP server stands in for the registry."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from headrace.ports import LOOPBACK, free_ports
from headrace.registry_client import RegistryClient, RegistryError

PROBLEM = {
    "type": "about:blank",
    "title": "Cannot be accepted",
    "status": 422,
    "detail": "2 problems",
    "problems": [
        {"line": 3, "column": 5, "path": "capacity.review", "message": "must be positive", "allowed": "an integer ≥ 1"},
        {"line": 9, "column": 1, "path": "colour", "message": "is not known"},
    ],
}


class Registry(BaseHTTPRequestHandler):
    """Remembers what it was asked and answers by the path."""

    asked: list[dict[str, Any]] = []

    def do_POST(self) -> None:
        """Answer."""
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        Registry.asked.append({"path": self.path, "body": body, "key": self.headers.get("authorization")})
        if "broken" in body:
            self._say(422, json.dumps(PROBLEM))
        elif "html" in body:
            self._say(502, "<h1>Bad gateway</h1>")
        else:
            self._say(200, '{"use_case": "flights", "sequence": 3}')

    def _say(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: Any) -> None:
        """Silent."""


@pytest.fixture
def url() -> Iterator[str]:
    """A registry that listens."""
    Registry.asked.clear()
    with ThreadingHTTPServer((LOOPBACK, 0), Registry) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://{LOOPBACK}:{server.server_port}"
        server.shutdown()
        thread.join()


def test_the_key_and_the_contract_go_out_as_they_are(url: str) -> None:
    with RegistryClient(url, "s3cret") as registry:
        assert registry.apply("use_case: flights\n", dry_run=True)["sequence"] == 3
    asked = {"path": "/v1/use_cases?dry_run=true", "body": "use_case: flights\n", "key": "Bearer s3cret"}
    assert Registry.asked == [asked]


def test_release_and_rollback_name_the_use_case_and_the_reason(url: str) -> None:
    with RegistryClient(url) as registry:
        registry.release("flights", "ab" * 32, "reviewed")
        registry.roll_back("flights", "complaints")
    release, rollback = Registry.asked
    assert release["path"] == "/v1/use_cases/flights/releases"
    assert json.loads(release["body"]) == {"package": "ab" * 32, "reason": "reviewed"}
    assert rollback["path"] == "/v1/use_cases/flights/rollbacks"
    assert json.loads(rollback["body"]) == {"reason": "complaints"}
    assert release["key"] is None


def test_every_mistake_of_a_refused_contract_is_shown_with_its_place(url: str) -> None:
    with RegistryClient(url) as registry, pytest.raises(RegistryError) as refused:
        registry.apply("broken")
    assert str(refused.value).splitlines() == [
        "Cannot be accepted: 2 problems",
        "  3:5 capacity.review: must be positive (allowed: an integer ≥ 1)",
        "  9:1 colour: is not known",
    ]


def test_an_answer_that_is_no_problem_document_is_shown_as_it_is(url: str) -> None:
    with RegistryClient(url) as registry, pytest.raises(RegistryError, match="answered 502: <h1>Bad gateway"):
        registry.apply("html")


def test_a_registry_that_is_away_is_named() -> None:
    port = free_ports(1)[0]
    with (
        RegistryClient(f"http://{LOOPBACK}:{port}") as registry,
        pytest.raises(RegistryError, match=f"{port} does not answer"),
    ):
        registry.use_cases()
