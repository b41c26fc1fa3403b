"""The console on a real Kafka: events in, a page and `report_published` out."""

from pathlib import Path

import httpx
import pytest

from headrace.embedded_kafka import EmbeddedKafka
from services.console.app import make_app
from services.console.settings import ConsoleSettings
from shared.events import ReportPublished, TimeAdvanced, from_record, to_record
from tests.console.test_publishing import WEEKLY
from tests.console.test_sending import account
from tests.console.world import DAY, START, applied, released
from tests.containers import database_url
from tests.delivery.seen import following, is_ready, send, take, until


@pytest.mark.kafka
async def test_what_is_heard_becomes_a_page_and_a_report(kafka_node: EmbeddedKafka, tmp_path: Path) -> None:
    kafka = kafka_node.start()
    settings = ConsoleSettings(
        home=tmp_path / "home", kafka=kafka, clock="replay", console_database_url=database_url(tmp_path / "console.db")
    )
    day = START.replace(day=13) + DAY
    said = [applied(WEEKLY), released(1, "first", START), account("2013-03-05", contract_digest=WEEKLY.digest)]
    app = make_app(settings)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://console") as client,
    ):

        async def shows_the_account() -> bool:
            return (await client.get("/use_cases/flights")).status_code == 200

        await until(lambda: is_ready(client))
        await send(kafka, to_record(TimeAdvanced.begin(source="test", time=START, now=START)))
        await send(kafka, *map(to_record, said))
        await send(kafka, to_record(TimeAdvanced.begin(source="test", time=day, now=day)))
        await until(shows_the_account)
        later = day + DAY
        await send(kafka, to_record(TimeAdvanced.begin(source="test", time=later, now=later)))
        async with following(kafka, "report_published") as consumer:
            (record,) = await take(consumer, 1, lambda record: True)
        event = from_record(ReportPublished, record.value, record.headers)
        page = await client.get(event.page)
        portfolio = await client.get("/")
        missing = await client.get("/use_cases/trains")
    assert (event.first_block, event.last_block, event.value_minor) == ("2013-03-04", "2013-03-10", 1)
    assert page.status_code == portfolio.status_code == 200
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert missing.status_code == 404
    assert missing.json()["detail"] == "there is no use case trains: apply its contract first"
