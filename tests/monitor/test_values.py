"""The monitor says what a period was worth, from its own blocks: the same as the topics and the tables say."""

import datetime as dt
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from headrace.backtest import past_of
from headrace.value import make
from services.monitor.handlers import on_use_case_applied
from services.monitor.values import Values
from shared.events import UseCaseApplied
from shared.spine.problems import Problem
from tests.feedback.contracts import flights_contract
from tests.feedback.streams import NOON, happened, served, store
from tests.monitor.test_closing import DAY, MIDNIGHT, Bench

CONTROLLED = flights_contract(control_share=0.5)
APPLIED = UseCaseApplied.begin(
    source="registry", time=NOON, use_case="flights", contract_digest=CONTROLLED.digest,
    contract=CONTROLLED.to_json(), revision=2, changed=["control_share"], signed_by="desk",
)  # fmt: skip
FIRST = NOON.date()


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path)
    await bench.db.create_tables()
    await on_use_case_applied(APPLIED, bench.db, bench.contracts)
    yield bench
    await bench.db.close()


@pytest.fixture
def values(bench: Bench) -> Values:
    return Values(bench.db, bench.contracts)


def serve(bench: Bench, day: int) -> None:
    """Forty control cases at 2.50 each and forty of the model at 1.00."""
    name, half = f"d{day}", 40
    event = served(
        name, [NOON + day * DAY] * 2 * half, decisions=["none"] * half + ["act"] * half,
        contract_digest=CONTROLLED.digest,
    ).model_copy(
        update={"arms": ["control"] * half + ["model"] * half, "propensities": [0.5] * 2 * half,
                "reasons": ["control"] * half + ["cost"] * half}
    )  # fmt: skip
    labels = {f"{name}/{row}": "late" if row % 2 == 0 and row < half else "on_time" for row in range(2 * half)}
    told = happened(labels, known_at=NOON + day * DAY + dt.timedelta(hours=5))
    store(bench.location, [event], [told], start=day)


async def test_blocks_topic_and_tables_have_the_same_money(bench: Bench, values: Values) -> None:
    for day in range(2):
        serve(bench, day)
    reports = [*await bench.step(1)]
    found = await values.of("flights", FIRST, FIRST + DAY)
    known = past_of("flights", [APPLIED, *reports])
    told = make(known, "flights", FIRST, FIRST + DAY, MIDNIGHT + DAY, bench.location)
    assert told.check.same
    assert told.period == found
    # 80 control cases cost 2.50 on average, the 80 of the model 1.00 each.
    assert not isinstance(found.causal, str)
    assert found.to_json()["causal"]["estimate"]["minor"] == 80 * 150
    assert found.value_minor == -80 * 100
    assert found.forecast is None


async def test_a_correction_moves_the_period_and_the_tables_alike(bench: Bench, values: Values) -> None:
    serve(bench, 0)
    before = await bench.step(1)
    store(bench.location, (), [happened({"d0/79": "late"}, known_at=MIDNIGHT + 2 * DAY)], start=7)
    after = await bench.step(2)
    assert [(one.revision, one.replaces) for one in after] == [(2, before[0].id)]
    found = await values.of("flights", FIRST, FIRST)
    known = past_of("flights", [APPLIED, *before, *after])
    told = make(known, "flights", FIRST, FIRST, MIDNIGHT + 2 * DAY, bench.location)
    assert (told.check.same, told.period) == (True, found)
    assert found.value_minor == before[0].value_minor + 600


async def test_the_arms_are_told_with_the_block(bench: Bench) -> None:
    serve(bench, 0)
    (told,) = await bench.step(1)
    assert {name: (arm.cases, arm.labelled, arm.cost_minor) for name, arm in told.arms.items()} == {
        "control": (40, 40, 20 * 500),
        "model": (40, 40, 40 * 100),
    }
    # The same step again has nothing new to tell: the arms are part of what was told.
    assert await bench.step(1) == []


async def test_a_period_without_blocks_is_not_found(values: Values) -> None:
    with pytest.raises(Problem, match="no reported block"):
        await values.of("flights", FIRST, FIRST)
