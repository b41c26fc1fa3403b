"""Asks the registry over its HTTP API, and turns its problem documents into sentences."""

import io
import tarfile
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from headrace.errors import CommandError
from headrace.service_client import ServiceClient

_PAGE = 10_000


class RegistryError(CommandError):
    """The registry refused, or cannot be reached."""


class RegistryClient(ServiceClient):
    """One registry; a context manager. All methods raise RegistryError."""

    name, error = "registry", RegistryError

    def apply(self, contract_text: str, dry_run: bool = False) -> dict[str, Any]:
        """Put a contract in force, or only say what that would change."""
        answer = self._json(
            "POST",
            "/v1/use_cases",
            params={"dry_run": "true"} if dry_run else {},
            content=contract_text.encode(),
            headers={"content-type": "application/yaml"},
        )
        return dict(answer)

    def use_cases(self) -> list[dict[str, Any]]:
        """What is in force and what is served."""
        return list(self._json("GET", "/v1/use_cases"))

    def use_case(self, use_case: str) -> dict[str, Any]:
        """One use case with its contract."""
        return dict(self._json("GET", f"/v1/use_cases/{use_case}"))

    def releases(self, use_case: str) -> list[dict[str, Any]]:
        """Every release of a use case, oldest first."""
        return list(self._json("GET", f"/v1/use_cases/{use_case}/releases"))

    def ledger(self, use_case: str, at: datetime | None = None) -> dict[str, Any]:
        """What was in production at an event time (now without one), and the whole history up to then."""
        chosen = {"at": at.isoformat()} if at else {}
        answer = dict(self._json("GET", f"/v1/use_cases/{use_case}/ledger", params={**chosen, "limit": _PAGE}))
        page = answer["entries"]
        while len(page) == _PAGE:
            asked = {**chosen, "limit": _PAGE, "after": page[-1]["position"]}
            page = self._json("GET", f"/v1/use_cases/{use_case}/ledger", params=asked)["entries"]
            answer["entries"] += page
        return answer

    def release(self, use_case: str, package: str, reason: str) -> dict[str, Any]:
        """Release a package by hand."""
        return dict(
            self._json("POST", f"/v1/use_cases/{use_case}/releases", json={"package": package, "reason": reason})
        )

    def roll_back(self, use_case: str, reason: str, to: str | None = None) -> dict[str, Any]:
        """Go back to the last good package, or to the one named."""
        body = {"reason": reason} | ({"to": to} if to else {})
        return dict(self._json("POST", f"/v1/use_cases/{use_case}/rollbacks", json=body))

    def capacity(self, use_case: str) -> list[dict[str, Any]]:
        """Everything that teams have said about their capacity, oldest first."""
        return list(self._json("GET", f"/v1/use_cases/{use_case}/capacity"))

    def change_capacity(
        self, use_case: str, decision: str, limit: int, reason: str, block: str | None = None
    ) -> dict[str, Any]:
        """Take at most so many cases of a decision in a block; without one, in the current one."""
        body = {"decision": decision, "limit": limit, "reason": reason} | ({"block": block} if block else {})
        return dict(self._json("POST", f"/v1/use_cases/{use_case}/capacity", json=body))

    def upload(self, package: Path) -> dict[str, Any]:
        """Bring a package; its directory is named by its digest."""
        return dict(self._json("PUT", f"/v1/packages/{package.name}", content=tar_of(package)))

    def _json(self, method: str, path: str, **request: Any) -> Any:
        return self._ask(method, path, **request).json()

    def _explain(self, answer: httpx.Response) -> str:
        return _explain(answer)


def tar_of(package: Path) -> bytes:
    """A package's files, as the registry takes them."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for file in sorted(package.iterdir()):
            archive.add(file, arcname=file.name, recursive=False)
    return buffer.getvalue()


def _explain(answer: httpx.Response) -> str:
    try:
        problem = answer.json()
    except ValueError:
        return f"the registry answered {answer.status_code}: {answer.text[:500]}"
    if not isinstance(problem, dict):
        return f"the registry answered {answer.status_code}: {answer.text[:500]}"
    lines = [f"{problem.get('title', answer.status_code)}: {problem.get('detail', '')}"]
    for mistake in problem.get("problems") or problem.get("errors") or []:
        if isinstance(mistake, dict):
            place = ":".join(str(mistake[key]) for key in ("line", "column") if mistake.get(key))
            name = mistake.get("path") or mistake.get("field") or ""
            allowed = f" (allowed: {mistake['allowed']})" if mistake.get("allowed") else ""
            lines.append(f"  {place} {name}: {mistake.get('message', '')}{allowed}".replace("   ", "  "))
    return "\n".join(lines)
