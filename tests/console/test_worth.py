"""How far a sum may be trusted: the same range and the same estimate as `headrace value`, or why there is none."""

from typing import Any

import pytest

from services.console.facts import Facts, Period, facts_of
from services.console.figures import Figure, Sentence
from services.console.queries import Queries
from services.console.worth import NOT_CAUSAL, TOO_FEW, worth
from shared.evaluation.estimates import Estimate
from shared.evaluation.period import PeriodValue, period_value
from shared.evaluation.reported import Reported
from tests.console.test_queries import asker
from tests.console.test_sending import account
from tests.console.world import DAY, START, applied
from tests.feedback.contracts import flights_contract

SHARED = flights_contract(control_share=0.1)
PERIOD = Period("2013-03-01", "2013-03-20")


def arm(cases: int, cost: int) -> dict[str, Any]:
    return {"cases": cases, "labelled": cases, "cost_minor": cost * cases, "cost_without_model_minor": 200 * cases,
            "cost_variance": 9.0 + cost % 7, "value_variance": 4.0}  # fmt: skip


def history(control: int) -> Facts:
    days = [
        account(
            f"2013-03-{day:02}", contract_digest=SHARED.digest, value_minor=90 + 13 * (day % 4),
            arms={"control": arm(control, 200 + day), "model": arm(90, 110)} if control else {},
        )
        for day in range(1, 13)
    ]  # fmt: skip
    return facts_of("flights", START + 30 * DAY, [applied(SHARED), *days])


def told(facts: Facts) -> tuple[Any, PeriodValue]:
    queries = Queries("flights", PERIOD, {SHARED.digest: SHARED})
    found = worth(facts, PERIOD, queries, asker([], *facts.events))
    reports = [Reported(one.block, 1, one.contract_digest, one.model_dump()) for one in facts.reports]
    return found, period_value("flights", reports, [2])


def numbers(sentence: Sentence) -> list[Any]:
    return [part.value for part in sentence if isinstance(part, Figure)]


def test_the_range_is_that_of_the_period() -> None:
    found, period = told(history(0))
    days, saved, margin = numbers(found.range)
    assert (days, saved) == (period.judged_blocks, period.judged_value_minor)
    assert period.judged_interval is not None
    assert margin == pytest.approx((period.judged_interval[1] - period.judged_interval[0]) / 2, abs=1)


def test_cases_that_were_set_aside_say_what_the_model_itself_earned() -> None:
    found, period = told(history(10))
    assert isinstance(period.causal, Estimate)
    assert found.causal
    assert numbers(found.cause) == [period.causal.drawn, period.causal.minor, period.causal.low, period.causal.high]
    commands = {part.command for part in found.cause if isinstance(part, Figure)}
    assert all(one.startswith("headrace value flights --from 2013-03-01 --to 2013-03-20 --json") for one in commands)


@pytest.mark.parametrize(("control", "said"), [(0, NOT_CAUSAL), (1, TOO_FEW)])
def test_without_enough_of_them_it_is_not_causal(control: int, said: str) -> None:
    found, _ = told(history(control))
    assert not found.causal
    assert found.cause == (said,)
