"""Text cells -> numbers, times, flags and ids, as SQL expressions; how a file writes numbers and dates is found out from its values."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import duckdb

from features.errors import DataError
from features.imports.mapping import JOINED_BY, Field, Plan
from features.sources import PARQUET, literal, quoted

CURRENCY_SIGNS = r"(?i)[\s\x{00A0}\x{202F}£$€¥]|kr\.?|dkk|sek|nok|eur|usd|gbp"
GROUPED_DOT = r"^[-+]?(\d+|\d{1,3}(,\d{3})+)?(\.\d+)?$"
GROUPED_COMMA = r"^[-+]?(\d+|\d{1,3}(\.\d{3})+)?(,\d+)?$"

YES = ("yes", "y", "true", "t", "1", "1.0", "on", "subscribed", "ja", "j", "oui", "si", "sí")
NO = ("no", "n", "false", "f", "0", "0.0", "off", "unsubscribed", "never_subscribed", "nej", "nein", "non")

CANCELLED_WORDS = (
    *(
        "cancelled",
        "canceled",
        "cancel",
        "voided",
        "void",
        "refunded",
        "returned",
        "failed",
        "declined",
        "expired",
        "abandoned",
        "closed as refunded",
    ),
    *(
        "wc-cancelled",
        "wc-refunded",
        "wc-failed",
        "annulleret",
        "refunderet",
        "returneret",
        "storniert",
        "erstattet",
        "annulé",
        "annulée",
        "remboursé",
    ),
)
"""Statuses of orders that were not bought in the end, in any case and with - or _ for a blank; every other status is completed."""

DAY_FIRST = ("%d/%m/%y", "%d-%m-%y", "%d.%m.%y", "%d/%m/%Y", "%d-%m-%Y", "%d.%m.%Y")
MONTH_FIRST = ("%m/%d/%y", "%m-%d-%y", "%m.%d.%y", "%m/%d/%Y", "%m-%d-%Y", "%m.%d.%Y")
NAMED_MONTH = ("%d-%b-%y", "%d %b %y", "%d-%b-%Y", "%d %b %Y", "%d %B %Y", "%d. %B %Y", "%b %d, %Y", "%B %d, %Y", "%d-%B-%Y", "%Y%m%d", "%Y.%m.%d")
TIMES = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p", " %I:%M%p", ", %H:%M", ", %H:%M:%S", "T%H:%M:%S")
EARLIEST, LATEST = "1900-01-01", "2200-01-01"

DateOrder = Literal["iso", "day first", "month first", "named month"]
ORDERS: dict[DateOrder, tuple[str, ...]] = {"day first": DAY_FIRST, "month first": MONTH_FIRST, "named month": NAMED_MONTH}


@dataclass(frozen=True)
class Reading:
    """How one file writes its values. ``dates`` are the formats of each field, () for ISO; ``from_float`` are the ids that end in '.0' throughout."""

    decimal: Literal[".", ","]
    dates: dict[str, tuple[str, ...]]
    aware: frozenset[str]
    from_float: frozenset[str]
    timezone: str


def reading_of(connection: duckdb.DuckDBPyConnection, plan: Plan, *, decimal: str, date_format: str, timezone: str) -> Reading:
    """Find out how a file writes its values. Raises DataError when day and month, or the decimal sign, cannot be told apart."""
    times = [each for each in plan.fields if each.column.kind in ("time", "date")]
    return Reading(
        decimal="," if (decimal or _decimal(connection, plan)) == "," else ".",
        dates={each.name: _date_formats(connection, plan, each, date_format) for each in times},
        aware=frozenset(each.name for each in times if _any_aware(connection, plan, each)),
        from_float=frozenset(each.name for each in plan.fields if each.name.endswith("_id") and _from_float(connection, plan, each)),
        timezone=timezone,
    )


def typed_rows(plan: Plan, fields: Sequence[Field], reading: Reading, *, others: str = "") -> str:
    """The rows of a file as SQL, ``rowid`` and every field under its name: NULL where the cell is empty or cannot be read.

    Each step stands in a query of its own, so that no expression is written, or computed, twice. ``others`` are further columns of the file.
    """
    cells = "".join(f", {cell(plan, field)} AS {quoted(field.name)}" for field in fields)
    parsed = ", ".join(f"{_parsed(field, reading)} AS {quoted(field.name)}" for field in fields)
    bounded = ", ".join(f"{_bounded(field)} AS {quoted(field.name)}" for field in fields)
    return f"SELECT * REPLACE ({bounded}) FROM (SELECT * REPLACE ({parsed}) FROM (SELECT rowid{cells}{others} FROM {plan.source.relation}))"


def _parsed(field: Field, reading: Reading) -> str:
    text = quoted(field.name)
    match field.column.kind:
        case "number" | "whole":
            return _number(text, reading.decimal)
        case "flag":
            return _flag(text, field.column.name)
        case "time" | "date":
            return _time(text, field.name, reading)
        case "text":
            return _text(field, reading)


def _bounded(field: Field) -> str:
    value = quoted(field.name)
    match field.column.kind:
        case "number":
            return f"if(abs({value}) < 1e15, {value}, NULL)"
        case "whole":
            return f"CAST(if({value} % 1 = 0 AND abs({value}) < 2e9, {value}, NULL) AS INTEGER)"
        case "time":
            return _plausible(value)
        case "date":
            return f"CAST({_plausible(value)} AS DATE)"
    return value


def cell(plan: Plan, field: Field) -> str:
    """The SQL expression of a field's text: NULL where nothing stands; words for nothing count as nothing unless the field is text."""
    columns = [plan.source.cell(column) for column in field.sources]
    if field.column.kind != "text" or field.name.endswith("_id"):
        columns = [f"if({column} IN ('NULL', 'null', 'NaN', 'nan', 'NaT', '\\N'), NULL, {column})" for column in columns]
    return _path(columns) if field.column.name == "category" else _joined(columns, field.column.name)


