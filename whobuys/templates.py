"""Texts that the command line writes or prints whole: audiences.yaml of a new shop, and the canonical tables as text and JSON Schema."""

from collections.abc import Sequence

from features.tables import IMPORT_ONLY, Column, Kind, Table

AUDIENCES_FILE = "audiences.yaml"

AUDIENCES = """\
# Saved audiences. One condition is one key; the conditions of a list must all hold. Several audiences are separated by ---
# Take the leading # away, put your own words in, then: whobuys audience list
#
# audience: interested-in-tents            # the name it is built and exported by
# name: Interested in tents                # the name for people
# who:
#   - interested_in: {category: Tents, likelihood: high}
# ---
# audience: tent-no-repellent
# name: Tent buyers without mosquito repellent
# who:
#   - bought: {category: Tents, within: 12 months}
#   - not: {bought: {category: Mosquito repellent}}
# choose: {by: {interested_in: {category: Mosquito repellent}}, top: 5000}
"""

_JSON_TYPES: dict[Kind, dict[str, str]] = {
    "text": {"type": "string"},
    "number": {"type": "number"},
    "whole": {"type": "integer"},
    "flag": {"type": "boolean"},
    "date": {"type": "string", "format": "date"},
    "time": {"type": "string", "format": "date-time"},
}


def schema_text(tables: Sequence[Table]) -> str:
    """The tables for people: a line per column with its type and meaning; * marks the columns that name a row."""
    parts = []
    for table in tables:
        rows = [(f"{column.name}{'*' if column.key else ''}", column.kind, column.meaning) for column in _columns(table)]
        width = max(len(name) for name, _, _ in rows)
        lines = [f"  {name:<{width}}  {kind:<6}  {meaning}" for name, kind, meaning in rows]
        more = ["  (any further column is kept as an attribute)"] if table.open_ended else []
        parts.append("\n".join([f"{table.name}: {table.meaning}", *lines, *more]))
    return "\n\n".join(parts)


def json_schema(tables: Sequence[Table]) -> dict[str, object]:
    """One JSON Schema (draft 2020-12): an object with an array of rows for each table."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "The canonical tables of a shop",
        "type": "object",
        "properties": {table.name: {"type": "array", "description": table.meaning, "items": _row(table)} for table in tables},
        "additionalProperties": False,
    }


def _row(table: Table) -> dict[str, object]:
    return {
        "type": "object",
        "properties": {column.name: {**_type(column), "description": column.meaning} for column in table.columns},
        "required": table.keys,
        "additionalProperties": table.open_ended,
    }


def _type(column: Column) -> dict[str, object]:
    known = _JSON_TYPES[column.kind]
    return dict(known) if column.key else {**known, "type": [known["type"], "null"]}


def _columns(table: Table) -> tuple[Column, ...]:
    return (*table.columns, *IMPORT_ONLY.get(table.name, ()))
