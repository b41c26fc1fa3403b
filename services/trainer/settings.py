"""Every variable that the trainer reads."""

import os
from pathlib import Path

from pydantic import Field

from shared.spine.settings import SpineSettings

# One thread each: sums in another order give another model, and idle OpenMP threads spin beside a busy neighbour.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "POLARS_MAX_THREADS")
ONE_THREAD = dict.fromkeys(_THREADS, "1")


class TrainerSettings(SpineSettings):
    """Prefix HEADRACE_, as everywhere."""

    trainer_host: str = "127.0.0.1"
    trainer_port: int = Field(default=7102, ge=1, le=65535)
    trainer_database_url: str = ""
    trainer_use_cases_dir: Path = Field(default=Path("examples"), description="<dir>/<use case>/ holds its code")
    trainer_fit_limit_seconds: float = Field(default=3600, gt=0)
    trainer_fit_memory_megabytes: int = Field(default=16_384, ge=256, description="address space of the fit process")
    trainer_fit_ready: bool = Field(
        default=False, description="keep a fit process ready: a run begins 2 s sooner, for some 300 MB of memory"
    )
    trainer_attempts: int = Field(default=10, ge=1, description="a run whose trainer died so often is failed")
    trainer_lease_seconds: float = Field(default=30, gt=0, description="without a heartbeat another trainer takes over")
    trainer_table_wait_seconds: float = Field(
        default=20, ge=0, description="how long a training waits for what lies in the data topics; a replay: for ever"
    )
    trainer_poll_seconds: float = Field(default=1, gt=0)

    @property
    def database(self) -> str:
        """A file below the home by default; any SQLAlchemy async URL otherwise."""
        return self.database_url(self.trainer_database_url, "trainer")

    @property
    def runs_dir(self) -> Path:
        """Where each attempt of each run has its folder: job, log, result."""
        return (self.home / "trainer" / "runs").absolute()

    @property
    def packages_cache(self) -> Path:
        """Where packages lie that are evaluated on judged blocks."""
        return (self.home / "trainer" / "packages").absolute()


def fit_environment() -> dict[str, str]:
    """Return the environment of a fit: single-threaded, and without this service's own settings and secrets."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HEADRACE_")}
    return kept | ONE_THREAD
