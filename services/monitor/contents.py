"""What a data event must hold to enter the tables, beyond its schema. Pure."""

import datetime as dt

from shared.contract.capacity import block_of
from shared.contract.policy import derive_policy
from shared.contract.schema import Contract
from shared.contract.value import outcome_problem
from shared.events import OutcomeRecorded, PredictionServed

FIRST_DAY, LAST_DAY = dt.date(1970, 1, 2), dt.date(2199, 12, 31)


def prediction_problem(event: PredictionServed, contract: Contract | None) -> str | None:
    """Why the decisions cannot be counted, naming the first field at fault; None where they can.

    `contract` is the one that they name, None while it is unknown here.
    """
    for i, (time, block) in enumerate(zip(event.event_times, event.blocks, strict=True)):
        if fault := _time_problem(time) or _block_problem(block, time, contract):
            return f"event_times.{i}, blocks.{i}: {fault}"
    if contract is None or event.status != "answered":
        return None
    if event.use_case != contract.use_case:
        return f"use_case: contract_digest belongs to {contract.use_case}"
    policy = derive_policy(contract)
    width = len(policy.classes) if policy.task == "multiclass" else 1
    for i, (decision, scores) in enumerate(zip(event.decisions, event.scores, strict=True)):
        if decision not in policy.decisions:
            return f"decisions.{i}: {decision!r} is not one of {', '.join(policy.decisions)}"
        if len(scores) != width:
            return f"scores.{i}: {len(scores)} numbers, the contract has {width}"
    return None


def outcome_problems(event: OutcomeRecorded, contract: Contract | None) -> str | None:
    """Why the outcomes cannot be counted; `contract` is the use case's newest, None while unknown."""
    policy = derive_policy(contract) if contract else None
    for i, outcome in enumerate(event.outcomes):
        if fault := _time_problem(outcome.known_at):
            return f"outcomes.{i}.known_at: {fault}"
        if policy and (fault := outcome_problem(policy, outcome.label, outcome.value)):
            return f"outcomes.{i}: {fault}"
    return None


def _time_problem(time: dt.datetime) -> str | None:
    if FIRST_DAY <= time.astimezone(dt.UTC).date() <= LAST_DAY:
        return None
    return f"{time.isoformat()} is not between {FIRST_DAY} and {LAST_DAY}"


def _block_problem(block: str, time: dt.datetime, contract: Contract | None) -> str | None:
    if contract:
        expected = block_of(contract, time)
        return None if block == expected else f"{time.isoformat()} lies in block {expected}, not {block!r}"
    try:
        day = dt.date.fromisoformat(block)
    except ValueError:
        return f"block {block!r} is not a day like 2013-03-01"
    # Reads look for a local day in its UTC neighbours only.
    near = day.isoformat() == block and abs(day - time.astimezone(dt.UTC).date()) <= dt.timedelta(days=1)
    return None if near else f"{time.isoformat()} does not lie in block {block}"
