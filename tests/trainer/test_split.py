"""The last whole days are held out; neighbouring days stay in one fold."""

from datetime import UTC, datetime

from services.trainer.split import cut_at, end_of_data, fold_of_blocks
from shared.contract import Contract


def test_the_holdout_is_the_last_whole_days_before_as_of(toy_contract: Contract) -> None:
    at_midnight = cut_at(toy_contract, datetime(2024, 3, 29, tzinfo=UTC))
    in_the_day = cut_at(toy_contract, datetime(2024, 3, 29, 15, tzinfo=UTC))
    assert at_midnight == in_the_day
    assert at_midnight.first_held_out == "2024-03-22"
    assert at_midnight.train_until == datetime(2024, 3, 22, tzinfo=UTC)


def test_the_cut_lies_at_local_midnight_across_a_change_of_the_clocks(toy_contract: Contract) -> None:
    contract = Contract.model_validate(toy_contract.to_json() | {"timezone": "America/New_York"})
    assert cut_at(contract, datetime(2024, 3, 12, 4, tzinfo=UTC)).train_until == datetime(2024, 3, 5, 5, tzinfo=UTC)


def test_every_three_day_group_lies_whole_in_one_fold() -> None:
    folds = fold_of_blocks(f"2024-03-{day:02}" for day in range(1, 19))
    assert list(folds.values()) == [fold for fold in (0, 1, 2, 0, 1, 2) for _ in range(3)]


def test_data_that_stopped_are_held_out_from_their_own_end(toy_contract: Contract) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert end_of_data(toy_contract, ["2024-03-01", "2024-03-28"], now) == datetime(2024, 3, 29, tzinfo=UTC)
    assert end_of_data(toy_contract, ["2024-03-28"], datetime(2024, 3, 28, 12, tzinfo=UTC)).hour == 12
    assert end_of_data(toy_contract, [], now) == now
