"""The canonical tables of an import -> what they cover: how much there is, of what time, and what is missing."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import duckdb

from features.sources import literal
from features.tables import COMPLETED, TABLES

GAPS = 3
"""Stretches without orders that a report names."""


@dataclass(frozen=True)
class Gap:
    """A stretch without any order: the first and the last day without one, and how many days that is."""

    first_day: date
    last_day: date
    days: int


@dataclass(frozen=True)
class FileRead:
    """How one file was read: its rows, the tables it fills, its decimal sign (empty where it has no numbers as text), and what was done by column."""

    file: str
    rows: int
    tables: tuple[str, ...]
    decimal: str
    columns: Mapping[str, str]

    def text(self, width: int) -> list[str]:
        """The file in the report for people: a line of its own, and one for each column."""
        sign = {".": "; decimal point", ",": "; decimal comma"}.get(self.decimal, "")
        lines = [f"{self.file:<{width}}  {self.rows:,} {'row' if self.rows == 1 else 'rows'} read into {', '.join(self.tables)}{sign}"]
        return lines + [f"  {column:<{width - 2}}  {told}" for column, told in self.columns.items()]


@dataclass(frozen=True)
class Coverage:
    """What an import covers. Shares are between 0 and 1, and None where there is nothing to share.

    ``one_time_share`` is the share of customers with exactly one completed order among those with any.
    ``identical_lines`` repeat another line of their file in every column and were kept; ``skipped`` lines were left out.
    ``repeated_customers`` and ``repeated_products`` are rows of their files that a later row of the same id replaced.
    ``lines_without_quantity`` count as 1; ``lines_without_price`` (those of quantity 0 left aside) add nothing to revenue.
    Of the completed orders, some are no purchases: ``returning_orders`` hold returns, or take revenue away, and nothing bought; ``free_orders`` hold
    only lines free of charge or of quantity 0; ``empty_orders`` have neither lines nor revenue.
    ``merged_rows`` of orders without ids were added to another order of their customer and day. ``files`` are in the order they were named.
    """

    import_id: str
    lines: int
    orders: int
    customers: int
    products: int
    events: int
    first_day: date
    last_day: date
    gaps: tuple[Gap, ...]
    revenue: float
    cancelled_orders: int
    returned_lines: int
    lines_without_quantity: int
    lines_without_price: int
    orders_without_revenue: int
    returning_orders: int
    free_orders: int
    empty_orders: int
    lines_without_customer: float | None
    orders_without_customer: float | None
    products_without_category: float | None
    products_without_brand: float | None
    lines_without_category: float | None
    lines_without_brand: float | None
    one_time_share: float | None
    identical_lines: int
    repeated_customers: int
    repeated_products: int
    merged_rows: int
    skipped: int
    files: tuple[FileRead, ...]

    def as_dict(self) -> dict[str, object]:
        """The report as JSON values; days are written YYYY-MM-DD."""
        gaps = [{"first_day": gap.first_day.isoformat(), "last_day": gap.last_day.isoformat(), "days": gap.days} for gap in self.gaps]
        files = [{**asdict(file), "tables": list(file.tables)} for file in self.files]
        return {**asdict(self), "first_day": self.first_day.isoformat(), "last_day": self.last_day.isoformat(), "gaps": gaps, "files": files}

    def text(self) -> str:
        """The report for people: names, aligned numbers, and what they mean for what can be asked."""
        rows = [*self._counts(), *self._shares()]
        width = max(len(name) for name, _, _ in rows)
        figures = max(len(figure) for _, figure, _ in rows)
        lines = [f"{name:<{width}}  {figure:>{figures}}{'  ' + remark if remark else ''}" for name, figure, remark in rows]
        days = (self.last_day - self.first_day).days + 1
        lines.append(f"{'dates':<{width}}  {self.first_day} to {self.last_day} ({_days(days)})")
        lines += [f"{'no orders':<{width}}  {gap.first_day} to {gap.last_day} ({_days(gap.days)})" for gap in self.gaps]
        return "\n".join([*lines, *(line for file in self.files for line in file.text(width))])

    def _counts(self) -> list[tuple[str, str, str]]:
        merged = "without order ids, a customer's rows of a day are one order and are added up, equal ones too"
        return [
            ("lines", f"{self.lines:,}", "" if self.lines else "no interest in products without lines; all about customers works"),
            ("orders", f"{self.orders:,}", ""),
            ("customers", f"{self.customers:,}", ""),
            ("products", f"{self.products:,}", ""),
            *([("events", f"{self.events:,}", "")] if self.events else []),
            ("revenue", f"{self.revenue:,.2f}", "net of returns"),
            ("cancelled orders", f"{self.cancelled_orders:,}", ""),
            ("returned lines", f"{self.returned_lines:,}", ""),
            *([("lines without quantity", f"{self.lines_without_quantity:,}", "counted as 1")] if self.lines_without_quantity else []),
            *([("lines without price", f"{self.lines_without_price:,}", "add nothing to revenue")] if self.lines_without_price else []),
            *([("orders without revenue", f"{self.orders_without_revenue:,}", "")] if self.orders_without_revenue else []),
            *([("orders of returns only", f"{self.returning_orders:,}", "no purchases; taken off revenue")] if self.returning_orders else []),
            *([("orders free of charge", f"{self.free_orders:,}", "no purchases")] if self.free_orders else []),
            *([("orders without anything", f"{self.empty_orders:,}", "neither lines nor revenue: no purchases")] if self.empty_orders else []),
            *([("identical lines (kept)", f"{self.identical_lines:,}", "")] if self.identical_lines else []),
            *([("repeated customers", f"{self.repeated_customers:,}", "the last row was kept")] if self.repeated_customers else []),
            *([("repeated products", f"{self.repeated_products:,}", "the last row was kept")] if self.repeated_products else []),
            *([("merged rows", f"{self.merged_rows:,}", merged)] if self.merged_rows else []),
            *([("skipped lines", f"{self.skipped:,}", f"see imports/{self.import_id}-skipped.csv")] if self.skipped else []),
        ]

    def _shares(self) -> list[tuple[str, str, str]]:
        return [
            ("lines without customer", _percent(self.lines_without_customer), "count for products only" if self.lines_without_customer else ""),
            ("orders without customer", _percent(self.orders_without_customer), ""),
            ("products without category", _percent(self.products_without_category), "ask by keyword" if self.products_without_category == 1 else ""),
            ("products without brand", _percent(self.products_without_brand), ""),
            ("lines without category", _percent(self.lines_without_category), ""),
            ("lines without brand", _percent(self.lines_without_brand), ""),
            ("customers with one order", _percent(self.one_time_share), ""),
        ]


def _percent(share: float | None) -> str:
    if share is None:
        return "-"
    return "under 0.1%" if 0 < share < 0.0005 else f"{share:.1%}"


def _days(days: int) -> str:
    return "1 day" if days == 1 else f"{days:,} days"


def coverage_of(
    connection: duckdb.DuckDBPyConnection,
    folder: Path,
    *,
    import_id: str,
    skipped: int,
    identical_lines: int,
    repeated_customers: int,
    repeated_products: int,
    merged_rows: int,
    files: tuple[FileRead, ...],
) -> Coverage:
    """Count and share the canonical tables in a folder; there must be at least one order. What only the files could tell is passed on."""
    for name in TABLES:
        connection.execute(f"CREATE OR REPLACE VIEW kept_{name} AS SELECT * FROM read_parquet({literal(str(folder / f'{name}.parquet'))})")
    facts: dict[str, object] = {}
    for query in (COUNTS, ORDERS, NO_PURCHASES, LINES, PRODUCTS, ONE_TIME):
        cursor = connection.execute(query)
        names = [column[0] for column in cursor.description or ()]
        facts |= dict(zip(names, cursor.fetchone() or (), strict=True))
    gaps = tuple(Gap(*row) for row in connection.execute(LONGEST_GAPS).fetchall())
    facts |= {"identical_lines": identical_lines, "repeated_customers": repeated_customers, "repeated_products": repeated_products}
    facts |= {"merged_rows": merged_rows, "skipped": skipped, "files": files}
    return Coverage(import_id=import_id, gaps=gaps, **facts)  # type: ignore[arg-type]  # SQL knows the types


COUNTS = """
    SELECT (SELECT count(*) FROM kept_order_lines) AS lines, (SELECT count(*) FROM kept_orders) AS orders,
           (SELECT count(*) FROM kept_customers) AS customers, (SELECT count(*) FROM kept_products) AS products,
           (SELECT count(*) FROM kept_events) AS events"""

ORDERS = f"""
    SELECT CAST(min(ordered_at) AS DATE) AS first_day, CAST(max(ordered_at) AS DATE) AS last_day,
           CAST(coalesce(sum(CAST(round(revenue * 10000) AS HUGEINT)), 0) / 10000 AS DOUBLE) AS revenue,
           count(*) FILTER (status != '{COMPLETED}') AS cancelled_orders, count(*) FILTER (revenue IS NULL) AS orders_without_revenue,
           avg(CAST(customer_id IS NULL AS INTEGER)) AS orders_without_customer
    FROM kept_orders"""

NO_PURCHASES = f"""
    WITH bought AS (
        SELECT order_id, bool_or(coalesce(quantity, 1) > 0 AND (price > 0 OR price IS NULL)) AS purchase, bool_or(quantity < 0) AS sent_back
        FROM kept_order_lines GROUP BY order_id),
    others AS (
        SELECT orders.revenue, bought.order_id IS NOT NULL AS has_lines, coalesce(revenue < 0, FALSE) OR coalesce(sent_back, FALSE) AS returned
        FROM kept_orders AS orders LEFT JOIN bought USING (order_id)
        WHERE status = '{COMPLETED}' AND NOT coalesce(purchase, FALSE)),
    shop AS (SELECT count(*) > 0 AS has_lines FROM bought WHERE purchase)
    SELECT count(*) FILTER (returned) AS returning_orders,
           count(*) FILTER (NOT returned AND others.has_lines) AS free_orders,
           count(*) FILTER (NOT returned AND NOT others.has_lines AND (revenue IS NULL OR revenue = 0 AND shop.has_lines)) AS empty_orders
    FROM others, shop"""

LINES = """
    SELECT count(*) FILTER (lines.quantity < 0) AS returned_lines, count(*) FILTER (lines.quantity IS NULL) AS lines_without_quantity,
           count(*) FILTER (lines.price IS NULL AND lines.quantity IS DISTINCT FROM 0) AS lines_without_price,
           avg(CAST(orders.customer_id IS NULL AS INTEGER)) AS lines_without_customer,
           avg(CAST(products.category IS NULL AS INTEGER)) AS lines_without_category,
           avg(CAST(products.brand IS NULL AS INTEGER)) AS lines_without_brand
    FROM kept_order_lines AS lines LEFT JOIN kept_orders AS orders USING (order_id) LEFT JOIN kept_products AS products USING (product_id)"""

PRODUCTS = """
    SELECT avg(CAST(category IS NULL AS INTEGER)) AS products_without_category, avg(CAST(brand IS NULL AS INTEGER)) AS products_without_brand
    FROM kept_products"""

ONE_TIME = f"""
    SELECT avg(CAST(orders = 1 AS INTEGER)) AS one_time_share
    FROM (SELECT count(*) AS orders FROM kept_orders WHERE status = '{COMPLETED}' AND customer_id IS NOT NULL GROUP BY customer_id)"""

LONGEST_GAPS = f"""
    SELECT before + 1, day - 1, day - before - 1
    FROM (SELECT day, lag(day) OVER (ORDER BY day) AS before FROM (SELECT DISTINCT CAST(ordered_at AS DATE) AS day FROM kept_orders))
    WHERE day - before > 1 ORDER BY day - before DESC, day LIMIT {GAPS}"""
