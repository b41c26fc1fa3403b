"""The package: a content-addressed directory that holds one trained model and the proof of how it answers."""

from shared.package.manifest import Feature, Manifest, read_manifest
from shared.package.read import Package, read_package
from shared.package.reference import Reference, ReferenceRow
from shared.package.refusal import PackageRefused
from shared.package.score import predict_scores, to_frame
from shared.package.store import PackageStore
from shared.package.verify import Proof, verify_files, verify_package
from shared.package.write import Content, write_package

__all__ = [
    "Content",
    "Feature",
    "Manifest",
    "Package",
    "PackageRefused",
    "PackageStore",
    "Proof",
    "Reference",
    "ReferenceRow",
    "predict_scores",
    "read_manifest",
    "read_package",
    "to_frame",
    "verify_files",
    "verify_package",
    "write_package",
]
