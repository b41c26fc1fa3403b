"""Starts, watches and ends one fit process."""

import asyncio
import os
import shutil
import signal
import sys
from contextlib import suppress
from pathlib import Path

from services.trainer.job import JOB, LOG, Job, Result, read_result
from services.trainer.settings import fit_environment


class FitProcess:
    """A fit in a process group of its own, so that its own children end with it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._run_dir: Path | None = None

    @classmethod
    async def start(cls) -> "FitProcess":
        """Start without work: it loads its libraries, then waits for `begin`."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.trainer.fit"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            env=fit_environment(),
            start_new_session=True,
        )
        return cls(process)

    def begin(self, job: Job, run_dir: Path) -> None:
        """Write the job and say where it lies; from then on output goes to the log file there."""
        shutil.rmtree(run_dir, ignore_errors=True)
        run_dir.mkdir(parents=True)
        (run_dir / JOB).write_text(job.model_dump_json(), encoding="utf-8")
        (run_dir / LOG).touch()
        assert self._process.stdin
        # The pipe stays open: its end would tell the process that the trainer is gone.
        self._process.stdin.write(os.fsencode(run_dir) + b"\n")
        self._run_dir = run_dir

    @property
    def lives(self) -> bool:
        """Whether it can still take work."""
        return self._process.returncode is None

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    async def result(self, limit_seconds: float) -> Result:
        """Wait for the end of the work that was begun, at most `limit_seconds`, and say how it ended."""
        try:
            code = await asyncio.wait_for(self._process.wait(), limit_seconds)
        except TimeoutError:
            await self.kill()
            return Result(outcome="failed", reason=f"the fit took longer than its {limit_seconds:g} seconds")
        assert self._run_dir, "no work was begun"
        result = read_result(self._run_dir)
        if result is not None:
            return result
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return Result(outcome="failed", reason=f"the fit process ended with {how} before it had a result; see its log")

    async def kill(self) -> None:
        """End the whole group; returns when it is gone."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()
