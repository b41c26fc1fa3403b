"""The fit process, `python -m services.trainer.fit RUN_DIR`: reads job.json there, leaves a package and result.json."""

import logging
import os
import resource
import signal
import sys
import threading
from pathlib import Path

from services.trainer.job import JOB, CannotTrainError, Job, Result, write_result

MEBIBYTE = 1024 * 1024


def main(run_dir: Path) -> None:
    """Fit once; whatever goes wrong becomes a reason that people can read."""
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
    main(Path(sys.argv[1]))
