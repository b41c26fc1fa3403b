"""The manifest: what a package says about itself; the digest of its bytes is the package's name."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, model_validator

from shared.package.canonical import canonical_json, parse_strict, sha256_hex
from shared.package.refusal import PackageRefused

MANIFEST = "manifest.json"
MODEL = "model.skops"
PROFILE = "profile.json"
REFERENCE = "reference.parquet"
GOLDEN = "golden.json"
ENVIRONMENT = "environment.lock"
COMPILED = "compiled.onnx"

MEBIBYTE = 1024 * 1024
# Every file of a package and the most bytes it may have: an upload can never fill a disk or a memory.
SIZE_LIMITS = {
    MANIFEST: 1 * MEBIBYTE,
    MODEL: 512 * MEBIBYTE,
    PROFILE: 8 * MEBIBYTE,
    REFERENCE: 256 * MEBIBYTE,
    GOLDEN: 8 * MEBIBYTE,
    ENVIRONMENT: 1 * MEBIBYTE,
    COMPILED: 256 * MEBIBYTE,
}
# What every package has beside its manifest; a compiled form is there exactly when the manifest says so.
FILES = frozenset(SIZE_LIMITS) - {MANIFEST, COMPILED}

Task = Literal["binary", "multiclass", "regression"]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
UseCase = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]


class Strict(BaseModel):
    """Base of what is read from a package: frozen, and unknown keys are an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Feature(Strict):
    """One input column of the model, in the order in which the model takes them."""

    name: Name
    type: Literal["number", "category"]


class FileEntry(Strict):
    """Digest and size of one file beside the manifest."""

    sha256: Digest
    bytes: int = Field(ge=0)


class Compiled(Strict):
    """How compiled.onnx was proven to answer as the model: rows, largest difference, decisions flipped."""

    form: Literal["fold", "export"]
    rows: int = Field(ge=10_000)
    max_difference: FiniteFloat = Field(ge=0, le=1e-9)
    flips: Literal[0]


class Manifest(Strict):
    """Everything about a package that fits on a page; scores have one column (binary, regression) or one per class."""

    format: Literal[1] = 1
    use_case: UseCase
    task: Task
    classes: tuple[Name, ...] = Field(max_length=1000)
    contract_digest: Digest
    behaviour_digest: Digest
    train_until: AwareDatetime
    features: tuple[Feature, ...] = Field(min_length=1, max_length=10_000)
    rows_digest: Digest
    rows_trained: int = Field(ge=1)
    evaluation: dict[Name, FiniteFloat] = Field(max_length=200)
    lineage: dict[Name, Annotated[str, Field(max_length=2000)]] = Field(max_length=100)
    environment: dict[Name, Name] = Field(max_length=1000)
    files: dict[str, FileEntry]
    compiled: Compiled | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        wanted = FILES | ({COMPILED} if self.compiled else set())
        if set(self.files) != wanted:
            raise ValueError(f"files must be exactly {sorted(wanted)}")
        if len({feature.name for feature in self.features}) != len(self.features):
            raise ValueError("a feature is named twice")
        if not _classes_fit(self.task, self.classes):
            raise ValueError(f"{len(self.classes)} classes do not fit the task {self.task}")
        return self

    @property
    def score_columns(self) -> int:
        """How many numbers one score vector has."""
        return len(self.classes) if self.task == "multiclass" else 1

    def to_bytes(self) -> bytes:
        """Return the bytes of manifest.json."""
        # A package without a compiled form keeps the digest that it had before there were any.
        return canonical_json(self.model_dump(mode="json", exclude=None if self.compiled else {"compiled"}))

    @property
    def digest(self) -> str:
        """The package digest, which is also the name of its directory."""
        return sha256_hex(self.to_bytes())


def _classes_fit(task: Task, classes: Sequence[str]) -> bool:
    wanted = {"binary": len(classes) == 2, "multiclass": len(classes) >= 2, "regression": not classes}
    return wanted[task] and len(set(classes)) == len(classes)


def read_manifest(path: Path) -> Manifest:
    """Read manifest.json of the package directory `path`; raises PackageRefused naming the field that is wrong."""
    return parse_manifest((path / MANIFEST).read_bytes())


def parse_manifest(content: bytes) -> Manifest:
    """Parse the bytes of a manifest.json."""
    if len(content) > SIZE_LIMITS[MANIFEST]:
        raise PackageRefused(
            "size", f"{MANIFEST} has {len(content)} bytes, at most {SIZE_LIMITS[MANIFEST]} are allowed"
        )
    try:
        return Manifest.model_validate(parse_strict(content, MANIFEST))
    except ValidationError as error:
        raise PackageRefused("format", explain(MANIFEST, error)) from error


def explain(name: str, error: ValidationError) -> str:
    """Say the first mistake of a file in one line: where and what."""
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{name}, {'.'.join(str(part) for part in first['loc']) or 'top level'}: {first['msg']}"


def behaviour_digest(train_until: datetime, rows_digest: str, golden_scores: Sequence[Sequence[float]]) -> str:
    """Name what a model does rather than its bytes, which skops writes differently each time.

    Scores enter with nine significant digits: the last bits differ between processors, decisions do not.
    """
    scores = [[f"{score:.9g}" for score in row] for row in golden_scores]
    return sha256_hex(canonical_json([f"{train_until.timestamp():.6f}", rows_digest, scores]))
