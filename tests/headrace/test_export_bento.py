"""`headrace export --bento`: a directory that plain BentoML serves, with the scores of training and no pickle."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from headrace.cli import app
from headrace.export_bento import ExportError, export_bento
from shared.package import PackageStore
from shared.package.golden import check_golden
from shared.package.read import read_package
from shared.spine.clock import monotonic
from tests.serving.conftest import free_port
from tests.serving.toy import make_toy

ROOT = Path(__file__).parents[2]


def test_an_export_holds_the_package_and_what_serves_it(tmp_path: Path) -> None:
    store = PackageStore(str(tmp_path / "home" / "packages"))
    toy = make_toy(tmp_path / "made", store)
    target = tmp_path / "out"
    answer = CliRunner().invoke(app, ["--home", str(tmp_path / "home"), "export", toy.digest, "--bento", str(target)])
    assert answer.exit_code == 0, answer.output
    assert {path.name for path in target.iterdir()} == {"package", "service.py", "bentofile.yaml", "requirements.txt"}
    assert {path.name for path in (target / "package").iterdir()} == {path.name for path in toy.path.iterdir()}
    compile((target / "service.py").read_text(), "service.py", "exec")
    requirements = (target / "requirements.txt").read_text().splitlines()
    assert any(line.startswith("scikit-learn==") for line in requirements)
    assert not any(line.startswith("python==") for line in requirements)
    with pytest.raises(ExportError, match="is there already"):
        export_bento(store, toy.digest, target)


def test_a_package_that_is_not_sound_is_not_exported(tmp_path: Path) -> None:
    store = PackageStore(str(tmp_path / "packages"))
    toy = make_toy(tmp_path / "made", store)
    (tmp_path / "packages" / toy.digest / "model.skops").write_bytes(b"torn")
    target = tmp_path / "out"
    answer = CliRunner().invoke(app, ["--home", str(tmp_path), "export", toy.digest, "--bento", str(target)])
    assert answer.exit_code == 1
    assert "was not exported: digest: model.skops" in answer.output
    assert not target.exists()


@pytest.mark.slow
async def test_bentoml_serves_it_with_the_scores_of_training(tmp_path: Path) -> None:
    store = PackageStore(str(tmp_path / "packages"))
    toy = make_toy(tmp_path / "made", store)
    export_bento(store, toy.digest, tmp_path / "out")
    golden = read_package(tmp_path / "out" / "package").golden
    records = [dict(zip(golden.columns, row, strict=True)) for row in zip(*golden.columns.values(), strict=True)]
    port = free_port()
    command = [sys.executable, "-m", "bentoml", "serve", str(tmp_path / "out"), "--host", "127.0.0.1"]
    environment = os.environ | {
        "PYTHONPATH": str(ROOT), "BENTOML_HOME": str(tmp_path / "bentoml"), "BENTOML_DO_NOT_TRACK": "True"
    }  # fmt: skip
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([*command, "--port", str(port)], env=environment, stdout=log, stderr=log)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            await _ready(client, process, tmp_path / "log")
            answer = await client.post("/score", json={"records": records})
            assert answer.status_code == 200, answer.text
            assert check_golden(golden, answer.json()) == 0.0
            refused = await client.post("/score", json={"records": [{"sise": 1}]})
            assert (refused.status_code, "sise" in refused.text) == (400, True)
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) in (0, -signal.SIGTERM)


async def _ready(client: httpx.AsyncClient, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline, never = monotonic() + 60, asyncio.get_running_loop().create_future()
    while monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            if (await client.get("/readyz")).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        await asyncio.wait([never], timeout=0.1)
    raise AssertionError(log.read_text())
