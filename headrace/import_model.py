"""Makes a package of somebody's fitted scikit-learn model, and proves that it answers as the original did."""

import json
import shutil
import subprocess
import sys
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from headrace.errors import CommandError
from headrace.mlflow_model import MlflowModel, read_mlflow_model
from headrace.settings import inherited_environment
from services.trainer.foreign import Bench, foreign_scores, read_bench, write_foreign
from services.trainer.job import CannotTrainError, Job
from shared.contract import ContractError, read_contract
from shared.package import PackageRefused, verify_package
from shared.package.allow_list import load_model
from shared.package.golden import TOLERANCE

# What this module and the process that loads a pickle say to each other, as files in one folder.
ASKED, PICKLE, SKOPS, SCORES = "asked.json", "model.pkl", "model.skops", "scores.npy"
_UNPICKLE_SECONDS = 600.0
_COMPARED_ROWS = 2_000


class ImportModelError(CommandError):
    """No package came of the model; the message says which check refused it."""


def import_mlflow(
    directory: Path, use_case: Path, trained_until: datetime, now: datetime, trust: bool, into: Path
) -> Path:
    """Return the new package's directory below `into`, named by its digest. Raises ImportModelError."""
    found = read_mlflow_model(directory)
    if found.form == "pickle" and not trust:
        raise ImportModelError(
            f"{found.file} is a pickle: to load it is to run whatever its author put in. Save the model with "
            "serialization_format='skops' in MLflow, or, if you know who made it, say --trust-pickle: it is then "
            "loaded once, in a process of its own, and never by a service"
        )
    try:
        with tempfile.TemporaryDirectory(prefix="headrace-import-") as folder:
            return _package(found, use_case, trained_until, now, Path(folder), into)
    except (PackageRefused, CannotTrainError) as error:
        raise ImportModelError(f"{directory} was not imported: {error}") from error


def _package(
    found: MlflowModel, use_case: Path, trained_until: datetime, now: datetime, folder: Path, into: Path
) -> Path:
    bench = read_bench(_job(use_case, now, folder), trained_until)
    model = load_model(found.file) if found.form == "skops" else _unpickled(found.file, bench, folder)
    made = folder / "package"
    digest = write_foreign(bench, model, found.lineage, made)
    verify_package(made, digest)
    into.mkdir(parents=True, exist_ok=True)
    shutil.copytree(made, into / digest, dirs_exist_ok=True)
    return into / digest


def _job(use_case: Path, now: datetime, folder: Path) -> Job:
    path = use_case / "contract.yaml"
    try:
        contract = read_contract(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ImportModelError(f"{path} cannot be read: {error.strerror}; name the use case's folder") from error
    except ContractError as error:
        raise ImportModelError(f"{path} is no sound contract: say `headrace validate {path}`") from error
    return Job(
        run_id="import",
        cause_id="import",
        contract=contract.to_json(),
        use_case_dir=use_case,
        as_of=now,
        seed=0,
        feedback=str(folder / "no-feedback"),
        table_version=(None, None),
        memory_megabytes=1,
    )


def _unpickled(file: Path, bench: Bench, folder: Path) -> Any:
    """The model by way of skops, once it answers exactly as the pickled one did in its own process."""
    frame = bench.held_out.frame
    rows = np.linspace(0, len(frame) - 1, min(len(frame), _COMPARED_ROWS)).astype(np.int64)
    compared = frame.iloc[rows].reset_index(drop=True)
    columns = {
        str(name): [None if cell is None or cell != cell else cell for cell in column.tolist()]
        for name, column in compared.items()
    }
    shutil.copyfile(file, folder / PICKLE)
    (folder / ASKED).write_text(json.dumps({"contract": bench.job.contract, "columns": columns}), encoding="utf-8")
    _run_once(folder)
    model = load_model(folder / SKOPS)
    original = np.load(folder / SCORES, allow_pickle=False)
    difference = float(np.abs(original - foreign_scores(bench.contract, model, compared)).max())
    if not difference <= TOLERANCE:
        raise PackageRefused("golden", f"written as skops, the model's scores differ by up to {difference:.3g}")
    return model


def _run_once(folder: Path) -> None:
    # No secret of ours reaches what the pickle runs.
    plain = {name: value for name, value in inherited_environment().items() if not name.startswith("HEADRACE_")}
    command = [sys.executable, "-m", "headrace.unpickle_once", str(folder)]
    try:
        done = subprocess.run(
            command, env=plain, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_UNPICKLE_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise ImportModelError(f"the pickle was not loaded within {_UNPICKLE_SECONDS:.0f} s") from error
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise ImportModelError(f"the pickle could not be turned into skops: {last[:1000]}")
