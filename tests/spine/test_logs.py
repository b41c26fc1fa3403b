"""Logs are JSON, name the event being handled, and never hold a secret."""

import io
import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from shared.spine import logs
from tests.spine.test_error_policy import Consumed


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """What has been logged since, as documents."""
    root, written = logging.getLogger(), io.StringIO()
    handlers, level = root.handlers[:], root.level
    # Taken away first: `setup` closes whatever handlers it finds, and these are those of pytest.
    root.handlers.clear()
    monkeypatch.setattr(sys, "stderr", written)
    logs.setup("registry")
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    root.handlers[:] = handlers
    root.setLevel(level)


log = logging.getLogger("services.registry.test")


def test_a_line_is_one_json_object_with_service_level_and_fields(said: Any) -> None:
    log.info("released\nsomething", extra={"sequence": 3, "what": {"a": {1, 2}}})
    (line,) = said()
    assert (line["level"], line["service"], line["message"], line["sequence"]) == (
        "INFO",
        "registry",
        "released\nsomething",
        3,
    )
    assert line["time"].endswith("+00:00")


def test_while_an_event_is_handled_its_ids_stand_in_every_line(said: Any) -> None:
    headers = (("ce_id", b"e-1"), ("ce_correlationid", b"story-1"), ("x", None))
    with logs.record_context(Consumed(headers=headers)):
        log.info("inside")
    log.info("outside")
    inside, outside = said()
    assert (inside["topic"], inside["event_id"], inside["correlation_id"]) == ("model_trained", "e-1", "story-1")
    assert "event_id" not in outside


def test_headers_that_are_null_or_not_utf_8_do_not_break_a_line(said: Any) -> None:
    with logs.record_context(Consumed(headers=(("ce_id", None), ("ce_correlationid", b"\xff\xfe")))):
        log.info("inside")
    (line,) = said()
    assert line["correlation_id"] == "��"


@pytest.mark.parametrize("name", ["api_key", "kafka_sasl_password", "Authorization", "client_secret", "token"])
def test_what_is_called_a_secret_is_not_written(said: Any, name: str) -> None:
    log.info("connecting", extra={name: "hunter2", "user": "ada"})
    (line,) = said()
    assert (line[name], line["user"]) == ("***", "ada")


def test_an_exception_is_written_with_its_traceback(said: Any) -> None:
    try:
        sys.getrefcount.missing  # type: ignore[attr-defined]  # noqa: B018
    except AttributeError:
        log.exception("failed")
    (line,) = said()
    assert "AttributeError" in line["exception"]


def test_kafka_clients_are_cut_short_while_it_is_away_and_others_are_not(said: Any) -> None:
    for _ in range(100):
        logging.getLogger("aiokafka.conn").error("Unable to connect")
        log.info("ours")
    lines = [line["message"] for line in said()]
    assert lines.count("Unable to connect") == 20
    assert lines.count("ours") == 100
