"""What docker-compose.yml promises can be read from it without Docker."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

ROOT = Path(__file__).resolve().parents[2]
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))[
    "services"
]


def test_ports_are_open_to_this_machine_only() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert ports
    assert [port for port in ports if not str(port).startswith("127.0.0.1:")] == []


def test_no_secret_stands_in_a_variable() -> None:
    variables = {name: value for service in SERVICES.values() for name, value in service.get("environment", {}).items()}
    secret = {name for name in variables if any(word in name for word in ("PASSWORD", "KEY", "TOKEN", "SECRET"))}
    assert secret
    assert {name for name in secret if not name.endswith("_FILE")} == set()
    assert {urlsplit(url).password for name, url in variables.items() if name.endswith("_DATABASE_URL")} == {None}


def test_every_service_and_each_replica_is_scraped_itself() -> None:
    config = yaml.safe_load((ROOT / "deploy" / "prometheus.yml").read_text(encoding="utf-8"))
    (job,) = config["scrape_configs"]
    ours = {name: service for name, service in SERVICES.items() if service.get("image") == "headrace:local"}
    always = [name for name, service in ours.items() if "profiles" not in service]
    assert sorted(job["static_configs"][0]["targets"]) == sorted(f"{name}:7100" for name in always)
    # What runs only when it is asked for is looked up by its name.
    assert job["dns_sd_configs"] == [{"names": sorted(ours.keys() - set(always)), "type": "A", "port": 7100}]


def test_members_of_the_monitor_differ_by_their_number_alone() -> None:
    first, second = (dict(SERVICES[name]) for name in ("monitor", "monitor-1"))
    assert second.pop("profiles") == ["members"]
    assert second["environment"].pop("HEADRACE_INSTANCE") == 1
    assert second == first


def test_both_replicas_share_one_volume_and_differ_by_their_number() -> None:
    first, second = SERVICES["serving-1"], SERVICES["serving-2"]
    assert first["volumes"] == second["volumes"]
    assert {**first, "environment": None} == {**second, "environment": None}
    assert first["environment"]["HEADRACE_INSTANCE"] != second["environment"]["HEADRACE_INSTANCE"]
