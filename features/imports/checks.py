"""The typed rows of all files -> what is wrong with them: the table ``bad`` (position, field, what), or one clear refusal."""

from collections.abc import Sequence
from datetime import date, timedelta

import duckdb

from features.errors import DataError
from features.imports.mapping import FileKind
from features.imports.staging import FILE_STRIDE, Staged
from features.imports.values import cell, typed_rows
from features.sources import literal, quoted

REQUIRED: dict[FileKind, tuple[str, ...]] = {
    "flat": ("order_id", "orders.ordered_at", "order_lines.line_no"),
    "orders": ("order_id", "orders.ordered_at"),
    "order_lines": ("order_id", "order_lines.line_no"),
    "products": ("product_id",),
    "customers": ("customer_id",),
    "events": ("events.occurred_at", "events.event"),
}
"""Columns that must not be empty where a file has them."""


def find_bad_rows(connection: duckdb.DuckDBPyConnection, staged: Sequence[Staged], *, currency: str, today: date | None) -> None:
    """Fill the table ``bad`` with every row that cannot be imported, a row for each reason."""
    connection.execute("CREATE OR REPLACE TABLE bad (position BIGINT, field VARCHAR, what VARCHAR)")
    for each in staged:
        for query in (*_unreadable(connection, each), *_empty(each), *_future(each, today), *_foreign(each, currency)):
            connection.execute(f"INSERT INTO bad {query}")
    connection.execute(f"INSERT INTO bad {_repeated_lines(staged)}")
    connection.execute(f"INSERT INTO bad {_several_customers(staged)}")
    connection.execute(f"INSERT INTO bad {_repeated_orders(staged)}")
    connection.execute(f"INSERT INTO bad {_repeated_rows(staged)}")
    find_lines_without_order(connection, staged)


def find_lines_without_order(connection: duckdb.DuckDBPyConnection, staged: Sequence[Staged]) -> None:
    """Add the lines of orders that no file holds to ``bad``."""
    for each in staged:
        if each.plan.kind == "order_lines":
            unknown = "order_id NOT IN (SELECT order_id FROM all_orders WHERE order_id IS NOT NULL) AND position NOT IN (SELECT position FROM bad)"
            connection.execute(f"INSERT INTO bad SELECT position, 'order_id', 'no order' FROM {each.relation} WHERE {unknown}")


def _unreadable(connection: duckdb.DuckDBPyConnection, each: Staged) -> list[str]:
    fields = [field for field in each.plan.fields if field.column.kind != "text"]
    if not fields:
        return []
    raw, typed = each.plan.source.relation, each.relation
    there = connection.execute(f"SELECT {', '.join(f'count({cell(each.plan, field)})' for field in fields)} FROM {raw}").fetchone()
    read = connection.execute(f"SELECT {', '.join(f'count({quoted(field.name)})' for field in fields)} FROM {typed}").fetchone()
    differing = [field for field, before, after in zip(fields, there or (), read or (), strict=True) if before != after]
    return [
        f"SELECT rowid + {each.number * FILE_STRIDE}, {literal(field.name)}, 'unreadable' "
        f"FROM ({typed_rows(each.plan, [field], each.reading, others=f', {cell(each.plan, field)} AS written')}) "
        f"WHERE written IS NOT NULL AND {quoted(field.name)} IS NULL"
        for field in differing
    ]


def _empty(each: Staged) -> list[str]:
    queries = []
    for name in REQUIRED[each.plan.kind]:
        if name not in each.columns or (name == "order_id" and each.derives_order_id):
            continue
        unread = f"position NOT IN (SELECT position FROM bad WHERE field = {literal(name)})"
        elsewhere = f" AND order_id NOT IN ({_dated(each)})" if each.plan.kind == "flat" and name == "orders.ordered_at" else ""
        where = f"{quoted(name)} IS NULL AND {unread}{'' if each.derives_order_id else elsewhere}"
        queries.append(f"SELECT position, {literal(name)}, 'empty' FROM {each.relation} WHERE {where}")
    return queries


def _dated(each: Staged) -> str:
    """Exports may give the date of an order on its first line only."""
    return f'SELECT order_id FROM {each.relation} WHERE "orders.ordered_at" IS NOT NULL AND order_id IS NOT NULL'


