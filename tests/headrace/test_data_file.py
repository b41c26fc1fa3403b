"""Tables as other programs write them are read as they are meant, and what is no table is one sentence."""

from pathlib import Path

import pandas as pd
import pytest

from headrace.data_file import DataFileError, Dialect, read_data

ROWS = 60


def lines(separator: str, *cells: str) -> str:
    """The names a, b … and the same row sixty times."""
    return "\n".join([separator.join("abcdefg"[: len(cells)]), *[separator.join(cells)] * ROWS]) + "\n"


@pytest.mark.parametrize(
    ("content", "dialect", "first"),
    [
        (lines(",", "1.5", "Köln").encode(), Dialect(), ["1.5", "Köln"]),
        (lines(",", "1.5", "Köln").encode("utf-8-sig"), Dialect("utf-8-sig"), ["1.5", "Köln"]),
        (lines(";", "1,5", "Köln").encode("cp1252"), Dialect("cp1252", ";", ","), ["1.5", "Köln"]),
        (lines("\t", "1,5", "Köln, Bonn").encode("utf-16"), Dialect("utf-16", "\t", ","), ["1.5", "Köln, Bonn"]),
        (lines("|", "1.5", "a;b").encode(), Dialect("utf-8", "|"), ["1.5", "a;b"]),
        (lines(", ", "1.5", '"one, two"').encode(), Dialect(), ["1.5", "one, two"]),
        (lines(",", "007", '"one\ntwo"').encode(), Dialect(), ["007", "one\ntwo"]),
        (lines(";", "1.234,5", "x").encode(), Dialect("utf-8", ";"), ["1.234,5", "x"]),
    ],
)
def test_a_table_is_read_as_its_program_wrote_it(
    tmp_path: Path, content: bytes, dialect: Dialect, first: list[str]
) -> None:
    path = tmp_path / "cases.csv"
    path.write_bytes(content)
    found = read_data(path)
    assert (found.dialect, found.frame.iloc[0].tolist(), len(found.frame)) == (dialect, first, ROWS)
    assert list(found.frame) == ["a", "b"]


def test_the_words_of_other_programs_for_a_gap_are_gaps(tmp_path: Path) -> None:
    path = tmp_path / "cases.csv"
    path.write_text("a,b\n" + "".join(f"{word},x\n" for word in ("", "NA", "NULL", "-", "?", ".", "n/a", "3")) * 10)
    assert read_data(path).frame["a"].dropna().unique().tolist() == ["3"]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("cases.csv", b"", "is empty: the first line names the columns"),
        ("cases.csv", b"\n\n", "is empty: the first line names the columns"),
        ("cases.csv", b"\x89PNG\r\n\x00\x00" * 99, "is no text file"),
        ("cases.csv", b"a,b\n\x81\x8d,2\n" * 60, "is neither UTF-8 nor Windows text"),
        ("cases.csv", b"a,b\n", "has 0 rows; at least 60 are needed"),
        ("cases.csv", b"Report of May\na,b\n" + b"1,2\n" * 60, "'Report of May', is one name"),
        ("cases.csv", b"a,b\n" + b"1,2,\n" * 60, "more cells than its first line has names"),
        ("cases.csv", b"a,b\n1,2\n1,2,3\n", "Expected 2 fields in line 3, saw 3"),
        ("cases.parquet", b"a,b\n1,2\n", "cannot be read"),
        ("cases.xlsx", b"PK", "must end with .csv, .tsv, .txt, .parquet; write the table as one of them"),
    ],
)
def test_what_is_no_table_is_one_sentence_that_names_the_file(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataFileError) as refused:
        read_data(path)
    assert words in str(refused.value)
    assert str(path) in str(refused.value)


def test_an_index_that_pandas_wrote_is_a_column(tmp_path: Path) -> None:
    path = tmp_path / "cases.parquet"
    pd.DataFrame({"at": pd.date_range("2026-01-01", periods=ROWS), "a": 1}).set_index("at").to_parquet(path)
    found = read_data(path)
    assert (list(found.frame), found.indexed) == (["at", "a"], True)
