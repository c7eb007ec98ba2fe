"""The table ``bad`` -> one clear message with the first problems and the count of all, or the rows left out and written aside."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import duckdb

from features.errors import DataError
from features.files import private_file
from features.imports.mapping import Field
from features.imports.staging import FILE_STRIDE, Staged
from features.imports.values import cell
from features.sources import line_numbers, literal, place

SHOWN = 10
PERSONAL = ("email", "phone", "first_name", "last_name", "birth_date", "postal_code", "city")
"""Columns whose values no message shows."""

WANTED = {"number": "a number", "whole": "a whole number", "flag": "yes or no"}

REASONS = {
    "unreadable": "cannot be read",
    "empty": "is empty",
    "future": "is in the future",
    "currency": "is not the shop's currency",
    "other customer": "is another than on the first line of this order",
    "line again": "stands in this order a second time",
    "order again": "stands here a second time, with other values",
    "row again": "stands in an earlier file too",
    "no order": "is in no file of orders",
}
"""What is said of a field in the file of lines left out, by what is wrong with it."""


def count_bad_rows(connection: duckdb.DuckDBPyConnection, staged: Sequence[Staged]) -> int:
    """How many rows cannot be imported, with the lines that are no rows at all."""
    counted = connection.execute("SELECT count(DISTINCT position) FROM bad").fetchone()
    return (int(counted[0]) if counted else 0) + sum(len(each.plan.source.rejected) for each in staged)


def refuse_bad_rows(connection: duckdb.DuckDBPyConnection, staged: Sequence[Staged]) -> None:
    """Raise DataError when there is a problem: the first ten by file and line, then how many there are by file and column."""
    counts = _counts(connection, staged)
    total = sum(counts.values())
    if not total:
        return
    shown = _first(connection, staged)
    lines = [*shown, f"... and {total - len(shown):,} more" if total > len(shown) else ""]
    summary = ", ".join(f"{name} {count:,}" for name, count in counts.items())
    lines.append(f"{total:,} {'problem' if total == 1 else 'problems'} ({summary}); nothing was imported.")
    option = "--skip-bad-lines (skip_bad_lines in [import] of whobuys.toml)"
    lines.append(f"Mend the files, or leave these lines out with {option}: they are written aside.")
    raise DataError("\n".join(line for line in lines if line))


def _counts(connection: duckdb.DuckDBPyConnection, staged: Sequence[Staged]) -> dict[str, int]:
    found = connection.execute(f"SELECT position // {FILE_STRIDE}, field, count(*) FROM bad GROUP BY ALL ORDER BY ALL").fetchall()
    counts: dict[str, int] = {}
    for each in staged:
        name = each.plan.source.path.name
        if each.plan.source.rejected:
            counts[f"{name}: lines"] = len(each.plan.source.rejected)
        for number, field, count in found:
            if number == each.number:
                counts[f"{name}: {field.rpartition('.')[2]}"] = count
    return counts


def _first(connection: duckdb.DuckDBPyConnection, staged: Sequence[Staged]) -> list[str]:
    sentences: list[str] = []
    for each in staged:
        start = each.number * FILE_STRIDE
        of_file = f"position >= {start} AND position < {start + FILE_STRIDE}"
        rows = connection.execute(f"SELECT position - {start}, field, what FROM bad WHERE {of_file} ORDER BY ALL LIMIT {SHOWN}").fetchall()
        lines = line_numbers(each.plan.source, [row for row, _, _ in rows])
        told = [(lines[row], _sentence(connection, each, row=row, name=name, what=what)) for row, name, what in rows]
        told += [(rejected.line, f"the line {rejected.reason}") for rejected in each.plan.source.rejected[:SHOWN]]
        sentences += [f"{place(each.plan.source, line)}: {sentence}" for line, sentence in sorted(told)]
    return sentences[:SHOWN]


def _sentence(connection: duckdb.DuckDBPyConnection, each: Staged, *, row: int, name: str, what: str) -> str:
    field = next((field for field in each.plan.fields if field.name == name), None)
    shown = _shown(connection, each, field, row)
    called = _called(field, name)
    match what:
        case "unreadable":
            return f"{called} must be {_wanted(each, name, field)}{', got ' + shown if shown else ''}"
        case "empty":
            return f"{called} must not be empty"
        case "future":
            return f"{called} is in the future{', got ' + shown if shown else ''}"
        case "currency":
            return f"{called} is not the shop's currency{', got ' + shown if shown else ''}"
        case "line again":
            return f"{called} {shown} stands in this order a second time"
        case "order again":
            return f"the order {shown} stands here a second time, with other values"
        case "other customer":
            return f"{called} is another than on the first line of this order"
        case "row again":
            return "this row stands in an earlier file too"
    return f"no file holds the order {shown}"


def _wanted(each: Staged, name: str, field: Field | None) -> str:
    if name in each.reading.dates:
        return f"a date written {each.reading.dates[name]}"
    return WANTED[field.column.kind] if field else "readable"


def _called(field: Field | None, name: str) -> str:
    bare = name.rpartition(".")[2]
    if field is None or field.sources == (bare,):
        return f"'{bare}'"
    return f"'{', '.join(field.sources)}' ({bare})"


def _shown(connection: duckdb.DuckDBPyConnection, each: Staged, field: Field | None, row: int) -> str:
    if field is None or field.column.name in PERSONAL:
        return ""
    found = connection.execute(f"SELECT {cell(each.plan, field)} FROM {each.plan.source.relation} WHERE rowid = {row}").fetchone()
    text = str(found[0]) if found and found[0] is not None else ""
    if "@" in text:
        return ""
    return repr(text if len(text) <= 40 else text[:40] + "...")


def leave_out(connection: duckdb.DuckDBPyConnection, staged: Sequence[Staged]) -> None:
    """Take the bad rows out of the typed tables."""
    for each in staged:
        connection.execute(f"DELETE FROM {each.relation} WHERE position IN (SELECT position FROM bad)")


def write_aside(connection: duckdb.DuckDBPyConnection, staged: Sequence[Staged], path: Path) -> None:
    """Write every row left out as CSV (file, line, problem, content), readable by its owner only: it may hold personal data."""
    with private_file(path) as file:
        writer = csv.writer(file)
        writer.writerow(["file", "line", "problem", "content"])
        for each in staged:
            writer.writerows(_aside(connection, each))


def _aside(connection: duckdb.DuckDBPyConnection, each: Staged) -> list[list[object]]:
    source = each.plan.source
    start = each.number * FILE_STRIDE
    words = ", ".join(f"({literal(what)}, {literal(told)})" for what, told in REASONS.items())
    problems = "string_agg(DISTINCT concat_ws(' ', field, told), '; ' ORDER BY concat_ws(' ', field, told)) AS problem"
    bad = f"SELECT position - {start} AS row, {problems} FROM bad JOIN (VALUES {words}) AS words (what, told) USING (what) "
    bad += f"WHERE position >= {start} AND position < {start + FILE_STRIDE} GROUP BY 1"
    cells = ", ".join(source.cell(column) for column in source.columns)
    found = connection.execute(f"SELECT row, problem, {cells} FROM ({bad}) JOIN {source.relation} AS raw ON raw.rowid = row ORDER BY row").fetchall()
    lines = line_numbers(source, [row for row, *_ in found])
    rows: list[list[object]] = [[source.path.name, rejected.line, rejected.reason, rejected.text] for rejected in source.rejected]
    rows += [
        [source.path.name, lines[row], problem, json.dumps(dict(zip(source.columns, content, strict=True)), ensure_ascii=False)]
        for row, problem, *content in found
    ]
    return sorted(rows, key=lambda each: int(str(each[1])))
