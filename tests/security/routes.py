"""Which caller may use which route: asked of every route that the services' own OpenAPI documents name.

Run it to write the table into the documentation: `python -m tests.security.routes`.
"""

import asyncio
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from shared.spine.key_file import ROLES
from tests.security.apps import make_keys, open_services

PAGE = Path(__file__).resolve().parents[2] / "docs" / "security.md"
BEGIN, END = "<!-- routes: written by `python -m tests.security.routes` -->", "<!-- end of routes -->"
DOCUMENTS = {"serving": ("/openapi.json", "/docs.json")}
CALLERS = ("anonymous", "a wrong key", *ROLES)
REFUSED = (401, 403)


@dataclass(frozen=True)
class Route:
    """One route, and the status that each caller got."""

    service: str
    method: str
    path: str
    answers: Mapping[str, int]

    @property
    def changes(self) -> bool:
        """Whether it may change something."""
        return self.method not in ("GET", "HEAD", "OPTIONS")

    @property
    def allowed(self) -> list[str]:
        """The callers that were not refused."""
        return [caller for caller, status in self.answers.items() if status not in REFUSED]


async def probe(home: Path) -> list[Route]:
    """Ask every route of every service as every caller, with a body that nobody would take."""
    keys = make_keys(home / "keys")
    shown = {"anonymous": {}, "a wrong key": _bearer("hr_guess"), **{role: _bearer(key) for role, key in keys.items()}}
    found = []
    async with open_services(home, home / "keys") as services:
        for service, http in services.items():
            for method, path in await _routes(http, DOCUMENTS.get(service, ("/openapi.json",))):
                url = path.format(
                    use_case="trains", digest="d" * 64, version="1", first="2013-03-04", last="2013-03-10"
                )
                answers = {name: (await http.request(method, url, headers=shown[name])).status_code for name in CALLERS}
                found.append(Route(service, method, path, answers))
    return found


def table(routes: Iterable[Route]) -> str:
    """The routes as Markdown: what each caller gets; ✓ is whatever the request deserves."""
    lines = [f"| Service | Route | {' | '.join(CALLERS)} |", "|---" * (len(CALLERS) + 2) + "|"]
    for route in sorted(routes, key=lambda each: (not each.changes, each.service, each.path)):
        cells = [str(status) if status in REFUSED else "✓" for status in route.answers.values()]
        lines.append(f"| {route.service} | `{route.method} {route.path}` | {' | '.join(cells)} |")
    return "\n".join(lines)


async def _routes(http: httpx.AsyncClient, documents: Iterable[str]) -> list[tuple[str, str]]:
    found = []
    for document in documents:
        paths = (await http.get(document)).raise_for_status().json()["paths"]
        found += [(method.upper(), path) for path, methods in paths.items() for method in methods]
    return list(dict.fromkeys(found))


def _bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def written(page: str, text: str) -> str:
    """The page with this table in place of the old one."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        PAGE.write_text(written(PAGE.read_text("utf-8"), table(asyncio.run(probe(Path(folder))))), "utf-8")
