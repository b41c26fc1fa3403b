"""What trainer and fit process say to each other: a job file in, a result file out."""

from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

JOB = "job.json"
RESULT = "result.json"
LOG = "fit.log"
PACKAGE = "package"


class Job(BaseModel):
    """Everything a fit depends on: the same job on the same tables gives the same behaviour digest."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run_id: str
    cause_id: str
    contract: dict[str, Any]
    use_case_dir: Path
    as_of: AwareDatetime
    seed: int
    feedback: str
    table_version: tuple[int | None, int | None]
    memory_megabytes: int = Field(ge=1)


class Result(BaseModel):
    """How a fit ended; the package lies beside the result."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    outcome: Literal["trained", "declined", "failed"]
    reason: str
    package_digest: str | None = None
    behaviour_digest: str | None = None
    train_until: datetime | None = None
    evaluation: dict[str, float] = Field(default_factory=dict)
    lineage: dict[str, str] = Field(default_factory=dict)


class CannotTrainError(Exception):
    """The data or the use case's code do not allow a fit; the message says what to change."""


def write_result(run_dir: Path, result: Result) -> None:
    """Write the result in one step: a killed process leaves none rather than half of one."""
    part = run_dir / f"{RESULT}.part"
    part.write_text(result.model_dump_json(), encoding="utf-8")
    part.replace(run_dir / RESULT)


def read_result(run_dir: Path) -> Result | None:
    """Return what the fit process said, or None when it died before; a spoilt file is a failure of the fit."""
    path = run_dir / RESULT
    try:
        return Result.model_validate_json(path.read_bytes()) if path.exists() else None
    except ValidationError as error:
        return Result(outcome="failed", reason=f"the fit left a {RESULT} that cannot be read: {error}"[:2000])
