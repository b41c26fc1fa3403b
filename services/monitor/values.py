"""Answers what a use case earned in a period, from the blocks in the database and the forecasts of their packages."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import date
from fractions import Fraction

from services.monitor.baseline import Baselines
from services.monitor.store import BlockStore, Contracts
from services.monitor.tables import BlockRow
from shared.contract.policy import derive_policy
from shared.evaluation.out_of_sample import value_per_case
from shared.evaluation.period import PeriodValue, Reported, period_value
from shared.package import PackageRefused
from shared.spine.db import Database
from shared.spine.problems import Problem

log = logging.getLogger(__name__)


class Values:
    """The value of periods; a package whose forecast cannot be had leaves its blocks without one."""

    def __init__(self, db: Database, contracts: Contracts, baselines: Baselines) -> None:
        self._db, self._contracts, self._baselines = db, contracts, baselines

    async def of(self, use_case: str, first: date, last: date) -> PeriodValue:
        """The value of the blocks from `first` to `last`; Problem 404 or 422 where there is none."""
        await self._contracts.load(self._db)
        async with self._db.read() as session:
            rows = await BlockStore(session).list_reported(use_case, first.isoformat(), last.isoformat())
        if not rows:
            raise Problem(404, f"{use_case[:100]} has no reported block from {first} to {last}")
        contract = self._contracts.get(rows[-1].contract_digest)
        assert contract is not None, "a block without a contract is never reported"
        forecasts = await asyncio.to_thread(self._forecasts, rows)
        reports = [Reported(row.block, row.release_sequence, row.contract_digest, row.report or {}) for row in rows]
        try:
            return period_value(use_case, reports, contract.digits, forecasts)
        except ValueError as error:
            raise Problem(422, str(error)) from error

    def _forecasts(self, rows: Sequence[BlockRow]) -> dict[int, Fraction]:
        """Release sequence -> what its package's out-of-sample rows say a case is worth under its contract."""
        found: dict[int, Fraction] = {}
        releases = {row.release_sequence: (row.package_digest, row.contract_digest) for row in rows}
        for sequence, (package, digest) in releases.items():
            contract = self._contracts.get(digest)
            try:
                known = self._baselines.get(package).package
                policy = derive_policy(contract, known.demand()) if contract else None
                value = value_per_case(policy, known.reference().rows) if policy else None
            except (PackageRefused, OSError, ValueError) as error:
                log.warning("a package has no forecast", extra={"package": package, "why": str(error)[:500]})
                continue
            if value is not None:
                found[sequence] = value
        return found