def _joined(columns: list[str], name: str) -> str:
    return columns[0] if len(columns) == 1 else f"concat_ws({literal(JOINED_BY.get(name, ' '))}, {', '.join(columns)})"


def _path(columns: list[str]) -> str:
    if len(columns) == 1:
        return f"if(contains({columns[0]}, '>'), nullif(trim(regexp_replace({columns[0]}, '(\\s*>\\s*)+', ' > ', 'g'), ' >'), ''), {columns[0]})"
    path = columns[-1]
    for column in reversed(columns[:-1]):
        path = f"({column} || coalesce(' > ' || {path}, ''))"
    return path


def _text(field: Field, reading: Reading) -> str:
    text = quoted(field.name)
    if field.name in reading.from_float:
        return f"left({text}, length({text}) - 2)"
    if field.column.name == "postal_code" or field.column.name == "phone" or field.name.endswith("_id"):
        return f"nullif(ltrim({text}, ''''), '')"
    return text


def _number(text: str, decimal: str) -> str:
    slow = f"replace(regexp_replace({text}, {literal(CURRENCY_SIGNS)}, '', 'g'), '−', '-')"
    slow = f"regexp_replace({slow}, '^\\((.*)\\)$', '-\\1')"
    if decimal == ".":
        grouped = f"if(regexp_matches({slow}, {literal(GROUPED_DOT)}), TRY_CAST(replace({slow}, ',', '') AS DOUBLE), NULL)"
        return f"coalesce(TRY_CAST({text} AS DOUBLE), {grouped})"
    grouped = f"if(regexp_matches({slow}, {literal(GROUPED_COMMA)}), TRY_CAST(replace(replace({slow}, '.', ''), ',', '.') AS DOUBLE), NULL)"
    return f"coalesce(if(contains({text}, '.'), NULL, TRY_CAST(replace({text}, ',', '.') AS DOUBLE)), {grouped})"


def _flag(text: str, name: str) -> str:
    stocked = f"WHEN TRY_CAST({text} AS DOUBLE) IS NOT NULL THEN TRY_CAST({text} AS DOUBLE) > 0" if name == "in_stock" else ""
    return f"CASE WHEN lower({text}) IN ({_words(YES)}) THEN TRUE WHEN lower({text}) IN ({_words(NO)}) THEN FALSE {stocked} END"


def _words(words: tuple[str, ...]) -> str:
    return ", ".join(literal(word) for word in words)


def cancelled(status: str) -> str:
    """The SQL expression that is true where a status text means that the order was not bought in the end, NULL where there is none."""
    return f"replace(replace(lower({status}), '_', ' '), '-', ' ') IN ({_words(tuple(word.replace('-', ' ') for word in CANCELLED_WORDS))})"


def _time(text: str, name: str, reading: Reading) -> str:
    time = f"if({_year_first(text)}, TRY_CAST({text} AS TIMESTAMP), NULL)"
    if reading.dates[name]:
        formats = ", ".join(literal(each) for each in reading.dates[name])
        time = f"coalesce({time}, TRY_STRPTIME({text}, [{formats}]))"
    if name in reading.aware:
        instant = f"TRY_CAST(regexp_replace({text}, '\\s*([+-]\\d\\d):?(\\d\\d)$', '\\1:\\2') AS TIMESTAMPTZ)"
        time = f"if({_is_aware(text)}, timezone({literal(reading.timezone)}, {instant}), {time})"
    return time


