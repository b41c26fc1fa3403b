"""A contract that rests rollbacks on regret, for tests."""

from typing import Any

from shared.contract.schema import Contract
from tests.feedback.contracts import flights_contract

REGRET: dict[str, Any] = {"against": "last_good", "ceiling": 0.0, "clip": 0.5}


def watched_contract(**changes: Any) -> Contract:
    """The flights, asked back when regret is positive at α = .01, once in seven days."""
    sections = {
        "kpis": {"regret": REGRET, "cost_per_case": {"ceiling": 0.45}},
        "rollback": {"on": ["regret"], "alpha": 0.01, "cooldown": "7d"},
    }
    return flights_contract(**{**sections, **changes})
