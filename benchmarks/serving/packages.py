"""Makes the packages that are served, by the product's own fit process, and keeps them between runs."""

import hashlib
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from headrace.settings import inherited_environment
from services.trainer.entry_points import code_digest
from services.trainer.job import JOB, PACKAGE, Job, read_result
from shared.contract import Contract
from shared.contract.read import read_contract
from shared.package import PackageStore
from shared.package.store import check_digest

USE_CASE = Path(__file__).parent / "flights"
ROOT = Path(__file__).parents[2]
# What decides how a package looks; a package of older code is made anew.
CODE = ("shared/package", "services/trainer")
FULL, SMALL = datetime(2013, 8, 20, 4, tzinfo=UTC), datetime(2013, 3, 15, 4, tzinfo=UTC)
_FIT_SECONDS = 1200.0


class CannotPackageError(Exception):
    """The fit process gave no package; the message says why."""


@dataclass(frozen=True)
class Built:
    """A package directory with the contract that it was made under."""

    path: Path
    digest: str
    contract: Contract

    @property
    def use_case(self) -> str:
        """Under which name it is served."""
        return self.contract.use_case

    @property
    def rows_trained(self) -> int:
        """How many rows it was fitted on."""
        return int(json.loads((self.path / "manifest.json").read_bytes())["rows_trained"])

    def put_into(self, home: Path) -> None:
        """Store it where the services of this home look for packages."""
        PackageStore(str(home / "packages")).put(self.path, self.digest)


def contract_of(pipeline: str, use_case: str) -> Contract:
    """The benchmark's contract for one of its pipelines."""
    text = (USE_CASE / "contract.yaml").read_text(encoding="utf-8")
    text = text.replace("use_case: bench_flights", f"use_case: {use_case}")
    return read_contract(text.replace("folded:build", f"{pipeline}:build"))


def build(cache: Path, as_of: datetime, pipeline: str = "folded", use_case: str = "bench_flights") -> Built:
    """Return the package of a pipeline, fitted on what was known at `as_of`; raises CannotPackageError."""
    contract = contract_of(pipeline, use_case)
    job = Job(
        run_id="benchmark", cause_id="benchmark", contract=contract.to_json(), use_case_dir=USE_CASE, as_of=as_of,
        seed=0, feedback=str(cache / "no-feedback"), table_version=(None, None), memory_megabytes=16_384,
    )  # fmt: skip
    kept = cache / "packages" / f"{pipeline}-{_key(job)}"
    if not (kept / "digest").exists():
        _fit(job, kept)
    return Built(kept / PACKAGE, check_digest((kept / "digest").read_text(encoding="utf-8")), contract)


def _key(job: Job) -> str:
    found = hashlib.sha256(job.model_dump_json().encode())
    for folder in CODE:
        found.update(code_digest(ROOT / folder).encode())
    found.update(code_digest(USE_CASE).encode())
    return found.hexdigest()[:16]


def _fit(job: Job, into: Path) -> None:
    into.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=into.parent, prefix="fit-") as folder:
        run_dir = Path(folder) / "run"
        run_dir.mkdir()
        (run_dir / JOB).write_text(job.model_dump_json(), encoding="utf-8")
        _run_fit(run_dir)
        result = read_result(run_dir)
        if result is None or result.package_digest is None:
            raise CannotPackageError(result.reason if result else f"the fit ended without a result; see {run_dir}")
        (run_dir / "digest").write_text(result.package_digest, encoding="utf-8")
        run_dir.rename(into)


def _run_fit(run_dir: Path) -> None:
    kept = {name: value for name, value in inherited_environment().items() if not name.startswith("HEADRACE_")}
    with (run_dir / "fit.log").open("wb") as log:
        # The fit ends when its stdin ends: the pipe is held for as long as we wait.
        process = subprocess.Popen(
            [sys.executable, "-m", "services.trainer.fit", str(run_dir)],
            stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True, cwd=ROOT,
            env=kept | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )  # fmt: skip
        try:
            process.wait(_FIT_SECONDS)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            assert process.stdin
            process.stdin.close()
