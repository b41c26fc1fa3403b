"""What the monitor does when it hears a lifecycle event."""

from typing import Annotated

from faststream import Context

from services.monitor.capacity import CapacityStore
from services.monitor.measured_store import MeasurementStore
from services.monitor.measuring import place_of
from services.monitor.store import Contracts, ContractStore, EvaluationStore, ReleaseStore
from services.monitor.technical_store import ActivationStore
from shared.contract.schema import Contract
from shared.events import (
    ActivationReported,
    CapacityChanged,
    MeasurementRecorded,
    ModelReleased,
    PackageEvaluated,
    UseCaseApplied,
)
from shared.spine.clock import Clock
from shared.spine.db import Db
from shared.spine.inbox import first_time
from shared.spine.subscribe import ServiceRouter, subscribe

ClockDep = Annotated[Clock, Context("clock")]
ContractsDep = Annotated[Contracts, Context("contracts")]


def add_handlers(router: ServiceRouter) -> None:
    """Subscribe everything that the monitor listens to, what goes to the tables aside."""
    subscribe(router, UseCaseApplied)(on_use_case_applied)
    subscribe(router, ModelReleased)(on_model_released)
    subscribe(router, PackageEvaluated)(on_package_evaluated)
    subscribe(router, ActivationReported)(on_activation_reported)
    subscribe(router, MeasurementRecorded)(on_measurement_recorded)
    subscribe(router, CapacityChanged)(on_capacity_changed)


async def on_use_case_applied(event: UseCaseApplied, db: Db, contracts: ContractsDep) -> None:
    """Blocks of releases under this contract can be judged from now on."""
    # Broken contracts end as dead letters here, not as a step that fails for ever.
    Contract.model_validate(event.contract)
    await contracts.load(db)
    async with db.transaction() as session:
        if not await first_time(session, event):
            return
        await ContractStore(session).add(event)
    contracts.put(event.contract_digest, dict(event.contract))


async def on_model_released(event: ModelReleased, db: Db) -> None:
    """Know what is served; malformed releases become dead letters here, since serving has no group to write them."""
    async with db.transaction() as session:
        if await first_time(session, event):
            await ReleaseStore(session).add(event)


async def on_package_evaluated(event: PackageEvaluated, db: Db) -> None:
    """Keep it; what it says about the release is decided when the clock moves."""
    async with db.transaction() as session:
        if await first_time(session, event):
            await EvaluationStore(session).add(event)


async def on_activation_reported(event: ActivationReported, db: Db) -> None:
    """Keep what a serving worker says about a release; what follows from it is decided when the clock moves."""
    async with db.transaction() as session:
        if await first_time(session, event):
            await ActivationStore(session).add(event)


async def on_measurement_recorded(event: MeasurementRecorded, db: Db, clock: ClockDep, contracts: ContractsDep) -> None:
    """Keep a value for the block of its time; one that no KPI of the contract takes becomes a dead letter."""
    await contracts.load(db)
    block = place_of(event, contracts.newest(event.use_case), clock.now())
    async with db.transaction() as session:
        # Its own row is the inbox: one row for each value is enough.
        if await MeasurementStore(session).add(event, block):
            await MeasurementStore(session).touch(event.use_case, block)


async def on_capacity_changed(event: CapacityChanged, db: Db) -> None:
    """Keep a team's word: the report of its block shows what could be taken, and from when on."""
    async with db.transaction() as session:
        if await first_time(session, event):
            await CapacityStore(session).add(event)
            await MeasurementStore(session).touch(event.use_case, event.block)
