"""Every route that changes something refuses strangers and wrong roles; the page of security shows the same table."""

from pathlib import Path

import pytest

from tests.security.routes import END, PAGE, Route, probe, table, written

# What changes something, and the one role that may do it; a new route has to be written down here.
NEEDED = {
    ("registry", "POST", "/v1/use_cases"): "approver",
    ("registry", "POST", "/v1/use_cases/{use_case}/releases"): "operator",
    ("registry", "POST", "/v1/use_cases/{use_case}/rollbacks"): "operator",
    ("registry", "POST", "/v1/use_cases/{use_case}/capacity"): "reviewer",
    ("registry", "PUT", "/v1/packages/{digest}"): "publisher",
    ("console", "POST", "/v1/notifications/test"): "operator",
    ("serving", "POST", "/v1/{use_case}/predict"): "publisher",
    ("serving", "POST", "/v1/{use_case}/outcomes"): "publisher",
    ("serving", "POST", "/predict"): "publisher",
    ("serving", "POST", "/v2/models/{use_case}/infer"): "publisher",
    ("serving", "POST", "/v2/models/{use_case}/versions/{version}/infer"): "publisher",
}
# BentoML asks pydantic in a way that pydantic will drop in its version 3; nothing of it is ours to change.
pytestmark = pytest.mark.filterwarnings("ignore:Accessing the 'model_fields' attribute")
OPEN = {"/healthz", "/readyz", "/livez", "/metrics", "/v1/status", "/v2/health/live", "/v2/health/ready"}


@pytest.fixture
async def routes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Route]:
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "bentoml"))
    return await probe(tmp_path)


async def test_a_route_that_changes_something_is_refused_to_all_but_one_role(routes: list[Route]) -> None:
    changing = {(route.service, route.method, route.path): route for route in routes if route.changes}
    assert changing.keys() == NEEDED.keys()
    for name, route in changing.items():
        assert route.allowed == [NEEDED[name]], route
        assert {route.answers["anonymous"], route.answers["a wrong key"]} == {401}, route
        assert 500 not in route.answers.values(), route

    reading = [route for route in routes if not route.changes]
    assert {route.service for route in reading} == {"registry", "trainer", "monitor", "console", "serving"}
    for route in reading:
        if route.path not in OPEN:
            assert route.allowed == ["viewer", "operator", "approver", "publisher", "reviewer"], route

    page = PAGE.read_text(encoding="utf-8")
    assert END in page
    assert page == written(page, table(routes)), "run python -m tests.security.routes"
