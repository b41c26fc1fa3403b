"""Settings come from HEADRACE_ variables; production refuses to run without TLS and SASL."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError
from sqlalchemy.engine import make_url

from shared.spine.dead_letters import DeadLetters
from shared.spine.error_policy import ErrorPolicy
from shared.spine.settings import SpineSettings, read_settings
from shared.spine.subscribe import ServiceRouter, make_broker
from tests.spine.told import KeptPublisher


@pytest.fixture(autouse=True)
def _no_variables_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SpineSettings.model_fields:
        monkeypatch.delenv(f"HEADRACE_{name.upper()}", raising=False)


@pytest.mark.parametrize("protocol", ["PLAINTEXT", "SSL", "SASL_PLAINTEXT"])
def test_production_refuses_kafka_without_tls_and_sasl(protocol: str) -> None:
    with pytest.raises(ValidationError, match="HEADRACE_KAFKA_SECURITY_PROTOCOL=SASL_SSL"):
        SpineSettings.model_validate({"environment": "production", "kafka_security_protocol": protocol})


def test_production_names_everything_that_is_missing_and_nothing_that_is_there() -> None:
    with pytest.raises(ValidationError) as refused:
        SpineSettings.model_validate({"environment": "production", "kafka_sasl_password": "hunter2"})
    assert "HEADRACE_KAFKA_SECURITY_PROTOCOL=SASL_SSL, HEADRACE_KAFKA_SASL_USERNAME" in str(refused.value)
    assert "SASL_PASSWORD" not in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_a_service_that_cannot_start_says_why_without_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADRACE_ENVIRONMENT", "production")
    monkeypatch.setenv("HEADRACE_KAFKA_SASL_PASSWORD", "hunter2")
    environment = {**os.environ, "HEADRACE_REGISTRY_DATABASE_URL": "postgresql+asyncpg://me:hunter3@db/x"}
    ended = subprocess.run(
        [sys.executable, "-m", "services.registry.app"], env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert "refusing to start" in ended.stderr
    assert "HEADRACE_KAFKA_SECURITY_PROTOCOL=SASL_SSL, HEADRACE_KAFKA_SASL_USERNAME" in ended.stderr
    assert "hunter" not in ended.stderr + ended.stdout
    monkeypatch.setenv("HEADRACE_INSTANCE", "many")
    with pytest.raises(SystemExit, match="HEADRACE_INSTANCE: "):
        read_settings(SpineSettings)


def test_production_with_tls_and_sasl_reaches_both_kinds_of_client() -> None:
    settings = SpineSettings(
        environment="production",
        kafka_security_protocol="SASL_SSL",
        kafka_sasl_username="registry",
        kafka_sasl_password=SecretStr("hunter2"),
    )
    options = settings.kafka_options()
    assert (options["sasl_mechanism"], options["sasl_plain_password"]) == ("SCRAM-SHA-512", "hunter2")
    assert options["ssl_context"].verify_mode.name == "CERT_REQUIRED"
    policy = ErrorPolicy("registry", DeadLetters(KeptPublisher(), "registry"))
    consuming = make_broker(settings, ServiceRouter("registry"), policy)._connection_kwargs
    for name in ("security_protocol", "sasl_mechanism", "sasl_plain_username", "sasl_plain_password"):
        assert consuming[name] == options[name]
    assert consuming["ssl_context"].verify_mode.name == "CERT_REQUIRED"


def test_a_password_in_a_file_counts_before_the_variable(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("hunter2\n")
    given = {"kafka_sasl_username": "registry", "kafka_sasl_password": "old", "kafka_sasl_password_file": file}
    settings = SpineSettings.model_validate(
        given | {"environment": "production", "kafka_security_protocol": "SASL_SSL"}
    )
    assert settings.kafka_options()["sasl_plain_password"] == "hunter2"
    assert "hunter2" not in repr(settings) + str(vars(settings)) + settings.model_dump_json()


def test_a_file_that_is_not_there_or_holds_no_certificate_is_named_at_the_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("KAFKA_SSL_CAFILE", "KAFKA_SASL_PASSWORD_FILE", "DATABASE_PASSWORD_FILE"):
        with monkeypatch.context() as patched:
            patched.setenv(f"HEADRACE_{name}", str(tmp_path / "nowhere"))
            with pytest.raises(SystemExit, match=f"HEADRACE_{name}: Path does not point to a file"):
                read_settings(SpineSettings)
    (tmp_path / "text").write_text("no certificate")
    monkeypatch.setenv("HEADRACE_KAFKA_SSL_CAFILE", str(tmp_path / "text"))
    with pytest.raises(SystemExit, match=r"HEADRACE_KAFKA_SSL_CAFILE: .*holds no certificate in PEM form"):
        read_settings(SpineSettings)


def test_a_password_is_not_shown() -> None:
    settings = SpineSettings(kafka_sasl_password=SecretStr("hunter2"))
    assert "hunter2" not in repr(settings)
    assert "hunter2" not in settings.model_dump_json()


def test_the_password_of_the_database_comes_from_its_file_and_may_hold_any_sign(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("p@ss:/word\n")
    url = SpineSettings(database_password_file=file).database_url("postgresql+asyncpg://registry@db/x", "registry")
    assert make_url(url).password == "p@ss:/word"
    assert (make_url(url).username, make_url(url).host, make_url(url).database) == ("registry", "db", "x")


def test_variables_are_read_and_mistakes_name_the_field(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HEADRACE_HOME", str(tmp_path))
    monkeypatch.setenv("HEADRACE_INSTANCE", "3")
    settings = SpineSettings()
    assert settings.instance == 3
    assert settings.packages_location == str(tmp_path / "packages")
    assert settings.feedback_location == str(tmp_path / "feedback")
    assert settings.database_url("", "registry") == f"sqlite+aiosqlite:///{tmp_path}/registry/registry.db"
    assert settings.database_url("postgresql+asyncpg://db/x", "registry") == "postgresql+asyncpg://db/x"
    monkeypatch.setenv("HEADRACE_CLOCK", "sundial")
    with pytest.raises(ValidationError, match="clock"):
        SpineSettings()
