"""What stands for a use case now: read before the slow work, checked again inside the transaction."""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.releases import Past
from services.registry.store import ReleaseStore, UseCaseStore
from shared.contract import Contract
from shared.spine.db import Database
from shared.spine.errors import TransientError


@dataclass(frozen=True)
class Standing:
    """The contract in force and every release so far, oldest first."""

    contract: Contract
    revision: int
    history: list[Past]

    @property
    def current(self) -> Past | None:
        """What is served."""
        return self.history[-1] if self.history else None


async def load_standing(db: Database, use_case: str) -> Standing | None:
    """None when no contract was ever applied for this name."""
    async with db.read() as session:
        return await _load(session, use_case)


async def assert_unchanged(session: AsyncSession, use_case: str, standing: Standing | None) -> None:
    """Raises TransientError when another act came between: what was decided outside is decided again."""
    now = await _load(session, use_case)
    if _version(now) != _version(standing):
        raise TransientError(f"{use_case} changed meanwhile; try again")


async def _load(session: AsyncSession, use_case: str) -> Standing | None:
    use_cases = UseCaseStore(session)
    row = await use_cases.get(use_case)
    if row is None:
        return None
    contract = await use_cases.get_contract(row.contract_digest)
    return Standing(contract, row.revision, await ReleaseStore(session).get_history(use_case))


def _version(standing: Standing | None) -> tuple[int, int]:
    return (standing.revision, len(standing.history)) if standing else (0, 0)
