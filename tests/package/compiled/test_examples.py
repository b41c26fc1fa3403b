"""Every use case of the examples is served from a compiled form, on its own data."""

from datetime import datetime
from importlib import import_module

import numpy as np
import pytest

from headrace.scenario import EXAMPLES
from services.trainer.rows import features_of
from shared.contract import read_contract
from shared.package.compiled.fold import fold
from shared.package.compiled.proof import prove
from shared.package.score import to_frame

UNTIL = {"flights_late": (2013, 1, 20), "gates_lax": (2013, 3, 1), "loans": (2025, 2, 10)}


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(UNTIL))
def test_its_pipeline_folds_and_is_equal(name: str) -> None:
    contract = read_contract((EXAMPLES / name / "contract.yaml").read_text(encoding="utf-8"))
    source, pipeline = (import_module(f"examples.{name}.{part}") for part in ("source", "pipeline"))
    rows = source.load(datetime(*UNTIL[name], tzinfo=contract.zone))
    rows = rows[rows[contract.label.name].notna()]
    features = features_of(contract)
    columns = {one.name: rows[one.name].tolist() for one in features}
    model = pipeline.build().fit(to_frame(features, columns), rows[contract.label.name].to_numpy())
    classes = tuple(str(label) for label in getattr(model, "classes_", ())) or contract.classes
    content = fold(model, contract.task, features, classes, columns)
    equal = prove(content, model, contract.task, features, classes, columns)
    assert equal.rows >= 10_000
    assert np.less_equal(equal.max_difference, 1e-12)