def _future(each: Staged, today: date | None) -> list[str]:
    if today is None:
        return []
    after = (today + timedelta(days=2)).isoformat()
    return [
        f"SELECT position, {literal(field.name)}, 'future' FROM {each.relation} WHERE {quoted(field.name)} >= DATE '{after}'"
        for field in each.plan.fields
        if field.column.kind in ("time", "date")
    ]


def _foreign(each: Staged, currency: str) -> list[str]:
    if not currency or "orders.currency" not in each.columns:
        return []
    return [f"SELECT position, 'orders.currency', 'currency' FROM {each.relation} WHERE upper(\"orders.currency\") != {literal(currency.upper())}"]


def _repeated_lines(staged: Sequence[Staged]) -> str:
    if not any("order_lines.line_no" in each.columns for each in staged):
        return "SELECT NULL, NULL, NULL WHERE FALSE"
    return """
        WITH again AS (SELECT order_id, line_no FROM all_order_lines WHERE line_no IS NOT NULL GROUP BY order_id, line_no HAVING count(*) > 1)
        SELECT position, 'order_lines.line_no', 'line again' FROM all_order_lines JOIN again USING (order_id, line_no)
        QUALIFY row_number() OVER (PARTITION BY order_id, line_no ORDER BY position) > 1"""


def _several_customers(staged: Sequence[Staged]) -> str:
    """Rows of an order that name another customer than its first row: order ids that begin anew somewhere would mix people up."""
    if not any(each.plan.kind == "flat" and {"order_id", "customer_id"} <= each.columns and not each.derives_order_id for each in staged):
        return "SELECT NULL, NULL, NULL WHERE FALSE"
    return """
        WITH mixed AS (SELECT order_id, arg_min(customer_id, position) AS first FROM all_orders
                       WHERE order_id IS NOT NULL GROUP BY order_id HAVING min(customer_id) != max(customer_id))
        SELECT position, 'customer_id', 'other customer' FROM all_orders JOIN mixed USING (order_id) WHERE customer_id != first"""


def _repeated_orders(staged: Sequence[Staged]) -> str:
    """Rows of orders files that give an order a second time with other content; the same content twice is one order."""
    files = [each for each in staged if each.plan.kind == "orders" and not each.derives_order_id]
    rows = " UNION ALL ".join(f"SELECT position, order_id, {_content()} AS content FROM {each.relation}" for each in files)
    first = "first_value(content) OVER (PARTITION BY order_id ORDER BY position)"
    return f"SELECT position, 'order_id', 'order again' FROM ({rows or NO_ROWS}) WHERE order_id IS NOT NULL QUALIFY content != {first}"


def _repeated_rows(staged: Sequence[Staged]) -> str:
    """Rows that stand in an earlier file of the same columns too: exports that overlap. Within one file the same line may repeat.

    Orders with ids are compared by their id.
    """
    files = [each for each in staged if each.plan.kind in ("flat", "order_lines") or _made_of_days(each)]
    alike = [each for each in files if sum(other.columns == each.columns and other.plan.attributes == each.plan.attributes for other in files) > 1]
    rows = " UNION ALL ".join(f"SELECT position, {each.number} AS file, {_content()} AS content FROM {each.relation}" for each in alike)
    return f"""
        WITH lines AS ({rows or NO_ROWS}), again AS (SELECT content, min(file) AS first FROM lines GROUP BY content HAVING max(file) > min(file))
        SELECT position, 'order_id', 'row again' FROM lines JOIN again USING (content) WHERE file > first"""


NO_ROWS = "SELECT NULL::BIGINT AS position, NULL::INTEGER AS file, NULL::VARCHAR AS order_id, NULL::UBIGINT AS content WHERE FALSE"


def _content() -> str:
    return "hash(row(*columns(* EXCLUDE (position))))"


def identical_lines(connection: duckdb.DuckDBPyConnection, staged: Sequence[Staged]) -> int:
    """How many rows of order lines repeat another row of their file in every column: they are kept, exports without line numbers have them."""
    files = [each for each in staged if each.plan.kind in ("flat", "order_lines") and "order_lines.line_no" not in each.columns]
    repeats = 0
    for each in files:
        contents = f"SELECT {_content()} AS content FROM {each.relation}"
        counted = connection.execute(f"SELECT sum(n - 1) FROM (SELECT count(*) AS n FROM ({contents}) GROUP BY content)").fetchone()
        repeats += int(counted[0] or 0) if counted else 0
    return repeats


