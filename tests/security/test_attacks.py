"""Attacks over HTTP: each is refused as the client's fault, and nothing in the system is other than before."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from shared.package import PackageStore
from tests.registry.toy import contract_text, make_toy
from tests.security.apps import open_services
from tests.security.attack import YAML, Attack, Ground
from tests.security.attacks_forms import FORM_ATTACKS
from tests.security.attacks_registry import REGISTRY_ATTACKS
from tests.security.attacks_serving import SERVING_ATTACKS
from tests.security.attacks_upload import UPLOAD_ATTACKS
from tests.security.traces import traces, watched

UPLOAD_BYTES = 4 * 1024 * 1024
ATTACKS: Mapping[str, Attack] = {
    **{f"registry, {name}": attack for name, attack in REGISTRY_ATTACKS.items()},
    **{f"upload, {name}": attack for name, attack in UPLOAD_ATTACKS.items()},
    **{f"serving, {name}": attack for name, attack in SERVING_ATTACKS.items()},
    **{f"serving, {name}": attack for name, attack in FORM_ATTACKS.items()},
}
System = tuple[Ground, Mapping[str, httpx.AsyncClient]]
of_one_loop = pytest.mark.asyncio(loop_scope="module")
# BentoML asks pydantic in a way that pydantic will drop in its version 3; nothing of it is ours to change.
pytestmark = pytest.mark.filterwarnings("ignore:Accessing the 'model_fields' attribute")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[System]:
    """All services, with a contract in force, a package that serves and one that could."""
    folder = tmp_path_factory.mktemp("attacked")
    home = folder / "home"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENTOML_HOME", str(home / "bentoml"))
        async with open_services(home, None, registry_upload_bytes=UPLOAD_BYTES) as services:
            store = PackageStore(str(home / "packages"))
            ground = Ground(home, make_toy(folder), make_toy(folder, seed=1))
            for toy in (ground.served, ground.other):
                store.put(toy.path, toy.digest)
            await _begin(services, ground)
            yield ground, services


async def _begin(services: Mapping[str, httpx.AsyncClient], ground: Ground) -> None:
    """What a client may do is done, so that a refusal later is one of the attack and not of an empty system."""
    registry, serving = services["registry"], services["serving"]
    applied = await registry.post("/v1/use_cases", content=contract_text(), headers=YAML)
    assert applied.status_code == 200, applied.text
    asked = {"package": ground.served.digest, "reason": "the first"}
    assert (await registry.post("/v1/use_cases/trains/releases", json=asked)).status_code == 201
    for path in ("/v1/trains/predict", "/predict"):
        named = {"use_case": "trains"} if path == "/predict" else {}
        answer = await serving.post(path, json={"request_id": f"r{len(path)}", "records": [{"size": 1.0}], **named})
        assert answer.status_code == 200, answer.text
    told = {"outcomes": [{"prediction_id": "r8/0", "label": "late"}]}
    assert (await serving.post("/v1/trains/outcomes", json=told)).status_code == 200


def test_there_are_enough_attacks_of_every_kind() -> None:
    assert len(ATTACKS) >= 60
    assert {attack.service for attack in ATTACKS.values()} == {"registry", "serving", "trainer"}


@of_one_loop
@pytest.mark.parametrize("name", ATTACKS)
async def test_an_attack_is_refused_and_leaves_no_trace(system: System, name: str) -> None:
    ground, services = system
    attack = ATTACKS[name]
    path, body = attack.request(ground)
    before = ground.traces or traces(ground.home)
    with watched(ground.home) as watch:
        answer = await services[attack.service].request(attack.method, path, content=body, headers=attack.headers)
    assert answer.status_code in attack.status, (answer.status_code, answer.text[:500])
    assert len(answer.content) < 20_000
    assert not {"set-cookie", "x-role"} & set(answer.headers)
    ground.traces = traces(ground.home)
    assert ground.traces == before
    assert watch.acts == []
    assert not Path("/tmp/headrace-was-here").exists()


@of_one_loop
async def test_the_ground_is_sound_after_all_attacks(system: System) -> None:
    ground, services = system
    shown = (await services["registry"].get("/v1/use_cases/trains")).json()
    assert shown["release"]["package_digest"] == ground.served.digest
    assert (await services["registry"].get("/v1/ledger/check")).json()["whole"] is True
    asked = {"package": ground.other.digest, "reason": "what every attack wanted, asked for as it should be"}
    answer = await services["registry"].post("/v1/use_cases/trains/releases", json=asked)
    assert answer.status_code == 201, answer.text
