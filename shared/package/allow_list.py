"""The fixed list of types that a model file may hold beyond those skops trusts by itself.

Never `functools.partial` and never a user's function: trusting one means running whatever an uploaded file names.
"""

import gc
import zipfile
from pathlib import Path
from typing import Any

from shared.package.manifest import MODEL
from shared.package.refusal import PackageRefused
from shared.package.trees import check_trees

ALLOWED_TYPES = frozenset(
    {
        "numpy.dtype",
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.calibration._TemperatureScaling",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.model_selection._split.KFold",
        "sklearn.model_selection._split.StratifiedKFold",
        "sklearn.metrics._dist_metrics.EuclideanDistance64",
        "sklearn.neighbors._kd_tree.KDTree",
        "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
        "sklearn.tree._tree.Tree",
        "sklearn.utils._bunch.Bunch",
    }
)
MAX_UNPACKED_BYTES = 4 * 1024**3
MAX_MEMBERS = 200_000


def warm() -> None:
    """Load what models are read with (about 2 s), so that the first model need not wait for it."""
    import skops.io  # noqa: F401

    # What is loaded stays: every full collection would look through all of it again (0.2 s).
    gc.freeze()


def check_types(model_file: Path) -> tuple[str, ...]:
    """Return the types beyond skops' own trust, all of them allowed; raises PackageRefused for any other."""
    # skops brings all of scikit-learn: a service that only reads manifests and profiles must not wait for it.
    import skops.io

    _check_archive(model_file)
    try:
        found = skops.io.get_untrusted_types(file=model_file)
    except Exception as error:  # whatever skops stumbles over in a foreign file is a refusal, never a crash
        raise PackageRefused("allow_list", f"{MODEL} cannot be read: {error!r:.500}") from error
    forbidden = sorted(set(found) - ALLOWED_TYPES)
    if forbidden:
        raise PackageRefused("allow_list", f"{MODEL} holds types that are not allowed: {', '.join(forbidden)[:500]}")
    return tuple(sorted(found))


def load_model(model_file: Path) -> Any:
    """Load the estimator after its types were checked against the fixed list."""
    import skops.io

    trusted = check_types(model_file)
    try:
        model = skops.io.load(model_file, trusted=list(trusted))
        check_trees(model)
    except PackageRefused:
        raise
    except Exception as error:
        raise PackageRefused("allow_list", f"{MODEL} cannot be loaded: {error!r:.500}") from error
    return model


def dump_model(model: Any, model_file: Path) -> None:
    """Write the estimator, and refuse it here if a reader would: better at training than at release."""
    import skops.io

    skops.io.dump(model, model_file, compression=zipfile.ZIP_DEFLATED)
    check_types(model_file)


def _check_archive(model_file: Path) -> None:
    """Refuse what is no zip file, or would unpack to more than memory should see."""
    try:
        with zipfile.ZipFile(model_file) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise PackageRefused("allow_list", f"{MODEL} is not a skops file: {error}") from error
    unpacked = sum(member.file_size for member in members)
    if len(members) > MAX_MEMBERS or unpacked > MAX_UNPACKED_BYTES:
        raise PackageRefused("size", f"{MODEL} unpacks to {unpacked} bytes in {len(members)} parts")
