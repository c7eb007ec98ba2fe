"""One export file (CSV, Parquet, JSON lines) -> a DuckDB table of its cells as trimmed text, in the order of the file."""

import codecs
import csv
import gzip
import io
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import duckdb

from features.errors import DataError

LONGEST_NAME = 1_000
"""Letters of a column's name; what is longer is a cell, or no CSV at all."""
CHUNK = 1 << 22
DELIMITERS = (",", ";", "\t", "|")
PARQUET = (".parquet", ".pq")
JSON_LINES = (".jsonl", ".ndjson", ".json")
SPREADSHEETS = (".xlsx", ".xls", ".ods", ".numbers")


@dataclass(frozen=True)
class Written:
    """How a text file is written."""

    delimiter: str
    encoding: str


@dataclass(frozen=True)
class Rejected:
    """A line that is no row: it has too many or too few cells, or a quote that never ends. ``text`` is the line as it stands."""

    line: int
    reason: str
    text: str


@dataclass(frozen=True)
class Source:
    """One file as a table ``relation`` with columns c0, c1, ...; row n of the file has ``rowid`` n - 1. ``written`` is None unless it is CSV."""

    path: Path
    relation: str
    columns: tuple[str, ...]
    rows: int
    written: Written | None = None
    rejected: tuple[Rejected, ...] = ()

    def cell(self, column: str) -> str:
        """The SQL name of a column of the file."""
        return f"c{self.columns.index(column)}"


def literal(text: str) -> str:
    """A text as an SQL literal.

    >>> literal("O'Neill")
    "'O''Neill'"
    """
    return "'" + text.replace("'", "''") + "'"


def quoted(name: str) -> str:
    """A name as a quoted SQL identifier.

    >>> quoted('my "own" column')
    '"my ""own"" column"'
    """
    return '"' + name.replace('"', '""') + '"'


def read_source(connection: duckdb.DuckDBPyConnection, path: Path, *, relation: str, work: Path, encoding: str = "", delimiter: str = "") -> Source:
    """Read a file into the table ``relation``; ``work`` is a folder for a copy in UTF-8 where one is needed.

    Raises DataError when the file is missing, empty, of another kind, or cannot be read as what its name says.
    """
    if path.is_dir():
        raise DataError(f"{path}: this is a folder; name the files in it, such as {path / '*.csv'}")
    if not path.is_file():
        raise DataError(f"{path}: there is no such file")
    if path.stat().st_size == 0:
        raise DataError(f"{path}: the file is empty")
    suffix = path.suffixes[-2] if path.suffix == ".gz" and len(path.suffixes) > 1 else path.suffix
    if suffix.casefold() in SPREADSHEETS:
        raise DataError(f"{path}: this is a spreadsheet; save it as CSV (UTF-8) and import that")
    if suffix.casefold() in PARQUET:
        source = _read_parquet(connection, path, relation)
    elif suffix.casefold() in JSON_LINES:
        source = _read_json(connection, path, relation)
    else:
        source = _read_csv(connection, path, relation=relation, work=work, encoding=encoding, delimiter=delimiter)
    if source.rows == 0 and not source.rejected:
        raise DataError(f"{path}: the file has columns but no rows")
    return source


def line_numbers(source: Source, rows: Sequence[int]) -> dict[int, int]:
    """The line of the file at which each row (its ``rowid``) begins: cells may hold line breaks and blank lines are no rows."""
    if source.written is None:
        return {row: row + 1 for row in rows}
    wanted, lines = set(rows), {}
    for row, line, _ in _records(source):
        if row in wanted:
            lines[row] = line
            if len(lines) == len(wanted):
                break
    return {row: lines.get(row, row + 2) for row in rows}


def place(source: Source, line: int) -> str:
    """How a message names a row of a file: Parquet has rows, text has lines.

    >>> place(Source(Path("a/orders.parquet"), "raw", (), 3), 2)
    'orders.parquet, row 2'
    """
    word = "row" if source.path.suffix.casefold() in PARQUET else "line"
    return f"{source.path.name}, {word} {line}"


def _records(source: Source) -> Iterator[tuple[int, int, list[str]]]:
    assert source.written is not None
    csv.field_size_limit(1 << 30)
    with _text(source.path, source.written.encoding) as file:
        reader = csv.reader(file, delimiter=source.written.delimiter)
        width, row, before = len(next(reader)), 0, reader.line_num
        for record in reader:
            if len(record) == width and (width > 1 or record[0]):
                yield row, before + 1, record
                row += 1
            before = reader.line_num


@contextmanager
def _text(path: Path, encoding: str, *, newline: str | None = "") -> Iterator[IO[str]]:
    with _bytes(path) as file, io.TextIOWrapper(file, encoding=encoding, newline=newline) as text:
        yield text


