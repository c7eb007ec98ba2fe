"""Tables become files and texts that people and other tools open: Parquet, CSV, JSON; whole or not there, and safe to open in a spreadsheet."""

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from features.errors import UsageError
from features.files import whole_file

Form = Literal["table", "csv", "json"]
Write = Callable[[pd.DataFrame], None]

ENDINGS = (".csv", ".parquet", ".json", ".jsonl")
_FORMULA = re.compile(r"[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?")


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


def write_table(path: Path, frame: pd.DataFrame, *, private: bool = False) -> None:
    """Write a frame (without its index) in the format of the file's ending, whole or not at all. ``private``: only its owner can read it."""
    write_blocks(path, [frame], private=private)


def write_blocks(path: Path, blocks: Iterable[pd.DataFrame], *, private: bool = False) -> int:
    """Write frames with the same columns, at least one, after each other into one file, as ``write_table`` does. Returns the number of rows."""
    rows, writer = 0, _WRITERS[check_ending(path)]
    with whole_file(path) as temporary:
        os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if private else 0o644))
        with writer(temporary) as write:
            for block in blocks:
                write(block)
                rows += len(block)
    return rows


def text_of(frame: pd.DataFrame, form: str) -> str:
    """A frame (without its index) as ``csv``, ``json`` (an array) or an aligned ``table`` for people; ends with a line end."""
    if form == "csv":
        return _csv(frame, header=True)
    if form == "json":
        return "[\n" + ",\n".join(_json_lines(frame)) + "\n]\n" if len(frame) else "[]\n"
    return _aligned(frame)


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
        return "yes" if value else "no"
    if isinstance(value, int | np.integer):
        return f"{value:,}"
    if isinstance(value, float | np.floating):
        number = float(value)
        return f"{number:.4f}" if abs(number) < 10 else f"{number:,.1f}"
    return str(value)


def _csv(frame: pd.DataFrame, *, header: bool) -> str:
    safe = frame.rename(columns=lambda name: safe_cell(str(name)))
    for position, name in enumerate(safe.columns):
        if not (pd.api.types.is_numeric_dtype(safe.dtypes.iloc[position]) or pd.api.types.is_datetime64_any_dtype(safe.dtypes.iloc[position])):
            safe[name] = safe[name].map(lambda cell: safe_cell(cell) if isinstance(cell, str) else cell)
    return str(safe.to_csv(index=False, header=header, lineterminator="\n"))


def _json_lines(frame: pd.DataFrame) -> list[str]:
    text = frame.to_json(orient="records", lines=True, force_ascii=False, date_format="iso")
    return [json.dumps(json.loads(line), ensure_ascii=False) for line in str(text).splitlines() if line]


@contextmanager
def _parquet(path: Path) -> Iterator[Write]:
    writer: list[pq.ParquetWriter] = []

    def write(frame: pd.DataFrame) -> None:
        table = pa.Table.from_pandas(frame, schema=writer[0].schema if writer else None, preserve_index=False).replace_schema_metadata()
        if not writer:
            writer.append(pq.ParquetWriter(path, table.schema, compression="zstd"))
        writer[0].write_table(table)

    try:
        yield write
    finally:
        for each in writer:
            each.close()


@contextmanager
def _text(path: Path, form: str) -> Iterator[Write]:
    with path.open("w", encoding="utf-8", newline="") as file:
        blocks = 0

        def write(frame: pd.DataFrame) -> None:
            nonlocal blocks
            if form == ".csv":
                file.write(_csv(frame, header=blocks == 0))
            elif lines := _json_lines(frame):
                before = "" if form == ".jsonl" else "[\n" if blocks == 0 else ",\n"
                file.write(before + ("\n" if form == ".jsonl" else ",\n").join(lines) + ("\n" if form == ".jsonl" else ""))
            blocks += bool(len(frame)) or form == ".csv"

        yield write
        if form == ".json":
            file.write("\n]\n" if blocks else "[]\n")


_WRITERS: dict[str, Callable[[Path], AbstractContextManager[Write]]] = {
    ".parquet": _parquet,
    ".csv": lambda path: _text(path, ".csv"),
    ".json": lambda path: _text(path, ".json"),
    ".jsonl": lambda path: _text(path, ".jsonl"),
}
