"""The canonical tables: the one place that says which columns a shop's data has, of what type, and what they mean."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Kind = Literal["text", "number", "whole", "flag", "date", "time"]

DUCKDB_TYPES: dict[Kind, str] = {
    "text": "VARCHAR",
    "number": "DOUBLE",
    "whole": "INTEGER",
    "flag": "BOOLEAN",
    "date": "DATE",
    "time": "TIMESTAMP",
}

COMPLETED = "completed"
CANCELLED = "cancelled"
PATH_SEPARATOR = " > "


@dataclass(frozen=True)
class Column:
    """One column of a canonical table; ``key`` columns are never null and together name a row."""

    name: str
    kind: Kind
    meaning: str
    key: bool = False


@dataclass(frozen=True)
class Table:
    """One canonical table; ``open_ended`` tables keep every further column of the source as an attribute."""

    name: str
    meaning: str
    columns: tuple[Column, ...]
    open_ended: bool = False

    @property
    def names(self) -> list[str]:
        """The names of the columns, in order."""
        return [column.name for column in self.columns]

    @property
    def keys(self) -> list[str]:
        """The names of the columns that together name a row."""
        return [column.name for column in self.columns if column.key]


CUSTOMERS = Table(
    "customers",
    "everybody who ordered or signed up, one row each",
    (
        Column("customer_id", "text", "the shop's own id; an e-mail address is replaced by a keyed hash", key=True),
        Column("email", "text", "e-mail address, used in exports only"),
        Column("phone", "text", "phone number, used in exports only"),
        Column("first_name", "text", "first name, used in exports only"),
        Column("last_name", "text", "last name, used in exports only"),
        Column("country", "text", "country, as the shop writes it"),
        Column("region", "text", "region or state"),
        Column("city", "text", "city"),
        Column("postal_code", "text", "postal code, leading zeros kept"),
        Column("language", "text", "language of the customer"),
        Column("gender", "text", "gender, as the shop writes it"),
        Column("birth_date", "date", "date of birth"),
        Column("created_at", "time", "when the customer signed up"),
        Column("consent_email", "flag", "may be mailed; unknown counts as no"),
        Column("consent_sms", "flag", "may be sent text messages; unknown counts as no"),
        Column("consent_ads", "flag", "may be uploaded to ad platforms; unknown counts as no"),
    ),
    open_ended=True,
)
PRODUCTS = Table(
    "products",
    "everything that was or can be sold, one row each",
    (
        Column("product_id", "text", "the shop's own id, leading zeros kept", key=True),
        Column("title", "text", "the product's name"),
        Column("brand", "text", "brand or maker"),
        Column("category", "text", "a path of categories from wide to narrow, written A > B > C"),
        Column("price", "number", "unit price today"),
        Column("list_price", "number", "unit price before discount"),
        Column("cost", "number", "unit cost"),
        Column("url", "text", "address of the product's page"),
        Column("image_url", "text", "address of the product's picture"),
        Column("created_at", "time", "when the product was first offered"),
        Column("in_stock", "flag", "can be bought today"),
        Column("tags", "text", "further words, separated by commas"),
    ),
    open_ended=True,
)
ORDERS = Table(
    "orders",
    "orders, one row each; credit notes are orders of their own with negative revenue",
    (
        Column("order_id", "text", "the shop's own id", key=True),
        Column("customer_id", "text", "who ordered; empty when the shop does not know"),
        Column("ordered_at", "time", "when, in the shop's own time zone"),
        Column("currency", "text", "currency; all orders of a shop have the same"),
        Column("revenue", "number", "what the order brought: net of discount and returns, without shipping; 0 when cancelled"),
        Column("discount", "number", "discount on the whole order, mostly with those of its lines: what was saved is counted once"),
        Column("coupon", "text", "coupon code"),
        Column("is_gift", "flag", "was sent as a gift"),
        Column("channel", "text", "online, store, ..."),
        Column("status", "text", "completed or cancelled"),
    ),
    open_ended=True,
)
ORDER_LINES = Table(
    "order_lines",
    "lines of the orders, one row each; a return is a line with negative quantity",
    (
        Column("order_id", "text", "the order", key=True),
        Column("line_no", "whole", "number of the line in its order, from 1", key=True),
        Column("product_id", "text", "the product"),
        Column("quantity", "number", "how many; negative when returned"),
        Column("price", "number", "unit price after discount"),
        Column("list_price", "number", "unit price before discount"),
        Column("discount", "number", "discount on the line"),
    ),
    open_ended=True,
)
EVENTS = Table(
    "events",
    "what customers did besides ordering, one row each",
    (
        Column("occurred_at", "time", "when, in the shop's own time zone"),
        Column("customer_id", "text", "who"),
        Column("event", "text", "viewed, added_to_cart, started_checkout, signed_up, opened_email, clicked_email, unsubscribed, ..."),
        Column("product_id", "text", "the product, if one"),
        Column("category", "text", "the category, if one"),
    ),
)

TABLES: dict[str, Table] = {table.name: table for table in (CUSTOMERS, PRODUCTS, ORDERS, ORDER_LINES, EVENTS)}

IMPORT_ONLY: dict[str, tuple[Column, ...]] = {
    "orders": (Column("refunded", "number", "amount paid back on the order; taken off its revenue"),),
    "order_lines": (
        Column("line_total", "number", "what the whole line brought; price becomes line_total / quantity where no price is given"),
        Column("is_return", "flag", "the line is a return; its quantity becomes negative"),
    ),
}
"""Columns that an export may carry and a mapping may name, which are worked into canonical columns and not kept."""

JSON_TYPES: dict[Kind, dict[str, str]] = {
    "text": {"type": "string"},
    "number": {"type": "number"},
    "whole": {"type": "integer"},
    "flag": {"type": "boolean"},
    "date": {"type": "string", "format": "date"},
    "time": {"type": "string", "format": "date-time"},
}
"""A column's kind in JSON Schema."""


