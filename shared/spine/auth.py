"""API keys with roles; without keys a service binds to loopback only and trusts whoever is there."""

import hashlib
import hmac
import ipaddress
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fastapi import Request

from shared.spine.problems import Problem

Role = Literal["viewer", "operator", "approver", "publisher"]
ROLES: tuple[Role, ...] = ("viewer", "operator", "approver", "publisher")


@dataclass(frozen=True)
class Caller:
    """Who calls, and what they may do."""

    name: str
    roles: frozenset[str]


LOCAL = Caller("local", frozenset(ROLES))


class ApiKeys:
    """Keys from a file of JSON lines: {"name": …, "roles": […], "sha256": hex digest of the key}."""

    def __init__(self, file: Path | None) -> None:
        self._by_hash: dict[str, Caller] = {}
        for line in file.read_text().splitlines() if file else ():
            if line.strip():
                entry = json.loads(line)
                self._by_hash[entry["sha256"]] = Caller(entry["name"], frozenset(entry["roles"]))

    @property
    def configured(self) -> bool:
        """Whether anybody has to show a key."""
        return bool(self._by_hash)

    def caller(self, authorization: str | None) -> Caller:
        """Who shows this header; raises Problem 401."""
        if not self.configured:
            return LOCAL
        scheme, _, key = (authorization or "").partition(" ")
        given = hashlib.sha256(key.encode()).hexdigest()
        for known, caller in self._by_hash.items():
            if scheme.lower() == "bearer" and hmac.compare_digest(known, given):
                return caller
        raise Problem(401, "an API key is needed: send it as `Authorization: Bearer KEY`")


def require(role: Role) -> Callable[[Request], Caller]:
    """A FastAPI dependency: the caller, who must have this role."""

    def check(request: Request) -> Caller:
        caller: Caller = request.app.state.api_keys.caller(request.headers.get("authorization"))
        if role not in caller.roles:
            raise Problem(403, f"{caller.name} needs the role {role}", role=role)
        return caller

    return check


def check_binding(host: str, keys: ApiKeys) -> None:
    """Refuse to listen beyond loopback without API keys; raises SystemExit that says what to do."""
    local = host == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)
    if not local and not keys.configured:
        raise SystemExit(f"refusing to listen on {host} without API keys: set HEADRACE_API_KEYS_FILE, or use 127.0.0.1")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
