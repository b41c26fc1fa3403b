"""Evaluates what is due from the facts that are stored, block by block, and tells it once."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Annotated, Any, TypeVar

from deltalake.exceptions import DeltaError
from faststream import Context

from services.trainer.evaluation import Due, DueBlock, list_due
from services.trainer.history import EvaluationStore
from services.trainer.metrics import TRAINER_EVALUATIONS_TOTAL
from services.trainer.runs import SOURCE
from shared.contract import Contract, Lowered
from shared.evaluation.block import Evaluated, evaluate_block
from shared.evaluation.lowered import lowered_of
from shared.evaluation.models import Model, Models
from shared.events import Event, PackageEvaluated
from shared.feedback.joined import Versions, joined, table_versions
from shared.package import PackageRefused
from shared.spine.db import Database
from shared.spine.errors import TransientError
from shared.spine.outbox import add_to_outbox

log = logging.getLogger(__name__)
T = TypeVar("T")
Found = list[tuple[Due, Model, Evaluated]]


class Evaluations:
    """Handlers store a fact and call `catch_up`: whichever fact comes last finds what both together make due."""

    def __init__(self, db: Database, feedback: str, models: Models) -> None:
        self._db, self._feedback, self._models = db, feedback, models
        self._one_at_a_time = asyncio.Lock()

    async def catch_up(self, use_case: str) -> None:
        """Evaluate everything that is due; the same call again finds nothing to do."""
        async with self._one_at_a_time:
            async with self._db.read() as session:
                facts = await EvaluationStore(session).get_facts(use_case)
            blocks = list_due(facts.contracts, facts.trained, facts.releases, facts.reports, facts.done)
            if not blocks:
                return
            versions = await _in_thread(table_versions, self._feedback)
            for block in blocks:
                contract = facts.contracts[block.last.contract]
                words = await self._words(use_case, block)
                found = await _in_thread(self._evaluate, contract, block, versions, words)
                if found:
                    await self._record(contract, block, found)

    async def _words(self, use_case: str, block: DueBlock) -> list[Lowered]:
        """What teams had said about their capacity in the block, as its report tells it."""
        async with self._db.read() as session:
            report = await EvaluationStore(session).get_report(use_case, block.block, block.last.release_sequence)
        return lowered_of(report)

    def _evaluate(self, contract: Contract, block: DueBlock, versions: Versions, words: Sequence[Lowered]) -> Found:
        """Evaluate on the block's rows with the labels known when it was judged, whenever this is done."""
        rows = joined(self._feedback, contract.use_case, block.last.judged_at, [block.block], versions)
        judged = {report.release_sequence for report in block.reports}
        if rows.is_empty() or not set(rows["release_sequence"].to_list()) <= judged:
            # Split over releases: it is evaluated as a whole when the last part is judged.
            return []
        found: Found = []
        for package, roles in groupby(block.due, key=lambda due: due.package):
            try:
                model = self._models.get(package)
                evaluated = evaluate_block(rows, model.score(rows), model.policy(contract), words)
            except PackageRefused as refused:
                log.warning("a package cannot be evaluated", extra={"package": package, "why": str(refused)[:500]})
                continue
            found += [(due, model, evaluated) for due in roles]
        return found

    async def _record(self, contract: Contract, block: DueBlock, found: Found) -> None:
        """What is said and that it was said commit together."""
        use_case = contract.use_case
        async with self._db.transaction() as session:
            store = EvaluationStore(session)
            for due, model, evaluated in found:
                if await store.is_done(use_case, due.package, block.block, due.role):
                    continue
                cause = await _cause(store, use_case, block, due)
                event = _event(cause, contract, block, due, model, evaluated)
                # Without one label there is nothing to compare.
                said = [event] if evaluated.labelled else []
                store.add(event, said=bool(said))
                add_to_outbox(session, *said)
                TRAINER_EVALUATIONS_TOTAL.labels(use_case, due.role).inc(len(said))


async def _in_thread(work: Callable[..., T], *given: Any) -> T:
    try:
        return await asyncio.to_thread(work, *given)
    except (OSError, DeltaError) as error:
        raise TransientError(f"packages or feedback tables are away: {error!r:.300}") from error


async def _cause(store: EvaluationStore, use_case: str, block: DueBlock, due: Due) -> Event:
    """The training for blocks that were judged before it, else the report: whatever was heard first."""
    if due.by_training:
        return await store.get_trained(use_case, due.package)
    return await store.get_report(use_case, block.block, block.last.release_sequence)


def _event(
    cause: Event, contract: Contract, block: DueBlock, due: Due, model: Model, evaluated: Evaluated
) -> PackageEvaluated:
    return PackageEvaluated.follow(
        cause,
        f"{due.package}:{block.block}:{due.role}",
        source=SOURCE,
        time=due.at,
        use_case=model.package.manifest.use_case,
        package_digest=due.package,
        behaviour_digest=model.package.manifest.behaviour_digest,
        contract_digest=block.last.contract,
        role=due.role,
        block=block.block,
        selected=contract.label.selected,
        **asdict(evaluated),
    )


EvaluationsDep = Annotated[Evaluations, Context("evaluations")]
