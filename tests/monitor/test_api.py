"""Whoever cannot reach the tables gets the same rows over HTTP, with any key."""

import datetime as dt
import hashlib
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import polars as pl
import pytest

from services.monitor.app import make_app
from services.monitor.settings import MonitorSettings
from shared.feedback.joined import joined
from tests.feedback.streams import NOON, happened, served, store

PATH = "/v1/use_cases/flights/decisions"
EVENING = NOON + dt.timedelta(hours=6)
AS_OF = {"as_of": EVENING.isoformat()}


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A monitor's routes with two keys: `reader`, a viewer, and `writer`, a publisher: every key reads."""
    keys = tmp_path / "keys"
    entries = [("reader", ["viewer"]), ("writer", ["publisher"])]
    keys.write_text(
        "".join(
            json.dumps({"name": name, "roles": roles, "sha256": hashlib.sha256(name.encode()).hexdigest()}) + "\n"
            for name, roles in entries
        )
    )
    app = make_app(MonitorSettings(home=tmp_path, api_keys_file=keys))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://monitor") as client:
        yield client


def key(name: str) -> dict[str, str]:
    return {"authorization": f"Bearer {name}"}


async def test_a_reader_gets_the_rows_of_the_tables(http: httpx.AsyncClient, tmp_path: Path) -> None:
    location = tmp_path / "feedback"
    store(location, [served("r", [NOON, NOON])], [happened({"r/0": "late"})])
    answer = await http.get(PATH, params=AS_OF, headers=key("reader"))
    assert answer.status_code == 200
    rows = pl.read_parquet(io.BytesIO(answer.content))
    assert rows.equals(joined(location, "flights", EVENING))
    assert rows.select("prediction_id", "label").rows() == [("r/0", "late"), ("r/1", None)]


async def test_a_use_case_without_decisions_gives_an_empty_table(http: httpx.AsyncClient) -> None:
    answer = await http.get(PATH, params=AS_OF, headers=key("reader"))
    assert pl.read_parquet(io.BytesIO(answer.content)).is_empty()


@pytest.mark.parametrize(("headers", "status"), [({}, 401), (key("nobody"), 401), (key("writer"), 200)])
async def test_whoever_has_a_key_reads(http: httpx.AsyncClient, headers: dict[str, str], status: int) -> None:
    assert (await http.get(PATH, params=AS_OF, headers=headers)).status_code == status


async def test_a_time_without_an_offset_is_refused(http: httpx.AsyncClient) -> None:
    answer = await http.get(PATH, params={"as_of": "2013-03-01T00:00:00"}, headers=key("reader"))
    assert answer.status_code == 422
