"""Every event of the catalogue has a readable line."""

import pytest

from headrace.describe import describe
from shared.events import CATALOGUE, KpiReported, PredictionServed
from shared.events.stored_examples import examples_of
from tests.events.records import event_of, example

LINES = {
    "use_case_applied": "contract 0c131dd7 revision 2 by arrivals-desk: decisions.review.capacity.limit",
    "training_requested": "ada (person) asks for training: first model",
    "training_finished": "run run-1 trained: package bc4a7118, first model (14.2 s)",
    "model_released": "release 3: package bc4a7118 under contract 0c131dd7 because rollback: cost per flight rose "
    "after release 2 (ada)",
    "activation_reported": "replica 0 worker 1234 refused release 3 at golden: record 17: score 0.41, expected 0.14",
    "prediction_served": "3 decisions: 2 none, 1 act, 1 flagged (12 ms)",
    "outcome_recorded": "2 outcomes: 1 on_time, 1 measured",
    "measurement_recorded": "contacts_per_case is 2 contacts (said by contact-center)",
    "capacity_changed": "arrivals-desk takes 120 of 200 review in block 2013-03-04: two of us are ill",
    "rollback_requested": "ada asks to roll back release 3 to package da925a30: the desk drowns in reviews "
    "[regret, lower_bound 0.021, days 12]",
    "report_published": "report of the week 2013-03-04 to 2013-03-10 went out: 6312 cases, 961.40 USD better than "
    "without a model, 1 incidents (/use_cases/flights_late/reports/2013-03-04..2013-03-10)",
    "time_advanced": "event time is now 2013-03-05 05:00Z",
}


@pytest.mark.parametrize("topic", CATALOGUE)
def test_every_event_is_told_in_one_line_of_words(topic: str) -> None:
    line = describe(example(topic))
    assert "\n" not in line
    assert "(id=" not in line, "this event has no words of its own"
    assert line == LINES.get(topic, line)


def test_money_is_told_exactly() -> None:
    kpi = example("kpi_reported")
    assert isinstance(kpi, KpiReported)
    assert "cost 312.40 USD, 148.20 better than without a model, labels 99.7 %" in describe(kpi)
    worse = kpi.model_copy(update={"value_minor": -7, "currency": "JPY"})
    assert "cost 31240 JPY, 7 worse than without a model" in describe(worse)


def test_a_report_tells_what_was_measured_and_which_capacity_was_lowered() -> None:
    line = next(line for each in examples_of(KpiReported) if "contacts" in (line := describe(event_of(each))))
    assert ", review 183 of 120 (the contract allows 200), contacts_per_case 0.62 contacts; incidents: " in line


@pytest.mark.parametrize("topic", ["kpi_reported", "package_evaluated"])
def test_numbers_of_selected_labels_are_told_as_such(topic: str) -> None:
    event = example(topic)
    assert "selected" not in describe(event)
    assert ", selected" in describe(event.model_copy(update={"selected": True}))


def test_a_declined_run_says_so_once() -> None:
    finished = example("training_finished").model_copy(
        update={"outcome": "declined", "reason": "declined, because the cooldown is 14d", "package_digest": None}
    )
    assert describe(finished).count("declined") == 1


def test_a_refused_request_says_why() -> None:
    served = example("prediction_served")
    assert isinstance(served, PredictionServed)
    refused = PredictionServed.begin(
        source="serving/0", time=served.time, use_case="flights", request_id="r", status="refused", error="no release"
    )
    assert describe(refused) == "request r refused: no release"
