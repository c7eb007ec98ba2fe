"""A shop's canonical tables become purchases with integer ids, behind one query engine."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Self, TypeVar
from weakref import WeakValueDictionary

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa
from ibis.expr.types import Table
from numpy.typing import NDArray

from features import engines
from features.canonical import as_table
from features.dates import day_number, day_of
from features.drawn import drawn_codes, of_drawn
from features.errors import DataError
from features.files import read_current
from features.tables import COMPLETED, TABLES
from features.told import Rows, Told

V = TypeVar("V")

MONEY = 10_000
"""Money is summed in whole ten-thousandths: a sum of integers does not depend on the order of the rows."""

HUNDREDTH = 100
"""Amounts that differ by less than one part of so many are the same but for rounding."""

PIECES = 1_000
"""Quantities are summed in whole thousandths, for the same reason."""

CODED_TABLES = ("all_orders", "lines", "orders", "returns", "events")
"""What orders, lines and events come to, with integer ids instead of texts."""

CODED = "coded-1"
"""The folder beside the canonical tables that keeps them. Its number rises whenever they mean something else; other folders are not read."""

IN_MEMORY = 50_000_000
"""Bytes of a Parquet file up to which it is read once and kept: many short questions are asked of a small shop; a large one needs its memory."""


@dataclass(frozen=True, eq=False)
class Shop:
    """The canonical tables of one shop. Make it with ``Shop.open`` (a folder) or ``Shop.of`` (frames).

    ``tables`` holds every table of ``features.tables.TABLES``; one that the shop lacks is empty.
    ``folder`` is None for a shop made of frames; ``coded`` is where the import kept ``CODED_TABLES``, else they are worked out when first asked for.
    ``share`` is that of the customers who are looked at (``drawn``). ``told`` has what is true of all customers, in a shop that is a part of another.
    """

    engine: engines.Engine
    tables: Mapping[str, Table]
    folder: Path | None = None
    tables_id: str = field(default="")
    coded: Path | None = None
    share: float = 1.0
    told: Told | None = None

    @classmethod
    def open(cls, folder: Path, *, memory_limit: str | None = None, threads: int | None = None, engine: engines.EngineName = "duckdb") -> Self:
        """The shop in ``folder``, with the tables that ``current.json`` names; ``memory_limit`` and ``threads`` are DuckDB's.

        Raises DataError when nothing was imported yet, and when the engine is Spark and missing.
        """
        name = read_current(folder).get("tables")
        if name is None:
            raise DataError(f"{folder}: no orders were imported here yet; run: whobuys import FILE --shop {folder}")
        own = engines.duckdb(memory_limit=memory_limit, threads=threads, spill=folder / ".spill") if engine == "duckdb" else engines.spark()
        opened = cls.of_tables(folder / name, own)
        return replace(opened, folder=folder, tables_id=Path(name).name)

    @classmethod
    def of_tables(cls, folder: Path, engine: engines.Engine) -> Self:
        """The canonical tables of a folder as a shop: each a file, or a folder of Parquet files. Raises DataError when one is missing."""
        paths = {table: folder / f"{table}.parquet" for table in TABLES}
        missing = [path for path in paths.values() if not path.exists()]
        if missing:
            raise DataError(f"{missing[0]}: is missing; import the orders again")
        tables = {table: engines.parquet(engine, path) for table, path in paths.items()}
        return cls(engine, tables, coded=folder / CODED if (folder / CODED).is_dir() else None)

    @classmethod
    def of(cls, tables: Mapping[str, pd.DataFrame | pa.Table]) -> Self:
        """A shop made of frames with canonical columns; columns and tables that are missing are empty. For tests and notebooks."""
        unknown = set(tables) - set(TABLES)
        if unknown:
            raise ValueError(f"not canonical tables: {sorted(unknown)}")
        engine = engines.duckdb()
        return cls(engine, {name: as_table(engine, name, tables.get(name)) for name in TABLES})

    def drawn(self, customers: int) -> Self:
        """The shop with about so many of its customers, and as large a share of the orders of nobody who is known; itself if it has no more.

        Codes, ids and ``tables`` stay. Who is drawn depends on the id and the share alone: of a shop that grows some are left out, and new ones join.
        """
        share = customers / max(len(self.customer_ids), 1)
        if share >= self.share:
            return self
        found = replace(self, share=share)
        codes = pa.table({"customer": drawn_codes(self.customer_ids, share)})
        chosen = self._keep(f"drawn_{customers}", codes)
        same: dict[str, object] = {"customer_ids": self.customer_ids, "product_ids": self.product_ids, "products": self.products, "days": self.days}
        for name in CODED_TABLES:
            rows = of_drawn(getattr(self, name), chosen, share)
            same[name] = self._keep(f"drawn_{customers}_{name}", rows)
        vars(found).update(same)
        return found

    def of_all(self, name: Hashable, work_out: Callable[[], V]) -> V:
        """What is true of all customers: of those at hand, unless it was told (``features.told``)."""
        return work_out() if self.told is None else self.told.fact(name, work_out)

    def of_all_sets(self, name: Hashable, sets: Sequence[Hashable], work_out: Callable[[], Rows]) -> Rows:
        """The same, a row for each of some product sets."""
        return work_out() if self.told is None else self.told.rows(name, sets, work_out)

    @cached_property
    def in_use(self) -> WeakValueDictionary[tuple[int, int], Any]:
        """What is known as of a day and for a horizon (``Snapshot.at``), as long as somebody holds it."""
        return WeakValueDictionary()

    @cached_property
    def customer_ids(self) -> NDArray[np.object_]:
        """The ids of all customers, sorted; a customer's code is the position here."""
        return _ids(self.tables["customers"], "customer_id")

    @cached_property
    def product_ids(self) -> NDArray[np.object_]:
        """The ids of all products, sorted; a product's code is the position here."""
        return _ids(self.tables["products"], "product_id")

    @cached_property
    def products(self) -> pd.DataFrame:
        """The products table, a row per code, index product_id."""
        products: pd.DataFrame = self.tables["products"].order_by("product_id").to_pandas()
        return products.set_index("product_id")

    @cached_property
    def lines(self) -> Table:
        """Purchase lines, one per order and product: customer (null when unknown), product, order (codes), day, pieces, amount, list_amount.

        Pieces (in 1/PIECES) and amounts (in 1/MONEY, null when unknown) are sums of all lines of that product in the order.
        A purchase line belongs to a completed order, has a quantity above 0 (unknown counts as 1), and was not free of charge.
        """
        return self._coded("lines", self._lines)

    def _lines(self) -> Table:
        lines, orders = self.tables["order_lines"], self.all_orders
        quantity = lines.quantity.fill_null(1.0)
        purchases = lines.filter(quantity > 0, (lines.price > 0) | lines.price.isnull())
        joined = purchases.join(orders.filter(orders.status == COMPLETED), "order_id").join(self.product_codes, "product_id")
        count = joined.quantity.fill_null(1.0)
        each = joined.mutate(
            pieces=(count * PIECES).round().cast("int64"),
            paid=(joined.price * count * MONEY).round().cast("int64"),
            listed=(ibis.coalesce(joined.list_price, joined.price) * count * MONEY).round().cast("int64"),
        )
        together = each.group_by("order", "product", "customer", "day").agg(
            pieces=each.pieces.sum(), amount=each.paid.sum(), list_amount=each.listed.sum()
        )
        return together.select("customer", "product", "order", "day", "pieces", "amount", "list_amount")

    @cached_property
    def orders(self) -> Table:
        """Purchase orders: customer, order (codes), day, revenue and discount (in 1/MONEY), lines (different products, 1 where they are unknown).

        And of its lines, null without any: how many there are (products), what they cost (amount), how many of them cost less than their list price
        (cut_lines), and what those cost (cut_amount).

        An order counts when it is completed and has a purchase line, or has no lines at all and revenue above 0. In a shop without any lines one
        of revenue 0 counts, too: somebody ordered, and paid with a voucher or got it refunded; what nobody bought shows in lines only.
        The order's own discount mostly holds those of its lines (list price less price) already: the larger of the two is taken. Where the revenue
        is what the lines cost less the order's discount, within one hundredth, that one came on top, and both are added up.
        Orders of unknown customers are left out.
        """
        return self._coded("orders", self._orders)

    def _orders(self) -> Table:
        lines, orders = self.lines, self.all_orders
        less = ibis.coalesce(lines.list_amount > lines.amount, False).cast("int64")
        of_lines = lines.group_by("order").agg(
            amount=lines.amount.sum(),
            lines=lines.count().cast("int32"),
            cut_lines=less.sum(),
            cut_amount=(less * lines.amount).sum(),
            off=(lines.list_amount - lines.amount).sum(),
        )
        known = orders.filter(orders.customer.notnull(), orders.status == COMPLETED)
        others = self.tables["order_lines"].select("order_id").semi_join(known.anti_join(of_lines, "order"), "order_id")
        has_lines = others.distinct().mutate(has_lines=True)
        joined = known.left_join(of_lines, "order").left_join(has_lines, "order_id")
        brought = joined.revenue > 0 if self.has_lines else joined.revenue >= 0
        counts = joined.lines.notnull() | (joined.has_lines.isnull() & brought)
        revenue = ibis.coalesce((joined.revenue * MONEY).round().cast("int64"), joined.amount, 0)
        off, given = ibis.greatest(ibis.coalesce(joined.off, 0), 0), ibis.coalesce((joined.discount.abs() * MONEY).round().cast("int64"), 0)
        on_top = ibis.coalesce(((joined.amount - given - revenue) * HUNDREDTH).abs() <= joined.amount, False)
        discount = on_top.ifelse(off + given, ibis.greatest(off, given))
        return joined.filter(counts).select(
            "customer",
            "order",
            "day",
            revenue=revenue,
            discount=discount,
            lines=ibis.coalesce(joined.lines, 1),
            products=joined.lines,
            amount=joined.amount,
            cut_lines=joined.cut_lines,
            cut_amount=joined.cut_amount,
        )

    @cached_property
    def returns(self) -> Table:
        """What takes revenue away again: customer, day and revenue (in 1/MONEY) of every order of a known customer that is no purchase order."""
        return self._coded("returns", self._returns)

    def _returns(self) -> Table:
        orders = self.all_orders
        rest = orders.filter(orders.customer.notnull(), orders.revenue < 0).anti_join(self.orders, "order")
        return rest.select("customer", "day", revenue=(rest.revenue * MONEY).round().cast("int64"))

    @cached_property
    def events(self) -> Table:
        """What known customers did besides ordering: customer, product (codes; null without one), day, event."""
        return self._coded("events", self._events)

    def _events(self) -> Table:
        coded = self.tables["events"].join(self.customer_codes, "customer_id").left_join(self.product_codes, "product_id")
        return coded.select("customer", "product", "event", day=coded.occurred_at.date().epoch_days().cast("int32"))

    @cached_property
    def has_events(self) -> bool:
        """Whether anything is known of what customers did besides ordering."""
        return self.of_all("has events", lambda: bool(self.events.count().execute() > 0))

    @cached_property
    def days(self) -> tuple[int, int]:
        """The first and the last day number with a purchase order. Raises DataError when there is none."""
        return self.of_all("days", self._days)

    def _days(self) -> tuple[int, int]:
        first, last = self.orders.agg(first=self.orders.day.min(), last=self.orders.day.max()).to_pandas().iloc[0]
        if pd.isna(first):
            raise DataError("there is no completed order of a known customer; check the mapping of customer_id, quantity, price and status")
        return int(first), int(last)

    @property
    def default_as_of(self) -> date:
        """The day after the last order."""
        return day_of(self.days[1]) + timedelta(days=1)

    def check_date(self, as_of: date) -> None:
        """Raise DataError for a date of which nothing can be known: later than the day after the last order."""
        if day_number(as_of) > self.days[1] + 1:
            raise DataError(f"--as-of {as_of} lies after the orders end; the latest possible date is {self.default_as_of}")

    @cached_property
    def has_lines(self) -> bool:
        """Whether anything is known of what was bought; without it, interest is off and everything about customers works."""
        return self.of_all("has lines", lambda: bool(self.lines.count().execute() > 0))

    @cached_property
    def product_codes(self) -> Table:
        """Product ids and their codes: product_id, product."""
        return self._numbered("products", "product_id", "product")

    @cached_property
    def customer_codes(self) -> Table:
        """Customer ids and their codes: customer_id, customer."""
        return self._numbered("customers", "customer_id", "customer")

    def _numbered(self, table: str, column: str, code: str) -> Table:
        if self.engine.name != "duckdb":  # of many ids, this machine need not hear
            ids = self.tables[table].select(column).distinct()
            return self._keep(f"{code}_codes", ids.mutate(**{code: ibis.row_number().over(order_by=ids[column]).cast("int32")}))
        known = getattr(self, f"{code}_ids")
        return self._keep(f"{code}_codes", pa.table({column: pa.array(known, pa.string()), code: np.arange(len(known), dtype=np.int32)}))

    @cached_property
    def order_codes(self) -> Table:
        """Order ids and their codes: order_id, order."""
        return self.all_orders.select("order_id", "order")

    @cached_property
    def order_marks(self) -> Table:
        """What orders tell of themselves: order (code), channel, is_gift."""
        return self.all_orders.select("order", "channel", "is_gift")

    @cached_property
    def all_orders(self) -> Table:
        """Every order, purchase or not: order_id, order, customer (codes; null when unknown), day, status, revenue, discount, channel, is_gift."""
        return self._coded("all_orders", self._all_orders)

    def _all_orders(self) -> Table:
        orders = self.tables["orders"]
        coded = orders.left_join(self.customer_codes, "customer_id")
        return coded.select(
            "order_id",
            "customer",
            "status",
            "revenue",
            "discount",
            "channel",
            "is_gift",
            order=ibis.row_number().over(order_by=coded.order_id).cast("int32"),
            day=coded.ordered_at.date().epoch_days().cast("int32"),
        )

    def _coded(self, name: str, work_out: Callable[[], Table]) -> Table:
        """One of ``CODED_TABLES``: as it was kept by the import, read again by every question where it is large; else worked out from the canonical
        tables."""
        if self.coded is None:
            return self._keep(f"coded_{name}", work_out())
        path = self.coded / f"{name}.parquet"
        read = engines.parquet(self.engine, path)
        return read if path.stat().st_size > IN_MEMORY else self._keep(f"coded_{name}", read)

    def _keep(self, name: str, rows: Table | pa.Table) -> Table:
        return engines.kept(self.engine, name, rows)

    def keep_coded(self, folder: Path) -> None:
        """Write ``CODED_TABLES`` into a new ``folder``: whoever opens the shop then need not join and add up by texts."""
        folder.mkdir()
        for name in CODED_TABLES:
            self.engine.to_parquet(getattr(self, name), folder / f"{name}.parquet")


def _ids(table: Table, column: str) -> NDArray[np.object_]:
    ids = table.select(column).distinct().order_by(column).to_pyarrow()[column]
    return np.asarray(ids.to_numpy(), dtype=object)
