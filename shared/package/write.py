"""Write a package directory once; its digest is its name from then on."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from shared.package.allow_list import dump_model
from shared.package.canonical import canonical_json, sha256_hex
from shared.package.compiled.errors import UnfoldableError
from shared.package.compiled.fold import fold_or_export
from shared.package.compiled.proof import NotEqualError, prove
from shared.package.environment import current_environment, lock_text
from shared.package.golden import score_golden
from shared.package.manifest import (
    COMPILED,
    ENVIRONMENT,
    GOLDEN,
    MANIFEST,
    MODEL,
    PROFILE,
    REFERENCE,
    Compiled,
    Feature,
    FileEntry,
    Manifest,
    Task,
    behaviour_digest,
)
from shared.package.profile import Profile
from shared.package.reference import Reference, write_reference

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Content:
    """What goes into a package; `golden` are input columns, the scores are asked of the model here."""

    use_case: str
    task: Task
    classes: tuple[str, ...]
    contract_digest: str
    train_until: datetime
    features: tuple[Feature, ...]
    rows_digest: str
    rows_trained: int
    evaluation: Mapping[str, float]
    lineage: Mapping[str, str]
    profile: Profile
    reference: Reference
    golden: Mapping[str, Sequence[Any]]
    # Made here, and proven on the golden records, where nobody made it before.
    form: "Form | None" = None


@dataclass(frozen=True)
class Form:
    """The compiled form of a model with its proof, or why there is none."""

    graph: bytes = b""
    proof: Compiled | None = None
    why_not: str | None = None


def write_package(target: Path, model: Any, content: Content) -> str:
    """Write all files into the new directory `target` and return the package digest."""
    target.mkdir(parents=True)
    golden = score_golden(model, content.task, content.features, content.classes, content.golden)
    environment = current_environment()
    dump_model(model, target / MODEL)
    write_reference(content.reference, target / REFERENCE)
    (target / PROFILE).write_bytes(canonical_json(content.profile.model_dump(mode="json")))
    (target / GOLDEN).write_bytes(canonical_json(golden.model_dump(mode="json")))
    (target / ENVIRONMENT).write_text(lock_text(environment), encoding="utf-8")
    form = content.form or compile_form(
        model, content.task, content.features, content.classes, content.golden, content.golden
    )
    if form.proof:
        (target / COMPILED).write_bytes(form.graph)
    manifest = Manifest(
        use_case=content.use_case,
        task=content.task,
        classes=content.classes,
        contract_digest=content.contract_digest,
        behaviour_digest=behaviour_digest(content.train_until, content.rows_digest, golden.scores),
        train_until=content.train_until,
        features=content.features,
        rows_digest=content.rows_digest,
        rows_trained=content.rows_trained,
        evaluation=dict(content.evaluation),
        lineage={**content.lineage, **({"not_compiled": form.why_not} if form.why_not else {})},
        environment=environment,
        files={file.name: file_entry(file) for file in sorted(target.iterdir())},
        compiled=form.proof,
    )
    (target / MANIFEST).write_bytes(manifest.to_bytes())
    return manifest.digest


def compile_form(
    model: Any,
    task: Task,
    features: Sequence[Feature],
    classes: Sequence[str],
    sample: Mapping[str, Sequence[Any]],
    real: Mapping[str, Sequence[Any]],
) -> Form:
    """Compile the model and prove it on `real` records; what has no form, or not exactly, is served as it is."""
    try:
        form, graph = fold_or_export(model, task, features, classes, sample)
        equal = prove(graph, model, task, features, classes, real)
    except (UnfoldableError, NotEqualError) as reason:
        log.info("no compiled form: %s", reason)
        return Form(why_not=str(reason)[:2000])
    except Exception as error:
        # Whatever a model has inside that nobody thought of: it still answers, and a package without is whole.
        log.warning("no compiled form", exc_info=True)
        return Form(why_not=f"{error!r:.2000}")
    log.info("compiled, and equal on %d rows to %.3g", equal.rows, equal.max_difference)
    return Form(graph, Compiled(form=form, rows=equal.rows, max_difference=equal.max_difference, flips=0))


def file_entry(path: Path) -> FileEntry:
    """Return digest and size of a file."""
    content = path.read_bytes()
    return FileEntry(sha256=sha256_hex(content), bytes=len(content))
