"""Parity: golden records scored again by what is live; a difference is shown, counted, and goes when it goes."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY

from services.serving.front import Front, Receive, Scope, Send
from services.serving.loading import Loaded
from services.serving.parity import Parity
from shared.package.compiled.runtime import OutsideError
from shared.package.parity import forms_of
from shared.spine.auth import ApiKeys
from shared.spine.problems import Problem
from tests.security.apps import make_keys
from tests.serving.fronts import open_front
from tests.serving.toy import contract, make_toy


async def nobody(_scope: Scope, _receive: Receive, _send: Send) -> None:
    """The app behind: not asked."""
    raise AssertionError


@pytest.fixture
async def front(tmp_path: Path) -> AsyncIterator[Front]:
    """A front that serves a real package."""
    async with open_front(tmp_path, nobody, 100_000, ApiKeys(None)) as front:
        activator, under = front.health.activator, contract()
        toy = make_toy(tmp_path / "made", activator.packages.store)
        await activator.learn(under)
        await activator.want(toy.released(2, under))
        await asyncio.gather(*activator.tasks.values())
        assert front.predictor.live_of("trains").version.package_digest == toy.digest
        yield front


def spoil(front: Front, *, difference: float) -> None:
    """Let the compiled form in memory answer otherwise; the package stays as it is."""
    compiled = loaded(front).compiled
    assert compiled is not None
    sound = compiled._run
    compiled._run = lambda *asked: [scores + difference for scores in sound(*asked)]


def loaded(front: Front) -> Loaded:
    """What is live, in memory."""
    return front.health.activator.packages.loaded[front.predictor.live_of("trains").version.package_digest]


def counted(status: str) -> float:
    """How many checks ended so."""
    labels = {"use_case": "trains", "form": "compiled", "status": status}
    return REGISTRY.get_sample_value("serving_parity_checks_total", labels) or 0.0


async def test_what_is_live_scores_as_in_training_and_the_original_is_not_loaded_for_it(front: Front) -> None:
    before = counted("equal")
    checked = await front.parity.check(front.predictor.live_of("trains"))
    assert [each.form for each in checked] == ["compiled", "compiled, row by row"]
    assert [(each.records, each.fault) for each in checked] == [(20, None)] * 2
    assert max(each.difference or 0 for each in checked) < 1e-12
    assert front.health.degraded() == []
    assert counted("equal") == before + 1
    assert loaded(front).package.model is not None
    checked = await front.parity.check(front.predictor.live_of("trains"))
    assert (checked[0].form, checked[0].fault) == ("original", None)


async def test_a_difference_degrades_the_worker_until_it_is_gone(front: Front) -> None:
    live, before = front.predictor.live_of("trains"), counted("different")
    spoil(front, difference=1e-6)
    checked, _ = await front.parity.check(live)
    assert checked.fault == "golden records score up to 1e-06 apart from training"
    assert counted("different") == before + 1
    async with httpx.AsyncClient(transport=httpx.ASGITransport(front), base_url="http://serving") as client:
        ready = await client.get("/readyz")
        said = (await client.get("/v1/trains/parity")).json()
        status = (await client.get("/v1/status")).json()
    assert ready.status_code == 200
    told = "; ".join(f"{form}: {checked.fault}" for form in ("compiled", "compiled, row by row"))
    assert ready.json()["degraded"] == [f"trains does not score as in training: {told}"]
    assert (said["equal"], said["release"], said["forms"][0]["fault"]) == (False, 2, checked.fault)
    assert status["detail"]["degraded"] == ready.json()["degraded"]
    spoil(front, difference=-1e-6)
    await front.parity.check(live)
    assert front.health.degraded() == []


async def test_a_model_that_cannot_score_any_more_is_a_difference(front: Front) -> None:
    vars(loaded(front).package)["model"] = None
    checked, *_ = await front.parity.check(front.predictor.live_of("trains"))
    assert "cannot be scored: AttributeError" in str(checked.fault)


async def test_the_schedule_checks_again_and_again_and_survives_what_fails(front: Front) -> None:
    activator = front.health.activator
    parity = Parity(front.predictor.serving, activator.packages, 0.01, front.health.wrong)
    before = counted("equal")
    running = asyncio.create_task(parity.run())
    never = asyncio.get_running_loop().create_future()
    while counted("equal") < before + 3:
        await asyncio.wait([never], timeout=0.01)
    digest = front.predictor.live_of("trains").version.package_digest
    activator.packages.loaded.pop(digest)
    (activator.packages.cache / digest / "model.skops").write_bytes(b"torn")
    (Path(str(activator.packages.store._root)) / digest / "model.skops").write_bytes(b"torn")
    await asyncio.wait([running], timeout=0.1)
    assert not running.done()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    with pytest.raises(Problem, match="cannot be checked: digest"):
        await parity.document(front.predictor.live_of("trains"))
    await Parity(front.predictor.serving, activator.packages, 0, {}).run()


class Partly:
    """A compiled form that answers for positive sizes only, and for those with one half."""

    def score(self, columns: Mapping[str, Sequence[Any]]) -> list[list[float]]:
        """Many rows."""
        return [self.score_row([size], []) for size in columns["size"]]

    def score_row(self, numbers: Sequence[Any], categories: Sequence[Any]) -> list[float]:
        """One row."""
        if numbers[0] is None or numbers[0] <= 0:
            raise OutsideError
        return [0.5]


def test_where_the_compiled_form_has_no_answer_the_original_is_checked(front: Front) -> None:
    package = loaded(front).package
    forms = forms_of(package, Partly())  # type: ignore[arg-type]  # as far as it is asked
    asked = {name: cells[:8] for name, cells in package.golden.columns.items()}
    original = forms["original"](asked).tolist()
    wanted = [
        [0.5] if isinstance(size, float) and size > 0 else score
        for size, score in zip(asked["size"], original, strict=True)
    ]
    assert 0 < wanted.count([0.5]) < 8
    assert forms["compiled"](asked) == forms["compiled, row by row"](asked) == wanted


async def test_parity_needs_a_key_and_no_role(front: Front, tmp_path: Path) -> None:
    keys = make_keys(tmp_path / "keys")
    front.keys = ApiKeys(tmp_path / "keys")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(front), base_url="http://serving") as client:
        for role, status in (("viewer", 200), ("", 401)):
            headers = {"authorization": f"Bearer {keys[role]}"} if role else {}
            answer = await client.get("/v1/trains/parity", headers=headers)
            assert answer.status_code == status, answer.text
        assert json.loads((await client.get("/v1/planes/parity", headers=headers)).content)["status"] == 401
