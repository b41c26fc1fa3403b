"""Sampling of large blocks is seeded and keeps the true volume."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shared.package import PackageRefused, Reference, ReferenceRow
from shared.package.reference import SCHEMA, read_demand, read_reference, sample_blocks, write_reference

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


def test_one_kind_and_the_demand_are_read_without_the_rest(tmp_path: Path) -> None:
    mixed = [row._replace(kind="oof" if row.position % 3 else "holdout", scores=(row.position / 200,)) for row in ROWS]
    reference = Reference(tuple(sorted(mixed, key=lambda row: (row.position * 7) % 120)))
    write_reference(reference, tmp_path / "a")
    assert read_reference(tmp_path / "a", 1, "holdout").rows == tuple(r for r in reference.rows if r.kind == "holdout")
    assert read_demand(tmp_path / "a", 1) == reference.demand()


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


def a_column(name: str, rows: int) -> Any:
    """A column as it should be."""
    texts: dict[str, Any] = {"kind": "oof", "block": "2013-01-01", "label": "late"}
    values = texts | {"position": 0, "event_time": START, "scores": [0.5], "flagged": False, "volume": 1}
    return pa.array([values.get(name)] * rows, SCHEMA.field(name).type)


@pytest.mark.parametrize("column", ["kind", "block", "label"])
def test_a_long_text_said_again_and_again_is_never_unpacked(tmp_path: Path, column: str) -> None:
    long = pa.DictionaryArray.from_arrays(pa.array([0] * 50_000, pa.int32()), pa.array(["x" * 100_000]))
    table = pa.table({name: long if name == column else a_column(name, 50_000) for name in SCHEMA.names})
    path = tmp_path / "reference.parquet"
    pq.write_table(table, path, compression="zstd")
    assert path.stat().st_size < 1_000_000
    before = pa.total_allocated_bytes()
    with pytest.raises(PackageRefused, match=f"a {column} is longer than 1024 bytes") as refused:
        read_reference(path, 1)
    assert refused.value.check == "size"
    assert pa.total_allocated_bytes() - before < 100_000_000


def test_a_score_list_without_end_is_never_unpacked(tmp_path: Path) -> None:
    endless = pa.array([[0.5] * 2_000_000], SCHEMA.field("scores").type)
    path = tmp_path / "reference.parquet"
    pq.write_table(pa.table({n: endless if n == "scores" else a_column(n, 1) for n in SCHEMA.names}), path)
    with pytest.raises(PackageRefused, match="1 rows have 2000000"):
        read_reference(path, 1)
