"""Answers what a use case earned in a period, from the blocks in the database."""

from datetime import date

from services.monitor.store import BlockStore, Contracts
from shared.evaluation.period import PeriodValue, period_value
from shared.evaluation.reported import Reported
from shared.spine.db import Database
from shared.spine.problems import Problem


class Values:
    """The value of periods."""

    def __init__(self, db: Database, contracts: Contracts) -> None:
        self._db, self._contracts = db, contracts

    async def of(self, use_case: str, first: date, last: date) -> PeriodValue:
        """The value of the blocks from `first` to `last`; Problem 404 or 422 where there is none."""
        await self._contracts.load(self._db)
        async with self._db.read() as session:
            rows = await BlockStore(session).list_reported(use_case, first.isoformat(), last.isoformat())
        if not rows:
            raise Problem(404, f"{use_case[:100]} has no reported block from {first} to {last}")
        contracts = [self._contracts.get(row.contract_digest) for row in rows]
        digits = [contract.digits for contract in contracts if contract is not None]
        reports = [Reported(row.block, row.release_sequence, row.contract_digest, row.report or {}) for row in rows]
        try:
            return period_value(use_case, reports, digits)
        except ValueError as error:
            raise Problem(422, str(error)) from error
