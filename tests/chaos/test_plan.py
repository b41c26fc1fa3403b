"""A plan is the same for the same seed, holds what its form asks for, and every kind comes on days of its own."""

from collections import Counter

import pytest

from shared.spine.points import POINTS
from tests.chaos.plan import LONG, MIDNIGHT, MONEY, QUICK, SERVICES, Act, Form, draw_plan


def acts_of(form: Form, seed: int) -> list[Act]:
    return [act for acts in draw_plan(form, seed).values() for act in acts]


def test_the_seed_decides_everything() -> None:
    assert draw_plan(QUICK, 7) == draw_plan(QUICK, 7)
    assert draw_plan(QUICK, 7) != draw_plan(QUICK, 8)


@pytest.mark.parametrize("form", [QUICK, LONG, MONEY], ids=lambda form: form.name)
def test_a_plan_holds_what_its_form_asks_for(form: Form) -> None:
    acts = acts_of(form, 3)
    counts = Counter((act.kind, act.target) for act in acts)
    assert {counts["kill", service] for service in SERVICES} == {form.kills_per_service}
    assert {counts["point", point] for point in POINTS} == {form.firings_per_point}
    assert sum(act.kind == "pause" for act in acts) == form.pauses
    assert sum(act.amount for act in acts if act.kind in ("tear", "torn_upload")) == form.torn_files
    assert all(0 <= day < form.days and 0 <= hour <= MIDNIGHT for day, hour in draw_plan(form, 3))


def test_a_point_is_never_armed_twice_on_a_day_that_has_room() -> None:
    days = Counter(
        (day, act.target) for (day, _), acts in draw_plan(LONG, 3).items() for act in acts if act.kind == "point"
    )
    assert max(days.values()) == 1
