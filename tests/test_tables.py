"""The canonical tables are described once: page, JSON Schema and code agree."""

from pathlib import Path

import pytest

from features.config import canonical_names
from features.tables import DUCKDB_TYPES, IMPORT_ONLY, JSON_TYPES, TABLES, as_markdown, json_schema

PAGE = Path(__file__).resolve().parent.parent / "docs" / "data.md"


def test_the_page_of_the_tables_is_up_to_date() -> None:
    """Mend it by replacing everything from the first table on with ``features.tables.as_markdown()``."""
    assert PAGE.read_text(encoding="utf-8").endswith(as_markdown())


@pytest.mark.parametrize("name", canonical_names())
def test_every_column_is_on_the_page(name: str) -> None:
    assert f"`{name.rpartition('.')[2]}`" in PAGE.read_text(encoding="utf-8")


def test_every_kind_has_a_type_in_each_language() -> None:
    kinds = {column.kind for table in TABLES.values() for column in table.columns}
    assert kinds <= set(DUCKDB_TYPES) == set(JSON_TYPES)


def test_no_table_names_a_column_twice() -> None:
    for table in TABLES.values():
        names = [*table.names, *(column.name for column in IMPORT_ONLY.get(table.name, ()))]
        assert len(names) == len(set(names))


def test_the_schema_requires_keys_and_leaves_all_else_open_to_null() -> None:
    tables = json_schema()["properties"]
    assert isinstance(tables, dict)
    orders = tables["orders"]["items"]
    assert orders["required"] == ["order_id"]
    assert orders["properties"]["order_id"]["type"] == "string"
    assert orders["properties"]["revenue"]["type"] == ["number", "null"]
    assert orders["additionalProperties"] == {"type": ["string", "null"]}
    assert tables["events"]["items"]["additionalProperties"] is False
