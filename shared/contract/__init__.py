"""The use case contract and everything that follows from it: pure functions, the same in every service."""

from shared.contract.capacity import block_bounds, block_of, mean_demand, next_block
from shared.contract.changes import changed, objective_only
from shared.contract.decide import Choice, Reason, decide, estimate_of
from shared.contract.durations import Duration
from shared.contract.json_schema import contract_json_schema, schema_text
from shared.contract.lowered import Lowered, decide_through, limits_at, with_limits
from shared.contract.policy import CONSTANT, ESTIMATE, Policy, Rule, derive_policy, without_capacity
from shared.contract.problems import ContractError, Problem
from shared.contract.read import read_contract
from shared.contract.replay import Replayed, cost_in_order, decide_in_order
from shared.contract.schema import Contract, Feature
from shared.contract.shadow_price import DayScores, Demand, shadow_prices
from shared.contract.value import Money, OutcomeError, cost_minor, money, outcome_problem, value_minor

__all__ = [
    "CONSTANT",
    "ESTIMATE",
    "Choice",
    "Contract",
    "ContractError",
    "DayScores",
    "Demand",
    "Duration",
    "Feature",
    "Lowered",
    "Money",
    "OutcomeError",
    "Policy",
    "Problem",
    "Reason",
    "Replayed",
    "Rule",
    "block_bounds",
    "block_of",
    "changed",
    "contract_json_schema",
    "cost_in_order",
    "cost_minor",
    "decide",
    "decide_in_order",
    "decide_through",
    "derive_policy",
    "estimate_of",
    "limits_at",
    "mean_demand",
    "money",
    "next_block",
    "objective_only",
    "outcome_problem",
    "read_contract",
    "schema_text",
    "shadow_prices",
    "value_minor",
    "with_limits",
    "without_capacity",
]
