"""Makes what docker-compose.yml needs and no repository may hold: passwords, and an API key with its hash."""

import hashlib
import json
import secrets
import sys
from pathlib import Path

PASSWORDS = ("postgres_password", "registry_password", "trainer_password", "monitor_password", "console_password")
ROLES = ("viewer", "operator", "approver", "publisher", "reviewer")


def main(folder: Path) -> None:
    """Write what is missing under `folder`; what is there stays, so that running it again changes nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    # Containers read these files as users of their own: the folder keeps the people of this machine out.
    folder.chmod(0o700)
    for name in PASSWORDS:
        _write(folder / name, secrets.token_urlsafe(32))
    if not (folder / "api_keys").exists():
        key = secrets.token_urlsafe(32)
        entry = {"name": "first", "roles": list(ROLES), "sha256": hashlib.sha256(key.encode()).hexdigest()}
        (folder / "api_key").unlink(missing_ok=True)
        _write(folder / "api_key", key)
        _write(folder / "api_keys", json.dumps(entry) + "\n")
    sys.stdout.write(f"{folder}/ holds passwords and an API key; docker compose reads it, git does not\n")


def _write(file: Path, text: str) -> None:
    if not file.exists():
        file.write_text(text, encoding="utf-8")
        file.chmod(0o444)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "secrets"))