@contextmanager
def _bytes(path: Path) -> Iterator[gzip.GzipFile | io.BufferedReader]:
    with path.open("rb") as file:
        if path.suffix == ".gz":
            with gzip.GzipFile(fileobj=file) as unzipped:
                yield unzipped
        else:
            yield file


def encoding_of(path: Path) -> str:
    """The encoding of a text file: by its byte order mark, otherwise UTF-8 when every byte fits, otherwise Latin-1 (as Windows writes it)."""
    with _bytes(path) as file:
        head = file.read(4)
        if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return "utf-16"
        decoder = codecs.getincrementaldecoder("utf-8")()
        try:
            decoder.decode(head)
            while chunk := file.read(CHUNK):
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return "cp1252" if _decodes(path, "cp1252") else "latin-1"
    return "utf-8-sig"


def _decodes(path: Path, encoding: str) -> bool:
    try:
        with _bytes(path) as file:
            while chunk := file.read(CHUNK):
                chunk.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def delimiter_of(lines: Sequence[str]) -> str:
    """What separates the cells: the sign that gives the same number of cells, and the most, on nearly all of the first lines.

    >>> delimiter_of(["id;price", "1;2,50", "2;3,75"])
    ';'
    """

    def cells(delimiter: str) -> tuple[float, int]:
        widths = [len(record) for record in csv.reader(lines, delimiter=delimiter) if record]
        if not widths or widths[0] < 2:
            return 0.0, 0
        return Counter(widths)[widths[0]] / len(widths), widths[0]

    steady = {delimiter: cells(delimiter) for delimiter in DELIMITERS}
    return max(DELIMITERS, key=lambda each: (steady[each][0] > 0.5, steady[each][1] if steady[each][0] > 0.5 else steady[each][0]))


def _read_csv(connection: duckdb.DuckDBPyConnection, path: Path, *, relation: str, work: Path, encoding: str, delimiter: str) -> Source:
    written, header = _how_written(path, encoding=encoding, delimiter=delimiter)
    readable = path if written.encoding == "utf-8-sig" else _as_utf8(path, written.encoding, work / f"{relation}.csv")
    columns = ", ".join(f"'c{number}': 'VARCHAR'" for number in range(len(header)))
    cells = ", ".join(f"{_trimmed(f'c{number}')} AS c{number}" for number in range(len(header)))
    source = (
        f"read_csv({literal(str(readable))}, auto_detect=false, header=true, columns={{{columns}}}, delim={literal(written.delimiter)}, quote='\"', "
        f"escape='\"', compression='auto', max_line_size=16777216, store_rejects=true, "
        f"rejects_table='{relation}_bad', rejects_scan='{relation}_scan')"
    )
    try:
        connection.execute(f"CREATE TABLE {relation} AS SELECT {cells} FROM {source}")
    except duckdb.InvalidInputException:  # line ends of several kinds
        copy = _as_utf8(path, written.encoding, work / f"{relation}_lines.csv", newline=None)
        connection.execute(f"CREATE TABLE {relation} AS SELECT {cells} FROM {source.replace(literal(str(readable)), literal(str(copy)))}")
        readable = copy
    rejected = _rejected(connection, relation, readable)
    return Source(path, relation, header, _count(connection, relation), written, rejected)


def _trimmed(text: str) -> str:
    """Trimming is slow and rarely needed, so it is done where a blank stands at an end."""
    return f"nullif(if(starts_with({text}, ' ') OR suffix({text}, ' '), trim({text}), {text}), '')"


def _how_written(path: Path, *, encoding: str, delimiter: str) -> tuple[Written, tuple[str, ...]]:
    encoding = encoding or encoding_of(path)
    try:
        codec = codecs.lookup(encoding).name
        with _text(path, "utf-8-sig" if codec == "utf-8" else encoding) as file:
            lines = [line for _, line in zip(range(100), file, strict=False)]
    except LookupError:
        raise DataError(f"{path}: {encoding!r} is no encoding, such as utf-8 or latin-1") from None
    except UnicodeError:
        raise DataError(f"{path}: the file is not written in {encoding}; leave the encoding out to have it found") from None
    if any("\0" in line for line in lines):
        raise DataError(f"{path}: this is no text file; CSV, Parquet and JSON lines can be imported")
    try:
        delimiter = delimiter or delimiter_of(lines)
        names = next(csv.reader(lines, delimiter=delimiter), [])
    except csv.Error as error:  # a cell without an end
        raise DataError(f"{path}: this is no CSV file ({error})") from None
    if not any(name.strip() for name in names):
        raise DataError(f"{path}: the first line must name the columns")
    if (longest := max(names, key=len)) and len(longest) > LONGEST_NAME:
        raise DataError(f"{path}: the first line must name the columns; one of its cells has {len(longest):,} letters")
    return Written(delimiter, "utf-8-sig" if codec in ("utf-8", "utf-8-sig") else encoding), unique_names(names)


