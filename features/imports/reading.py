"""The values of files -> how they write numbers, dates and ids: as stated, or as found out from the values that can be read one way only."""

from collections.abc import Mapping, Sequence
from typing import Literal

import duckdb

from features.coverage import FileRead
from features.errors import DataError
from features.imports.mapping import CARRIES, Field, FileKind, Plan
from features.imports.values import CURRENCY_SIGNS, GROUPED_COMMA, GROUPED_DOT, ISO, Dates, Reading, cell, is_aware, plausible, strptime, year_first
from features.sources import PARQUET, literal, quoted

DateOrder = Literal["day first", "month first", "named month"]
FORMATS: dict[DateOrder, tuple[str, ...]] = {
    "day first": ("%d/%m/%y", "%d-%m-%y", "%d.%m.%y", "%d/%m/%Y", "%d-%m-%Y", "%d.%m.%Y"),
    "month first": ("%m/%d/%y", "%m-%d-%y", "%m.%d.%y", "%m/%d/%Y", "%m-%d-%Y", "%m.%d.%Y"),
    "named month": (
        "%d-%b-%y",
        "%d %b %y",
        "%d-%b-%Y",
        "%d %b %Y",
        "%d %B %Y",
        "%d. %B %Y",
        "%b %d, %Y",
        "%B %d, %Y",
        "%d-%B-%Y",
        "%Y%m%d",
        "%Y.%m.%d",
    ),
}

ORDERS: tuple[DateOrder, DateOrder] = ("day first", "month first")

UNREAD = "not mapped: kept as attributes, which no model reads"
UNMAPPED: dict[FileKind, str] = {
    "flat": UNREAD,
    "orders": UNREAD,
    "order_lines": UNREAD,
    "products": "not mapped: kept as attributes of the products",
    "customers": "not mapped: kept as attributes of the customers",
    "events": "not mapped: not kept",
}
"""What becomes of the columns of a file that nothing maps."""

WHOLE_FLOAT = r"^-?(0|[1-9]\d*)\.0$"
"""An id as a spreadsheet or a float column writes it: no leading zero, and .0 at the end."""


def readings_of(
    connection: duckdb.DuckDBPyConnection, plans: Sequence[Plan], *, decimal: str, date_formats: tuple[str, ...], timezone: str
) -> list[Reading]:
    """Find out how each file writes its values. Raises DataError when day and month, or the decimal sign, cannot be told apart."""
    from_float = _ids_from_floats(connection, plans)
    return [
        Reading(
            decimal="," if (decimal or _decimal(connection, plan)) == "," else ".",
            dates={each.name: Dates(date_formats, "as stated") if date_formats else _dates(connection, plan, each) for each in _times(plan)},
            aware=frozenset(each.name for each in _times(plan) if _any(connection, plan, is_aware(cell(plan, each)))),
            from_float=frozenset(each.name for each in plan.fields if each.name in from_float and _any(connection, plan, _ends_in_0(plan, each))),
            timezone=timezone,
        )
        for plan in plans
    ]


def file_read(plan: Plan, reading: Reading) -> FileRead:
    """What the report says of how a file was read."""
    columns = {}
    for each in plan.fields:
        if dates := reading.dates.get(each.name):
            zone = f", times with a zone turned into {reading.timezone}" if each.name in reading.aware else ""
            columns[each.sources[0]] = f"dates read as {dates}{f' ({dates.because})' if dates.because else ''}{zone}"
        if each.name in reading.from_float:
            columns[", ".join(each.sources)] = "ids such as 17850.0 read as 17850"
    if unmapped := [column for column in plan.source.columns if column not in {source for each in plan.fields for source in each.sources}]:
        columns[", ".join(unmapped)] = UNMAPPED[plan.kind]
    return FileRead(plan.source.path.name, plan.source.rows, CARRIES[plan.kind], reading.decimal if _numbers(plan) else "", columns)


def _times(plan: Plan) -> list[Field]:
    return [each for each in plan.fields if each.column.kind in ("time", "date")]


def _ids_from_floats(connection: duckdb.DuckDBPyConnection, plans: Sequence[Plan]) -> set[str]:
    """The ids of which 17850.0 means 17850: in no file has such an id any other decimals, so that .0 can tell nothing apart.

    It is decided for all files together, or an id would have two names in two of them.
    """
    columns: dict[str, list[str]] = {}
    for plan in plans:
        for each in plan.fields:
            if each.name.endswith("_id"):
                text = cell(plan, each)
                columns.setdefault(each.name, []).append(f"SELECT {text} AS id FROM {plan.source.relation} WHERE contains({text}, '.')")
    other = f"regexp_matches(id, '\\.\\d+$') AND NOT regexp_matches(id, {literal(WHOLE_FLOAT)})"
    return {name for name, ids in columns.items() if not _one(connection, f"SELECT count(*) FROM ({' UNION ALL '.join(ids)}) WHERE {other}")}


def _ends_in_0(plan: Plan, field: Field) -> str:
    return f"suffix({cell(plan, field)}, '.0')"


def _any(connection: duckdb.DuckDBPyConnection, plan: Plan, condition: str) -> bool:
    return _one(connection, f"SELECT coalesce(bool_or({condition}), FALSE) FROM {plan.source.relation}") == 1


