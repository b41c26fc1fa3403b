"""Turns a package into a directory that plain BentoML serves: service, package, requirements; no pickle in it."""

import shutil
from importlib.metadata import version
from pathlib import Path
from string import Template

from headrace.errors import CommandError
from shared.package.manifest import Manifest
from shared.package.store import PackageStore
from shared.package.verify import verify_package

TEMPLATE = Path(__file__).with_name("bento") / "service.py.txt"
BENTOFILE = """\
# `bentoml serve` needs nothing but this directory; `bentoml build` asks a package index for every requirement.
service: "service:Scores"
include: ["service.py", "package/*"]
python:
  requirements_txt: "./requirements.txt"
"""


class ExportError(CommandError):
    """The directory cannot be written."""


def export_bento(store: PackageStore, digest: str, target: Path) -> Manifest:
    """Write the new directory `target`; raises ExportError, PackageRefused when the package is not sound here."""
    if target.exists():
        raise ExportError(f"{target} is there already; choose another name, or remove it")
    target.mkdir(parents=True)
    try:
        store.fetch(digest, target)
        package = (target / digest).rename(target / "package")
        verify_package(package, digest)
        manifest = Manifest.model_validate_json((package / "manifest.json").read_bytes())
        (target / "service.py").write_text(_service(manifest), encoding="utf-8")
        (target / "bentofile.yaml").write_text(BENTOFILE, encoding="utf-8")
        (target / "requirements.txt").write_text(_requirements(manifest), encoding="utf-8")
    except BaseException:
        shutil.rmtree(target)
        raise
    return manifest


def _service(manifest: Manifest) -> str:
    scores = {
        "binary": f"the probability of {manifest.classes[-1] if manifest.classes else ''}",
        "multiclass": f"the probabilities of {', '.join(manifest.classes)}",
        "regression": "the estimate",
    }
    text = Template(TEMPLATE.read_text(encoding="utf-8"))
    # A class may have any name, and this is the source of a program.
    said = scores[manifest.task].encode("ascii", "backslashreplace").decode().replace('"', "'").replace("\\", "/")
    return text.substitute(use_case=manifest.use_case, digest=manifest.digest, scores=said)


def _requirements(manifest: Manifest) -> str:
    libraries = {name: said for name, said in manifest.environment.items() if name != "python"}
    libraries |= {name: version(name) for name in ("bentoml", "headrace")}
    return "".join(f"{name}=={libraries[name]}\n" for name in sorted(libraries))
