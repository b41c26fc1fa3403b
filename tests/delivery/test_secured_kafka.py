"""A Kafka with TLS and a login: all our clients reach it with the settings of production, and say what is wrong."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from typer.testing import CliRunner

from headrace.cli import app
from shared.events import to_record
from shared.spine.errors import TransientError
from shared.spine.kafka_fault import kafka_fault
from shared.spine.publisher import Publisher
from shared.spine.settings import SpineSettings
from shared.spine.topics import provision
from tests.certificates import Authority
from tests.delivery.secured_kafka import USER, SecuredKafka
from tests.delivery.seen import asked, running, take, until
from tests.delivery.tiny_service import answer_to, tiny_service

pytestmark = pytest.mark.kafka


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredKafka]:
    node = SecuredKafka(tmp_path_factory.mktemp("secured") / "kafka")
    try:
        node.start()
        yield node
    finally:
        node.stop()


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-512", "PLAIN"])
async def test_a_service_hears_and_answers_over_tls_under_its_login(
    kafka: SecuredKafka, tmp_path: Path, mechanism: str
) -> None:
    settings = kafka.settings(tmp_path, kafka_sasl_mechanism=mechanism)
    name, event = f"tiny-{mechanism.lower()}", asked()
    service, publisher = tiny_service(settings, name=name), Publisher(settings.kafka_options())
    async with running(service):
        await publisher.send([to_record(event)])
        await publisher.stop()
        consumer = AIOKafkaConsumer("training_finished", **settings.kafka_options(), auto_offset_reset="earliest")
        async with consumer:
            wanted = answer_to(event, name).id.encode()
            assert await take(consumer, 1, lambda record: dict(record.headers)["ce_id"] == wanted)


REFUSED, UNTRUSTED = "refuses the user or the password", "is not trusted: .*HEADRACE_KAFKA_SSL_CAFILE"


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"sasl_password": "hunter2"}, REFUSED),
        ({"sasl_password": "hunter2", "sasl_mechanism": "PLAIN"}, REFUSED),
        ({"sasl_username": "nobody"}, REFUSED),
        ({"sasl_mechanism": "SCRAM-SHA-256"}, "does not offer SCRAM-SHA-256"),
        ({"ssl_cafile": None}, UNTRUSTED),
        ({"security_protocol": "SASL_PLAINTEXT"}, "does it speak SASL_PLAINTEXT there"),
        ({"security_protocol": "SSL"}, "does it speak SSL there"),
        ({"security_protocol": "PLAINTEXT"}, "does it speak PLAINTEXT there"),
    ],
)
async def test_what_is_wrong_with_a_connection_is_told_by_its_setting(
    kafka: SecuredKafka, tmp_path: Path, wrong: dict[str, Any], says: str
) -> None:
    changes = {f"kafka_{name}": value for name, value in wrong.items()}
    # Production refuses some of it before any broker could.
    await assert_told(kafka, kafka.settings(tmp_path, environment="development", **changes), says)


async def test_what_is_wrong_with_an_address_is_told(kafka: SecuredKafka, tmp_path: Path) -> None:
    other = Authority(tmp_path, "other").certificate
    await assert_told(kafka, kafka.settings(tmp_path, kafka_ssl_cafile=other), UNTRUSTED)
    by_name = kafka.secured.replace("127.0.0.1", "localhost")
    await assert_told(kafka, kafka.settings(tmp_path, kafka=by_name), "is not trusted: Hostname mismatch")
    await assert_told(kafka, kafka.settings(tmp_path, kafka=kafka.address), "does it speak SASL_SSL there")
    await assert_told(kafka, kafka.settings(tmp_path, kafka="127.0.0.1:9"), "Kafka at 127.0.0.1:9 does not answer")


async def assert_told(kafka: SecuredKafka, settings: SpineSettings, says: str) -> None:
    """Whoever tries to connect says it, without the password."""
    publisher = Publisher(settings.kafka_options(), deadline_seconds=10)
    with pytest.raises(TransientError, match=says) as by_admin:
        await provision(settings.kafka_options())
    with pytest.raises(TransientError, match=says) as by_producer:
        await publisher.send([to_record(asked())])
    for error in (by_admin, by_producer):
        assert "hunter2" not in str(error.value)
    assert await kafka_fault(kafka.settings(settings.home).kafka_options()) is None


async def test_a_service_says_what_it_waits_for(kafka: SecuredKafka, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("hunter2\n")
    wrong = kafka.settings(tmp_path, kafka_sasl_password="", kafka_sasl_password_file=file)
    async with running(tiny_service(wrong, name="tiny-late"), ready=False) as http:

        async def told() -> bool:
            return "refuses the user or the password" in (await http.get("/readyz")).text

        await until(told)
        said = await http.get("/readyz")
        assert said.status_code == 503
        assert USER not in said.text
        assert "hunter2" not in said.text
    file.write_text(f"{kafka.password}\n")
    right = kafka.settings(tmp_path, kafka_sasl_password="", kafka_sasl_password_file=file)
    async with running(tiny_service(right, name="tiny-late")):
        pass


def test_a_command_reads_over_tls_and_says_what_is_wrong(
    kafka: SecuredKafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "HOME": str(tmp_path),
        "ENVIRONMENT": "production",
        "KAFKA": kafka.secured,
        "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "KAFKA_SASL_USERNAME": USER,
        "KAFKA_SASL_PASSWORD": kafka.password,
        "KAFKA_SSL_CAFILE": str(kafka.authority.certificate),
    }.items():
        monkeypatch.setenv(f"HEADRACE_{name}", value)
    assert CliRunner().invoke(app, ["events"]).exit_code == 0
    monkeypatch.setenv("HEADRACE_KAFKA_SASL_PASSWORD", "hunter2")
    refused = CliRunner().invoke(app, ["events"])
    assert refused.exit_code == 1
    assert "refuses the user or the password" in " ".join(refused.output.split())
    assert "hunter2" not in refused.output
