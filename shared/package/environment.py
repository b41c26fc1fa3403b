"""The environment lock: which library versions a model was fitted with, and whether this process may load it."""

import platform
from collections.abc import Mapping
from importlib.metadata import version

from shared.package.canonical import sha256_hex
from shared.package.refusal import PackageRefused

# What a scikit-learn pipeline's numbers can depend on; nothing else is loaded from a package.
LIBRARIES = ("joblib", "numpy", "pandas", "scikit-learn", "scipy", "skops", "threadpoolctl")
# A model's inner layout changes between minor versions of these, so another one is refused.
MUST_MATCH = ("numpy", "scikit-learn")


def current_environment() -> dict[str, str]:
    """Return the versions in this process, by library name; Python by major.minor."""
    found = {name: version(name) for name in LIBRARIES}
    found["python"] = ".".join(platform.python_version_tuple()[:2])
    return found


def lock_text(environment: Mapping[str, str]) -> str:
    """Return environment.lock: one `name==version` a line, sorted."""
    return "".join(f"{name}=={environment[name]}\n" for name in sorted(environment))


def fingerprint(environment: Mapping[str, str]) -> str:
    """Return one digest for a whole environment."""
    return sha256_hex(lock_text(environment).encode())


def check_environment(packaged: Mapping[str, str], here: Mapping[str, str] | None = None) -> None:
    """Raise PackageRefused when a library whose layout matters has another major.minor here than at the fit."""
    here = here or current_environment()
    for name in MUST_MATCH:
        wanted, found = packaged.get(name), here[name]
        if wanted is None:
            raise PackageRefused("environment", f"the package does not say which {name} it was fitted with")
        if _minor(wanted) != _minor(found):
            raise PackageRefused("environment", f"fitted with {name} {wanted}, but {found} is installed here")


def _minor(text: str) -> tuple[str, ...]:
    return tuple(text.split(".")[:2])