def unique_names(names: Sequence[str]) -> tuple[str, ...]:
    """The names of columns, each its own whatever the case; one without a name is called by its place.

    >>> unique_names(["Name", "name", ""])
    ('Name', 'name_2', 'column_3')
    """
    seen: Counter[str] = Counter()
    unique = []
    for number, name in enumerate(names, start=1):
        name = name.strip().strip("\ufeff") or f"column_{number}"
        seen[name.casefold()] += 1
        unique.append(name if seen[name.casefold()] == 1 else f"{name}_{seen[name.casefold()]}")
    return tuple(unique)


def _as_utf8(path: Path, encoding: str, copy: Path, *, newline: str | None = "") -> Path:
    try:
        with _text(path, encoding, newline=newline) as file, copy.open("w", encoding="utf-8", newline="") as out:
            while chunk := file.read(CHUNK):
                out.write(chunk)
    except UnicodeError:
        raise DataError(f"{path}: the file is not written in {encoding}; leave the encoding out to have it found") from None
    return copy


def _rejected(connection: duckdb.DuckDBPyConnection, relation: str, path: Path) -> tuple[Rejected, ...]:
    found = connection.execute(
        f"SELECT line_byte_position, any_value(error_type), any_value(csv_line) FROM {relation}_bad GROUP BY ALL ORDER BY 1"
    ).fetchall()
    lines, number, position = [], 1, 0
    with _bytes(path) as file:
        for at, reason, text in found:
            while position < at - 1 and (chunk := file.read(min(CHUNK, at - 1 - position))):
                number, position = number + chunk.count(b"\n"), position + len(chunk)
            blank = len(text) - len(text.lstrip("\r\n"))
            lines.append(Rejected(number + text[:blank].count("\n"), REASONS.get(reason, reason.casefold()), text.strip("\r\n")))
    return tuple(lines)


REASONS = {
    "TOO MANY COLUMNS": "has more cells than the first line names",
    "MISSING COLUMNS": "has fewer cells than the first line names",
    "UNQUOTED VALUE": "has a quote that does not end with its cell",
    "LINE SIZE OVER MAXIMUM": "is longer than 16 MB",
    "INVALID ENCODING": "is not written in UTF-8",
}


def _read_parquet(connection: duckdb.DuckDBPyConnection, path: Path, relation: str) -> Source:
    source = f"read_parquet({literal(str(path))})"
    try:
        columns = connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()
        texts = ", ".join(f"CAST({quoted(name)} AS VARCHAR) AS c{number}" for number, (name, *_) in enumerate(columns))
        cells = ", ".join(f"{_trimmed(f'c{number}')} AS c{number}" for number in range(len(columns)))
        connection.execute(f"CREATE TABLE {relation} AS SELECT {cells} FROM (SELECT {texts} FROM {source})")
    except (duckdb.InvalidInputException, duckdb.IOException) as error:
        if isinstance(error, duckdb.IOException) and "Could not write" in str(error):
            raise
        raise DataError(f"{path}: this is no readable Parquet file ({str(error).splitlines()[0]})") from None
    return Source(path, relation, tuple(name for name, *_ in columns), _count(connection, relation))


def _read_json(connection: duckdb.DuckDBPyConnection, path: Path, relation: str) -> Source:
    source = f"read_json({literal(str(path))}, format='newline_delimited', maximum_object_size=16777216"
    try:
        names = [name for name, *_ in connection.execute(f"DESCRIBE SELECT * FROM {source}, sample_size=-1)").fetchall()]
        if names == ["json"]:
            raise DataError(f"{path}, line {_first_bad_json(path)}: each line must be one JSON object")
        columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in names)
        cells = ", ".join(f"{_trimmed(quoted(name))} AS c{number}" for number, name in enumerate(names))
        connection.execute(f"CREATE TABLE {relation} AS SELECT {cells} FROM {source}, columns={{{columns}}})")
    except (duckdb.InvalidInputException, duckdb.BinderException):
        raise DataError(f"{path}, line {_first_bad_json(path)}: each line must be one JSON object") from None
    return Source(path, relation, tuple(names), _count(connection, relation))


def _first_bad_json(path: Path) -> int:
    with _bytes(path) as file:
        for number, line in enumerate(file, start=1):
            try:
                if line.strip() and not isinstance(json.loads(line), dict):
                    return number
            except ValueError:
                return number
    return 1


def _count(connection: duckdb.DuckDBPyConnection, relation: str) -> int:
    counted = connection.execute(f"SELECT count(*) FROM {relation}").fetchone()
    return int(counted[0]) if counted else 0
