"""Reads what an MLflow model directory says about its scikit-learn model; nothing of the model is loaded here."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import sklearn
import yaml

from headrace.errors import CommandError

DESCRIPTION = "MLmodel"
LARGEST_DESCRIPTION = 1024 * 1024
# How MLflow names its ways to write a model; without a name it was a pickle (before MLflow 1.0).
FORMS: dict[str | None, Literal["skops", "pickle"]] = {
    "skops": "skops",
    "pickle": "pickle",
    "cloudpickle": "pickle",
    None: "pickle",
}


class MlflowModelError(CommandError):
    """The directory holds no scikit-learn model that can be imported."""


@dataclass(frozen=True)
class MlflowModel:
    """The model's file, how it was written, and where it came from."""

    file: Path
    form: Literal["skops", "pickle"]
    lineage: dict[str, str]


def read_mlflow_model(directory: Path) -> MlflowModel:
    """Read `MLmodel`; raises MlflowModelError naming what is missing or does not fit."""
    described = _described(directory)
    flavour = (described.get("flavors") or {}).get("sklearn")
    if not isinstance(flavour, dict):
        named = ", ".join(described.get("flavors") or {}) or "none"
        raise MlflowModelError(f"{directory} has no scikit-learn flavour (it has: {named}); only that one is imported")
    form = FORMS.get(flavour.get("serialization_format"))
    if form is None:
        raise MlflowModelError(f"{directory}: serialization_format {flavour['serialization_format']!r} is not known")
    _check_version(flavour.get("sklearn_version"))
    lineage = {
        "imported_from": "mlflow",
        "mlflow_format": str(flavour.get("serialization_format") or "pickle"),
        **{f"mlflow_{name}": str(described[name])[:200] for name in ("run_id", "model_uuid") if described.get(name)},
    }
    return MlflowModel(_file(directory, flavour.get("pickled_model")), form, lineage)


def _described(directory: Path) -> dict[str, Any]:
    path = directory / DESCRIPTION
    try:
        if path.stat().st_size > LARGEST_DESCRIPTION:
            raise MlflowModelError(f"{path} has more than {LARGEST_DESCRIPTION} bytes")
        described = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise MlflowModelError(f"{path} cannot be read: {error}; name the directory that holds MLmodel") from error
    if not isinstance(described, dict) or not isinstance(described.get("flavors") or {}, dict):
        raise MlflowModelError(f"{path} does not describe a model")
    return described


def _file(directory: Path, name: object) -> Path:
    """The model's file inside the directory; a description may not point anywhere else."""
    file = directory / str(name)
    if not isinstance(name, str) or not file.is_file() or not file.resolve().is_relative_to(directory.resolve()):
        raise MlflowModelError(f"{directory}: there is no file {name!r} in it, which MLmodel names as the model")
    return file


def _check_version(fitted: object) -> None:
    here = sklearn.__version__
    if str(fitted).split(".")[:2] != here.split(".")[:2]:
        raise MlflowModelError(
            f"the model was fitted with scikit-learn {fitted}, here is {here}: the inner layout changes between them. "
            "Fit it again with the version that is here"
        )
