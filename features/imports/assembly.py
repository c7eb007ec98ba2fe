"""The typed rows of all files -> the five canonical tables."""

from collections.abc import Sequence
from pathlib import Path

import duckdb

from features.imports.staging import ATTRIBUTE, Staged, attribute_names, columns_of, rows_of, told
from features.sources import literal, quoted
from features.tables import CANCELLED, COMPLETED, DUCKDB_TYPES, TABLES

MONEY = 10_000
"""Money is summed in whole ten-thousandths: a sum of decimals would depend on the order of the rows."""


def view_rows(connection: duckdb.DuckDBPyConnection, staged: Sequence[Staged]) -> None:
    """Make the views ``all_customers``, ``all_products``, ...: the rows of every file by canonical table."""
    for table in TABLES:
        connection.execute(f"CREATE OR REPLACE VIEW all_{table} AS {rows_of(table, staged)}")


def make_tables(connection: duckdb.DuckDBPyConnection, staged: Sequence[Staged], *, cancelled_prefix: str, currency: str) -> None:
    """Make the views ``canonical_orders``, ...: all canonical columns of what the files tell, in order and type, then the attributes."""
    for name, query in (
        ("products", _products(staged)),
        ("order_lines", _lines(staged)),
        ("orders", _orders(staged, cancelled_prefix=cancelled_prefix, currency=currency)),
        ("customers", _customers(staged)),
        ("events", "SELECT * REPLACE (replace(replace(lower(event), ' ', '_'), '-', '_') AS event) FROM all_events"),
    ):
        connection.execute(f"CREATE OR REPLACE {'TABLE' if name in ('products', 'order_lines') else 'VIEW'} new_{name} AS {query}")
        attributes = [f"{quoted(ATTRIBUTE + each)} AS {quoted(each)}" for each in attribute_names(name, staged).values()]
        cells = [f"CAST({column.name} AS {DUCKDB_TYPES[column.kind]}) AS {column.name}" for column in TABLES[name].columns]
        connection.execute(f"CREATE OR REPLACE VIEW canonical_{name} AS SELECT {', '.join(cells + attributes)} FROM new_{name}")


