"""The whole trainer on a real Kafka: a contract and a request in, a package and two events out."""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from headrace.embedded_kafka import EmbeddedKafka
from services.trainer.app import make_app
from services.trainer.job import Job
from services.trainer.settings import TrainerSettings
from services.trainer.store import UseCaseStore
from shared.contract import Contract
from shared.events import (
    ModelTrained,
    TimeAdvanced,
    TrainingFinished,
    TrainingRequested,
    UseCaseApplied,
    from_record,
    to_record,
)
from shared.package import PackageStore, verify_package
from tests.containers import database_url
from tests.delivery.seen import following, is_ready, send, take, until


@pytest.mark.kafka
async def test_a_request_ends_in_a_package_and_the_trainer_is_quiet_again(
    kafka_node: EmbeddedKafka, tmp_path: Path, toy_dir: Path, toy_contract: Contract, make_job: Callable[..., Job]
) -> None:
    kafka, time = kafka_node.start(), make_job().as_of
    settings = TrainerSettings(
        home=tmp_path / "home",
        kafka=kafka,
        trainer_use_cases_dir=toy_dir.parent,
        clock="replay",
        seed=7,
        trainer_database_url=database_url(tmp_path / "trainer.db"),
    )
    applied = UseCaseApplied.begin(
        source="test",
        time=time,
        use_case="toy",
        contract_digest=toy_contract.digest,
        contract=toy_contract.to_json(),
        revision=1,
        changed=[],
        signed_by="toy-desk",
    )
    asked = TrainingRequested.begin(
        source="test", time=time, use_case="toy", reason="test", requested_by="me", kind_of_cause="person"
    )
    app = make_app(settings)

    async def knows_the_contract() -> bool:
        async with app.state.db.read() as session:
            return await UseCaseStore(session).get("toy") is not None

    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://trainer") as client,
    ):

        async def is_quiet() -> bool:
            return bool((await client.get("/v1/status")).json()["quiet"])

        await until(lambda: is_ready(client))
        await send(kafka, to_record(TimeAdvanced.begin(source="test", time=time, now=time)), to_record(applied))
        await until(knows_the_contract)
        await send(kafka, to_record(asked))
        async with following(kafka, "model_trained") as consumer:
            (record,) = await take(consumer, 1, lambda record: True)
        trained = from_record(ModelTrained, record.value, record.headers)
        async with following(kafka, "training_finished") as consumer:
            (record,) = await take(consumer, 1, lambda record: True)
        finished = from_record(TrainingFinished, record.value, record.headers)
        await until(is_quiet)
        (run,) = (await client.get("/v1/runs")).json()

    assert (finished.outcome, run["state"]) == ("trained", "trained")
    assert trained.causation_id == finished.causation_id == asked.id
    assert trained.contract_digest == toy_contract.digest
    assert run["as_of"] == time.isoformat()
    path = PackageStore(settings.packages_location).fetch(trained.package_digest, tmp_path / "cache")
    assert verify_package(path, trained.package_digest).behaviour_digest == trained.behaviour_digest
