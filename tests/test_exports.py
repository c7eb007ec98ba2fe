"""Files and texts for people and tools: formats by ending, formulas made harmless, whole or not there."""

import csv
import json
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.errors import UsageError
from serving.exports import ENDINGS, Dated, safe_cell, text_of, write_blocks, write_table

FRAME = pd.DataFrame(
    {"customer_id": ["007", "=cmd()"], "probability": np.array([0.25, 0.125], np.float32), "is_new": [True, False], "n": [1, 20_000]}
)


@dataclass(frozen=True)
class Day:
    as_of: date = date(2026, 7, 1)
    horizon: int = 30


@pytest.mark.parametrize(
    "cell, safe",
    [
        ("=1+1", "'=1+1"),
        ("+1+1", "'+1+1"),
        ("-2+3", "'-2+3"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("+4512345678", "+4512345678"),
        ("-12,5", "-12,5"),
        ("a=b", "a=b"),
        ("", ""),
    ],
)
def test_what_a_spreadsheet_would_run_becomes_text(cell: str, safe: str) -> None:
    assert safe_cell(cell) == safe


def test_formulas_are_harmless_in_csv_and_unchanged_in_what_machines_read(tmp_path: Path) -> None:
    frame = pd.DataFrame({"=name": ["=1+1", None, "tent"], "n": [-1, 2, 3]})
    for ending in ENDINGS:
        write_table(tmp_path / f"t{ending}", frame)
    assert list(csv.reader((tmp_path / "t.csv").open(encoding="utf-8"))) == [["'=name", "n"], ["'=1+1", "-1"], ["", "2"], ["tent", "3"]]
    assert json.loads((tmp_path / "t.json").read_text(encoding="utf-8"))[0] == {"=name": "=1+1", "n": -1}
    assert pd.read_parquet(tmp_path / "t.parquet")["=name"].tolist()[0] == "=1+1"


def test_a_file_for_tools_holds_every_cell_as_it_is(tmp_path: Path) -> None:
    frame = pd.DataFrame({"=name": ["=1+1", None, "+4512345678"], "yes": [True, None, False]})
    write_table(tmp_path / "t.csv", frame, for_people=False)
    assert (tmp_path / "t.csv").read_text(encoding="utf-8") == "=name,yes\n=1+1,true\n,\n+4512345678,false\n"


@pytest.mark.parametrize("dated", [None, Day()])
@pytest.mark.parametrize("ending", ENDINGS)
def test_blocks_become_one_file(ending: str, dated: Dated | None, tmp_path: Path) -> None:
    path = tmp_path / f"t{ending}"
    assert write_blocks(path, (FRAME.iloc[[at]] for at in range(2)), dated=dated) == 2
    write_table(tmp_path / f"whole{ending}", FRAME, dated=dated)
    if ending == ".parquet":
        pd.testing.assert_frame_equal(pd.read_parquet(path), pd.read_parquet(tmp_path / "whole.parquet"))
    else:
        assert path.read_bytes() == (tmp_path / f"whole{ending}").read_bytes()


@pytest.mark.parametrize("ending, content", [(".csv", "customer_id,probability,is_new,n\n"), (".json", "[]\n"), (".jsonl", "")])
def test_nothing_is_a_valid_file_too(ending: str, content: str, tmp_path: Path) -> None:
    write_table(tmp_path / f"t{ending}", FRAME.head(0))
    assert (tmp_path / f"t{ending}").read_text(encoding="utf-8") == content


def test_days_are_dates_without_a_time_in_every_form(tmp_path: Path) -> None:
    frame = pd.DataFrame({"due": pd.Series(["2026-03-02", None]).astype("datetime64[s]"), "n": [1, 2]})
    for ending in ENDINGS:
        write_table(tmp_path / f"t{ending}", frame)
    assert pq.read_schema(tmp_path / "t.parquet").field("due").type == pa.date32()
    assert (tmp_path / "t.csv").read_text(encoding="utf-8") == "due,n\n2026-03-02,1\n,2\n"
    assert json.loads((tmp_path / "t.json").read_text(encoding="utf-8")) == [{"due": "2026-03-02", "n": 1}, {"due": None, "n": 2}]
    assert [line.split() for line in text_of(frame, "table").splitlines()] == [["due", "n"], ["2026-03-02", "1"], ["-", "2"]]


@pytest.mark.parametrize("rows", [0, 2])
def test_predictions_carry_their_date_and_horizon(rows: int, tmp_path: Path) -> None:
    frame = FRAME.head(rows)
    for ending in ENDINGS:
        write_table(tmp_path / f"t{ending}", frame, dated=Day())
    assert pq.read_schema(tmp_path / "t.parquet").metadata == {b"as_of": b"2026-07-01", b"horizon": b"30"}
    assert pd.read_parquet(tmp_path / "t.parquet").columns.tolist() == FRAME.columns.tolist()
    told = json.loads((tmp_path / "t.json").read_text(encoding="utf-8"))
    assert told == {"as_of": "2026-07-01", "horizon": 30, "rows": json.loads(text_of(frame, "json"))}
    assert pd.read_csv(tmp_path / "t.csv")["data_date"].tolist() == ["2026-07-01"] * rows
    lines = [json.loads(line) for line in (tmp_path / "t.jsonl").read_text(encoding="utf-8").splitlines()]
    assert lines == [{**row, "data_date": "2026-07-01"} for row in told["rows"]]
    for ending, form in ((".json", "json"), (".csv", "csv")):
        assert text_of(frame, form, dated=Day()) == (tmp_path / f"t{ending}").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "value, written",
    [
        (0.123456789, "0.123457"),
        (0.000123456789, "0.000123457"),
        (1583.012345, "1583.01"),
        (35280506.274, "35280506.27"),
        (-0.5, "-0.5"),
        (0.0, "0.0"),
        (3.0, "3.0"),
        (float("nan"), ""),
        (True, "true"),
        (20000, "20000"),
    ],
)
def test_fractions_have_six_digits_and_booleans_one_spelling(value: object, written: str) -> None:
    frame = pd.DataFrame({"id": ["a"], "n": [value]})
    assert text_of(frame, "csv").splitlines()[1] == f"a,{written}"
    assert f'"n": {written or "null"}}}' in text_of(frame, "json")


def test_a_file_is_whole_or_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    write_table(path, FRAME)
    before = path.read_bytes()

    def broken() -> Iterator[pd.DataFrame]:
        yield FRAME
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        write_blocks(path, broken())
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["t.csv"]


def test_a_private_file_is_its_owners_only(tmp_path: Path) -> None:
    write_table(tmp_path / "t.csv", FRAME, private=True)
    assert stat.S_IMODE((tmp_path / "t.csv").stat().st_mode) == 0o600


def test_an_ending_nobody_writes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"t\.xlsx: the file's ending must be one of \.csv, \.parquet"):
        write_table(tmp_path / "t.xlsx", FRAME)
    assert not list(tmp_path.iterdir())


def test_a_table_for_people_is_aligned() -> None:
    frame = pd.DataFrame({"name": ["a", None], "share": [0.5, float("nan")], "n": [1, 20_000], "new": [True, False]})
    assert text_of(frame, "table") == "name   share       n  new\na     0.5000       1  true\n-          -  20,000  false\n"
    assert text_of(frame, "csv") == "name,share,n,new\na,0.5,1,true\n,,20000,false\n"
    assert json.loads(text_of(frame, "json"))[1] == {"name": None, "share": None, "n": 20000, "new": False}
