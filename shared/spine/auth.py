"""API keys with roles; without keys a service binds to loopback only and trusts whoever is there."""

import hmac
import ipaddress
import logging
from dataclasses import dataclass
from pathlib import Path

from shared.spine.clock import monotonic, wall_now
from shared.spine.key_file import ROLES, KeyEntry, KeyFileError, Role, hash_of, read_keys
from shared.spine.problems import Problem

log = logging.getLogger(__name__)

# How long a new, rotated or revoked key takes to be known to a running service.
LOOK_SECONDS = 1.0


@dataclass(frozen=True)
class Caller:
    """Who calls, and what they may do."""

    name: str
    roles: frozenset[str]


LOCAL = Caller("local", frozenset(ROLES))


class ApiKeys:
    """The keys of a file (see `key_file.py`), read again when it changes; raises KeyFileError when it is broken."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._entries: list[KeyEntry] = []
        self._version: tuple[int, int] | None = None
        self._looked = monotonic()
        if file:
            self._entries, self._version = read_keys(file), _version(file)

    @property
    def configured(self) -> bool:
        """Whether anybody has to show a key; a file without a key lets nobody in."""
        return self._file is not None

    def caller(self, authorization: str | None) -> Caller:
        """Who shows this header; raises Problem 401."""
        if not self.configured:
            return LOCAL
        scheme, _, key = (authorization or "").partition(" ")
        given = hash_of(key)
        found = None
        for entry in self._current():
            # All are compared, whoever matches: the time taken tells nothing.
            if hmac.compare_digest(entry.sha256, given):
                found = entry
        if found is None or scheme.lower() != "bearer":
            raise Problem(401, "an API key is needed: send it as `Authorization: Bearer KEY`")
        if found.expired(wall_now()):
            raise Problem(401, "this API key has expired: ask for a new one (`headrace keys rotate`)")
        return Caller(found.name, found.roles)

    def _current(self) -> list[KeyEntry]:
        now = monotonic()
        if self._file and now - self._looked >= LOOK_SECONDS:
            self._looked = now
            try:
                if (version := _version(self._file)) != self._version:
                    self._entries, self._version = read_keys(self._file), version
                    log.info("the API keys were read again", extra={"count": len(self._entries)})
            except (KeyFileError, OSError):
                # A torn edit must lock nobody out, and let nobody in.
                log.exception("the API keys cannot be read; the former ones hold")
        return self._entries


def _version(file: Path) -> tuple[int, int]:
    state = file.stat()
    return state.st_mtime_ns, state.st_ino


def check_role(caller: Caller, role: Role) -> Caller:
    """Return the caller; raises Problem 403 that names the role."""
    if role not in caller.roles:
        raise Problem(403, f"{caller.name} needs the role {role}", role=role)
    return caller


def check_binding(host: str, keys: ApiKeys, environment: str = "development") -> None:
    """Refuse to listen beyond loopback, or in production, without API keys; SystemExit says what to do."""
    if keys.configured:
        return
    if environment == "production":
        raise SystemExit("HEADRACE_ENVIRONMENT=production needs API keys: set HEADRACE_API_KEYS_FILE")
    if host != "localhost" and not (_is_address(host) and ipaddress.ip_address(host).is_loopback):
        raise SystemExit(f"refusing to listen on {host} without API keys: set HEADRACE_API_KEYS_FILE, or use 127.0.0.1")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
