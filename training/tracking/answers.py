"""A snapshot becomes a small shop folder without a person in it; with a bundle beside it, rows (customer_id, product_set) become probabilities."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Self

import ibis
import numpy as np
import pandas as pd
from ibis.expr.types import Table
from numpy.typing import NDArray

from features.errors import DataError
from features.files import publish
from features.products import Catalogue
from features.shop import Shop
from features.snapshot import Snapshot
from features.tables import TABLES
from models.bundle import Bundle

KEPT = {
    "customers": ("customer_id",),
    "products": ("product_id", "title", "brand", "category", "price", "created_at", "tags"),
    "orders": ("order_id", "customer_id", "ordered_at", "revenue", "discount", "status"),
    "order_lines": ("order_id", "line_no", "product_id", "quantity", "price", "list_price", "discount"),
    "events": ("occurred_at", "customer_id", "event", "product_id"),
}
"""The columns that a stored snapshot keeps: pseudonyms, orders, products, events; no name, address or consent, no column that only one shop has."""


def store_snapshot(snapshot: Snapshot, folder: Path) -> None:
    """Write what the snapshot knows into ``folder``, as a shop that ``Shop.open`` reads: ``KEPT`` columns of rows before its date."""
    tables = folder / "tables" / "stored"
    tables.mkdir(parents=True)
    given = snapshot.shop.tables
    orders = given["orders"].filter(given["orders"].ordered_at.date() < ibis.literal(snapshot.as_of))
    events = given["events"].filter(given["events"].occurred_at.date() < ibis.literal(snapshot.as_of))
    known = {
        "customers": given["customers"].semi_join(orders, "customer_id").order_by("customer_id"),
        "products": given["products"].order_by("product_id"),
        "orders": orders.order_by("order_id"),
        "order_lines": given["order_lines"].semi_join(orders, "order_id").order_by("order_id", "line_no"),
        "events": events.semi_join(orders, "customer_id").order_by("occurred_at", "customer_id", "event", "product_id"),
    }
    for name, table in known.items():
        snapshot.shop.engine.to_parquet(_kept(name, table), tables / f"{name}.parquet", compression="zstd")
    publish(folder, tables="tables/stored")


def _kept(name: str, table: Table) -> Table:
    columns = {each: table[each] if each in KEPT[name] else ibis.null(table[each].type()).name(each) for each in TABLES[name].names}
    return table.select(**columns)


@dataclass(eq=False)
class Answers:
    """A bundle and the snapshot stored beside it. One question at a time: the engine's working tables are shared."""

    bundle: Bundle
    snapshot: Snapshot
    catalogue: Catalogue
    _one_at_a_time: Lock = field(default_factory=Lock)

    @classmethod
    def load(cls, bundle_folder: Path, shop_folder: Path) -> Self:
        """From the two folders. Raises DataError when one is damaged."""
        bundle, shop = Bundle.load(bundle_folder), Shop.open(shop_folder)
        return cls(bundle, Snapshot(shop, bundle.as_of, bundle.horizon), Catalogue.of(shop))

    def probabilities(self, customer_ids: Sequence[str], product_sets: Sequence[str]) -> NDArray[np.float64]:
        """For every row the probability that the customer buys from the set in ``[as_of, as_of + horizon)``.

        Raises DataError when a customer is not of the snapshot (saying how many rows, never who) or a set is not known.
        """
        with self._one_at_a_time:
            return self._probabilities(pd.Index(customer_ids), pd.Series(product_sets, dtype=object))

    def _probabilities(self, customer_ids: pd.Index, product_sets: pd.Series) -> NDArray[np.float64]:
        rows = pd.Index(self.snapshot.customer_ids).get_indexer(customer_ids)
        unknown = int((rows < 0).sum())
        if unknown:
            raise DataError(f"{unknown:,} of {len(rows):,} rows name a customer who had not ordered before {self.snapshot.as_of}")
        columns, asked = pd.factorize(product_sets)
        answers = np.zeros(len(rows), np.float64)
        if not len(rows):
            return answers
        sets = [self.catalogue.called(str(words)) for words in asked]
        for start, stop, block in self.bundle.interest_blocks(self.snapshot, sets):
            here = (columns >= start) & (columns < stop)
            answers[here] = block[rows[here], columns[here] - start]
        return answers
