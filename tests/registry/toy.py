"""A toy use case for the registry's tests: its contract, and packages as a trainer would write them."""

import io
import shutil
import tarfile
import tempfile
import weakref
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression

from shared.contract import Contract
from shared.contract.read import read_contract
from shared.events import ModelTrained
from shared.package import Content, Feature, Manifest, Reference, ReferenceRow, predict_scores, to_frame, write_package
from shared.package.profile import Profile, calibrate, count_labels, profile_inputs, score_bins

START = datetime(2013, 1, 1, tzinfo=UTC)
NOW = datetime(2013, 3, 1, tzinfo=UTC)
CLASSES = ("on_time", "late")
FEATURES = (Feature(name="size", type="number"), Feature(name="speed", type="number"))
CONTRACT = """\
use_case: trains
owner: desk
objective: Say which trains will be late.
task: binary
event_time: left_at
features:
  size: {type: number}
  speed: {type: number}
label: {name: late, classes: [on_time, late], mature_after: 1d, give_up_after: 3d}
currency: EUR
decisions:
  none: {on_time: 0.00, late: 5.00}
  act: {on_time: 1.00, late: 0.00}
  review: {on_time: 0.60, late: 0.60, capacity: {limit: 40}}
without_model: none
training: {source: "source:load", pipeline: "pipeline:build"}
rollback: {cooldown: 7d}
gates: {max_brier: 0.25}
signed_by: {owner: desk}
"""


def contract_text(*changes: tuple[str, str]) -> str:
    """The contract after these replacements, each of which must hit something."""
    text = CONTRACT
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return text


def contract(*changes: tuple[str, str]) -> Contract:
    return read_contract(contract_text(*changes))


@dataclass(frozen=True)
class Toy:
    """A package directory and its digest."""

    path: Path
    digest: str
    manifest: Manifest

    def trained(self, event_id: str | None = None, **changed: Any) -> ModelTrained:
        """The event that a trainer publishes."""
        said = {
            "use_case": self.manifest.use_case,
            "package_digest": self.digest,
            "behaviour_digest": self.manifest.behaviour_digest,
            "contract_digest": self.manifest.contract_digest,
            "train_until": self.manifest.train_until,
        }
        return ModelTrained.begin(source="test/trainer", time=NOW, id=event_id, **(said | changed))


def make_toy(folder: Path, *, seed: int = 0, upside_down: bool = False, **changed: Any) -> Toy:
    """A small logistic model with two oof and two held-out days; `upside_down` has the held-out labels swapped."""
    known = _fitted_once(seed, upside_down, tuple(sorted(changed.items())))
    path = folder / f"toy-{seed}-{len(list(folder.glob('*')))}"
    shutil.copytree(known.path, path)
    return Toy(path, known.digest, known.manifest)


@cache
def _fitted_once(seed: int, upside_down: bool, changed: tuple[tuple[str, Any], ...]) -> Toy:
    """Fitting and writing takes longer than most tests, so each kind is made once and copied."""
    folder = tempfile.TemporaryDirectory()
    weakref.finalize(_fitted_once, folder.cleanup)
    return _fit(Path(folder.name), seed, upside_down, dict(changed))


def _fit(folder: Path, seed: int, upside_down: bool, changed: dict[str, Any]) -> Toy:
    random = np.random.default_rng(seed)
    size, speed = random.normal(size=400), random.normal(size=400)
    late = size + 0.5 * speed + random.normal(size=400) * 0.4 > 0.7
    labels = [CLASSES[int(one)] for one in late]
    frame = to_frame(FEATURES, {"size": size, "speed": speed})
    model = LogisticRegression().fit(frame, labels_as_numbers(labels))
    scores = predict_scores(model, "binary", frame, CLASSES)
    numbers, categories = profile_inputs(FEATURES, frame)
    rows = tuple(
        ReferenceRow(
            kind="oof" if row < 200 else "holdout",
            block=(START + timedelta(days=row // 100)).date().isoformat(),
            position=row,
            event_time=START + timedelta(minutes=14 * row),
            scores=tuple(vector),
            flagged=False,
            label=CLASSES[1 - CLASSES.index(label)] if upside_down and row >= 200 else label,
            value=None,
            volume=100,
        )
        for row, (vector, label) in enumerate(zip(scores.tolist(), labels, strict=True))
    )
    parts: dict[str, Any] = {
        "use_case": "trains",
        "task": "binary",
        "classes": CLASSES,
        "contract_digest": contract().digest,
        "train_until": START + timedelta(days=2),
        "features": FEATURES,
        "rows_digest": f"{seed:064x}",
        "rows_trained": 200,
        "evaluation": {"auc": 0.9},
        "lineage": {"seed": str(seed)},
        "profile": Profile(
            rows=400,
            numbers=numbers,
            categories=categories,
            scores=score_bins(scores),
            calibration=calibrate(scores[:, 0], late),
            labels=count_labels(CLASSES, labels),
        ),
        "reference": Reference(rows),
        "golden": {name: tuple(frame[name].tolist()[:20]) for name in ("size", "speed")},
    }
    content = Content(**(parts | changed))
    path = folder / "toy"
    digest = write_package(path, model, content)
    manifest = Manifest.model_validate_json((path / "manifest.json").read_bytes())
    return Toy(path, digest, manifest)


def labels_as_numbers(labels: list[str]) -> list[int]:
    return [CLASSES.index(label) for label in labels]


def tar_of(directory: Path, mode: str = "w", prefix: str = "") -> bytes:
    """The files of a package as an upload carries them."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        for file in sorted(directory.iterdir()):
            archive.add(file, arcname=f"{prefix}{file.name}")
    return buffer.getvalue()
