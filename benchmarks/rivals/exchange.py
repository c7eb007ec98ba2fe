"""What a rival is told (purchases before a date, product sets) and what it answers (scores, customers x sets), as matrices.

A folder holds ``purchases.parquet`` (customer, product, order, day, amount), ``sets.parquet`` (product_set, product) and ``ask.json`` (day, horizon,
seed); a rival writes ``scores.parquet`` (a row per customer, a column per set) and ``settings.txt`` (what it chose) beside them.

Where speed is measured, ``ask.json`` has more: ``top``, how many customers of each set are wanted (``tops.parquet``: set, customer, score, and no
``scores.parquet``), ``threads``, and the most ``minutes`` and ``gigabytes`` to take: a rival that takes more is ended.
"""

import json
import resource
import signal
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.metrics import average_precision_score

MIN_BUYERS = 10
S = TypeVar("S")
Scores = NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class Past:
    """Everything a rival may know: ``lines`` (codes of customer, product and order; ago = days before the date, at least 1; amount) and the sets."""

    customers: pd.Index
    products: pd.Index
    sets: pd.Index
    lines: pd.DataFrame
    membership: csr_matrix
    day: int
    horizon: int
    seed: int
    threads: int = 1
    top: int = 0

    @classmethod
    def read(cls, folder: Path) -> "Past":
        """What the folder holds; customers and products in the order of their ids, sets in that of the file."""
        raw, rows = pd.read_parquet(folder / "purchases.parquet"), pd.read_parquet(folder / "sets.parquet")
        ask = limited(folder)
        assert raw["day"].max() < ask["day"], "a purchase lies in the future"
        customers, products = (pd.Index(sorted(raw[column].unique())) for column in ("customer", "product"))
        sets = pd.Index(rows["product_set"].unique())
        lines = pd.DataFrame(
            {
                "customer": customers.get_indexer(raw["customer"]),
                "product": products.get_indexer(raw["product"]),
                "order": raw.groupby(["customer", "order"], sort=True).ngroup().to_numpy(),
                "ago": (ask["day"] - raw["day"]).to_numpy(),
                "amount": raw["amount"].to_numpy(),
            }
        )
        known = rows[rows["product"].isin(products)]
        places = (products.get_indexer(known["product"]), sets.get_indexer(known["product_set"]))
        membership = csr_matrix((np.ones(len(known)), places), shape=(len(products), len(sets)))
        told = {name: ask[name] for name in ("day", "horizon", "seed", "threads", "top") if name in ask}
        return cls(customers, products, sets, lines, membership, **told)

    def earlier(self) -> "Past":
        """What was known one horizon before; customers, products and sets keep their places."""
        known = self.lines[self.lines["ago"] > self.horizon]
        return replace(self, lines=known.assign(ago=known["ago"] - self.horizon), day=self.day - self.horizon)

    def outcome(self) -> NDArray[np.bool_]:
        """Who bought from each set in the last horizon before the date: customers x sets."""
        return np.asarray((counts(self.lines[self.lines["ago"] <= self.horizon], self) @ self.membership).toarray() > 0)

    def known(self) -> NDArray[np.bool_]:
        """Which customers had ordered before the date."""
        return np.bincount(self.lines["customer"], minlength=len(self.customers)) > 0


def limited(folder: Path) -> dict[str, int]:
    """What is asked; from now on within the minutes and the memory that are granted."""
    ask: dict[str, int] = json.loads((folder / "ask.json").read_text(encoding="utf-8"))
    if "minutes" in ask:
        signal.alarm(60 * ask["minutes"])
    if "gigabytes" in ask:
        resource.setrlimit(resource.RLIMIT_DATA, (ask["gigabytes"] << 30, resource.RLIM_INFINITY))
    return ask


def counts(lines: pd.DataFrame, past: Past, *, half_life: float = np.inf) -> csr_matrix:
    """Orders by customer and product, each worth half after ``half_life`` days."""
    each = lines.drop_duplicates(["order", "product"])
    weight = 0.5 ** (each["ago"].to_numpy() / half_life)
    shape = (len(past.customers), len(past.products))
    return csr_matrix((weight, (each["customer"], each["product"])), shape=shape)


def baskets(past: Past, *, over: str) -> tuple[pd.DataFrame, csr_matrix]:
    """Every order, oldest first by customer (customer, number from 0, orders of the customer), and the 0/1 matrix orders x products (or sets)."""
    orders = past.lines.groupby("order").agg(customer=("customer", "first"), ago=("ago", "max")).reset_index()
    orders = orders.sort_values(["customer", "ago", "order"], ascending=[True, False, True], ignore_index=True)
    place = pd.Series(orders.index, index=orders["order"])
    each = past.lines.drop_duplicates(["order", "product"])
    shape = (len(orders), len(past.products))
    matrix = csr_matrix((np.ones(len(each)), (place[each["order"]].to_numpy(), each["product"])), shape=shape)
    matrix = (matrix @ past.membership).astype(bool).astype(float) if over == "sets" else matrix
    by_customer = orders.groupby("customer")["order"]
    return pd.DataFrame({"customer": orders["customer"], "number": by_customer.cumcount(), "orders": by_customer.transform("size")}), matrix


def of_sets(past: Past, matrix: csr_matrix, *, over: str) -> csr_matrix:
    """Columns of products summed to those of the sets; columns of sets as they are."""
    return csr_matrix(matrix if over == "sets" else matrix @ past.membership)


def best(settings: Collection[S], scores: Callable[[Past, S], Scores], past: Past) -> S:
    """The setting with the highest mean average precision one horizon before, where the outcome is known; the first of equals, and an only one."""
    if len(settings) == 1:
        return next(iter(settings))
    earlier, happened = past.earlier(), past.outcome()
    known = earlier.known()
    measured = np.flatnonzero(happened[known].sum(axis=0) >= MIN_BUYERS)

    def mean_precision(setting: S) -> float:
        given = scores(earlier, setting)[known]
        found = float(np.mean([average_precision_score(happened[known, i], given[:, i]) for i in measured]))
        print(f"    {setting}: {found:.4f}", file=sys.stderr, flush=True)
        return found

    return max(settings, key=mean_precision)


def write(folder: Path, past: Past, scores: Scores, *, settings: str) -> None:
    """The answer, and in a line which settings were chosen."""
    (folder / "settings.txt").write_text(settings, encoding="utf-8")
    if past.top:
        tops(past, scores).to_parquet(folder / "tops.parquet", index=False)
    else:
        pd.DataFrame(np.asarray(scores, np.float64), index=past.customers, columns=past.sets).to_parquet(folder / "scores.parquet")


def tops(past: Past, scores: Scores) -> pd.DataFrame:
    """The ``past.top`` customers with the highest score of each set, highest first: set (as ``sets.parquet`` has it), customer, score."""
    parts = []
    for place, name in enumerate(past.sets):
        column = np.asarray(scores[:, place])
        best = np.argpartition(-column, min(past.top, len(column)) - 1)[: past.top]
        best = best[np.argsort(-column[best], kind="stable")]
        parts.append(pd.DataFrame({"set": name, "customer": past.customers[best], "score": column[best].astype(np.float32)}))
    return pd.concat(parts, ignore_index=True)