def _made_of_days(each: Staged) -> bool:
    return each.plan.kind == "orders" and each.derives_order_id


def merged_rows(connection: duckdb.DuckDBPyConnection, staged: Sequence[Staged]) -> int:
    """How many rows of orders files without order ids became part of an order that another row of their customer and day made."""
    ids = " UNION ALL ".join(f"SELECT order_id FROM {each.relation}" for each in staged if _made_of_days(each))
    counted = connection.execute(f"SELECT count(order_id) - count(DISTINCT order_id) FROM ({ids})").fetchone() if ids else None
    return int(counted[0]) if counted else 0


def repeated_ids(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """How many rows of customers and products files are followed by another of the same id, by table; the last one is kept."""
    counts = {}
    for table, key in (("customers", "customer_id"), ("products", "product_id")):
        counted = connection.execute(f"SELECT count({key}) - count(DISTINCT {key}) FROM all_{table} WHERE home").fetchone()
        counts[table] = int(counted[0]) if counted else 0
    return counts


def refuse_mixtures(connection: duckdb.DuckDBPyConnection, staged: Sequence[Staged], *, currency: str, adding: bool) -> None:
    """Raise DataError for what no line alone is to blame for: mixed currencies, line totals taken for order totals, nobody to learn from (what is
    added to a shop may be a single order)."""
    currencies = connection.execute(
        "SELECT upper(currency), count(DISTINCT order_id) FROM all_orders WHERE currency IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1"
    ).fetchall()
    if not currency and len(currencies) > 1:
        counted = ", ".join(f"{name} {count:,}" for name, count in currencies[:5])
        raise DataError(
            f"the orders are in {len(currencies)} currencies ({counted}); convert them to one, "
            "or name the one to keep as currency in [shop] of whobuys.toml and leave the others out with --skip-bad-lines"
        )
    _refuse_line_revenue(connection, staged)
    _refuse_repeats(connection, staged)
    if adding:
        return
    customers = connection.execute("SELECT count(DISTINCT customer_id), count(DISTINCT order_id) FROM all_orders").fetchone() or (0, 0)
    if customers[1] == 0:
        raise DataError("no orders are left to import")
    if customers[0] < 2:
        every = "the only order belongs" if customers[1] == 1 else f"all {customers[1]:,} orders belong"
        who = "no order has a customer" if customers[0] == 0 else f"{every} to one customer"
        raise DataError(f"{who}; is customer_id mapped to the right column?")


def _refuse_repeats(connection: duckdb.DuckDBPyConnection, staged: Sequence[Staged]) -> None:
    """A file whose rows mostly repeat an id is no list of customers or products, but something whose own columns were not found."""
    for each in staged:
        key = {"customers": "customer_id", "products": "product_id"}.get(each.plan.kind)
        if key is None or key not in each.columns:
            continue
        rows, ids = connection.execute(f"SELECT count({key}), count(DISTINCT {key}) FROM {each.relation}").fetchone() or (0, 0)
        if rows > 3 and rows >= 2 * ids:
            raise DataError(
                f"{each.plan.source.path.name}: was read as {each.plan.kind}, but its {rows:,} rows hold only {ids:,} different {key}; "
                "if these are orders, name their columns: --map order_id=... --map ordered_at=..."
            )


def _refuse_line_revenue(connection: duckdb.DuckDBPyConnection, staged: Sequence[Staged]) -> None:
    for each in staged:
        if each.plan.kind == "flat" and "orders.revenue" in each.columns and not each.derives_order_id:
            differing = (
                f'SELECT order_id FROM {each.relation} GROUP BY order_id HAVING min("orders.revenue") != max("orders.revenue") ORDER BY 1 LIMIT 1'
            )
            found = connection.execute(differing).fetchone()
            if found:
                raise DataError(
                    f"{each.plan.source.path.name}: revenue is the whole order's, but differs between the lines of order {found[0]!r}; "
                    "map what each line brought as line_total"
                )
