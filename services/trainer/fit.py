"""The fit process, `python -m services.trainer.fit [RUN_DIR]`: reads job.json there, leaves a package and result.json.

Without RUN_DIR it loads its libraries first, then waits for the folder's name as a line on stdin.
"""

import gc
import importlib
import logging
import os
import resource
import signal
import sys
import threading
from pathlib import Path

from services.trainer.job import JOB, LOG, CannotTrainError, Job, Result, write_result
from shared.package.allow_list import warm

MEBIBYTE = 1024 * 1024


def main(run_dir: Path | None) -> None:
    """Fit once; whatever goes wrong becomes a reason that people can read."""
    if run_dir is None:
        # In this order: what skops looks up takes the longer the more is loaded.
        warm()
        importlib.import_module("services.trainer.train")
        gc.freeze()
        run_dir = _told_on_stdin()
        log = os.open(run_dir / LOG, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(log, 1)
        os.dup2(log, 2)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    job = Job.model_validate_json((run_dir / JOB).read_text(encoding="utf-8"))
    _limit_memory(job.memory_megabytes)
    write_result(run_dir, _attempt(job, run_dir))


def _attempt(job: Job, run_dir: Path) -> Result:
    log = logging.getLogger(__name__)
    try:
        # Imported under the limit: what the libraries themselves take counts too.
        from services.trainer.train import train

        return train(job, run_dir)
    except CannotTrainError as error:
        log.info("cannot train: %s", error)
        return Result(outcome="declined", reason=f"declined, because {error}"[:2000])
    except MemoryError:
        log.exception("out of memory")
        return Result(outcome="failed", reason=f"the fit needed more than its {job.memory_megabytes} MiB of memory")
    except Exception as error:
        log.exception("the fit failed")
        return Result(outcome="failed", reason=f"{type(error).__name__}: {error}"[:2000])


def _told_on_stdin() -> Path:
    """Wait for work; end of file means that the trainer has none and is gone."""
    line = b""
    while not line.endswith(b"\n"):
        if not (byte := os.read(0, 1)):
            sys.exit(0)
        line += byte
    return Path(os.fsdecode(line[:-1]))


def _limit_memory(megabytes: int) -> None:
    limit = megabytes * MEBIBYTE
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    limit = limit if most == resource.RLIM_INFINITY else min(limit, most)
    resource.setrlimit(resource.RLIMIT_AS, (limit, most))


def _die_with_parent() -> None:
    """The trainer holds the other end of stdin and never writes: end of file means that it is gone.

    A fit that outlives its trainer would compete with the attempt of the next one.
    """
    while os.read(0, 1):
        pass
    os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
