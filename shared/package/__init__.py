"""The package: a content-addressed directory that holds one trained model and the proof of how it answers."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shared.package.manifest import Feature, Manifest, read_manifest
    from shared.package.read import Package, read_package
    from shared.package.reference import Reference, ReferenceRow
    from shared.package.refusal import PackageRefused
    from shared.package.score import predict_scores, to_frame
    from shared.package.store import PackageStore
    from shared.package.verify import Proof, verify_files, verify_package
    from shared.package.write import Content, write_package

# Loaded when asked for: serving reads packages without pandas, pyarrow and scikit-learn.
_MODULES = {
    "manifest": ("Feature", "Manifest", "read_manifest"),
    "read": ("Package", "read_package"),
    "reference": ("Reference", "ReferenceRow"),
    "refusal": ("PackageRefused",),
    "score": ("predict_scores", "to_frame"),
    "store": ("PackageStore",),
    "verify": ("Proof", "verify_files", "verify_package"),
    "write": ("Content", "write_package"),
}
_WHERE = {name: module for module, names in _MODULES.items() for name in names}

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


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
