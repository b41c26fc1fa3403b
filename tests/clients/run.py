"""Runs the public V2 clients against a serving front: `python -m tests.clients.run`, or `make test-clients`.

They are too large to be a dependency of the tests, and no two of them agree on what they need, so each gets an
environment of its own, kept in `.clients`. What they sent is kept beside this file and sent again by
tests/serving/test_v2_recorded.py.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from pathlib import Path
from typing import Any

from services.serving.front import Front, Receive, Scope, Send
from shared.spine.auth import ApiKeys
from tests.serving.fronts import listening, open_front

HERE = Path(__file__).parent
RECORDED = HERE / "recorded.json"
CLIENTS = ("kserve", "triton", "mlserver")
Answers = dict[str, dict[str, list[Any]]]
KEPT_HEADERS = (b"content-type", b"inference-header-content-length")


def make_environment(folder: Path, client: str) -> Path:
    """Return the Python of an environment that holds one client; a broken install is begun anew the next time."""
    python, whole = folder / client / "bin" / "python", folder / client / ".installed"
    if not whole.exists():
        wanted = HERE / "requirements" / f"{client}.txt"
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder / client], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "-r", wanted], check=True)
        whole.touch()
    return python


class Recorder:
    """An app that keeps the inference requests on their way to the front."""

    def __init__(self, front: Front) -> None:
        self.front = front
        self.kept: list[dict[str, Any]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection or request."""
        kept = bytearray()

        async def listening() -> MutableMapping[str, Any]:
            message = await receive()
            kept.extend(message.get("body", b""))
            return message

        await self.front(scope, listening, send)
        if kept:
            headers = {k.decode(): v.decode() for k, v in scope["headers"] if k in KEPT_HEADERS}
            self.kept.append({"path": scope["path"], "headers": headers, "body": kept.decode("latin-1")})


async def serve(act: Callable[[str], Awaitable[Answers]]) -> tuple[Answers, list[dict[str, Any]]]:
    """Serve the toy contract while `act` asks; what it says, and what was sent."""
    with tempfile.TemporaryDirectory() as folder:
        async with open_front(Path(folder), _nobody, 1_000_000, ApiKeys(None)) as front:
            recorder = Recorder(front)
            async with listening(recorder) as url:
                return await act(url), recorder.kept


async def _ask(pythons: Mapping[str, Path], url: str) -> Answers:
    answers: Answers = {}
    for client, python in pythons.items():
        asking: list[str | Path] = [python, HERE / "ask_v2.py", url, client]
        process = await asyncio.create_subprocess_exec(*asking, stdout=subprocess.PIPE)
        said, _ = await process.communicate()
        if process.returncode:
            raise SystemExit(f"{client} failed with exit code {process.returncode}")
        answers |= json.loads(said)
    return answers


async def _nobody(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise AssertionError("every path of the protocol is the front's own")


def main() -> None:
    """Exit code 1 unless every client reads the same two predictions."""
    folder = Path(".clients").absolute()
    pythons = {client: make_environment(folder, client) for client in CLIENTS}
    answers, kept = asyncio.run(serve(lambda url: _ask(pythons, url)))
    for client, outputs in answers.items():
        sys.stdout.write(f"{client}: {outputs}\n")
    RECORDED.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
    wanted = {"score": [0.9, 0.9], "decision": ["review", "none"], "reason": ["cost", "flagged"]}
    if len(answers) < 5 or any(outputs != wanted for outputs in answers.values()):
        raise SystemExit(f"wanted from each: {wanted}")


if __name__ == "__main__":
    main()
