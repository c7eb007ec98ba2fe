"""A bundle, a snapshot and product sets become answers: who will buy these products, how probably, and how many buyers are expected."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csc_matrix

from features.errors import DataError
from features.products import ProductSet, membership
from features.shop import Shop
from features.snapshot import Snapshot
from models.bundle import Bundle

Floats = NDArray[np.float32]
Positions = NDArray[np.intp]

BLOCK_ROWS = 200_000


@dataclass(frozen=True, eq=False)
class Answer:
    """Who will buy from a product set within ``horizon`` days from ``as_of`` on.

    ``rows``: rank (from 1), customer_id, probability, is_new (never bought from the set before), the most probable first.
    ``expected_buyers`` is the sum of the probabilities of all ``customers``, shown or not.
    """

    product_set: ProductSet
    as_of: date
    horizon: int
    customers: int
    expected_buyers: float
    rows: pd.DataFrame

    @property
    def base_rate(self) -> float:
        """The probability of a customer taken at random."""
        return self.expected_buyers / self.customers

    @property
    def expected_shown(self) -> float:
        """Buyers expected among the customers shown."""
        return float(self.rows["probability"].astype(np.float64).sum())

    @property
    def lift(self) -> float:
        """How much more probably the customers shown buy than one taken at random, as the model has it."""
        return self.expected_shown / len(self.rows) / self.base_rate if len(self.rows) and self.expected_buyers else float("nan")


def best_first(probability: Floats, count: int | None = None) -> Positions:
    """The positions of the highest ``count`` values (all by default), highest first; ties by position, which is by id.

    >>> best_first(np.array([0.1, 0.3, 0.3, 0.2], np.float32), 3).tolist()
    [1, 2, 3]
    """
    candidates = np.arange(len(probability))
    if count is not None and count < len(probability):
        place = len(probability) - count
        candidates = np.flatnonzero(probability >= np.partition(probability, place)[place])
    order = candidates[np.argsort(-probability[candidates], kind="stable")]
    return order[:count]


def purchases(snapshot: Snapshot, sets: Sequence[ProductSet]) -> csc_matrix:
    """How often each of the snapshot's customers bought from each set: customers x sets, 0 = never."""
    orders, names = snapshot.matrix("product")
    rows = pd.Index(snapshot.shop.product_ids).get_indexer(names)
    return csc_matrix(orders @ membership(snapshot.shop, sets)[rows])


def check_known(shop: Shop, sets: Sequence[ProductSet]) -> list[str]:
    """Raise DataError naming the sets of which the shop knows no product; return a sentence for each set of which it knows only some."""
    known = set(shop.product_ids)
    counts = [sum(product_id in known for product_id in each.product_ids) for each in sets]
    nothing = [each.label for each, count in zip(sets, counts, strict=True) if not count]
    if nothing:
        more = f" and {len(nothing) - 5} more" if len(nothing) > 5 else ""
        raise DataError(f"no product of {', '.join(map(repr, nothing[:5]))}{more} is known to the shop; check the product ids")
    return [f"{each.label}: {len(each) - n} of {len(each)} products are unknown" for each, n in zip(sets, counts, strict=True) if n < len(each)]


def answers(bundle: Bundle, snapshot: Snapshot, sets: Sequence[ProductSet], *, top: int | None) -> Iterator[Answer]:
    """An answer for each set, in order, with the ``top`` customers (None: all of them)."""
    ever = purchases(snapshot, sets)
    ids = pd.Series(snapshot.customer_ids, dtype="str")
    for start, stop, block in bundle.interest_blocks(snapshot, sets):
        for column in range(stop - start):
            probability = block[:, column]
            order = best_first(probability, top)
            has_bought = np.zeros(len(ids), dtype=bool)
            has_bought[ever.indices[ever.indptr[start + column] : ever.indptr[start + column + 1]]] = True
            rows = {"rank": np.arange(1, len(order) + 1), "customer_id": ids.to_numpy()[order], "probability": probability[order]}
            frame = pd.DataFrame({**rows, "is_new": ~has_bought[order]})
            total = float(probability.sum(dtype=np.float64))
            yield Answer(sets[start + column], snapshot.as_of, bundle.horizon, len(ids), total, frame)


def everybody(bundle: Bundle, snapshot: Snapshot, sets: Sequence[ProductSet]) -> Iterator[pd.DataFrame]:
    """Frames product_set, customer_id, probability, rank of every customer for every set, set by set, each the most probable first."""
    ids = pd.Series(snapshot.customer_ids, dtype="str")
    kept: list[pd.DataFrame] = []
    for start, stop, block in bundle.interest_blocks(snapshot, sets):
        for column in range(stop - start):
            order = best_first(block[:, column])
            label = pd.Series([sets[start + column].label], dtype="str").repeat(len(order)).array
            rank = np.arange(1, len(order) + 1, dtype=np.int32)
            rows = {"product_set": label, "customer_id": ids.array.take(order), "probability": block[order, column], "rank": rank}
            kept.append(pd.DataFrame(rows))
            if sum(map(len, kept)) >= BLOCK_ROWS:
                yield pd.concat(kept, ignore_index=True)
                kept = []
    if kept:
        yield pd.concat(kept, ignore_index=True)
