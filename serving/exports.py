"""Tables become files and texts that people and other tools open: Parquet, CSV, JSON; whole or not there, and safe to open in a spreadsheet."""

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import date
from functools import partial
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from features.errors import UsageError
from features.files import sha256, whole_file, write_json

Form = Literal["table", "csv", "json"]
Write = Callable[[pd.DataFrame], None]

ENDINGS = (".csv", ".parquet", ".json", ".jsonl")
DIGITS = 6
"""Significant digits of a fraction in texts; two decimals stay, however large the number."""
DAY = pd.ArrowDtype(pa.date32())
_BOOLEANS = {True: "true", False: "false"}
_FORMULA = re.compile(r"[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?")


class Dated(Protocol):
    """What predictions are about: known before ``as_of``, within ``horizon`` days from it on. Snapshots, answers, members and scores say so."""

    @property
    def as_of(self) -> date:
        """The day before which everything is known."""

    @property
    def horizon(self) -> int:
        """Days from ``as_of`` on."""


def safe_cell(text: str) -> str:
    """The text with an apostrophe before it when a spreadsheet would run it as a formula; plain numbers stay.

    >>> safe_cell("=1+1"), safe_cell("@cmd"), safe_cell("-12.5"), safe_cell("+4512345678"), safe_cell("tent")
    ("'=1+1", "'@cmd", '-12.5', '+4512345678', 'tent')
    """
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def check_ending(path: Path) -> str:
    """The ending that decides the format of a file. Raises UsageError for one that nobody here writes."""
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise UsageError(f"{path}: the file's ending must be one of {', '.join(ENDINGS)}")
    return ending


def write_table(path: Path, frame: pd.DataFrame, *, private: bool = False, dated: Dated | None = None, for_people: bool = True) -> None:
    """Write a frame (without its index) in the format of the file's ending, whole or not at all. ``private``: only its owner can read it.

    ``for_people``: in CSV, cells that a spreadsheet would run as a formula are escaped; False is for tools that compare cells as they are.

    ``dated`` goes into the file: as metadata of Parquet, as fields of JSON beside ``rows``, as a column data_date where there are only rows.
    """
    write_blocks(path, [frame], private=private, dated=dated, for_people=for_people)


def write_blocks(path: Path, blocks: Iterable[pd.DataFrame], *, private: bool = False, dated: Dated | None = None, for_people: bool = True) -> int:
    """Write frames with the same columns, at least one, after each other into one file, as ``write_table`` does. Returns the number of rows."""
    rows, writer = 0, _WRITERS[check_ending(path)] if for_people or check_ending(path) != ".csv" else _EXACT_CSV
    with whole_file(path) as temporary:
        os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if private else 0o644))
        with writer(temporary, dated) as write:
            for block in blocks:
                write(with_days(block))
                rows += len(block)
    return rows


MANIFEST = ".manifest.json"


def write_manifest(path: Path, facts: Mapping[str, object]) -> dict[str, object]:
    """Write what a file is, with its bytes and sha256, beside it as ``<file>.manifest.json``, and return it."""
    whole = {**facts, "file": path.name, "bytes": path.stat().st_size, "sha256": sha256(path)}
    write_json(path.with_name(path.name + MANIFEST), whole)
    return whole


def text_of(frame: pd.DataFrame, form: str, *, dated: Dated | None = None) -> str:
    """A frame (without its index) as ``csv``, ``json`` or an aligned ``table`` for people; ends with a line end. ``dated`` as in ``write_table``."""
    frame = with_days(frame)
    if form == "csv":
        return _csv(_with_date(frame, dated), header=True)
    if form == "json":
        begin, end = _around(dated)
        return "\n".join([begin, ",\n".join(lines), end, ""]) if (lines := _json_lines(frame)) else f"{begin}{end}\n"
    return _aligned(frame)


