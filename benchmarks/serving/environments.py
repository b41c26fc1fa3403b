"""One virtual environment for each peer, made once from its pinned requirements and kept."""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

REQUIREMENTS = Path(__file__).parent / "requirements"
_INSTALL_SECONDS = 1200.0
# Two at most: the machine may have two cores, and disks like one writer.
_AT_ONCE = 2


class UnavailableError(Exception):
    """A peer cannot be measured here; the message is the reason that the report gives."""


def ensure_all(
    names: Collection[str], cache: Path, requirements: Path = REQUIREMENTS
) -> Mapping[str, Path | UnavailableError]:
    """Return for each name the environment's directory, or why there is none."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = pool.map(lambda name: _try(name, cache, requirements), names)
        return dict(zip(names, found, strict=True))


def _try(name: str, cache: Path, requirements: Path) -> Path | UnavailableError:
    try:
        return ensure(name, cache, requirements)
    except UnavailableError as error:
        return error


def ensure(name: str, cache: Path, requirements: Path = REQUIREMENTS) -> Path:
    """Return the directory of an environment, installed unless it is there already; raises UnavailableError."""
    wanted = requirements / f"{name}.txt"
    digest = hashlib.sha256(wanted.read_bytes() + sys.version.encode()).hexdigest()[:12]
    place = (cache / "environments" / f"{name}-{digest}").absolute()
    done = place / "installed"
    if not done.exists():
        with suppress(FileNotFoundError):
            shutil.rmtree(place)
        print(f"    installing {name} into an environment of its own", flush=True)
        _run(name, [sys.executable, "-m", "venv", str(place)])
        install = [str(place / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run(name, [*install, "--requirement", str(wanted)])
        done.touch()
    return place


def _run(name: str, command: list[str]) -> None:
    polite = ["nice", "-n", "10"] if shutil.which("nice") else []
    try:
        done = subprocess.run([*polite, *command], capture_output=True, text=True, timeout=_INSTALL_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise UnavailableError(f"{name} was not installed within {_INSTALL_SECONDS:.0f} s") from error
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise UnavailableError(f"{name} cannot be installed here: {' '.join(last)[:300]}")
