"""PURE: the costs of contracts as SQL: a CASE over decision and outcome, in minor units."""

from collections.abc import Mapping, Sequence

from shared.contract.policy import Policy

# Plain numbers are of 32 bits there: sums of them would go over, without a word, at 21 million in cents.
_NOTHING = "cast(0 as bigint)"


def case(tables: Mapping[str, Mapping[str, Mapping[str, int]]]) -> str:
    """Cost by contract digest, decision and outcome; the contract is asked for only where costs differ."""
    same = len({repr(table) for table in tables.values()}) == 1
    chosen = dict([next(iter(tables.items()))]) if same else tables
    lines = [
        f"when {_under(digest, same)}{_after(table, decision)}label = '{label}' then {cost}"
        for digest, table in chosen.items()
        for decision, costs in _distinct(table).items()
        for label, cost in costs.items()
        if cost
    ]
    return f"(case {' '.join(lines)} else {_NOTHING} end)" if lines else _NOTHING


def countable(policy: Policy) -> str:
    """Outcomes that a use case can have, after decisions that it knows."""
    if policy.task == "regression":
        low, high = policy.label_range or (-1.0e300, 1.0e300)
        return f"value between {low!r} and {high!r}"
    return f"label in ({names(policy.classes)}) and decision in ({names(policy.decisions)})"


def names(names: Sequence[str]) -> str:
    """As an IN takes them."""
    return ", ".join(f"'{name}'" for name in names)


def _distinct(table: Mapping[str, Mapping[str, int]]) -> Mapping[str, Mapping[str, int]]:
    """One line for all decisions where they cost the same."""
    costs = list(table.values())
    return {"": costs[0]} if costs and all(one == costs[0] for one in costs) else table


def _after(table: Mapping[str, Mapping[str, int]], decision: str) -> str:
    return f"decision = '{decision}' and " if decision in table else ""


def _under(digest: str, same: bool) -> str:
    return "" if same else f"contract_digest = '{digest}' and "
