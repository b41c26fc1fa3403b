"""Sampling of large blocks is seeded and keeps the true volume."""

from datetime import UTC, datetime, timedelta

from shared.package import ReferenceRow
from shared.package.reference import sample_blocks

START = datetime(2024, 1, 1, tzinfo=UTC)
ROWS = [
    ReferenceRow(
        "holdout", f"2024-01-0{1 + row // 60}", row, START + timedelta(minutes=row), (0.5,), False, None, None, 60
    )
    for row in range(120)
]


def test_small_blocks_are_kept_whole() -> None:
    assert list(sample_blocks(ROWS, seed=1).rows) == ROWS


def test_large_blocks_are_sampled_alike_for_the_same_seed_and_stay_in_event_order() -> None:
    once, again, other = (sample_blocks(ROWS, seed, most=20).rows for seed in (1, 1, 2))
    assert once == again != other
    assert len(once) == 40
    assert [row.position for row in once] == sorted(row.position for row in once)
    assert {row.volume for row in once} == {60}