def json_schema() -> dict[str, object]:
    """A JSON Schema of one shop's tables: an object with an array of rows for each; keys are required, all else may be null.

    >>> sorted(json_schema()["properties"])
    ['customers', 'events', 'order_lines', 'orders', 'products']
    """
    tables = {name: {"type": "array", "description": table.meaning, "items": _row_schema(table)} for name, table in TABLES.items()}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "whobuys tables", "type": "object", "properties": tables}


def _row_schema(table: Table) -> dict[str, object]:
    columns: dict[str, object] = {}
    for column in table.columns:
        described = {**JSON_TYPES[column.kind], "description": column.meaning}
        columns[column.name] = described if column.key else {**described, "type": [described["type"], "null"]}
    rest: object = {"type": ["string", "null"]} if table.open_ended else False
    return {"type": "object", "required": table.keys, "properties": columns, "additionalProperties": rest}


def as_markdown() -> str:
    """The tables as a page of documentation: a section each, a row for every column, then the columns that only an import knows."""
    parts = [f"## {table.name}\n\n{_sentence(table.meaning)}{_openness(table)}\n\n{_rows(table.columns)}" for table in TABLES.values()]
    only = [column for columns in IMPORT_ONLY.values() for column in columns]
    parts.append(f"## Columns that only an import knows\n\nThey can be mapped, are worked into the columns above, and are not kept.\n\n{_rows(only)}")
    return "\n\n".join(parts) + "\n"


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."


def _openness(table: Table) -> str:
    return " Every further column of a file is kept as an attribute, as text." if table.open_ended else ""


def _rows(columns: Iterable[Column]) -> str:
    rows = [f"| `{column.name}`{' (key)' if column.key else ''} | {column.kind} | {column.meaning} |" for column in columns]
    return "\n".join(["| column | kind | meaning |", "|---|---|---|", *rows])
