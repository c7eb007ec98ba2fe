"""Predictions and sales become long-tail suggestions: products that sell little and that more customers will want than the sales tell."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csc_matrix, csr_matrix

from features.errors import DataError
from features.products import Catalogue, ProductSet, membership
from features.snapshot import Snapshot
from features.tables import PATH_SEPARATOR
from serving.who import best_first

Floats = NDArray[np.float32]
Purchases = tuple[csr_matrix, pd.Index]
Blocks = Callable[[Sequence[ProductSet]], Iterator[tuple[int, int, Floats]]]
"""Product sets -> (first, one past the last, probabilities of the snapshot's customers x those sets), in order."""

HEAD, MIDDLE = 0.2, 0.3
"""Shares of the product sets, by orders of the last 90 days, that are the head and the middle; the rest is the tail."""
RECENT = 90
LIKELY = 4
"""Likely buyers are at least so many times as probable as a customer taken at random (``likelihood: high``)."""
LEAST_BUYERS = 5
"""A set that fewer customers ever bought from tells nothing about who wants it."""
MOST_CANDIDATES = 100
MOST_OVERLAP = 0.5
"""Two suggestions share at most this part of their most likely customers, unless there would be too few suggestions."""
_CORE = 200


@dataclass(frozen=True)
class LongTail:
    """A product set of the tail that is wanted more than it sells.

    ``demand`` buyers expected within the horizon (sum of probabilities); ``sales`` usual buyers in as many days, over the last 90;
    ``likely_new`` customers who never bought from it and are at least ``LIKELY`` times as probable as a customer taken at random, ``new_demand``
    buyers expected among them; ``score`` = (new_demand + max(demand - sales, 0)) / sqrt(sales + 1): how far the demand that nobody serves stands
    out of what is sold.
    """

    products: ProductSet
    demand: float
    sales: float
    likely_new: int
    new_demand: float
    score: float

    @property
    def label(self) -> str:
        """The set in words."""
        return self.products.label.rsplit(PATH_SEPARATOR, 1)[-1]


def long_tail(snapshot: Snapshot, catalogue: Catalogue, interest_blocks: Blocks, *, least: int = 5, most: int = 10) -> list[LongTail]:
    """Long-tail categories and products with more demand than sales, the best ``score`` first: ``most`` at most, distinct from each other.

    Where these are fewer than ``least``, others follow: with likely buyers among those who never bought, then with the same likely customers.

    Candidates are the narrowest categories outside head and middle, and where these are fewer than 2 ``most``, products outside head and middle too;
    with something in stock and bought by at least ``LEAST_BUYERS`` customers ever. Fewer than ``least`` come when there are no more: nothing is added
    to make up a number. Raises DataError when the shop sells too little to tell.
    """
    purchases = snapshot.matrix("product")
    candidates = _candidates(snapshot, catalogue, purchases, enough=2 * most)
    if not candidates:
        raise DataError("no category or product outside the best-selling half was bought by enough customers to tell who wants it")
    bought = csc_matrix(_orders_of(snapshot, candidates, purchases))
    measured: list[LongTail] = []
    core: dict[ProductSet, frozenset[int]] = {}
    sales = _usual_sales(snapshot, candidates)
    for first, end, probabilities in interest_blocks(candidates):
        for at in range(first, end):
            column = probabilities[:, at - first]
            found = _measure(candidates[at], column, had=bought[:, [at]].toarray().ravel() > 0, sales=float(sales[at]))
            if found.demand > found.sales or found.likely_new:
                measured.append(found)
                core[found.products] = frozenset(best_first(column, _CORE).tolist())
    ranked = sorted(measured, key=lambda each: (each.demand <= each.sales, -each.score, each.products.label))
    apart = _distinct(ranked, core, most_overlap=MOST_OVERLAP)
    if len(apart) < least:
        rest = [each for each in ranked if each not in apart]
        apart += _distinct(rest, core, most_overlap=1.0, beside=apart)[: least - len(apart)]
    above = sum(each.demand > each.sales for each in apart)
    return apart[: min(most, max(above, least))]


def _measure(products: ProductSet, probability: Floats, *, had: NDArray[np.bool_], sales: float) -> LongTail:
    demand = float(probability.sum(dtype=np.float64))
    likely = ~had & (probability >= LIKELY * demand / len(probability)) & (probability > 0)
    new_demand = float(probability[likely].sum(dtype=np.float64))
    score = (new_demand + max(demand - sales, 0.0)) / (sales + 1) ** 0.5
    return LongTail(products, demand, sales, int(likely.sum()), new_demand, score)


def _candidates(snapshot: Snapshot, catalogue: Catalogue, purchases: Purchases, *, enough: int) -> list[ProductSet]:
    narrow = _tail(snapshot, _narrowest(catalogue), purchases)
    if len(narrow) >= enough:
        return narrow[:MOST_CANDIDATES]
    ids = snapshot.shop.product_ids
    products = [ProductSet(str(product_id), (str(product_id),), "product") for product_id in ids]
    return [*narrow, *_tail(snapshot, products, purchases)][:MOST_CANDIDATES]


def _narrowest(catalogue: Catalogue) -> list[ProductSet]:
    """The categories without a category below them."""
    paths = list(catalogue.categories)
    wider = {path.rsplit(PATH_SEPARATOR, 1)[0] for path in paths if PATH_SEPARATOR in path}
    leaves = [path for path in paths if path not in wider]
    return [ProductSet.of(path, catalogue.products.index[catalogue.categories[path]], kind="category") for path in leaves]


def _tail(snapshot: Snapshot, sets: Sequence[ProductSet], purchases: Purchases) -> list[ProductSet]:
    """The sets outside head and middle that are in stock and known well enough, most buyers ever first."""
    if not sets:
        return []
    recent = _buyers(snapshot, sets, days=RECENT)[1]
    place = np.argsort(np.argsort(-recent, kind="stable"), kind="stable")
    ever = np.asarray((_orders_of(snapshot, sets, purchases) > 0).sum(axis=0)).ravel()
    stock = snapshot.shop.products["in_stock"]
    gone = set(stock.index[stock.eq(False).fillna(False).to_numpy(bool)])
    keep = [
        at
        for at in np.argsort(-ever, kind="stable")
        if place[at] >= (HEAD + MIDDLE) * len(sets) and ever[at] >= LEAST_BUYERS and not gone.issuperset(sets[at].product_ids)
    ]
    return [sets[at] for at in keep]


def _orders_of(snapshot: Snapshot, sets: Sequence[ProductSet], purchases: Purchases) -> csr_matrix:
    """How often each of the snapshot's customers bought from each set: customers x sets."""
    orders, names = purchases
    rows = pd.Index(snapshot.shop.product_ids).get_indexer(names)
    return csr_matrix(orders @ membership(snapshot.shop, sets)[rows])


def _buyers(snapshot: Snapshot, sets: Sequence[ProductSet], *, days: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Buyers (each counted once in each horizon of the last ``days``) and orders of known customers in the last ``days``, by set."""
    lines = snapshot.shop.lines
    past = lines.filter(lines.customer.notnull(), lines.day < snapshot.day, lines.day >= snapshot.day - days)
    stretch = ((snapshot.day - 1 - past.day) // snapshot.horizon).cast("int32")
    frame = past.select("customer", "product", "order", stretch=stretch).to_pandas()
    matrix = membership(snapshot.shop, sets)
    columns = frame["product"].to_numpy()
    visits = []
    for by in (["customer", "stretch"], ["order"]):
        rows = frame.groupby(by, sort=False).ngroup().to_numpy()
        counts = csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), shape=(int(rows.max(initial=-1)) + 1, matrix.shape[0]))
        visits.append(np.asarray(((counts @ matrix) > 0).sum(axis=0)).ravel().astype(np.int64))
    return visits[0], visits[1]


def _usual_sales(snapshot: Snapshot, sets: Sequence[ProductSet]) -> NDArray[np.float64]:
    """Buyers in a usual stretch as long as the horizon, over the last 90 days (at least one horizon, whole stretches)."""
    stretches = max(1, RECENT // snapshot.horizon)
    return _buyers(snapshot, sets, days=stretches * snapshot.horizon)[0] / stretches


def _distinct(
    ranked: Sequence[LongTail], core: dict[ProductSet, frozenset[int]], *, most_overlap: float, beside: Sequence[LongTail] = ()
) -> list[LongTail]:
    """Those that share no product, and not too many of their likely customers, with a better one or one of ``beside``."""
    chosen: list[LongTail] = []
    for one in ranked:
        ids = set(one.products.product_ids)
        apart = all(
            ids.isdisjoint(other.products.product_ids) and _overlap(core[one.products], core[other.products]) <= most_overlap
            for other in (*beside, *chosen)
        )
        if apart:
            chosen.append(one)
    return chosen


def _overlap(one: frozenset[int], other: frozenset[int]) -> float:
    return len(one & other) / max(1, min(len(one), len(other)))