def _plausible(time: str) -> str:
    return f"if({time} >= TIMESTAMP '{EARLIEST}' AND {time} < TIMESTAMP '{LATEST}', {time}, NULL)"


def _year_first(text: str) -> str:
    return f"substr({text}, 5, 1) IN ('-', '/')"


def _is_aware(text: str) -> str:
    tail = f"right({text}, 6)"
    offset = f"contains({tail}, '+') OR (contains({tail}, '-') AND contains({text}, ':')) OR ({text} LIKE '%UTC')"
    return f"({_year_first(text)} AND length({text}) > 16 AND (right({text}, 1) = 'Z' OR {offset}))"


def _any_aware(connection: duckdb.DuckDBPyConnection, plan: Plan, field: Field) -> bool:
    return _one(connection, f"SELECT coalesce(bool_or({_is_aware(cell(plan, field))}), FALSE) FROM {plan.source.relation}") == 1


def _from_float(connection: duckdb.DuckDBPyConnection, plan: Plan, field: Field) -> bool:
    text = cell(plan, field)
    if not _one(connection, f"SELECT coalesce(bool_and(suffix({text}, '.0')), FALSE) FROM {plan.source.relation}"):
        return False
    return _one(connection, f"SELECT bool_and(regexp_matches({text}, '^\\d+\\.0$')) FROM {plan.source.relation}") == 1


def _decimal(connection: duckdb.DuckDBPyConnection, plan: Plan) -> str:
    numbers = [cell(plan, each) for each in plan.fields if each.column.kind in ("number", "whole")]
    if not numbers or plan.source.path.suffix.casefold() in PARQUET:
        return "."
    some = " OR ".join(f"bool_or(contains({each}, ','))" for each in numbers)
    if not _one(connection, f"SELECT coalesce({some}, FALSE) FROM {plan.source.relation}"):
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


def _date_formats(connection: duckdb.DuckDBPyConnection, plan: Plan, field: Field, date_format: str) -> tuple[str, ...]:
    if date_format:
        return (date_format, *(date_format + time for time in TIMES[1:]))
    text = cell(plan, field)
    day = f"CASE WHEN contains({text}, ':') THEN rtrim(left({text}, strpos({text}, ':') - 3), ' T,') ELSE {text} END"
    connection.execute(f"CREATE OR REPLACE TEMP TABLE days AS SELECT {day} AS day, count(*) AS rows FROM {plan.source.relation} GROUP BY 1")
    iso = f"({_year_first('day')} AND TRY_CAST(day AS DATE) IS NOT NULL)"
    mostly_iso = f"SELECT coalesce(sum(if({iso}, rows, -rows)), 1) > 0 FROM days WHERE day IS NOT NULL"
    return () if _one(connection, mostly_iso) else _order_of(connection, plan, field, iso)


def _order_of(connection: duckdb.DuckDBPyConnection, plan: Plan, field: Field, iso: str) -> tuple[str, ...]:
    tried = {order: f"TRY_STRPTIME(day, [{', '.join(literal(each) for each in formats)}])" for order, formats in ORDERS.items()}
    sums = ", ".join(f"coalesce(sum(rows) FILTER ({_plausible(each)} IS NOT NULL), 0)" for each in tried.values())
    rest = f"FROM days WHERE day IS NOT NULL AND NOT {iso}"
    counts = dict(zip(tried, connection.execute(f"SELECT {sums} {rest}").fetchone() or (), strict=True))
    best = max(counts.values())
    if best == 0:
        return ()
    if counts["day first"] == counts["month first"] == best and _one(
        connection, f"SELECT count(*) {rest} AND {tried['day first']} != {tried['month first']}"
    ):
        raise DataError(
            f"{plan.source.path}: the dates of {field.sources[0]!r} can be read day first and month first; "
            "say how they are written with --date-format %d/%m/%Y or --date-format %m/%d/%Y"
        )
    order = next(order for order in tried if counts[order] == best)
    strptime = {each: f"TRY_STRPTIME(day, {literal(each)})" for each in ORDERS[order]}
    used = [each for each, day in strptime.items() if _one(connection, f"SELECT count(*) {rest} AND {_plausible(day)} IS NOT NULL")]
    return tuple(each + time for each in used for time in TIMES)


def _one(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    row = connection.execute(query).fetchone()
    return int(row[0] or 0) if row else 0
