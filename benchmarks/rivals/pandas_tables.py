"""The canonical tables of a shop become purchases with integer codes, in pandas; and purchases what was known of them before a day.

The same rules as ``features/shop.py``, written a second time: what counts as a line, an order, a discount and a return.
"""

import json
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray

PARTS = ("lines", "orders", "returns", "events")
MONEY, PIECES = 10_000, 1_000
"""Money is counted in whole ten-thousandths, quantities in whole thousandths, as whobuys does."""
Codes = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Purchases:
    """Frames with codes for ids (a customer whom nobody knows is -1): ``lines`` (customer, product, order, day, pieces, amount), ``orders``
    (customer, order, day, revenue, discount, lines), ``returns`` (customer, day, revenue), ``events`` (customer, product, day, event), and how many
    customers, products and orders there are. ``share`` is that of the customers who are looked at."""

    lines: pd.DataFrame
    orders: pd.DataFrame
    returns: pd.DataFrame
    events: pd.DataFrame
    customers: int
    products: int
    all_orders: int
    share: float = 1.0

    def before(self, day: int, *, horizon: int) -> "Known":
        """What was known before ``day``."""
        parts = {name: _before(getattr(self, name), day) for name in PARTS}
        return Known(**parts, purchases=self, horizon=horizon)

    def drawn(self, customers: int, *, seed: int) -> "Purchases":
        """Those of about so many customers, and as large a share of the lines of nobody who is known."""
        share = customers / self.customers
        if share >= 1:
            return self
        rng = np.random.default_rng(seed)
        chosen, lucky = rng.random(self.customers) < share, rng.random(self.all_orders) < share
        lines = np.where(self.lines["customer"] >= 0, chosen[self.lines["customer"]], lucky[self.lines["order"]])
        orders, returns, events = (frame[chosen[frame["customer"]]] for frame in (self.orders, self.returns, self.events))
        return replace(self, lines=self.lines[lines], orders=orders, returns=returns, events=events, share=share)

    def save(self, folder: Path) -> None:
        """Write the frames into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in PARTS:
            getattr(self, name).to_parquet(folder / f"{name}.parquet", index=False)
        counts = {name: getattr(self, name) for name in ("customers", "products", "all_orders")}
        (folder / "counts.json").write_text(json.dumps(counts), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> "Purchases":
        """The inverse of ``save``."""
        counts = json.loads((folder / "counts.json").read_text(encoding="utf-8"))
        lines, orders, returns, events = (pd.read_parquet(folder / f"{name}.parquet") for name in PARTS)
        return cls(lines, orders, returns, events, counts["customers"], counts["products"], counts["all_orders"])


@dataclass(frozen=True, eq=False)
class Known:
    """The purchases of before a day, with their ``ago`` in days, at least 1."""

    lines: pd.DataFrame
    orders: pd.DataFrame
    returns: pd.DataFrame
    events: pd.DataFrame
    purchases: Purchases
    horizon: int

    @cached_property
    def people(self) -> Codes:
        """The codes of the customers with an order, ascending; elsewhere a customer is a position here."""
        return np.sort(self.orders["customer"].unique()).astype(np.int64)

    @cached_property
    def place(self) -> Codes:
        """The position of every code among ``people``, -1 where it is not there; the last entry is that of nobody known (code -1)."""
        found = np.full(self.purchases.customers + 1, -1, np.int64)
        found[self.people] = np.arange(len(self.people))
        return found

    @cached_property
    def ago_of(self) -> Codes:
        """How long ago every order was, by its code."""
        found = np.zeros(self.purchases.all_orders, np.int64)
        found[self.lines["order"]] = self.lines["ago"]
        return found

    @cached_property
    def customer_of(self) -> Codes:
        """Whose every order is, by its code; a position in ``people`` or -1."""
        found = np.full(self.purchases.all_orders, -1, np.int64)
        found[self.lines["order"]] = self.place[self.lines["customer"]]
        return found

    @cached_property
    def orders_after(self) -> Codes:
        """How many orders the same customer made after every order, by its code."""
        ordered = self.orders.sort_values(["customer", "ago", "order"], ascending=[True, True, False])
        found = np.zeros(self.purchases.all_orders, np.int64)
        found[ordered["order"]] = ordered.groupby("customer").cumcount()
        return found

    @cached_property
    def bought(self) -> pd.DataFrame:
        """A row for every customer (position) and product that was bought: last ``ago``, amount, pieces, orders, and those decayed over 90 and 180
        days. One grouping serves the facts of customers, the sets and the matrices."""
        known = self.lines[self.lines["customer"] >= 0]
        ago = known["ago"].to_numpy()
        sums = pd.DataFrame({"amount": known["amount"], "pieces": known["pieces"], "orders": np.int32(1)}, copy=False)
        for half in (90, 180):
            sums[f"decayed_{half}"] = decayed(ago, half)
        key = self.place[known["customer"]] * self.purchases.products + known["product"].to_numpy()
        by_pair = sums.groupby(key, sort=True)
        found = by_pair.sum()
        found["ago"] = known["ago"].groupby(key, sort=True).min()
        customer, product = np.divmod(found.index.to_numpy(), self.purchases.products)
        return found.assign(customer=customer, product=product).reset_index(drop=True)


def decayed(ago: NDArray[np.integer], half_life: int) -> NDArray[np.float64]:
    """1/2 after each half-life."""
    return np.asarray(0.5 ** (ago / half_life))


def purchases_of(tables: Path) -> Purchases:
    """The canonical Parquet tables of a folder, coded: ids in their order, orders by their ids."""
    customers, products = (_ids(tables / f"{name}s.parquet", f"{name}_id") for name in ("customer", "product"))
    read = _read(tables / "orders.parquet", ["order_id", "customer_id"], ["ordered_at", "revenue", "discount", "status"])
    order_ids = pd.Index(read["order_id"].cat.categories).sort_values()
    orders = pd.DataFrame(
        {
            "order": _codes(read["order_id"], order_ids),
            "customer": _codes(read["customer_id"], customers),
            "day": _days(read["ordered_at"]),
            "revenue": (read["revenue"] * MONEY).round(),
            "discount": (read["discount"].abs() * MONEY).round(),
            "completed": (read["status"] == "completed").to_numpy(bool),
        }
    )
    raw = _read(tables / "order_lines.parquet", ["order_id", "product_id"], ["quantity", "price", "list_price"])
    raw["order"] = _codes(raw.pop("order_id"), order_ids)
    raw["product"] = _codes(raw.pop("product_id"), products)
    lines = _lines(raw, orders)
    found, returns = _orders(orders, lines, with_lines=raw["order"].unique())
    events = _events(tables / "events.parquet", customers, products)
    return Purchases(lines.drop(columns="listed"), found, returns, events, len(customers), len(products), len(order_ids))


def _lines(raw: pd.DataFrame, orders: pd.DataFrame) -> pd.DataFrame:
    """A row per order and product: what was paid for, of completed orders."""
    quantity = raw["quantity"].fillna(1.0)
    completed, ours = np.zeros(len(orders), bool), orders.set_index("order").sort_index()
    completed[orders["order"]] = orders["completed"]
    kept = (quantity > 0) & ((raw["price"] > 0) | raw["price"].isna()) & (raw["product"] >= 0) & completed[raw["order"]]
    raw, quantity = raw[kept], quantity[kept]
    each = pd.DataFrame(
        {
            "pieces": (quantity * PIECES).round().astype(np.int64),
            "amount": (raw["price"] * quantity * MONEY).round().fillna(0).astype(np.int64),
            "listed": (raw["list_price"].fillna(raw["price"]) * quantity * MONEY).round().fillna(0).astype(np.int64),
        }
    )
    width = int(raw["product"].max()) + 1
    together = each.groupby(raw["order"].to_numpy(np.int64) * width + raw["product"].to_numpy(), sort=True).sum()
    order, product = np.divmod(together.index.to_numpy(), width)
    who = {name: ours[name].to_numpy()[order].astype(np.int32) for name in ("customer", "day")}
    sums = {str(name): together[name].to_numpy() for name in together}
    return pd.DataFrame({**who, "product": product.astype(np.int32), "order": order.astype(np.int32), **sums})


def _orders(orders: pd.DataFrame, lines: pd.DataFrame, *, with_lines: NDArray[np.integer]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Purchase orders of known customers, and what takes revenue away again."""
    sums = pd.DataFrame({"amount": lines["amount"], "off": lines["listed"] - lines["amount"], "lines": 1}).groupby(lines["order"]).sum()
    known = orders[orders["customer"] >= 0]
    joined = known.join(sums, on="order")
    brought = (joined["revenue"] > 0) & ~joined["order"].isin(with_lines)
    counts = joined["completed"] & (joined["lines"].notna() | brought)
    revenue = joined["revenue"].fillna(joined["amount"]).fillna(0)
    off, given = joined["off"].fillna(0).clip(lower=0), joined["discount"].fillna(0)
    on_top = ((joined["amount"] - given - revenue) * 100).abs() <= joined["amount"]
    discount = np.where(on_top, off + given, np.maximum(off, given))
    found = joined.assign(revenue=revenue, discount=discount, lines=joined["lines"].fillna(1))[counts]
    less = joined[(joined["revenue"] < 0) & ~counts]
    whole = {"customer": "int32", "order": "int32", "day": "int32", "revenue": "int64", "discount": "int64", "lines": "int32"}
    return found[list(whole)].astype(whole), less[["customer", "day", "revenue"]].astype({"customer": "int32", "day": "int32", "revenue": "int64"})