def _numbers(plan: Plan) -> list[str]:
    """The cells of numbers that are written as text."""
    is_text = plan.source.path.suffix.casefold() not in PARQUET
    return [cell(plan, each) for each in plan.fields if each.column.kind in ("number", "whole") and is_text]


def _decimal(connection: duckdb.DuckDBPyConnection, plan: Plan) -> str:
    numbers = _numbers(plan)
    if not numbers or not _any(connection, plan, " OR ".join(f"coalesce(contains({each}, ','), FALSE)" for each in numbers)):
        return "."
    texts = " UNION ALL ".join(
        f"SELECT {each} AS n FROM {plan.source.relation} WHERE contains({each}, ',') OR contains({each}, '.')" for each in numbers
    )
    clean = f"SELECT regexp_replace(n, {literal(CURRENCY_SIGNS)}, '', 'g') AS n FROM ({texts})"
    dot, comma = (f"regexp_matches(n, {literal(each)})" for each in (GROUPED_DOT, GROUPED_COMMA))
    counts = connection.execute(f"SELECT count(*) FILTER ({dot} AND NOT {comma}), count(*) FILTER ({comma} AND NOT {dot}) FROM ({clean})").fetchone()
    if not counts or counts[0] == counts[1]:
        raise DataError(f"{plan.source.path}: is '1,234' one thousand or one and a bit? Say the decimal sign with --decimal . or --decimal ,")
    return "." if counts[0] > counts[1] else ","


def _dates(connection: duckdb.DuckDBPyConnection, plan: Plan, field: Field) -> Dates:
    """How a column writes its dates. Mostly with the year first: only so. Otherwise dates with the year first are understood beside the others."""
    tally = _tally(connection, plan, field)
    numeric = sum(tally[each] for each in ("day first", "month first", "either", "same"))
    if 2 * tally["iso"] > tally["all"] or not numeric + tally["named month"]:
        return Dates((ISO,))
    order: DateOrder = "month first" if tally["month first"] > tally["day first"] else "day first"
    because = f"{tally[order]:,} of {numeric:,} can only be read so" if tally[order] else "month first would give the same; --date-format sets it"
    if tally["named month"] > numeric:
        order, because = "named month", ""
    elif tally["day first"] == tally["month first"] != 0 or tally[order] < tally["either"] * TELLING:
        raise _undecided(connection, plan, field, tally)
    return Dates((*_used(connection, order), *([ISO] if tally["year first"] else [])), because)


TELLING = 0.01
"""For one date that can only be read day first or only month first, at most a hundred can be either: an odd date must not turn all others round."""

TALLY = {
    "all": "TRUE",
    "iso": "iso",
    "year first": "year_first",
    "day first": '"day first" IS NOT NULL AND "month first" IS NULL',
    "month first": '"month first" IS NOT NULL AND "day first" IS NULL',
    "either": '"day first" != "month first"',
    "same": '"day first" = "month first"',
    "named month": '"named month" IS NOT NULL',
}
"""What is counted of the dates of a column. Only a date that has no second reading says something of the order of day and month."""


def _tally(connection: duckdb.DuckDBPyConnection, plan: Plan, field: Field) -> dict[str, int]:
    """Put the days of a column into the table ``days`` and count them by how they can be read."""
    text = cell(plan, field)
    day = f"CASE WHEN contains({text}, ':') THEN rtrim(left({text}, strpos({text}, ':') - 3), ' T,') ELSE {text} END"
    read = ", ".join(f"{plausible(strptime('day', formats))} AS {quoted(order)}" for order, formats in FORMATS.items())
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE days AS
        SELECT *, {year_first("day")} AS year_first, {year_first("day")} AND TRY_CAST(day AS DATE) IS NOT NULL AS iso, {read}
        FROM (SELECT {day} AS day, count(*) AS rows FROM {plan.source.relation} GROUP BY 1) WHERE day IS NOT NULL""")
    counted = connection.execute(f"SELECT {', '.join(f'sum(rows) FILTER ({each})' for each in TALLY.values())} FROM days").fetchone()
    return {name: int(count or 0) for name, count in zip(TALLY, counted or (), strict=True)}


def _used(connection: duckdb.DuckDBPyConnection, order: DateOrder) -> list[str]:
    return [each for each in FORMATS[order] if _one(connection, f"SELECT count({plausible(strptime('day', [each]))}) FROM days")]


def _undecided(connection: duckdb.DuckDBPyConnection, plan: Plan, field: Field, tally: Mapping[str, int]) -> DataError:
    day, month = (" ".join(f"--date-format {each}" for each in _used(connection, order)) for order in ORDERS)
    counts = f"{tally['day first']:,} can only be read day first, {tally['month first']:,} only month first, {tally['either']:,} both ways"
    return DataError(
        f"{plan.source.path}: the dates of {field.sources[0]!r} do not tell whether the day or the month comes first: {counts}; "
        f"say how they are written with {day} or {month}"
    )


def _one(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    row = connection.execute(query).fetchone()
    return int(row[0] or 0) if row else 0
