"""As a newcomer and another team do it: a fresh table becomes a served model, and all the rest goes over Kafka."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from headrace.cli import app
from headrace.supervisor import Supervisor
from shared.spine.clock import monotonic
from tests.headrace.past_cases import write_customers

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
ROOT = Path(__file__).resolve().parents[2]
OUTSIDE = ROOT / "examples" / "outside_service" / "outside_service.py"
MLFLOW = ROOT / "tests" / "headrace" / "mlflow_models" / "skops"


class Newcomer:
    """Somebody at a shell, in an empty folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.use_case = folder, str(folder / "use_cases" / "churn")
        self.kafka = self.serving = self.registry = ""

    def types(self, *arguments: str) -> str:
        """What `headrace …` prints."""
        done = CliRunner().invoke(app, ("--home", str(self.folder / "home"), *arguments))
        assert done.exit_code == 0, done.output
        return done.stdout

    def outside(self, *arguments: str) -> str:
        """What the other team's service prints, in a Python that does not look for ours."""
        command = (sys.executable, "-I", str(OUTSIDE), self.kafka, "churn", *arguments)
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=200, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def asks(self, request_id: str) -> dict[str, Any]:
        """Send the request that `headrace init` wrote, under an id, until it is answered."""
        request = json.loads(Path(self.use_case, "request.json").read_text(encoding="utf-8"))
        # Yesterday is over, so it is counted at once.
        yesterday = (datetime.now(UTC) - timedelta(days=1)).isoformat()
        request["records"] = [record | {"signed_up": yesterday} for record in request["records"]]

        def ask() -> dict[str, Any] | None:
            answer = httpx.post(f"{self.serving}/v1/churn/predict", json=request | {"request_id": request_id})
            return dict(answer.json()) if answer.status_code == 200 else None

        answer: dict[str, Any] = until(ask)
        return answer

    def releases(self) -> list[dict[str, Any]]:
        """The registry's list."""
        return list(httpx.get(f"{self.registry}/v1/use_cases/churn/releases").json())


def until(look: Callable[[], Any]) -> Any:
    """What `look` finds, asked again until it finds something."""
    deadline, pause = monotonic() + 200, Event()
    while not (found := look()):
        assert monotonic() < deadline, "it did not come"
        pause.wait(0.5)
    return found


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Newcomer]:
    """A system that serves the model of a fresh table, by the commands of docs/bring_your_own.md."""
    someone = Newcomer(tmp_path_factory.mktemp("newcomer"))
    told = ("--label", "churned", "--time", "Signed Up", "--use-cases", str(someone.folder / "use_cases"))
    someone.types("init", "churn", "--data", str(write_customers(someone.folder)), *told)
    with Supervisor(someone.folder / "home", use_cases=someone.folder / "use_cases") as supervisor:
        running = supervisor.start()
        someone.kafka = running.kafka
        someone.serving, someone.registry = (running.services[name].url for name in ("serving", "registry"))
        someone.types("apply", f"{someone.use_case}/contract.yaml")
        someone.types("train", "churn", "--wait")
        someone.asks("first")
        yield someone


def test_a_fresh_table_is_trained_released_and_served(newcomer: Newcomer) -> None:
    answer = newcomer.asks("second")
    assert len(answer["predictions"]) == 2
    assert {one["decision"] for one in answer["predictions"]} <= {"none", "act"}


def test_another_team_says_outcomes_and_hears_what_the_decisions_cost(newcomer: Newcomer) -> None:
    newcomer.asks("told")
    newcomer.outside("outcomes", "told/0=churned", "told/1=not_churned")

    def labelled() -> dict[str, Any] | None:
        lines = newcomer.outside("reports", "--patience", "3", "--group", "finance").splitlines()
        return next((report for line in lines if (report := json.loads(line))["labelled"] >= 2), None)

    report = until(labelled)
    assert (report["use_case"], report["currency"], report["release_sequence"]) == ("churn", "EUR", 1)


def test_another_team_asks_for_a_training_and_takes_a_release_back(newcomer: Newcomer) -> None:
    asked = newcomer.outside("train", "a new price list")
    finished = until(lambda: _follows(newcomer, "training_finished", asked))
    assert finished["outcome"] in ("trained", "declined")
    packages = newcomer.folder / "packages"
    told = ("--trained-until", "2026-04-01", "--into", str(packages), "--upload")
    newcomer.types("import-mlflow", str(MLFLOW), newcomer.use_case, *told)
    digest = next(packages.iterdir()).name
    newcomer.types("release", "churn", digest, "--reason", "the other team's model")
    assert newcomer.releases()[-1]["sequence"] == 2
    asked = newcomer.outside("rollback", "the desk complains")
    released = until(lambda: _follows(newcomer, "model_released", asked))
    assert (released["sequence"], released["cause"], released["released_by"]) == (3, "rollback", "outside-service")
    assert released["package_digest"] == newcomer.releases()[0]["package_digest"]


def _follows(newcomer: Newcomer, topic: str, cause: str) -> dict[str, Any] | None:
    lines = newcomer.types("events", "--topic", topic, "--json").splitlines()
    return next((event for line in lines if (event := json.loads(line))["causation_id"] == cause), None)
