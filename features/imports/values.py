"""Text cells -> numbers, times, flags and ids, as SQL expressions, by how their file writes them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from features.imports.mapping import JOINED_BY, Field, Plan
from features.sources import literal, quoted

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

ISO = "%Y-%m-%d"
TIMES = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p", " %I:%M%p", ", %H:%M", ", %H:%M:%S", "T%H:%M:%S")
EARLIEST, LATEST = "1900-01-01", "2200-01-01"
WORDS = {"d": "day", "m": "month", "b": "month", "B": "month", "Y": "year", "y": "year", "H": "hour", "I": "hour", "M": "minute", "S": "second"}


@dataclass(frozen=True)
class Dates:
    """How a column writes its dates: the formats of a day, of which the first that fits counts, and how that was found out.

    ``ISO`` stands for all its relatives, with times and zones. Behind every other format the usual times of a day may stand.
    """

    formats: tuple[str, ...]
    because: str = ""

    def __str__(self) -> str:
        """The formats in words, with an example of the first.

        >>> str(Dates(("%d/%m/%Y", "%Y-%m-%d")))
        'day/month/year or year-month-day, such as 31/12/2024'
        """
        words = [re.sub(r"%(\w)", lambda code: WORDS.get(code[1], code[0]), each) for each in self.formats]
        return f"{' or '.join(dict.fromkeys(words))}, such as {datetime(2024, 12, 31, 23, 59).strftime(self.formats[0])}"


@dataclass(frozen=True)
class Reading:
    """How one file writes its values. ``dates`` are those of each field, ``from_float`` the ids that a spreadsheet wrote as 17850.0."""

    decimal: Literal[".", ","]
    dates: Mapping[str, Dates]
    aware: frozenset[str]
    from_float: frozenset[str]
    timezone: str


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
            return plausible(value)
        case "date":
            return f"CAST({plausible(value)} AS DATE)"
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
    if field.column.name not in ("postal_code", "phone") and not field.name.endswith("_id"):
        return text
    written = f"nullif(ltrim({text}, ''''), '')"
    return f"if(suffix({text}, '.0'), left({text}, length({text}) - 2), {written})" if field.name in reading.from_float else written


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
    formats = reading.dates[name].formats
    times = [f"if({year_first(text)}, TRY_CAST({text} AS TIMESTAMP), NULL)"] if ISO in formats else []
    if others := [each + time for each in formats if each != ISO for time in TIMES]:
        times.append(strptime(text, others))
    time = f"coalesce({', '.join(times)})"
    if name in reading.aware and ISO in formats:
        instant = f"TRY_CAST(regexp_replace({text}, '\\s*([+-]\\d\\d):?(\\d\\d)$', '\\1:\\2') AS TIMESTAMPTZ)"
        time = f"if({is_aware(text)}, timezone({literal(reading.timezone)}, {instant}), {time})"
    return time


def strptime(text: str, formats: Sequence[str]) -> str:
    """The SQL expression of a time in the first of these formats that fits, NULL where none does."""
    return f"TRY_STRPTIME({text}, [{', '.join(literal(each) for each in formats)}])"


def plausible(time: str) -> str:
    """The SQL expression of a time that a shop can have seen, NULL for any other."""
    return f"if({time} >= TIMESTAMP '{EARLIEST}' AND {time} < TIMESTAMP '{LATEST}', {time}, NULL)"


def year_first(text: str) -> str:
    """The SQL expression that is true where a text begins like a date of ISO 8601."""
    return f"regexp_matches({text}, '^\\d{{4}}[-/]')"


def is_aware(text: str) -> str:
    """The SQL expression that is true where a text is a time of ISO 8601 with its zone."""
    tail = f"right({text}, 6)"
    offset = f"contains({tail}, '+') OR (contains({tail}, '-') AND contains({text}, ':')) OR ({text} LIKE '%UTC')"
    return f"({year_first(text)} AND length({text}) > 16 AND (right({text}, 1) = 'Z' OR {offset}))"
