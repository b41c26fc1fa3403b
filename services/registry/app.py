"""Builds and runs the registry: `python -m services.registry.app`."""

import asyncio
from functools import partial
from typing import Any

from fastapi import FastAPI

from services.registry import api, api_capacity, api_packages
from services.registry.candidates import decide_candidates
from services.registry.capacity import CapacityStore
from services.registry.handlers import add_handlers, decide_rollbacks
from services.registry.http import Parts
from services.registry.measuring import Measuring
from services.registry.metrics import REGISTRY_REFUSED_ACTIVATIONS, REGISTRY_RELEASE_SEQUENCE
from services.registry.packages import Packages
from services.registry.patience import Patience
from services.registry.settings import RegistrySettings
from services.registry.store import ActivationStore, ReleaseStore, UseCaseStore
from shared.package import PackageStore
from shared.package.allow_list import warm
from shared.spine.app import Service, build_app, serve
from shared.spine.clock import Clock
from shared.spine.db import Database
from shared.spine.logs import setup
from shared.spine.settings import read_settings
from shared.spine.subscribe import ServiceRouter


def make_app(settings: RegistrySettings) -> FastAPI:
    """Everything wired together; nothing runs before the app's lifespan begins."""
    db = Database(settings.database)
    clock = Clock(settings.clock)
    packages = Packages(PackageStore(settings.packages_location), settings.work / "packages")
    uploads = settings.work / "uploads"
    api_packages.clear_uploads(uploads)
    router = ServiceRouter("registry", settings.instance, settings.kafka_session_seconds)
    add_handlers(router)
    # In this order: what a rollback has just brought back is not replaced in the same step.
    clock.on_step(partial(decide_rollbacks, db=db, packages=packages))
    clock.on_step(partial(decide_candidates, db=db, packages=packages))
    # Nobody scrapes a replay, which is to be quick.
    if settings.clock == "wall":
        clock.on_step(Measuring(db, describe).step)
    service = Service(
        name="registry",
        settings=settings,
        clock=clock,
        db=db,
        router=router,
        http=[api.router, api_capacity.router, api_packages.router],
        context={"packages": packages, "patience": Patience(settings.registry_package_wait_seconds)},
        background=[partial(asyncio.to_thread, warm)],
        detail=partial(describe, db),
    )
    app = build_app(service)
    app.state.registry = Parts(db, clock, packages, uploads, settings.registry_upload_bytes)
    return app


async def describe(db: Database) -> dict[str, Any]:
    """What each use case should serve, and what its workers say."""
    async with db.read() as session:
        rows = await UseCaseStore(session).list_all()
        releases = {row.use_case: await ReleaseStore(session).get_current(row.use_case) for row in rows}
        activations = await ActivationStore(session).list_all()
        capacity = {row.use_case: await CapacityStore(session).get_last(row.use_case) for row in rows}
    found: dict[str, Any] = {}
    for row in rows:
        release = releases[row.use_case]
        said = [each for each in activations if release and each.use_case == row.use_case]
        said = [each for each in said if release and each.sequence == release.sequence]
        if release:
            REGISTRY_RELEASE_SEQUENCE.labels(row.use_case).set(release.sequence)
        refused = sum(each.status == "refused" for each in said)
        REGISTRY_REFUSED_ACTIVATIONS.labels(row.use_case).set(refused)
        found[row.use_case] = {
            "revision": row.revision,
            "contract_digest": row.contract_digest,
            "capacity_sequence": capacity[row.use_case],
            "release": release
            and {
                "sequence": release.sequence,
                "package_digest": release.package_digest,
                "behaviour_digest": release.behaviour_digest,
                "contract_digest": release.contract_digest,
                "cause": release.cause,
            },
            "activations": [
                {"replica": each.replica, "worker": each.worker, "status": each.status, "check": each.check}
                for each in said
            ],
        }
    return {"use_cases": found}


def main() -> None:
    """Run until SIGTERM."""
    settings = read_settings(RegistrySettings)
    setup("registry", settings.log_level)
    serve(make_app(settings), settings.registry_host, settings.registry_port)


if __name__ == "__main__":
    main()
