"""Gathers what every part of a running system says about itself, and shows it as a table."""

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from headrace.errors import CommandError
from headrace.run_info import RunInfo
from headrace.show_answers import told_capacity
from shared.spine.clock import wall_now
from shared.spine.kafka_fault import kafka_fault
from shared.spine.settings import SpineSettings

_TIMEOUT_SECONDS = 5.0


@dataclass(frozen=True)
class PartStatus:
    """One service, or Kafka; `trouble` is empty when all is well."""

    name: str
    address: str
    pid: int | None
    ready: bool
    clock: str | None = None
    pending: Mapping[str, int] = field(default_factory=dict)
    trouble: str = ""


@dataclass(frozen=True)
class SystemStatus:
    """Everything under one home."""

    home: str
    parts: tuple[PartStatus, ...]
    releases: tuple[Mapping[str, Any], ...]

    @property
    def well(self) -> bool:
        """Whether every part is ready."""
        return all(part.ready for part in self.parts)

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "home": self.home,
            "well": self.well,
            "parts": [asdict(part) for part in self.parts],
            "releases": list(self.releases),
        }


async def gather_status(info: RunInfo, api_key: str = "") -> SystemStatus:
    """Ask all parts at the same time; one that does not answer is a line of the answer, not an error."""
    headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
    async with httpx.AsyncClient(headers=headers, timeout=_TIMEOUT_SECONDS) as http:
        kafka, releases, *services = await asyncio.gather(
            _kafka(info),
            _releases(http, info),
            *(_service(http, name, service.url, service.pid) for name, service in info.services.items()),
        )
    return SystemStatus(info.home, (kafka, *services), tuple(releases))


async def event_time(info: RunInfo) -> datetime:
    """The system's time: in a replay what its trainer knows, else the wall clock."""
    if info.clock == "replay":
        async with httpx.AsyncClient(timeout=_TIMEOUT_SECONDS) as http:
            try:
                said = (await http.get(f"{info.services['trainer'].url}/v1/status")).raise_for_status().json()
            except (httpx.HTTPError, ValueError) as error:
                raise CommandError(f"the trainer does not answer, and only it knows the time: {error}") from error
        if said.get("clock"):
            return datetime.fromisoformat(said["clock"])
        raise CommandError("the replay has not begun: there is no event time yet")
    return wall_now()


def show_status(status: SystemStatus, console: Console) -> None:
    """Print the tables."""
    console.print(f"Headrace under {status.home}", soft_wrap=True, markup=False)
    table = Table()
    for column in ("part", "state", "address", "pid", "clock (UTC)", "pending"):
        table.add_column(column, justify="right" if column == "pid" else "left", overflow="fold")
    for part in status.parts:
        state = "[green]ready[/]" if part.ready else f"[bold red]not ready[/] {part.trouble}"
        pending = ", ".join(f"{name} {count}" for name, count in part.pending.items() if count) or "–"
        address = part.address.removeprefix("http://")
        table.add_row(part.name, state, address, str(part.pid or "–"), _short(part.clock), pending)
    console.print(table)
    if not status.releases:
        console.print("No use case yet: `headrace apply CONTRACT` puts one in force.")
        return
    releases = Table(title="Use cases", title_justify="left")
    for column in ("use case", "contract revision", "release", "package", "cause", "active workers"):
        releases.add_column(column)
    for use_case in status.releases:
        releases.add_row(*_release_row(use_case))
    console.print(releases)
    for use_case in status.releases:
        for word in newest_words(use_case.get("capacity") or []):
            console.print(f"{use_case.get('use_case')}: {told_capacity(word)}", soft_wrap=True, markup=False)


def newest_words(words: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """What counts of what teams said about their capacity: the newest of each block and decision, where it is lower."""
    newest = {(word["block"], word["decision"]): word for word in sorted(words, key=lambda word: word["sequence"])}
    return [word for word in newest.values() if word["limit"] < word["contract_limit"]]


def _short(clock: str | None) -> str:
    return datetime.fromisoformat(clock).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S") if clock else "–"


def _release_row(use_case: Mapping[str, Any]) -> tuple[str, ...]:
    release = use_case.get("release") or {}
    activations = use_case.get("activations") or []
    active = [a for a in activations if a.get("status") == "active" and a.get("sequence") == release.get("sequence")]
    return (
        str(use_case.get("use_case")),
        str(use_case.get("revision", "–")),
        str(release.get("sequence", "none yet")),
        str(release.get("package_digest", "–"))[:12],
        str(release.get("cause", "–")),
        f"{len(active)} of {len(activations)}",
    )


async def _kafka(info: RunInfo) -> PartStatus:
    fault = await kafka_fault(SpineSettings(kafka=info.kafka).kafka_options())
    return PartStatus("kafka", info.kafka, info.kafka_pid, fault is None, trouble=fault or "")


async def _service(http: httpx.AsyncClient, name: str, url: str, pid: int | None) -> PartStatus:
    try:
        said = (await http.get(f"{url}/v1/status")).raise_for_status().json()
        reasons = (await http.get(f"{url}/readyz")).json().get("reasons", [])
    except (httpx.HTTPError, ValueError) as error:
        return PartStatus(name, url, pid, False, trouble=f"does not answer: {type(error).__name__}")
    ready = bool(said.get("ready"))
    trouble = "" if ready else "; ".join(str(reason) for reason in reasons)
    return PartStatus(name, url, pid, ready, said.get("clock"), said.get("pending") or {}, trouble)


async def _releases(http: httpx.AsyncClient, info: RunInfo) -> list[dict[str, Any]]:
    registry = info.services.get("registry")
    if registry is not None:
        with suppress(httpx.HTTPError, ValueError):
            found = (await http.get(f"{registry.url}/v1/use_cases")).raise_for_status().json()
            return [use_case for use_case in found if isinstance(use_case, dict)]
    return []
