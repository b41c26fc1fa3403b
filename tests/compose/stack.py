"""The system of docker-compose.yml in a project, with ports and secrets of its own, for the length of a test module."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import pytest

from headrace.against import Target, target_of
from headrace.ports import LOOPBACK, free_ports

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("registry", "trainer", "monitor", "console", "serving-1", "serving-2")
PARTS = (*SERVICES, "front", "kafka", "postgres", "prometheus")


class Stack:
    """`docker compose` with its variables; entering starts everything and waits for it, leaving removes it."""

    def __init__(
        self, folder: Path, seed: int, files: Sequence[str] = ("docker-compose.yml",), **variables: str
    ) -> None:
        front, kafka, prometheus = free_ports(3)
        self.front, self._kafka, self.secrets = f"http://{LOOPBACK}:{front}", f"{LOOPBACK}:{kafka}", folder / "secrets"
        self._environment = os.environ | {
            "COMPOSE_PROJECT_NAME": f"headrace-test-{front}",
            "COMPOSE_FILE": os.pathsep.join(files),
            "HEADRACE_PORT": str(front),
            "HEADRACE_KAFKA_PORT": str(kafka),
            "HEADRACE_PROMETHEUS_PORT": str(prometheus),
            "HEADRACE_SECRETS": str(self.secrets),
            "HEADRACE_CLOCK": "replay",
            "HEADRACE_SEED": str(seed),
            **variables,
        }
        self._patched = pytest.MonkeyPatch()

    def __enter__(self) -> Self:
        subprocess.run([sys.executable, ROOT / "deploy" / "make_secrets.py", self.secrets], check=True)
        # What a person sets for the command.
        self._patched.setenv("HEADRACE_API_KEY", (self.secrets / "api_key").read_text())
        self._patched.setenv("HEADRACE_KAFKA", self._kafka)
        try:
            self.compose("up", "--build", "--wait", "--wait-timeout", "400")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        self._patched.undo()
        self.compose("--profile", "*", "down", "--volumes", "--timeout", "1")

    @property
    def target(self) -> Target:
        """The system as a client sees it."""
        return target_of(self.front)

    def compose(self, *words: str) -> str:
        """What a command of `docker compose` says; raises CalledProcessError with its errors shown by the test."""
        return self._run("docker", "compose", "--progress", "quiet", *words)

    def volumes(self, act: str, folder: Path) -> str:
        """`deploy/volumes.sh` on this project."""
        return self._run("deploy/volumes.sh", act, str(folder))

    def _run(self, *command: str) -> str:
        done = subprocess.run(command, cwd=ROOT, env=self._environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stderr[-3000:]}"
        return done.stdout

    def kill_and_start(self, part: str) -> None:
        """End a container without a warning, and start it again."""
        self.compose("kill", part)
        self.compose("start", part)

    def inspect(self, part: str, what: str) -> str:
        """A field of a container, as a Go template names it."""
        name = self.compose("ps", "--quiet", part).strip()
        said: Any = subprocess.run(
            ["docker", "inspect", "--format", f"{{{{{what}}}}}", name], capture_output=True, text=True, check=True
        )
        return str(said.stdout).strip()
