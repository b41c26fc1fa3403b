"""Scores the golden records again, form by form: the original model, and the compiled one both ways it is asked."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from shared.package.compiled.runtime import CompiledScorer, OutsideError
from shared.package.golden import Golden, check_golden
from shared.package.read import Package
from shared.package.refusal import PackageRefused

Columns = Mapping[str, Sequence[Any]]
Scorer = Callable[[Columns], Any]


@dataclass(frozen=True)
class Checked:
    """How one form stands to the scores of training; `fault` says what is wrong, None where nothing is."""

    form: str
    records: int
    difference: float | None
    fault: str | None

    def to_json(self) -> dict[str, Any]:
        """The same as JSON data."""
        return asdict(self)


def forms_of(package: Package, compiled: CompiledScorer | None) -> dict[str, Scorer]:
    """Return every form of a model by name; where the compiled one has no answer, the original gives it."""
    original = partial(_original, package)
    if compiled is None:
        return {"original": original}
    return {
        "original": original,
        "compiled": partial(_by_halves, compiled.score, original),
        "compiled, row by row": partial(_by_rows, package, compiled, original),
    }


def check_form(form: str, golden: Golden, score: Scorer) -> Checked:
    """Score the golden records; never raises: a model that cannot score is a fault of the form."""
    records = len(golden.scores)
    try:
        return Checked(form, records, check_golden(golden, score(golden.columns)), None)
    except PackageRefused as refused:
        return Checked(form, records, None, refused.detail)
    except Exception as error:  # a model may raise anything
        return Checked(form, records, None, f"the golden records cannot be scored: {error!r:.500}")


def _original(package: Package, columns: Columns) -> Any:
    # Seconds of import that a compiled form spares.
    from shared.package.score import predict_scores, to_frame

    manifest = package.manifest
    return predict_scores(package.model, manifest.task, to_frame(manifest.features, columns), manifest.classes)


def _by_halves(score: Scorer, original: Scorer, columns: Columns) -> list[Any]:
    """Score as many rows at once as are within the domain."""
    count = len(next(iter(columns.values())))
    try:
        return list(score(columns))
    except OutsideError:
        if count == 1:
            return list(original(columns))
    middle = count // 2
    parts = [{name: each[part] for name, each in columns.items()} for part in (slice(middle), slice(middle, count))]
    return [row for part in parts for row in _by_halves(score, original, part)]


def _by_rows(package: Package, compiled: CompiledScorer, original: Scorer, columns: Columns) -> list[Any]:
    """Score as single records are: all numbers, then all categories."""
    features = package.manifest.features
    numbers, categories = ([f.name for f in features if f.type == kind] for kind in ("number", "category"))
    found: list[Any] = []
    for row in range(len(next(iter(columns.values())))):
        try:
            cells = [[columns[name][row] for name in names] for names in (numbers, categories)]
            found.append(compiled.score_row(*cells))
        except OutsideError:
            found += list(original({name: each[row : row + 1] for name, each in columns.items()}))
    return found
