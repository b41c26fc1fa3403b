"""Scores a released package's golden records again: as it lies in the store, and as a worker holds it now."""

from pathlib import Path
from typing import Any

import httpx

from shared.package.compiled.runtime import load_compiled
from shared.package.parity import check_form, forms_of
from shared.package.read import Package
from shared.package.refusal import PackageRefused
from shared.package.store import PackageStore
from shared.package.verify import check_served

_TIMEOUT_SECONDS = 60.0


def check_stored(store: PackageStore, digest: str, folder: Path) -> list[dict[str, Any]]:
    """Return one row for each form that the package in the store has; a package that cannot be read is a fault."""
    try:
        path = store.fetch(digest, folder)
        package = Package(path, check_served(path, digest))
        compiled = load_compiled(path, package.manifest) if package.manifest.compiled else None
        found = [check_form(form, package.golden, score) for form, score in forms_of(package, compiled).items()]
    except PackageRefused as refused:
        return [_row("store", "original", 0, str(refused))]
    return [{"where": "store", **each.to_json()} for each in found]


def ask_serving(url: str, api_key: str, use_case: str, digest: str) -> list[dict[str, Any]]:
    """Return one row for each form of the worker that answers; one that serves another package is a fault."""
    headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
    try:
        answer = httpx.get(f"{url}/v1/{use_case}/parity", headers=headers, timeout=_TIMEOUT_SECONDS)
        said: dict[str, Any] = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        return [_row("serving", "–", 0, f"serving at {url} does not answer: {error}")]
    if not answer.is_success:
        return [_row("serving", "–", 0, f"serving answered {answer.status_code}: {said.get('detail')}")]
    if said["version"] != digest:
        return [_row("serving", "–", 0, f"serving still answers with package {said['version']}")]
    return [{"where": "serving", **form} for form in said["forms"]]


def _row(where: str, form: str, records: int, fault: str) -> dict[str, Any]:
    return {"where": where, "form": form, "records": records, "difference": None, "fault": fault}
