"""Writes docs/compiled.md by folding a model of every kind: `python -m headrace.compiled_page > docs/compiled.md`."""

import sys
from functools import cache

from headrace.compiled_cases import FEATURES, MODELS, STEP_CASES, Case, columns, fitted
from shared.package.compiled.errors import UnfoldableError
from shared.package.compiled.fold import fold_or_export
from shared.package.compiled.proof import NotEqualError, prove

HEAD = """\
# Compiled models: what folds, what exports, and what is coalesced

Written by `headrace/compiled_page.py`, which fits a small model of every kind, compiles it and proves it; a test
compares. How it works: [architecture](architecture.md#packages), decisions
[0016](decisions/0016-a-compiled-form-is-equal-or-not-there.md) and
[0030](decisions/0030-what-does-not-fold-is-exported-node-by-node.md).

A model that **folds** is served as one float64 ONNX graph over the raw record. One that **exports** is such a graph
too: parts that fold are folded, the others are float64 nodes of their own, for numbers up to ten times further out than
those of training; records beyond are answered by scikit-learn. Any other is **coalesced**: scikit-learn itself answers
all requests that wait in one call, and the package says why under `lineage.not_compiled`. The scores are the same each
way, proven on at least 10,000 rows.
"""


@cache
def form(case: Case) -> tuple[str, str]:
    """How a case is served, and why not better: "folds", "exports" or "coalesced"."""
    model, records = fitted(case), columns()
    ask = (model, case.task, FEATURES, case.classes, records)
    try:
        kind, content = fold_or_export(*ask)
        prove(content, *ask)
    except (UnfoldableError, NotEqualError) as error:
        return "coalesced", str(error)
    return f"{kind}s", ""


def page() -> str:
    """The whole page."""
    lines = ["", "## Models", "", "| Model | Form | Why not |", "|---|---|---|"]
    lines += [f"| {case.name} | {' | '.join(form(case))} |" for case in MODELS]
    lines += [
        "",
        "## Steps before the model",
        "",
        "| Step | Before trees | Before a linear model | Why not |",
        "|---|---|---|---|",
    ]
    for trees, linear in STEP_CASES:
        why_not = "; ".join(dict.fromkeys(filter(None, (form(trees)[1], form(linear)[1]))))
        lines.append(f"| {trees.name} | {form(trees)[0]} | {form(linear)[0]} | {why_not} |")
    return HEAD + "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page())
