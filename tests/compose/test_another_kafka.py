"""`deploy/own.yml`: in production mode, on a Kafka and a PostgreSQL elsewhere, over TLS and under logins of theirs."""

import asyncio
import secrets
import subprocess
from pathlib import Path

import httpx
import pytest

from headrace.scenario import Scenario
from headrace.settings import authorization
from tests.certificates import Authority
from tests.compose.conftest import needs_docker
from tests.compose.stack import SERVICES, Stack
from tests.delivery.seen import until

pytestmark = needs_docker
FILES = ("docker-compose.yml", "deploy/own.yml", "tests/compose/other_servers.yml")


@pytest.fixture
def own(tmp_path: Path) -> Stack:
    """Not started yet: the stack, and the secrets and certificates of what it reaches."""
    authority = Authority(tmp_path / "certificates", "authority")
    authority.sign("broker", "dns:broker")
    store = authority.sign("database", "dns:database")
    for what, ending in (("-nokeys", "crt"), ("-nocerts", "key")):
        command = ["openssl", "pkcs12", "-in", str(store), "-passin", f"pass:{authority.password}", "-nodes", what]
        out = store.with_suffix(f".{ending}")
        subprocess.run([*command, "-out", str(out)], check=True, capture_output=True)
        # The server in the container is a user of its own.
        out.chmod(0o644)
    stack = Stack(
        tmp_path,
        seed=0,
        files=FILES,
        HEADRACE_CLOCK="wall",
        HEADRACE_OWN_KAFKA="broker:9094",
        HEADRACE_OWN_KAFKA_MECHANISM="PLAIN",
        HEADRACE_OWN_KAFKA_REPLICATION="1",
        HEADRACE_OWN_POSTGRES="database:5432",
        OWN_KAFKA_PASSWORD=(password := secrets.token_hex(16)),
        OWN_STORE_PASSWORD=authority.password,
        OWN_CERTIFICATES=str(authority.certificate.parent),
    )
    stack.secrets.mkdir()
    for name, text in (("kafka_password", password), ("authorities", authority.certificate.read_text())):
        (stack.secrets / name).write_text(text)
    return stack


async def test_every_service_runs_on_servers_of_somebody_else_over_tls(own: Stack, scenario: Scenario) -> None:
    with own as stack:
        running = stack.compose("ps", "--services").split()
        assert sorted(running) == sorted((*SERVICES, "front", "prometheus", "broker", "database"))
        urls, use_case = stack.target.urls, scenario.contract.use_case
        async with httpx.AsyncClient(headers=authorization(), timeout=30.0) as http:
            applied = await http.post(
                f"{urls['registry']}/v1/use_cases",
                content=scenario.contract_text.encode(),
                headers={"content-type": "application/yaml"},
            )
            assert applied.is_success, applied.text

            async def heard() -> bool:
                # Without the contract: no such use case.
                answer = await http.post(f"{urls['serving']}/v1/{use_case}/predict", json={"records": [{}]})
                return answer.status_code == 503

            await until(heard)
            for name in ("trainer", "monitor", "console"):
                assert (await http.get(f"{urls[name]}/readyz")).status_code == 200
        query = "SELECT usename, bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) GROUP BY 1"
        said = await asyncio.to_thread(stack.compose, "exec", "-T", "database", "psql", "-At", "-c", query)
        secured = {line for line in said.splitlines() if line.endswith("|t")}
        assert {"registry|t", "trainer|t", "monitor|t", "console|t"} <= secured
