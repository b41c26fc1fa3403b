"""A system that somebody else started, such as containers: where its parts answer, and whether a demo can be played."""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

from headrace.errors import CommandError
from headrace.run_info import RunInfo, ServiceInfo
from headrace.settings import SERVICE_PORTS, CommandSettings, authorization

FRESH = "start a fresh one whose time is played: `HEADRACE_CLOCK=replay`, and nothing in its volumes"


class AgainstError(CommandError):
    """The system cannot be reached, or a demo cannot be played on it; the message says what to do."""


@dataclass(frozen=True)
class Target:
    """Service -> base URL, and the bootstrap servers of its Kafka."""

    urls: dict[str, str]
    kafka: str


def target_of(front: str) -> Target:
    """What stands behind one address: serving itself, the other services below their names; raises AgainstError."""
    kafka, base = CommandSettings().kafka, front.rstrip("/")
    if not base.startswith(("http://", "https://")):
        raise AgainstError(f"a system is reached at an address such as http://127.0.0.1:7100, got {front!r}")
    if not kafka:
        raise AgainstError("HEADRACE_KAFKA must name the Kafka of that system, such as 127.0.0.1:9092")
    return Target({name: base if name == "serving" else f"{base}/{name}" for name in SERVICE_PORTS}, kafka)


def info_of(front: str) -> RunInfo:
    """That system as commands know one of this machine; raises AgainstError."""
    target = target_of(front)
    services = {name: ServiceInfo(url=url, pid=None) for name, url in target.urls.items()}
    # What time it is there, wall clock or not, its trainer is asked.
    return RunInfo(
        supervisor_pid=None, kafka=target.kafka, kafka_pid=None, services=services, clock="replay", home=front
    )


async def check_fresh(target: Target, start: datetime) -> None:
    """Raise AgainstError unless every service answers, its clock is not past `start`, and the key is accepted."""
    async with httpx.AsyncClient(headers=authorization(), timeout=10.0) as http:
        said = await asyncio.gather(*(_ask(http, f"{url}/v1/status") for url in target.urls.values()))
        await _ask(http, f"{target.urls['registry']}/v1/use_cases")
    for status in said:
        if status["clock"] and datetime.fromisoformat(status["clock"]) > start:
            raise AgainstError(f"{status['service']} stands at {status['clock']}, and the demo begins earlier: {FRESH}")


async def _ask(http: httpx.AsyncClient, url: str) -> Any:
    try:
        answer = await http.get(url)
    except httpx.HTTPError as error:
        raise AgainstError(f"{url} does not answer: {error!r}") from error
    if answer.status_code in (401, 403):
        raise AgainstError(f"{url} asks for an API key: set HEADRACE_API_KEY to one with every role")
    if not answer.is_success:
        raise AgainstError(f"{url} answered {answer.status_code}: {answer.text[:300]}")
    return answer.json()
