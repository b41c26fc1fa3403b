"""A toy use case for serving's tests: its contract, packages as from a trainer, events as from a registry."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder

from services.serving.decode import Decoder, Rows
from services.serving.live import Live
from services.serving.score import Coalescer
from services.serving.version import Version
from shared.contract import Contract, derive_policy
from shared.contract.arms import draw_of
from shared.contract.read import read_contract
from shared.events import ModelReleased, UseCaseApplied
from shared.package import (
    Content,
    Feature,
    Manifest,
    PackageStore,
    Reference,
    ReferenceRow,
    predict_scores,
    to_frame,
    write_package,
)
from shared.package.profile import Profile, calibrate, count_labels, profile_inputs, score_bins

START = datetime(2013, 1, 1, tzinfo=UTC)
NOW = datetime(2013, 3, 1, tzinfo=UTC)
CLASSES = ("on_time", "late")
FEATURES = (
    Feature(name="size", type="number"),
    Feature(name="speed", type="number"),
    Feature(name="colour", type="category"),
)
CONTRACT = """\
use_case: trains
owner: desk
objective: Say which trains will be late.
task: binary
event_time: left_at
features:
  size: {type: number, range: [-10, 10]}
  speed: {type: number}
  colour: {type: category}
label: {name: late, classes: [on_time, late], mature_after: 1d, give_up_after: 3d}
currency: EUR
decisions:
  none: {on_time: 0.00, late: 5.00}
  act: {on_time: 4.00, late: 0.00}
  review: {on_time: 0.20, late: 0.20, capacity: {limit: 20}}
without_model: none
training: {source: "source:load", pipeline: "pipeline:build"}
signed_by: {owner: desk}
"""


def contract(*changes: tuple[str, str]) -> Contract:
    """The contract after these replacements, each of which must hit something."""
    text = CONTRACT
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return read_contract(text)


@dataclass(frozen=True)
class Toy:
    """A package directory and its digest."""

    path: Path
    digest: str
    manifest: Manifest

    def released(self, sequence: int, under: Contract, **changed: Any) -> ModelReleased:
        """The event that the registry would publish."""
        said: dict[str, Any] = {
            "use_case": under.use_case,
            "sequence": sequence,
            "package_digest": self.digest,
            "behaviour_digest": self.manifest.behaviour_digest,
            "contract_digest": under.digest,
            "policy": derive_policy(under).model_dump(mode="json"),
            "cause": "person",
            "reason": "a test",
            "released_by": "test",
        }
        return ModelReleased.begin(source="test/registry", time=NOW, **(said | changed))


def applied(under: Contract) -> UseCaseApplied:
    """The event that the registry would publish."""
    return UseCaseApplied.begin(
        source="test/registry",
        time=NOW,
        use_case=under.use_case,
        contract_digest=under.digest,
        contract=under.to_json(),
        revision=1,
        changed=[],
        signed_by="desk",
    )


def make_toy(folder: Path, store: PackageStore | None = None, *, seed: int = 0, use_case: str = "trains") -> Toy:
    """A small gradient boosting model with one oof and one held-out day, put into the store."""
    random = np.random.default_rng(seed)
    size, speed = random.normal(size=400), random.normal(size=400)
    colour = random.choice(np.array(["red", "green", "blue"]), 400)
    late = size + 0.5 * speed + (colour == "red") + random.normal(size=400) * 0.4 > 0.7
    labels = [CLASSES[int(one)] for one in late]
    frame = to_frame(FEATURES, {"size": size, "speed": speed, "colour": colour})
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan, encoded_missing_value=np.nan)
    columns = ColumnTransformer([("codes", codes, ["colour"])], remainder="passthrough")
    forest = HistGradientBoostingClassifier(max_iter=20, random_state=seed)
    model = Pipeline([("columns", columns), ("model", forest)]).fit(frame, labels)
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
            label=label,
            value=None,
            volume=100,
        )
        for row, (vector, label) in enumerate(zip(scores.tolist(), labels, strict=True))
    )
    content = Content(
        use_case=use_case,
        task="binary",
        classes=CLASSES,
        contract_digest=contract().digest,
        train_until=START + timedelta(days=2),
        features=FEATURES,
        rows_digest=f"{seed:064x}",
        rows_trained=200,
        evaluation={"auc": 0.9},
        lineage={"seed": str(seed)},
        profile=Profile(
            rows=400,
            numbers=numbers,
            categories=categories,
            scores=score_bins(scores),
            calibration=calibrate(scores[:, 0], late),
            labels=count_labels(CLASSES, labels),
        ),
        reference=Reference(rows),
        golden={name: tuple(frame[name].tolist()[:20]) for name in ("size", "speed", "colour")},
    )
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"toy-{seed}-{len(list(folder.glob('*')))}"
    digest = write_package(path, model, content)
    if store:
        store.put(path, digest)
    return Toy(path, digest, Manifest.model_validate_json((path / "manifest.json").read_bytes()))


def rows_of(*sizes: float | None) -> Rows:
    """Rows that differ in size only."""
    return Decoder(contract()).rows([{"size": size} for size in sizes], NOW)


def live_of(model: Coalescer, under: Contract, sequence: int = 1) -> Live:
    """A release of a model that needs no package."""
    release = ModelReleased.begin(
        source="test/registry",
        time=NOW,
        use_case=under.use_case,
        sequence=sequence,
        package_digest=f"{sequence:064x}",
        behaviour_digest="b" * 64,
        contract_digest=under.digest,
        policy=derive_policy(under).model_dump(mode="json"),
        cause="person",
        reason="a test",
        released_by="test",
    )
    known = (under.use_case, sequence, f"{sequence:064x}", "b" * 64, under.digest)
    version = Version(*known, derive_policy(under), draw_of(under, seed=7))
    return Live(release, version, Decoder(under), model)
