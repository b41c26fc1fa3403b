"""What exports is the model, also one row at a time; what cannot be exact is refused by name."""

import numpy as np
import pytest

from headrace.compiled_cases import FEATURES, MODELS, STEP_CASES, Case, columns, fitted
from shared.package.compiled.errors import UnfoldableError
from shared.package.compiled.fold import export, fold_or_export
from shared.package.compiled.proof import prove
from shared.package.compiled.runtime import CompiledScorer, OutsideError

NAMES = ("GaussianNB, three classes", "StackingClassifier", "SVC, calibrated")
CASES = [case for case in MODELS if case.name in NAMES]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_an_export_is_proven_and_gives_the_same_bytes_each_time(case: Case) -> None:
    ask = (fitted(case), case.task, FEATURES, case.classes, columns())
    form, content = fold_or_export(*ask)
    assert (form, len(CASES)) == ("export", len(NAMES))
    assert prove(content, *ask).rows >= 10_000
    assert export(*ask) == content


def test_numbers_far_out_are_left_to_the_original() -> None:
    case = CASES[0]
    content = export(fitted(case), case.task, FEATURES, case.classes, columns())
    scorer = CompiledScorer(content, FEATURES, len(case.classes))
    assert np.isfinite(scorer.score_row([0.1, 0.2, 0.3], ["red", "a"])).all()
    with pytest.raises(OutsideError):
        scorer.score_row([1e9, 0.2, 0.3], ["red", "a"])


def test_trees_behind_a_product_of_matrices_are_refused_by_name() -> None:
    trees = next(trees for trees, _ in STEP_CASES if trees.name.startswith("PCA"))
    with pytest.raises(UnfoldableError, match="HistGradientBoostingClassifier behind a step"):
        export(fitted(trees), trees.task, FEATURES, trees.classes, columns())
