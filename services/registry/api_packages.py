"""The registry's HTTP routes for packages: anybody with the role may bring one."""

import hashlib
import shutil
import tempfile
from asyncio import to_thread
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from services.registry import answers
from services.registry.http import PackageDigest, Parts, PartsOf, Publisher, Reader, chunks
from services.registry.releases import Refusal
from services.registry.store import PackageRows
from services.registry.upload import UploadRefusedError, unpack
from shared.package.manifest import MANIFEST, SIZE_LIMITS, Manifest
from shared.spine import points
from shared.spine.problems import Problem

router = APIRouter(prefix="/v1/packages", tags=["packages"])
_TAR_BODY = {
    "requestBody": {
        "required": True,
        "description": "tar of the package's files, plain or gzip",
        "content": {"application/x-tar": {"schema": {"type": "string", "format": "binary"}}},
    }
}


@router.get("")
async def list_packages(
    parts: PartsOf, _caller: Reader, use_case: Annotated[str, Query(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
) -> list[answers.PackageSummary]:
    """The verified packages of a use case, newest training data first."""
    async with parts.db.read() as session:
        rows = await PackageRows(session).list_for(use_case)
    return [answers.package(row) for row in rows]


@router.get("/{digest}")
async def get_package(digest: PackageDigest, parts: PartsOf, _caller: Reader) -> dict[str, Any]:
    """What a package says about itself, and what the registry says about it."""
    async with parts.db.read() as session:
        row = await PackageRows(session).get(digest)
        rejections = await PackageRows(session).list_rejections(digest)
    manifest = await parts.packages.read(digest)
    if isinstance(manifest, Refusal) and row is None and not rejections:
        raise Problem(404, f"there is no package {digest}", package=digest)
    return {
        "digest": digest,
        "status": row.status if row else "rejected" if rejections else "stored",
        "verified": row is not None,
        "manifest": None if isinstance(manifest, Refusal) else manifest.model_dump(mode="json"),
        "rejections": [answers.rejection(rejected) for rejected in rejections],
    }


@router.put("/{digest}", openapi_extra=_TAR_BODY)
async def put_package(
    digest: PackageDigest, request: Request, response: Response, parts: PartsOf, _caller: Publisher
) -> dict[str, Any]:
    """Bring a package: 201 once it is verified and stored, 200 when it was there already."""
    there = await parts.packages.has(digest)
    with tempfile.TemporaryDirectory(dir=parts.uploads, prefix="upload-") as folder:
        directory = Path(folder) / "package"
        directory.mkdir()
        archive = Path(folder) / "archive"
        with archive.open("wb") as target:
            async for chunk in chunks(request, parts.upload_bytes):
                if not there:
                    target.write(chunk)
                    points.reached(points.MID_PACKAGE_UPLOAD, target.flush)
        if there:
            manifest = await parts.packages.prove(digest)
        else:
            manifest = await _keep(parts, digest, archive, directory)
    if isinstance(manifest, Refusal):
        raise Problem(422, f"{manifest.rule}: {manifest.explanation}", check=manifest.rule)
    async with parts.db.transaction() as session:
        await PackageRows(session).add(digest, manifest, parts.clock.now(), "uploaded")
    response.status_code = 200 if there else 201
    return {"digest": digest, "use_case": manifest.use_case, "behaviour_digest": manifest.behaviour_digest}


async def _keep(parts: Parts, digest: str, archive: Path, directory: Path) -> Manifest | Refusal:
    try:
        await to_thread(unpack, archive, directory, SIZE_LIMITS, parts.upload_bytes)
    except UploadRefusedError as refused:
        raise Problem(422, f"{refused.check}: {refused.detail}", check=refused.check) from refused
    manifest = directory / MANIFEST
    found = hashlib.sha256(manifest.read_bytes()).hexdigest() if manifest.exists() else None
    if found not in (digest, None):
        raise Problem(409, f"the package that was sent has digest {found}, not {digest}", check="digest", found=found)
    return await parts.packages.keep(digest, directory)


def clear_uploads(uploads: Path) -> None:
    """Remove what an interrupted upload left behind."""
    shutil.rmtree(uploads, ignore_errors=True)
    uploads.mkdir(parents=True)
