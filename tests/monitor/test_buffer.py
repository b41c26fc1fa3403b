"""What was read and not written is known record by record."""

import datetime as dt

from services.monitor.buffer import Buffer
from tests.feedback.streams import NOON, failed, happened, served

PREDICTED, TOLD = "prediction_served", "outcome_recorded"


def test_nothing_read_is_nothing_to_write() -> None:
    buffer = Buffer()
    assert buffer.is_clean
    assert buffer.batches() == []


def test_each_table_gets_one_batch_with_the_next_offsets() -> None:
    buffer = Buffer()
    buffer.begin({(PREDICTED, 0): 5, (PREDICTED, 1): 0, (TOLD, 0): 0})
    buffer.add(PREDICTED, 0, 5, served("a", [NOON] * 2))
    buffer.add(PREDICTED, 1, 0, served("b"))
    buffer.add(TOLD, 0, 0, happened({"a/0": "late"}))
    assert buffer.rows == 4
    decisions, outcomes = buffer.batches()
    assert (decisions.table, decisions.rows.num_rows, decisions.offsets) == (
        "decisions",
        3,
        {(PREDICTED, 0): 6, (PREDICTED, 1): 1},
    )
    assert (outcomes.table, outcomes.rows.num_rows, outcomes.offsets) == ("outcomes", 1, {(TOLD, 0): 1})


def test_a_record_that_comes_again_is_not_taken_again() -> None:
    buffer = Buffer()
    for offset in (0, 1, 0, 1):
        buffer.add(PREDICTED, 0, offset, served(f"r{offset}"))
    assert buffer.rows == 2


def test_dead_letters_and_markers_move_the_offset_without_rows() -> None:
    buffer = Buffer()
    buffer.add(PREDICTED, 0, 0, None)
    buffer.add(PREDICTED, 0, 1, served("x").model_copy(update={"status": "refused", "event_times": []}))
    buffer.skip_to((PREDICTED, 0), 7)
    (batch,) = buffer.batches()
    assert (batch.rows.num_rows, batch.offsets) == (0, {(PREDICTED, 0): 7})


def test_failed_requests_wait_until_the_offsets_are_past_them() -> None:
    buffer = Buffer()
    for offset, event in enumerate((failed("a"), failed("b", release=0), failed("c", status="refused"), served("d"))):
        buffer.add(PREDICTED, 0, offset, event)
    batches = buffer.batches()
    buffer.add(PREDICTED, 0, 4, failed("e"))
    assert [(placed.event.request_id, placed.offset) for placed in buffer.failures] == [("a", 0), ("e", 4)]
    assert buffer.rows == 3, "a storm of errors is written as early as as many rows"
    buffer.take_written(batches)
    assert [placed.event.request_id for placed in buffer.failures] == ["e"]
    buffer.begin({})
    assert (list(buffer.failures), buffer.rows) == ([], 0)


def test_what_comes_while_writing_stays() -> None:
    buffer = Buffer()
    buffer.add(PREDICTED, 0, 0, served("a"))
    batches = buffer.batches()
    buffer.add(PREDICTED, 0, 1, served("b", [NOON, NOON + dt.timedelta(hours=1)]))
    buffer.take_written(batches)
    assert (buffer.is_clean, buffer.rows) == (False, 2)
    assert buffer.batches()[0].rows["request_id"].to_pylist() == ["b", "b"]


def test_beginning_again_forgets_what_was_not_written() -> None:
    buffer = Buffer()
    buffer.add(PREDICTED, 0, 0, served("a"))
    buffer.begin({(PREDICTED, 0): 0})
    assert (buffer.rows, buffer.is_clean) == (0, True)
    buffer.add(PREDICTED, 0, 0, served("a"))
    assert buffer.rows == 1
