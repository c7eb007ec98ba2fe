"""Texts that the command line writes or prints whole: audiences.yaml of a new shop, and the canonical tables."""

from collections.abc import Sequence

from features.tables import IMPORT_ONLY, Column, Table

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


def _columns(table: Table) -> tuple[Column, ...]:
    return (*table.columns, *IMPORT_ONLY.get(table.name, ()))
