"""Writes docs/compiled.md by folding a model of every kind: `python -m headrace.compiled_page > docs/compiled.md`."""

import sys
from functools import cache

from headrace.compiled_cases import FEATURES, MODELS, STEP_CASES, Case, columns, fitted
from shared.package.compiled.errors import UnfoldableError
from shared.package.compiled.fold import fold
from shared.package.compiled.proof import NotEqualError, prove

HEAD = """\
# Compiled models: what folds and what does not

Written by `headrace/compiled_page.py`, which fits a small model of every kind, folds it and proves it; a test compares.
How it works: [architecture](architecture.md#packages) and
[decision 0016](decisions/0016-a-compiled-form-is-equal-or-not-there.md).

A model that folds is served as one float64 ONNX graph. One that does not is served by scikit-learn itself, the requests
that wait in one call; its package says why under `lineage.not_compiled`. The scores are the same either way.
"""


@cache
def reason(case: Case) -> str | None:
    """Why a case has no compiled form; None when it folds and was proven equal."""
    model, records = fitted(case), columns()
    try:
        content = fold(model, case.task, FEATURES, case.classes, records)
        prove(content, model, case.task, FEATURES, case.classes, records)
    except (UnfoldableError, NotEqualError) as error:
        return str(error)
    return None


def page() -> str:
    """The whole page."""
    lines = ["", "## Models", "", "| Model | Folds | Why not |", "|---|---|---|"]
    lines += [f"| {case.name} | {_yes(reason(case))} | {reason(case) or ''} |" for case in MODELS]
    lines += [
        "",
        "## Steps before the model",
        "",
        "| Step | Before trees | Before a linear model | Why not |",
        "|---|---|---|---|",
    ]
    for trees, linear in STEP_CASES:
        why_not = "; ".join(dict.fromkeys(filter(None, (reason(trees), reason(linear)))))
        lines.append(f"| {trees.name} | {_yes(reason(trees))} | {_yes(reason(linear))} | {why_not} |")
    return HEAD + "\n".join(lines) + "\n"


def _yes(why_not: str | None) -> str:
    return "no" if why_not else "yes"


if __name__ == "__main__":
    sys.stdout.write(page())
