"""A forecast is what an average day looks like on out-of-sample rows."""

from pathlib import Path

from services.registry.forecast import forecast
from shared.contract import derive_policy
from shared.package import read_package
from tests.registry.toy import contract, make_toy


def test_a_smaller_capacity_means_fewer_reviews(tmp_path: Path) -> None:
    rows = read_package(make_toy(tmp_path).path).reference().rows
    wide = forecast(derive_policy(contract()), rows)
    narrow = forecast(derive_policy(contract(("limit: 40", "limit: 3"))), rows)
    assert wide.blocks == 4
    assert wide.volume_per_day == sum(wide.decisions_per_day.values()) == 100
    assert wide.reviews_per_day["review"] > narrow.reviews_per_day["review"] == 3
    assert wide.value_per_day_minor > 0
    assert sum(narrow.decisions_per_day.values()) == 100


def test_nothing_known_is_a_forecast_of_nothing() -> None:
    empty = forecast(derive_policy(contract()), ())
    assert (empty.blocks, empty.volume_per_day, empty.value_per_day_minor) == (0, 0, 0)
