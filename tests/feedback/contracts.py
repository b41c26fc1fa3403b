"""Contracts for tests."""

from typing import Any

from shared.contract.schema import Contract

FLIGHTS: dict[str, Any] = {
    "use_case": "flights",
    "owner": "arrivals-desk",
    "objective": "Tell the desk which flights arrive late.",
    "task": "binary",
    "event_time": "pushback_at",
    "features": {"carrier": {"type": "category"}, "distance": {"type": "number"}},
    "label": {"name": "late", "classes": ["on_time", "late"], "mature_after": "2d", "give_up_after": "7d"},
    "currency": "USD",
    "decisions": {
        "none": {"on_time": "0.00", "late": "5.00"},
        "act": {"on_time": "1.00", "late": "0.00"},
        "review": {"on_time": "0.60", "late": "0.60", "capacity": {"per": "day", "limit": 2}},
    },
    "without_model": "none",
    "training": {"source": "source:load", "pipeline": "pipeline:build"},
    "signed_by": {"owner": "arrivals-desk"},
}

ARRIVAL: dict[str, Any] = {
    "use_case": "arrival",
    "owner": "arrivals-desk",
    "objective": "Estimate the delay.",
    "task": "regression",
    "event_time": "pushback_at",
    "features": {"distance": {"type": "number"}},
    "label": {"name": "delay", "range": [0, 100], "mature_after": "2d", "give_up_after": "7d"},
    "currency": "USD",
    "costs": {"under": "3.00", "over": "1.00"},
    "without_model": 10,
    "training": {"source": "source:load", "pipeline": "pipeline:build"},
    "signed_by": {"owner": "arrivals-desk"},
}


def flights_contract(**changes: Any) -> Contract:
    """The flights, with some sections replaced."""
    return Contract.model_validate({**FLIGHTS, **changes})


def arrival_contract(**changes: Any) -> Contract:
    """A regression."""
    return Contract.model_validate({**ARRIVAL, **changes})