def write_tables(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Write the canonical tables as Parquet, sorted by key."""
    for name, table in TABLES.items():
        order, target = ", ".join(table.keys or table.names), literal(str(folder / f"{name}.parquet"))
        connection.execute(f"COPY (SELECT * FROM canonical_{name} ORDER BY {order}) TO {target} (FORMAT parquet, COMPRESSION zstd)")


def _products(staged: Sequence[Staged]) -> str:
    """Everything listed or sold: the last row of the products files wins; what it leaves open is what the lines say most often (ties: by text)."""
    names = told("products", staged)
    most_often = "".join(
        f""", said_{name} AS (
            SELECT product_id, {name} FROM all_products WHERE NOT home AND product_id IS NOT NULL AND {name} IS NOT NULL
            GROUP BY product_id, {name} QUALIFY row_number() OVER (PARTITION BY product_id ORDER BY count(*) DESC, {name}) = 1)"""
        for name in names
    )
    filled = ", ".join(f"coalesce(own.{name}, said_{name}.{name}) AS {name}" for name in names)
    joins = " ".join(f"LEFT JOIN said_{name} USING (product_id)" for name in names)
    return f"""
        WITH ids AS (SELECT DISTINCT product_id FROM all_products WHERE product_id IS NOT NULL),
        own AS (SELECT * FROM all_products WHERE home QUALIFY row_number() OVER (PARTITION BY product_id ORDER BY position DESC) = 1){most_often}
        SELECT ids.product_id, own.* EXCLUDE ({", ".join(["product_id", *names])}){", " * bool(names)}{filled}
        FROM ids LEFT JOIN own USING (product_id) {joins}"""


def _customers(staged: Sequence[Staged]) -> str:
    """Everybody named anywhere: the last row of the customers files wins; what it leaves open is what the customer's latest order says."""
    names = told("customers", staged)
    latest = "".join(f", arg_max({name}, row(ordered, position)) FILTER ({name} IS NOT NULL) AS {name}" for name in names)
    filled = ", ".join(f"coalesce(own.{name}, said.{name}) AS {name}" for name in names)
    return f"""
        WITH ids AS (
            SELECT customer_id FROM all_customers WHERE customer_id IS NOT NULL
            UNION SELECT customer_id FROM all_events WHERE customer_id IS NOT NULL),
        own AS (SELECT * FROM all_customers WHERE home QUALIFY row_number() OVER (PARTITION BY customer_id ORDER BY position DESC) = 1),
        said AS (SELECT customer_id{latest} FROM all_customers WHERE NOT home AND customer_id IS NOT NULL GROUP BY customer_id)
        SELECT ids.customer_id, own.* EXCLUDE ({", ".join(["customer_id", *names])}){", " * bool(names)}{filled}
        FROM ids LEFT JOIN own USING (customer_id) LEFT JOIN said USING (customer_id)"""


def _lines(staged: Sequence[Staged]) -> str:
    """Every line with signed quantity and unit price; ``amount`` is what it brought, in 1/MONEY.

    A return has a negative quantity and a positive price, whatever signs the export gives to its price or total.
    A line of quantity 0 keeps what it brought for the order's revenue, but has no unit price. A cancelled line of an order of which other
    lines were not cancelled gets quantity 0.
    """
    by_line = any("orders.status" in each.columns and each.plan.kind == "flat" for each in staged)
    kept = "NOT (coalesce(is_cancelled, FALSE) AND NOT bool_and(is_cancelled) OVER (PARTITION BY order_id))" if by_line else "TRUE"
    bought = f"if({kept} OR quantity < 0, quantity, 0)"
    priced = any({"order_lines.price", "order_lines.line_total"} & each.columns for each in staged)
    catalogue = "NULL" if priced else "new_products.price"
    join = "" if priced else "LEFT JOIN new_products USING (product_id)"
    return f"""
        WITH bought AS (SELECT * REPLACE ({bought} AS quantity, if({kept}, line_total, 0) AS line_total) FROM all_order_lines),
        signed AS (SELECT * REPLACE (if(is_return, -abs(coalesce(quantity, 1)), quantity) AS quantity) FROM bought),
        totals AS (
            SELECT * REPLACE (if(quantity < 0, -abs(line_total), line_total) AS line_total, if(quantity < 0, abs(price), price) AS price)
            FROM signed),
        prices AS (
            SELECT totals.* REPLACE (coalesce(totals.price, line_total / nullif(coalesce(quantity, 1), 0), {catalogue}) AS price) FROM totals {join})
        SELECT * REPLACE (coalesce(line_no, row_number() OVER (PARTITION BY order_id ORDER BY position)) AS line_no),
               CAST(round(coalesce(line_total, price * coalesce(quantity, 1)) * {MONEY}) AS HUGEINT) AS amount
        FROM prices"""


def _orders(staged: Sequence[Staged], *, cancelled_prefix: str, currency: str) -> str:
    """One row an order: the first value its rows give; revenue as given or summed over its lines, of a cancelled order only what was paid back."""
    first = [name for name in columns_of("orders") if name not in ("order_id", "ordered_at", "revenue", "status", "currency")]
    first += [quoted(ATTRIBUTE + name) for name in attribute_names("orders", staged).values()]
    firsts = ", ".join(f"arg_min({name}, position) AS {name}" for name in first)
    prefixed = f"starts_with(order_id, {literal(cancelled_prefix)})" if cancelled_prefix else "FALSE"
    return f"""
        WITH given AS (
            SELECT order_id, min(ordered_at) AS ordered_at, {firsts},
                   upper(coalesce(arg_min(currency, position), nullif({literal(currency)}, ''))) AS currency,
                   coalesce(sum(CAST(round(revenue * {MONEY}) AS HUGEINT)) FILTER (derived) / {MONEY}, arg_min(revenue, position)) AS given,
                   {prefixed} OR coalesce(bool_and(is_cancelled), FALSE) AS is_cancelled
            FROM all_orders GROUP BY order_id),
        brought AS (
            SELECT order_id, sum(amount) / {MONEY} AS amount, coalesce(sum(amount) FILTER (amount < 0), 0) / {MONEY} AS paid_back
            FROM new_order_lines GROUP BY order_id)
        SELECT given.*, if(is_cancelled, '{CANCELLED}', '{COMPLETED}') AS status,
               if(is_cancelled, least(coalesce(given, paid_back, 0), 0), coalesce(given, amount) - coalesce(abs(refunded), 0)) AS revenue
        FROM given LEFT JOIN brought USING (order_id)"""
