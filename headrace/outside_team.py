"""Another team: fits a package on its own view of the data, uploads it, and asks a person to force it through."""

import asyncio
import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from headrace.errors import CommandError
from headrace.registry_client import tar_of
from headrace.settings import authorization
from shared.contract import Contract

SOURCE = "lost_labels:load"


class OutsideTeamError(CommandError):
    """The other team's package could not be made or brought in."""


async def fit_elsewhere(contract: Contract, directory: Path, as_of: datetime, seed: int, workplace: Path) -> Path:
    """Fit with the public fit program on other rows; returns the package's directory, named by its digest."""
    document = contract.to_json()
    document["training"] = document["training"] | {"source": SOURCE}
    job = {
        "run_id": f"outside-{as_of:%Y%m%d}",
        "cause_id": "outside-team",
        "contract": document,
        "use_case_dir": str(directory),
        "as_of": as_of.isoformat(),
        "seed": seed,
        "feedback": str(workplace / "no-feedback"),
        "table_version": [None, None],
        "memory_megabytes": 8192,
    }
    workplace.mkdir(parents=True, exist_ok=True)
    (workplace / "job.json").write_text(json.dumps(job), encoding="utf-8")
    with (workplace / "fit.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.trainer.fit", str(workplace)),
            stdin=asyncio.subprocess.PIPE,
            stdout=log,
            stderr=log,
        )
        try:
            await process.wait()
        except BaseException:
            process.kill()
            await process.wait()
            raise
    result: dict[str, Any] = json.loads((workplace / "result.json").read_bytes())
    if result["outcome"] != "trained":
        raise OutsideTeamError(f"the other team's fit ended as {result['outcome']}: {result['reason']}")
    target = workplace / str(result["package_digest"])
    (workplace / "package").rename(target)
    return target


async def force_release(registry: str, use_case: str, package: Path, reason: str) -> int:
    """Upload the package and release it past the business gates; returns the release's sequence."""
    async with httpx.AsyncClient(base_url=registry, headers=authorization(), timeout=120.0) as http:
        _check(await http.put(f"/v1/packages/{package.name}", content=tar_of(package)))
        body = {"package": package.name, "reason": reason, "released_by": "head-of-operations", "force": True}
        answer = _check(await http.post(f"/v1/use_cases/{use_case}/releases", json=body))
    return int(answer["sequence"])


async def change_capacity(registry: str, text: str, before: int, after: int) -> None:
    """Apply the contract with another capacity, as its owner would."""
    changed = text.replace(f"limit: {before}", f"limit: {after}")
    async with httpx.AsyncClient(base_url=registry, timeout=60.0) as http:
        headers = {"content-type": "application/yaml"} | authorization()
        _check(await http.post("/v1/use_cases", content=changed.encode(), headers=headers))


async def lower_capacity(registry: str, use_case: str, decision: str, limit: int, reason: str) -> None:
    """Say that the team behind a decision takes at most so many in the current block."""
    async with httpx.AsyncClient(base_url=registry, headers=authorization(), timeout=60.0) as http:
        body = {"decision": decision, "limit": limit, "reason": reason, "changed_by": "the desk"}
        _check(await http.post(f"/v1/use_cases/{use_case}/capacity", json=body))


def _check(answer: httpx.Response) -> dict[str, Any]:
    if not answer.is_success:
        raise OutsideTeamError(f"{answer.request.url.path} answered {answer.status_code}: {answer.text[:1000]}")
    document: dict[str, Any] = answer.json()
    return document
