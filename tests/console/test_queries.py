"""The SQL of money is the contract's own pricing, row by row, for any rows and under more contracts than one."""

from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from services.console.facts import Period
from services.console.figures import Asker
from services.console.queries import Queries
from services.console.views import frames_of
from shared.contract import cost_minor, derive_policy
from shared.contract.schema import Contract
from tests.console.test_sending import account
from tests.console.world import FIRST, SECOND, START
from tests.feedback.contracts import arrival_contract

PERIOD = Period("2013-03-01", "2013-03-31")
CONTRACTS = {FIRST.digest: FIRST, SECOND.digest: SECOND}
ROWS = st.lists(
    st.tuples(
        st.sampled_from(["2013-02-28", "2013-03-01", "2013-03-09", "2013-04-01"]),
        st.sampled_from(["none", "act", "review", "gone"]),
        st.sampled_from(["on_time", "late", "diverted", None]),
        st.sampled_from(list(CONTRACTS)),
    ),
    max_size=30,
)
SCHEMA = {"block": pl.String, "decision": pl.String, "label": pl.String, "contract_digest": pl.String}


def asker(rows: list[tuple[Any, ...]], *events: Any) -> Asker:
    joined = pl.DataFrame(rows, schema=SCHEMA, orient="row").with_columns(
        use_case=pl.lit("flights"), reason=pl.lit("cost"), value=pl.lit(None, dtype=pl.Float64)
    )
    frames = {name: frame.lazy() for name, frame in frames_of(events).items()}
    return Asker({**frames, "joined": joined.lazy()}, START)


def answer(found: Asker, sql: str) -> Any:
    return found.one("", sql, str).value


@settings(deadline=None, max_examples=60)
@given(ROWS)
def test_sums_are_those_of_the_contract_in_force_on_each_row(rows: list[tuple[Any, ...]]) -> None:
    queries, found = Queries("flights", PERIOD, CONTRACTS), asker(rows)
    counted = [
        (derive_policy(CONTRACTS[digest]), decision, label)
        for block, decision, label, digest in rows
        if block in PERIOD and decision != "gone" and label in ("on_time", "late")
    ]
    cost = sum(cost_minor(policy, decision, (), label) for policy, decision, label in counted)
    without = sum(cost_minor(policy, policy.without_model, (), label) for policy, _, label in counted)
    assert answer(found, queries.labelled()) == len(counted)
    assert (answer(found, queries.cost()) or 0) == cost
    assert (answer(found, queries.cost_without_model()) or 0) == without
    assert (answer(found, queries.value()) or 0) == without - cost
    assert (answer(found, queries.margin(2.0)) or 0) >= 0


def test_an_estimate_is_priced_by_the_accounts_since_sql_has_no_fractions() -> None:
    contract: Contract = arrival_contract()
    queries = Queries("flights", PERIOD, {contract.digest: contract})
    found = asker([], account("2013-03-02", value_minor=40, cost_minor=60, cost_without_model_minor=100),
                  account("2013-03-03", value_minor=-15, cost_minor=115, cost_without_model_minor=100))  # fmt: skip
    assert answer(found, queries.value()) == answer(found, queries.accounts()) == 25
    assert answer(found, queries.cost_per_case(2)) == 175 / 20 / 100
    assert (answer(found, queries.days()), answer(found, queries.losing_days())) == (2, 1)
    assert answer(found, queries.days_above_cost(0.1, 2)) == 1


def test_only_the_newest_account_of_a_block_counts() -> None:
    contract = arrival_contract()
    queries = Queries("flights", PERIOD, {contract.digest: contract})
    found = asker([], account("2013-03-02", value_minor=40), account("2013-03-02", value_minor=30, revision=2))
    assert answer(found, queries.accounts()) == 30