def with_days(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with its columns of days (datetime64 in seconds, as ``rhythm.date_of`` makes them) as dates without a time: Arrow's date32.

    >>> with_days(pd.DataFrame({"day": pd.Series(["2026-03-02"]).astype("datetime64[s]")}))["day"].tolist()
    [datetime.date(2026, 3, 2)]
    """
    return frame.astype({name: DAY for name, kind in frame.dtypes.items() if kind == "datetime64[s]"})


def _facts(dated: Dated | None) -> dict[str, str | int]:
    return {"as_of": dated.as_of.isoformat(), "horizon": dated.horizon} if dated else {}


def _with_date(frame: pd.DataFrame, dated: Dated | None) -> pd.DataFrame:
    return frame.assign(data_date=dated.as_of.isoformat()) if dated else frame


def _around(dated: Dated | None) -> tuple[str, str]:
    """What stands before and after the rows in JSON: an array, or an object of the facts and ``rows``."""
    return (json.dumps(_facts(dated)).removesuffix("}") + ', "rows": [', "]}") if dated else ("[", "]")


def rounded(values: pd.Series) -> pd.Series:
    """Fractions with six significant digits, and with two decimals whatever their size.

    >>> rounded(pd.Series([0.123456789, 0.000123456789, 35280506.274])).tolist()
    [0.123457, 0.000123457, 35280506.27]
    """
    numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
    size = np.abs(numbers, where=np.isfinite(numbers) & (numbers != 0), out=np.ones(len(numbers)))
    scale = 10.0 ** np.clip(DIGITS - 1 - np.floor(np.log10(size)), 2, 15)
    return pd.Series(np.round(numbers * scale) / scale, index=values.index)


def _aligned(frame: pd.DataFrame) -> str:
    columns = {str(name): [_shown(value) for value in frame[name]] for name in frame.columns}
    widths = {name: max([len(name), *map(len, cells)]) for name, cells in columns.items()}
    right = {str(name) for name in frame.columns if pd.api.types.is_numeric_dtype(frame[name]) and not pd.api.types.is_bool_dtype(frame[name])}

    def line(cells: Iterable[str]) -> str:
        padded = (cell.rjust(width) if name in right else cell.ljust(width) for cell, (name, width) in zip(cells, widths.items(), strict=True))
        return "  ".join(padded).rstrip()

    return "\n".join([line(columns), *(line(row) for row in zip(*columns.values(), strict=True))]) + "\n"


def _shown(value: object) -> str:
    if pd.isna(value):  # type: ignore[call-overload]  # a cell of a frame
        return "-"
    if isinstance(value, bool | np.bool_):
        return _BOOLEANS[bool(value)]
    if isinstance(value, int | np.integer):
        return f"{value:,}"
    if isinstance(value, float | np.floating):
        number = float(value)
        return f"{number:.4f}" if abs(number) < 10 else f"{number:,.1f}"
    return str(value)


def _csv(frame: pd.DataFrame, *, header: bool, safe: Callable[[str], str] = safe_cell) -> str:
    columns = [_cells(frame.iloc[:, position], safe) for position in range(frame.shape[1])]
    cells = pd.concat(columns, axis=1) if columns else frame
    return str(cells.set_axis([safe(str(name)) for name in frame.columns], axis=1).to_csv(index=False, header=header, lineterminator="\n"))


def _cells(column: pd.Series, safe: Callable[[str], str]) -> pd.Series:
    if pd.api.types.is_bool_dtype(column):
        return column.map(_BOOLEANS)
    if pd.api.types.is_float_dtype(column):
        return rounded(column)
    if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_datetime64_any_dtype(column):
        return column
    return column.map(lambda cell: safe(cell) if isinstance(cell, str) else _BOOLEANS[cell] if isinstance(cell, bool) else cell)


def _json_lines(frame: pd.DataFrame) -> list[str]:
    cells = {name: rounded(frame[name]) for name in frame.columns if pd.api.types.is_float_dtype(frame[name])}
    cells |= {name: frame[name].astype("str") for name in frame.columns if frame[name].dtype == DAY}
    text = frame.assign(**cells).to_json(orient="records", lines=True, force_ascii=False, date_format="iso", double_precision=15)
    return [json.dumps(json.loads(line), ensure_ascii=False) for line in str(text).splitlines() if line]


@contextmanager
def _parquet(path: Path, dated: Dated | None) -> Iterator[Write]:
    writer: list[pq.ParquetWriter] = []
    metadata = {name: str(value) for name, value in _facts(dated).items()} or None

    def write(frame: pd.DataFrame) -> None:
        table = pa.Table.from_pandas(frame, schema=writer[0].schema if writer else None, preserve_index=False).replace_schema_metadata(metadata)
        if not writer:
            writer.append(pq.ParquetWriter(path, table.schema, compression="zstd"))
        writer[0].write_table(table)

    try:
        yield write
    finally:
        for each in writer:
            each.close()


@contextmanager
def _text(path: Path, dated: Dated | None, *, form: str, safe: Callable[[str], str] = safe_cell) -> Iterator[Write]:
    begin, end = _around(dated) if form == ".json" else ("", "")
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(begin)
        blocks = 0

        def write(frame: pd.DataFrame) -> None:
            nonlocal blocks
            if form == ".csv":
                file.write(_csv(_with_date(frame, dated), header=blocks == 0, safe=safe))
            elif lines := _json_lines(frame if form == ".json" else _with_date(frame, dated)):
                before = "" if form == ".jsonl" else "\n" if blocks == 0 else ",\n"
                file.write(before + ("\n" if form == ".jsonl" else ",\n").join(lines) + ("\n" if form == ".jsonl" else ""))
            blocks += bool(len(frame)) or form == ".csv"

        yield write
        if form == ".json":
            file.write(f"\n{end}\n" if blocks else f"{end}\n")


_WRITERS: dict[str, Callable[[Path, Dated | None], AbstractContextManager[Write]]] = {
    ".parquet": _parquet,
    **{ending: partial(_text, form=ending) for ending in (".csv", ".json", ".jsonl")},
}
_EXACT_CSV = partial(_text, form=".csv", safe=str)
