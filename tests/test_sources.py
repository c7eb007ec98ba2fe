"""Files in, cells as text out, with the lines at which they stand."""

import gzip
from collections.abc import Sequence
from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import DataError
from features.imports.staging import keyed_hash, keyed_hash_of
from features.sources import Source, delimiter_of, encoding_of, line_numbers, literal, quoted, read_source


def read(path: Path, content: bytes, *, encoding: str = "", delimiter: str = "") -> tuple[Source, list[tuple[object, ...]]]:
    """Write a file, read it, and give its rows."""
    path.write_bytes(content)
    with duckdb.connect() as connection:
        source = read_source(connection, path, relation="raw", work=path.parent, encoding=encoding, delimiter=delimiter)
        return source, connection.execute("SELECT * FROM raw ORDER BY rowid").fetchall()


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        (b"a,b\n1,2\n", [("1", "2")]),
        (b"a;b\r\n1;2,5\r\n", [("1", "2,5")]),
        (b"a,b\r\n1,2\n3,4\r\n", [("1", "2"), ("3", "4")]),
        (b'a,b\n1,5" nail\n2,say "hi" now\n', [("1", '5" nail'), ("2", 'say "hi" now')]),
        (b"a\tb\n1\t\n", [("1", None)]),
        (b"a|b\n 1 | \n", [("1", None)]),
        (b"\xef\xbb\xbfa,b\n\xc3\xa6,2\n", [("æ", "2")]),
        (b"a,b\n\xe6,\x80\n", [("æ", "€")]),
        (b"a,b\n\xe6,\x81\n", [("æ", "\x81")]),
        ("a,b\næ,2\n".encode("utf-16"), [("æ", "2")]),
        (b'a,b\n"1,5","x ""y"""\n', [("1,5", 'x "y"')]),
        (b'a,b\n"1\n2",3\n\n4,5\n', [("1\n2", "3"), ("4", "5")]),
        (b"a,b\n007,'8\n", [("007", "'8")]),
        (b"a,b\nNone,NA\n", [("None", "NA")]),
    ],
)
def test_text_files_as_they_come(tmp_path: Path, content: bytes, rows: Sequence[tuple[object, ...]]) -> None:
    source, found = read(tmp_path / "o.csv", content)
    assert source.columns == ("a", "b")
    assert found == rows


@pytest.mark.parametrize(
    ("header", "columns"),
    [(b"a,b", ("a", "b")), (b" a , b", ("a", "b")), (b"a,A", ("a", "A_2")), (b"a,", ("a", "column_2")), (b'"a, b",c', ("a, b", "c"))],
)
def test_columns_have_names_of_their_own(tmp_path: Path, header: bytes, columns: tuple[str, ...]) -> None:
    assert read(tmp_path / "o.csv", header + b"\n1,2\n")[0].columns == columns


def test_compressed_text_files(tmp_path: Path) -> None:
    source, rows = read(tmp_path / "o.csv.gz", gzip.compress("a;b\næ;x\n1;y\n2\n".encode("latin-1")))
    assert rows == [("æ", "x"), ("1", "y")]
    assert [(each.line, each.text) for each in source.rejected] == [(4, "2")]


def test_json_lines_keep_what_is_written(tmp_path: Path) -> None:
    source, rows = read(tmp_path / "o.jsonl", b'{"a": "007", "b": 17850.0, "c": {"x": 1}}\n{"a": "2020-01-01", "b": null, "d": [1]}\n')
    assert source.columns == ("a", "b", "c", "d")
    assert rows == [("007", "17850.0", '{"x":1}', None), ("2020-01-01", None, None, "[1]")]


def test_lines_that_are_no_rows_are_told_with_their_line(tmp_path: Path) -> None:
    source, rows = read(tmp_path / "o.csv", b'a,b\n1,2\n"x\ny",3\n4,5,6\n\n7\n8,9\n"un,3\n')
    assert rows == [("1", "2"), ("x\ny", "3"), ("8", "9")]
    assert [(each.line, each.text) for each in source.rejected] == [(5, "4,5,6"), (7, "7"), (9, '"un,3')]
    assert line_numbers(source, [0, 1, 2]) == {0: 2, 1: 3, 2: 8}


def test_a_stated_encoding_and_delimiter(tmp_path: Path) -> None:
    assert read(tmp_path / "o.csv", b"a:b\n\xe6:2\n", encoding="cp437", delimiter=":")[1] == [("µ", "2")]
    with pytest.raises(DataError, match="'utf-99' is no encoding"):
        read(tmp_path / "o.csv", b"a,b\n1,2\n", encoding="utf-99")
    with pytest.raises(DataError, match="is not written in ascii; leave the encoding out"):
        read(tmp_path / "o.csv", b"a,b\n1,2\n" * 60_000 + b"\xe6,1\n", encoding="ascii")


@pytest.mark.parametrize(
    ("lines", "delimiter"),
    [
        (["a,b,c", "1,2,3"], ","),
        (["a;b", "1;2,5", "2;3,5"], ";"),
        (["a", "1", "2"], ","),
        (["name\tprice", "x, y\t1"], "\t"),
        (["a,b", '"x;y;z",1'], ","),
        (["a|b|c", "1|2,2|3"], "|"),
    ],
)
def test_what_separates_cells(lines: list[str], delimiter: str) -> None:
    assert delimiter_of(lines) == delimiter


@pytest.mark.parametrize(("content", "encoding"), [(b"a", "utf-8-sig"), ("æ".encode(), "utf-8-sig"), (b"\xe6", "cp1252"), (b"\x81\xe6", "latin-1")])
def test_how_a_file_is_encoded(tmp_path: Path, content: bytes, encoding: str) -> None:
    path = tmp_path / "o.csv"
    path.write_bytes(content)
    assert encoding_of(path) == encoding


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_no_text_breaks_out_of_a_literal_or_name(text: str) -> None:
    with duckdb.connect() as connection:
        cursor = connection.execute(f"SELECT {literal(text)} AS {quoted('n' + text)}")
        assert (cursor.description or [])[0][0] == "n" + text
        assert cursor.fetchone() == (text,)


@given(st.text(st.characters(codec="ascii", exclude_characters="\0"), max_size=100), st.binary(min_size=1, max_size=64))
def test_the_keyed_hash_is_hmac_sha256(text: str, key: bytes) -> None:
    with duckdb.connect() as connection:
        assert connection.execute(f"SELECT {keyed_hash(literal(text), key)}").fetchone() == (keyed_hash_of(text, key),)
