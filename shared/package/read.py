"""Read a package that was verified; nothing is loaded before it is asked for."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from shared.package.canonical import parse_strict
from shared.package.golden import Golden
from shared.package.manifest import GOLDEN, MODEL, PROFILE, REFERENCE, Manifest, Strict, explain, read_manifest
from shared.package.refusal import PackageRefused

# Each brings pandas, pyarrow or scikit-learn: seconds that a reader of manifest and golden records must not wait for.
if TYPE_CHECKING:
    from shared.contract.shadow_price import Demand
    from shared.package.profile import Profile
    from shared.package.reference import Kind, Reference

Part = TypeVar("Part", bound=Strict)


@dataclass(frozen=True)
class Package:
    """A package directory; call `verify_package` before trusting what it says."""

    path: Path
    manifest: Manifest

    @cached_property
    def profile(self) -> "Profile":
        """The baseline profile."""
        from shared.package.profile import Profile

        return _read_part(Profile, self.path, PROFILE)

    @cached_property
    def golden(self) -> Golden:
        """The golden records with their scores."""
        return _read_part(Golden, self.path, GOLDEN)

    def reference(self, kind: "Kind | None" = None) -> "Reference":
        """Read the reference rows, or those of one kind, in event order."""
        from shared.package.reference import read_reference

        return read_reference(self.path / REFERENCE, self.manifest.score_columns, kind)

    def demand(self) -> "Demand":
        """Return the out-of-sample scores by block that a policy is derived from."""
        from shared.package.reference import read_demand

        return read_demand(self.path / REFERENCE, self.manifest.score_columns)

    @cached_property
    def model(self) -> Any:
        """The fitted estimator, loaded when it is first asked for."""
        return self.load_model()

    def load_model(self) -> Any:
        """Load the fitted estimator; only types of the fixed allow-list."""
        from shared.package.allow_list import load_model

        return load_model(self.path / MODEL)


def read_package(path: Path) -> Package:
    """Open a package directory; raises PackageRefused when its manifest is broken."""
    return Package(path, read_manifest(path))


def _read_part(kind: type[Part], path: Path, name: str) -> Part:
    try:
        return kind.model_validate(parse_strict((path / name).read_bytes(), name))
    except ValidationError as error:
        raise PackageRefused("format", explain(name, error)) from error
