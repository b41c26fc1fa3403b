"""Sampling of large blocks is seeded and keeps the true volume."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from shared.package import PackageRefused, Reference, ReferenceRow
from shared.package.reference import read_reference, sample_blocks, write_reference

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


def test_rows_read_back_equal_and_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    rows = Reference((*ROWS[:3], ROWS[3]._replace(kind="oof", label="yes", value=2.5, flagged=True)))
    write_reference(rows, tmp_path / "a")
    write_reference(rows, tmp_path / "b")
    assert read_reference(tmp_path / "a", 1) == rows
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("scores", [(float("nan"),), (float("inf"),), (), (0.5, 0.5)])
def test_scores_that_are_not_finite_or_not_as_many_as_promised_are_refused(
    tmp_path: Path, scores: tuple[float, ...]
) -> None:
    write_reference(Reference((ROWS[0], ROWS[1]._replace(scores=scores))), tmp_path / "a")
    with pytest.raises(PackageRefused, match="1 finite scores"):
        read_reference(tmp_path / "a", 1)


def test_missing_columns_nulls_and_files_of_another_kind_are_refused(tmp_path: Path) -> None:
    write_reference(Reference(tuple(ROWS)), tmp_path / "a")
    table = pq.read_table(tmp_path / "a")
    pq.write_table(table.drop_columns(["block"]), tmp_path / "b")
    nulls = table.set_column(0, "kind", [[None] * len(table)])
    pq.write_table(nulls, tmp_path / "c")
    (tmp_path / "d").write_bytes(b"PAR1 is not enough")
    for name in "bcd":
        with pytest.raises(PackageRefused):
            read_reference(tmp_path / name, 1)
