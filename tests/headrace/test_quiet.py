"""What counts as under way, from what the services say."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from headrace.quiet import _disagreements, _under_way

NOW = datetime(2013, 3, 2, 5, tzinfo=UTC)


def status(**more: Any) -> dict[str, Any]:
    return {"service": "monitor", "ready": True, "clock": NOW.isoformat(), "pending": {"outbox": 0}} | more


@pytest.mark.parametrize(
    ("said", "now", "reason"),
    [
        (status(ready=False), None, "not ready"),
        (status(pending={"outbox": 2}), None, "2 outbox"),
        (status(pending={"table_lag": 3}), NOW, "3 table_lag"),
        (status(clock=None), NOW, "stands at None"),
        (status(clock=(NOW - timedelta(days=1)).isoformat()), NOW, "stands at"),
    ],
)
def test_what_is_under_way_is_named(said: dict[str, Any], now: datetime | None, reason: str) -> None:
    [text] = _under_way(said, now)
    assert reason in text


def test_tables_may_lag_until_the_clock_moves() -> None:
    assert _under_way(status(pending={"table_lag": 3, "unflushed": 5}), None) == []
    assert _under_way(status(), NOW) == []


def test_a_release_is_waited_for_until_every_worker_serves_it() -> None:
    registry = {"service": "registry", "detail": {"use_cases": {"flights": {"release": {"sequence": 2}}}}}
    serving = {"service": "serving", "detail": {"releases": {"flights": 1}}}
    [text] = _disagreements([registry, serving])
    assert "release 2 of flights" in text
    serving["detail"] = {"releases": {"flights": 2}}
    assert _disagreements([registry, serving]) == []