def _events(path: Path, customers: pd.Index, products: pd.Index) -> pd.DataFrame:
    read = _read(path, ["customer_id", "product_id", "event"], ["occurred_at"])
    codes = {"customer": _codes(read["customer_id"], customers), "product": _codes(read["product_id"], products)}
    found = pd.DataFrame({**codes, "day": _days(read["occurred_at"]), "event": read["event"]})
    return found[found["customer"] >= 0]


def _read(path: Path, texts: list[str], others: list[str]) -> pd.DataFrame:
    """Some columns of a file; texts as categories, so that each is looked at once."""
    return pd.DataFrame(pq.read_table(path, columns=[*texts, *others], read_dictionary=texts).to_pandas())


def _ids(path: Path, column: str) -> pd.Index:
    ids: pd.Index = pd.Index(pd.read_parquet(path, columns=[column])[column]).sort_values()
    return ids


def _codes(values: pd.Series, ids: pd.Index) -> NDArray[np.int32]:
    """The positions of categories among ids, -1 where there is none."""
    places = np.append(ids.get_indexer(pd.Index(values.cat.categories)), -1).astype(np.int32)
    return np.asarray(places[values.cat.codes])


def _days(at: pd.Series) -> NDArray[np.int32]:
    return np.asarray(at.to_numpy("datetime64[D]").astype(np.int32))


def _before(frame: pd.DataFrame, day: int) -> pd.DataFrame:
    known = frame[frame["day"] < day]
    return known.assign(ago=(day - known["day"]).astype(np.int32))
