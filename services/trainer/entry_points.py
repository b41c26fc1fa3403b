"""Loads `module:function` of a use case's own directory, and nothing from anywhere else."""

import hashlib
import importlib
import importlib.util
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from services.trainer.job import CannotTrainError

ENTRY_POINT = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*:[a-z][a-z0-9_]*")
# The directory is imported under this name: its files may import each other (`from .flights import read`), and can
# never stand in for a module of the standard library or of ours.
PACKAGE_NAME = "headrace_use_case"


def load_entry_point(directory: Path, entry_point: str) -> Callable[..., Any]:
    """Return the function; raises CannotTrainError when it is not one defined below `directory`."""
    if not ENTRY_POINT.fullmatch(entry_point):
        raise CannotTrainError(f"entry point {entry_point[:100]!r} is not module:function")
    module_name, _, function_name = entry_point.partition(":")
    file = directory.joinpath(*module_name.split(".")).with_suffix(".py")
    _check_inside(directory, file)
    _mount(directory)
    module = importlib.import_module(f"{PACKAGE_NAME}.{module_name}")
    function = getattr(module, function_name, None)
    if not callable(function):
        raise CannotTrainError(f"{file.name} has no function {function_name}")
    if str(getattr(function, "__module__", "")).partition(".")[0] != PACKAGE_NAME:
        raise CannotTrainError(f"{entry_point} is defined outside of {directory.name}/")
    return function  # type: ignore[no-any-return]


def code_digest(directory: Path) -> str:
    """Return one digest over the names and bytes of all Python files below `directory`."""
    found = hashlib.sha256()
    for file in sorted(directory.rglob("*.py")):
        _check_inside(directory, file)
        name, content = file.relative_to(directory).as_posix(), file.read_bytes()
        found.update(f"{name}\n{len(content)}\n".encode() + content)
    return found.hexdigest()


def _check_inside(directory: Path, file: Path) -> None:
    """No link may lead out, whether the file itself or a folder on the way is one."""
    if not directory.is_dir():
        raise CannotTrainError(f"there is no directory {directory} with the code of the use case")
    if not file.is_file():
        raise CannotTrainError(f"there is no file {file.relative_to(directory)} in {directory}")
    if not file.resolve().is_relative_to(directory.resolve()):
        raise CannotTrainError(f"{file.relative_to(directory)} leads out of {directory}")


def _mount(directory: Path) -> None:
    """Make the directory importable as a package, without its parent and without the search path."""
    known = sys.modules.get(PACKAGE_NAME)
    if known is not None and list(known.__path__) == [str(directory)]:
        return
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE_NAME]:
        del sys.modules[name]
    spec = importlib.util.spec_from_loader(PACKAGE_NAME, loader=None, is_package=True)
    assert spec is not None
    spec.submodule_search_locations = [str(directory)]
    sys.modules[PACKAGE_NAME] = importlib.util.module_from_spec(spec)
