"""No secret is ever shown: not in a log at its most talkative, not in an answer, a metric, a status or a refusal."""

import io
import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from headrace.cli import app as command
from services.console.app import make_app as make_console
from services.console.settings import ConsoleSettings
from services.monitor.app import Monitor
from services.monitor.settings import MonitorSettings
from services.registry.app import make_app as make_registry
from services.registry.settings import RegistrySettings
from services.trainer.app import make_app as make_trainer
from services.trainer.settings import TrainerSettings
from shared.spine.app import build_app
from shared.spine.clock import wall_now
from shared.spine.key_file import new_key, write_keys
from shared.spine.logs import JsonFormatter
from tests.delivery.seen import until
from tests.security.apps import client_of

PASSWORD, STORE, DATABASE = "kafka-hunter2", "store-hunter3", "database-hunter4"
LOOKS = ("/readyz", "/metrics", "/v1/status", "/openapi.json", "/v1/use_cases", "/v1/runs", "/nothing")
Services = dict[str, httpx.AsyncClient]


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Everything that any logger of this process says, as a service would write it."""
    written = io.StringIO()
    handler, root = logging.StreamHandler(written), logging.getLogger()
    handler.setFormatter(JsonFormatter("test"))
    before = root.level
    root.addHandler(handler)
    root.setLevel("DEBUG")
    yield written
    root.removeHandler(handler)
    root.setLevel(before)


@pytest.fixture
def key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Variables as in production, all secrets among them; nobody listens at this Kafka."""
    made, entry = new_key("ada", ["viewer", "operator", "approver", "publisher"], wall_now())
    write_keys(tmp_path / "keys", [entry])
    for name, value in {
        "HOME": str(tmp_path / "home"),
        "API_KEYS_FILE": str(tmp_path / "keys"),
        "KAFKA": "127.0.0.1:1",
        "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
        "KAFKA_SASL_MECHANISM": "PLAIN",
        "KAFKA_SASL_USERNAME": "headrace",
        "KAFKA_SASL_PASSWORD": PASSWORD,
        "CONSOLE_NOTIFY_URLS": f"json://127.0.0.1:1/{PASSWORD}",
    }.items():
        monkeypatch.setenv(f"HEADRACE_{name}", value)
    return made


@pytest.fixture
async def services(key: str, log: io.StringIO) -> AsyncIterator[Services]:
    """Registry, trainer, monitor and console as they run while Kafka is away."""
    apps = {
        "registry": make_registry(RegistrySettings()),
        "trainer": make_trainer(TrainerSettings()),
        "monitor": build_app(Monitor(MonitorSettings()).service),
        "console": make_console(ConsoleSettings()),
    }
    async with AsyncExitStack() as stack:
        for app in apps.values():
            await stack.enter_async_context(app.router.lifespan_context(app))
        yield {name: await stack.enter_async_context(client_of(app, name)) for name, app in apps.items()}


async def test_nothing_that_a_running_service_says_holds_a_secret(
    services: Services, key: str, log: io.StringIO
) -> None:
    async def has_tried() -> bool:
        return log.getvalue().count("Kafka is not there yet") >= len(services)

    await until(has_tried)
    said = []
    for http in services.values():
        for path in LOOKS:
            for headers in ({}, {"authorization": f"Bearer {key}"}, {"authorization": f"Bearer {key}x"}):
                answer = await http.get(path, headers=headers)
                said.append(answer.text + str(answer.headers))
    broken = await services["registry"].post("/v1/use_cases", content=key, headers={"authorization": f"Bearer {key}"})
    said.append(broken.text)
    everything = "\n".join([*said, log.getvalue()])
    assert len(said) > 60
    for secret in (PASSWORD, key):
        assert secret not in everything


def test_settings_show_no_secret_however_they_are_shown(key: str) -> None:
    url = f"postgresql+asyncpg://me:{DATABASE}@db/x"
    registry = RegistrySettings(registry_database_url=url, packages_url=f"s3://me:{STORE}@bucket", feedback_url=STORE)
    shown = repr(registry) + str(registry) + str(vars(registry)["kafka_sasl_password"])
    assert "kafka_sasl_password" in shown
    for secret in (PASSWORD, STORE, DATABASE):
        assert secret not in shown


@pytest.mark.parametrize("arguments", [("events",), ("train", "flights"), ("status",), ("dead", "list")])
def test_a_command_that_cannot_start_shows_no_secret(
    key: str, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.setenv("HEADRACE_ENVIRONMENT", "production")
    monkeypatch.setenv("HEADRACE_API_KEY", key)
    monkeypatch.setenv("HEADRACE_START_DEADLINE_SECONDS", "soon")
    for wrong in ("soon", "180"):
        monkeypatch.setenv("HEADRACE_START_DEADLINE_SECONDS", wrong)
        result = CliRunner().invoke(command, arguments)
        assert result.exit_code in (1, 2)
        assert "HEADRACE_" in result.output or "headrace up" in result.output
        assert PASSWORD not in result.output
        assert key not in result.output


@pytest.mark.parametrize(
    ("said", "secret"),
    [
        ("cannot connect to postgresql+asyncpg://me:hunter5@db:5432/x", "hunter5"),
        ("amqp failed for s3://AKIA:hun%2Fter@bucket/packages", "hun%2Fter"),
        ("headers: {'authorization': 'Bearer abc.def-ghi'}", "abc.def-ghi"),
        ("somebody pasted hr_" + "k" * 43 + " here", "k" * 43),
        ("sasl_plain_password='hunter6'", "hunter6"),
        ('{"password": "hunter8", "user": "me"}', "hunter8"),
        ("HEADRACE_KAFKA_SASL_PASSWORD=hunter7 was set", "hunter7"),
    ],
)
def test_what_looks_like_a_secret_is_blotted_out_of_a_line_and_of_its_traceback(said: str, secret: str) -> None:
    formatter = JsonFormatter("test")
    try:
        raise ValueError(said)
    except ValueError as error:
        info = (type(error), error, error.__traceback__)
    record = logging.LogRecord("x", logging.ERROR, "x", 1, "failed: %s", (said,), info)
    record.error = {"detail": said}
    line = formatter.format(record)
    assert secret not in line
    assert "***" in json.loads(line)["message"]
