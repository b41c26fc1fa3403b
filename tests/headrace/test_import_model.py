"""Models that real MLflow wrote become packages that answer as the originals did; a pickle only at somebody's word."""

import json
import pickle
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import LinearSVC
from typer.testing import CliRunner, Result

from headrace.cli import app
from shared.package import predict_scores, read_package, to_frame, verify_package
from shared.package.allow_list import load_model
from tests.headrace.past_cases import write_customers

MODELS = Path(__file__).with_name("mlflow_models")
TOLD: dict[str, Any] = json.loads((MODELS / "scores.json").read_text(encoding="utf-8"))
Import = Callable[..., Result]


@pytest.fixture(scope="module")
def use_case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The customers' use case, as `headrace init` writes it."""
    folder = tmp_path_factory.mktemp("own")
    data = ("--data", str(write_customers(folder)), "--label", "churned", "--time", "Signed Up")
    assert CliRunner().invoke(app, ("init", "churn", *data, "--use-cases", str(folder))).exit_code == 0
    return folder / "churn"


@pytest.fixture
def bring(tmp_path: Path, use_case: Path) -> Import:
    """`headrace import-mlflow` into a folder of this test."""

    def run(model: Path, *options: str, until: str = "2026-04-01") -> Result:
        fixed = ("--trained-until", until, "--into", str(tmp_path / "packages"))
        return CliRunner().invoke(app, ("import-mlflow", str(model), str(use_case), *fixed, *options))

    return run


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The directory with a skops file, to be changed."""
    return Path(shutil.copytree(MODELS / "skops", tmp_path / "model"))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "options"), [("skops", ()), ("pickle", ("--trust-pickle",))])
def test_a_package_answers_as_mlflow_did(bring: Import, tmp_path: Path, name: str, options: tuple[str, ...]) -> None:
    done = bring(MODELS / name, *options)
    assert done.exit_code == 0, done.output
    (path,) = (tmp_path / "packages").iterdir()
    verify_package(path, path.name)
    package = read_package(path)
    manifest = package.manifest
    assert [feature.name for feature in manifest.features] == list(TOLD["inputs"])
    scores = predict_scores(
        package.load_model(), "binary", to_frame(manifest.features, TOLD["inputs"]), manifest.classes
    )
    assert np.abs(scores[:, 0] - TOLD["scores"]).max() < 1e-12
    assert manifest.lineage["imported_from"] == "mlflow"
    assert (manifest.train_until.isoformat(), manifest.evaluation["holdout_days"]) == ("2026-04-01T00:00:00+00:00", 9.0)
    assert {row.kind for row in package.reference().rows} == {"holdout"}


class Payload:
    """What an attacker would pickle: it leaves a file, with the environment that it saw."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> tuple[Any, ...]:
        """Run when it is loaded."""
        return exec, (f"import os; open({str(self.proof)!r}, 'w').write(repr(sorted(os.environ)))",)


@pytest.mark.slow
def test_a_pickle_runs_only_at_somebodys_word_and_sees_no_secret(
    bring: Import, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADRACE_API_KEY", "a secret")
    proof = tmp_path / "proof"
    model = Path(shutil.copytree(MODELS / "pickle", tmp_path / "model"))
    (model / "model.pkl").write_bytes(pickle.dumps(Payload(proof)))
    refused = bring(model)
    assert (refused.exit_code, "say --trust-pickle" in refused.stderr, proof.exists()) == (1, True, False)
    trusted = bring(model, "--trust-pickle")
    assert (trusted.exit_code, "could not be turned into skops" in trusted.stderr) == (1, True)
    assert "HEADRACE_API_KEY" not in proof.read_text()
    assert not (tmp_path / "packages").exists()


@pytest.mark.slow
def test_a_type_outside_the_fixed_list_is_refused_whatever_the_user_says(bring: Import, tmp_path: Path) -> None:
    model = Path(shutil.copytree(MODELS / "pickle", tmp_path / "model"))
    pipeline = load_model(MODELS / "skops" / "model.skops")
    pipeline.steps.insert(1, ("odd", FunctionTransformer(partial(np.multiply, 2.0))))
    (model / "model.pkl").write_bytes(pickle.dumps(pipeline))
    done = bring(model, "--trust-pickle")
    assert (done.exit_code, "types that are not allowed: " in done.stderr) == (1, True), done.stderr


def edited(copy: Path, before: str, after: str) -> Path:
    """Change the description."""
    file = copy / "MLmodel"
    text = file.read_text(encoding="utf-8")
    assert before in text
    file.write_text(text.replace(before, after), encoding="utf-8")
    return copy


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("  sklearn:", "  xgboost:", "has no scikit-learn flavour (it has: python_function, xgboost)"),
        ("serialization_format: skops", "serialization_format: onnx", "serialization_format 'onnx' is not known"),
        ("pickled_model: model.skops", "pickled_model: ../other.skops", "there is no file '../other.skops' in it"),
        ("sklearn_version: ", "sklearn_version: 0.", "the inner layout changes between them"),
        ("flavors:", "flavors: [", "cannot be read"),
    ],
)
def test_a_description_that_does_not_fit_is_a_sentence(
    bring: Import, copy: Path, before: str, after: str, words: str
) -> None:
    (copy.parent / "other.skops").write_bytes(b"")
    done = bring(edited(copy, before, after))
    assert (done.exit_code, words in done.stderr) == (1, True), done.stderr


def two_customers() -> pd.DataFrame:
    """The contract's columns, all of them numbers."""
    return pd.DataFrame({name: [0.0, 1.0] for name in ("plan", "branch", "tenure", "monthly_amount")})


def of_other_columns(_model: Any) -> Any:
    """A model for other people."""
    return LogisticRegression().fit(pd.DataFrame({"plan": [0, 1], "age": [20, 40]}), [0, 1])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda model: LinearSVC().fit(two_customers(), [0, 1]), "the model has no predict_proba"),
        (lambda model: LogisticRegression().fit(two_customers(), [0, 1]), "the held-out rows cannot be scored"),
        (lambda model: model[-1], "the model does not name its columns: fit it on a DataFrame"),
        (of_other_columns, "only in the model: ['age']; only in the contract: ['branch', 'monthly_amount', 'tenure']"),
    ],
)
def test_a_model_that_does_not_fit_the_contract_is_a_sentence(
    bring: Import, copy: Path, change: Callable[[Any], Any], words: str
) -> None:
    file = copy / "model.skops"
    skops.io.dump(change(load_model(file)), file)
    done = bring(copy)
    assert (done.exit_code, words in done.stderr) == (1, True), done.stderr


def test_days_that_the_model_may_have_seen_do_not_judge_it(bring: Import) -> None:
    late = bring(MODELS / "skops", until="2026-04-09T12:00")
    assert (late.exit_code, "held-out (since 2026-04-10T00:00:00+00:00) rows with a label" in late.stderr) == (1, True)
    early = bring(MODELS / "skops", until="2026-01-01")
    assert (early.exit_code, "was the model fitted on other data?" in early.stderr) == (1, True)
