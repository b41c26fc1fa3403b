"""The file of API keys: one JSON object a line, never the key itself; several keys of one name may be valid at once."""

import hashlib
import os
import secrets
import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

Role = Literal["viewer", "operator", "approver", "publisher", "reviewer"]
ROLES: tuple[Role, ...] = ("viewer", "operator", "approver", "publisher", "reviewer")
# 256 random bits: no salt and no slow hash is needed against guessing. The prefix lets logs and scanners know a key.
KEY_PREFIX = "hr_"
KEY_BYTES = 32
KeyName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@\-]{0,63}$")]


class KeyFileError(Exception):
    """The file cannot be used; the message names file, line and field."""


class KeyEntry(BaseModel):
    """One key: who shows it, what they may do, the hash by which it is known, and until when it is good."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: KeyName
    roles: frozenset[Role] = Field(min_length=1)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    created: AwareDatetime | None = None
    expires: AwareDatetime | None = None

    @property
    def id(self) -> str:
        """Names the key among those of the same person; tells nothing of the key."""
        return self.sha256[:12]

    def expired(self, now: datetime) -> bool:
        """Whether it is not good any more."""
        return self.expires is not None and self.expires <= now


def hash_of(key: str) -> str:
    """What stands in the file in place of the key."""
    return hashlib.sha256(key.encode()).hexdigest()


def new_key(name: str, roles: Sequence[Role], now: datetime, expires: datetime | None = None) -> tuple[str, KeyEntry]:
    """A fresh key, which nobody can show again, and its entry; raises KeyFileError when name or roles are wrong."""
    key = KEY_PREFIX + secrets.token_urlsafe(KEY_BYTES)
    try:
        return key, KeyEntry(name=name, roles=frozenset(roles), sha256=hash_of(key), created=now, expires=expires)
    except ValidationError as error:
        raise KeyFileError(_explain(error)) from None


def read_keys(file: Path) -> list[KeyEntry]:
    """All entries, expired ones too; raises KeyFileError."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise KeyFileError(f"the API keys in {file} cannot be read: {error}") from None
    entries = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                entries.append(KeyEntry.model_validate_json(line))
            except ValidationError as error:
                raise KeyFileError(f"{file}, line {number}: {_explain(error)}") from None
    return entries


def write_keys(file: Path, entries: Sequence[KeyEntry]) -> None:
    """Replace the file in one step; only its owner may read it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(entry.model_dump_json(exclude_none=True) + "\n" for entry in entries)
    handle, draft = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as target:
            target.write(text)
        Path(draft).replace(file)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


def _explain(error: ValidationError) -> str:
    # The input is not shown: somebody may have put a key where its hash belongs.
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(str(part) for part in first['loc'][:1]) or 'entry'}: {first['msg']}"
