"""Prove a package: its bytes, its types, its environment, its answers."""

import hashlib
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.package.canonical import sha256_hex
from shared.package.environment import check_environment, fingerprint, lock_text
from shared.package.golden import check_golden
from shared.package.manifest import (
    ENVIRONMENT,
    FILES,
    MANIFEST,
    MODEL,
    REFERENCE,
    SIZE_LIMITS,
    Feature,
    Manifest,
    behaviour_digest,
    parse_manifest,
)
from shared.package.read import Package
from shared.package.refusal import PackageRefused
from shared.package.score import predict_scores

__all__ = ["PackageRefused", "Proof", "verify_files", "verify_package"]


@dataclass(frozen=True)
class Proof:
    """What was proven about a package, and with which numbers."""

    digest: str
    behaviour_digest: str
    use_case: str
    contract_digest: str
    trusted_types: tuple[str, ...]
    environment: str
    golden_records: int
    max_difference: float


def verify_files(path: Path, digest: str) -> Manifest:
    """Check names, kinds, sizes and digests of all files; cheap, and enough before bytes move on."""
    names = {entry.name for entry in os.scandir(path)}
    _check_names(names, {*FILES, MANIFEST}, set(SIZE_LIMITS))
    for name in sorted(names):
        _check_plain(path / name)
    manifest = read_named(path, digest)
    _check_names(names, {*manifest.files, MANIFEST}, {*manifest.files, MANIFEST})
    for name, entry in sorted(manifest.files.items()):
        found, size = _digest_file(path / name)
        if (found, size) != (entry.sha256, entry.bytes):
            raise PackageRefused("digest", f"{name} is not the file that the manifest names")
    return manifest


def check_served(path: Path, digest: str, features: Sequence[tuple[str, str]] | None = None) -> Manifest:
    """Check what can be checked without loading the model: enough to serve a package that was verified once."""
    manifest = verify_files(path, digest)
    _check_lock(path, manifest)
    check_environment(manifest.environment)
    if features is not None:
        _check_features(manifest.features, features)
    return manifest


def read_named(path: Path, digest: str) -> Manifest:
    """Read the manifest whose bytes have this digest."""
    content = (path / MANIFEST).read_bytes()
    if sha256_hex(content) != digest:
        raise PackageRefused("digest", f"the manifest has digest {sha256_hex(content)}, not {digest}")
    return parse_manifest(content)


def _check_names(names: set[str], needed: set[str], allowed: set[str]) -> None:
    missing, extra = needed - names, names - allowed
    if missing or extra:
        raise PackageRefused("files", f"missing {sorted(missing)}, not expected {sorted(extra)[:20]}")


def verify_package(path: Path, digest: str, features: Sequence[tuple[str, str]] | None = None) -> Proof:
    """Check everything and re-score the golden records; raises PackageRefused naming the check that failed.

    `features` are (name, type) pairs in the order of the contract that the package shall serve.
    """
    # Loading a model brings scikit-learn; whoever only moves packages or serves compiled ones must not wait for it.
    from shared.package.allow_list import check_types
    from shared.package.compiled.check import check_compiled

    manifest = check_served(path, digest, features)
    types = check_types(path / MODEL)
    package = Package(path, manifest)
    model = package.load_model()
    difference = _check_answers(package, model)
    _check_parts(package)
    if manifest.compiled:
        check_compiled(package, model)
    return Proof(
        digest=digest,
        behaviour_digest=manifest.behaviour_digest,
        use_case=manifest.use_case,
        contract_digest=manifest.contract_digest,
        trusted_types=types,
        environment=fingerprint(manifest.environment),
        golden_records=len(package.golden.scores),
        max_difference=difference,
    )


def _check_plain(file: Path) -> None:
    """Refuse links, folders and devices, and files above their limit, before anything is read."""
    state = file.lstat()
    if not stat.S_ISREG(state.st_mode):
        raise PackageRefused("files", f"{file.name} is not a plain file")
    if state.st_size > SIZE_LIMITS[file.name]:
        raise PackageRefused(
            "size", f"{file.name} has {state.st_size} bytes, at most {SIZE_LIMITS[file.name]} are allowed"
        )


def _digest_file(file: Path) -> tuple[str, int]:
    with file.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
        return found, stream.tell()


def _check_lock(path: Path, manifest: Manifest) -> None:
    if (path / ENVIRONMENT).read_bytes() != lock_text(manifest.environment).encode():
        raise PackageRefused("environment", f"{ENVIRONMENT} and the manifest name different versions")


def _check_features(packaged: Sequence[Feature], wanted: Sequence[tuple[str, str]]) -> None:
    """Columns are taken by name, so order is free; a name or type that differs is not."""
    mine, theirs = {(f.name, f.type) for f in packaged}, set(wanted)
    if mine != theirs:
        only_package, only_contract = sorted(mine - theirs)[:10], sorted(theirs - mine)[:10]
        raise PackageRefused("features", f"only in the package: {only_package}; only in the contract: {only_contract}")


def _check_answers(package: Package, model: Any) -> float:
    """Score the golden records again: what was measured in training is what would be served."""
    manifest, golden = package.manifest, package.golden
    named = behaviour_digest(manifest.train_until, manifest.rows_digest, golden.scores)
    if named != manifest.behaviour_digest:
        raise PackageRefused(
            "digest", f"the golden scores give behaviour digest {named}, not {manifest.behaviour_digest}"
        )
    try:
        frame = golden.frame(manifest.features)
        scores = predict_scores(model, manifest.task, frame, manifest.classes)
    except PackageRefused:
        raise
    except Exception as error:  # a foreign model may raise anything; that is a refusal, not a crash
        raise PackageRefused("golden", f"the golden records cannot be scored: {error!r:.500}") from error
    return check_golden(golden, scores)


def _check_parts(package: Package) -> None:
    """Parse the rest, so that no reader meets a broken profile or reference later."""
    from shared.package.reference import check_reference

    profile = package.profile
    wanted = {(f.name, f.type) for f in package.manifest.features}
    found = {(name, "number") for name in profile.numbers} | {(name, "category") for name in profile.categories}
    if wanted != found:
        raise PackageRefused("format", f"the profile knows other features: {sorted(wanted ^ found)[:10]}")
    check_reference(package.path / REFERENCE, package.manifest.score_columns)
