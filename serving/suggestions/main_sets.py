"""Last year's purchases become the shop's main categories and brands: 5 to 10, distinct in their products and their buyers."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csc_matrix, csr_matrix

from features.products import Catalogue, ProductSet, membership
from features.shop import MONEY
from features.snapshot import Snapshot
from features.tables import PATH_SEPARATOR
from serving.suggestions.kinds import Ground, Kind, Suggested, nothing

YEAR = 365
LEAST_BUYERS, LEAST_SHARE = 20, 0.01
"""A main category or brand was bought from, within a year, by so many customers and by such a share of those who ordered;"""
MOST_SHARE = 0.5
"""by more than this share, and it tells nobody apart."""
MOST_OVERLAP = 0.5
"""Two of them share at most this part of the smaller one's products, and of all who bought from either (Jaccard 1912)."""


@dataclass(frozen=True, eq=False)
class LastYear:
    """Purchases of known customers in the last 365 days: bool matrix buyers x products (codes), and what each product brought."""

    bought: csr_matrix
    revenue: NDArray[np.float64]

    @classmethod
    def of(cls, snapshot: Snapshot) -> "LastYear":
        """As of the snapshot's date."""
        lines = snapshot.shop.lines
        past = lines.filter(lines.customer.notnull(), lines.day < snapshot.day, lines.day >= snapshot.day - YEAR)
        found = past.group_by("customer", "product").agg(amount=past.amount.sum()).order_by("customer", "product").to_pandas()
        buyers, rows = np.unique(found["customer"].to_numpy(), return_inverse=True)
        columns, products = found["product"].to_numpy(), len(snapshot.shop.product_ids)
        amount = found["amount"].fillna(0).to_numpy(np.float64) / MONEY
        matrix = csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), shape=(len(buyers), products))
        return cls(matrix, np.bincount(columns, weights=amount, minlength=products).astype(np.float64))

    def buyers(self, members: csr_matrix) -> csc_matrix:
        """Who bought from which set: 0/1 matrix buyers x sets, for ``membership`` products x sets."""
        return csc_matrix((self.bought @ members > 0).astype(np.float32))


def main_sets(snapshot: Snapshot, catalogue: Catalogue, *, top: int) -> tuple[list[ProductSet], pd.DataFrame]:
    """The main categories and brands, at most ``top``, and a row for each: kind, products, buyers, share_of_buyers, revenue, share_of_revenue.

    Categories are the narrowest that are large enough; of both kinds those with the most revenue of the last 365 days come first, in turns.
    """
    year = LastYear.of(snapshot)
    total = year.bought.shape[0]
    candidates = _large(catalogue, year, snapshot, least=max(LEAST_BUYERS, LEAST_SHARE * total))
    if not candidates:
        return [], pd.DataFrame()
    matrix = membership(snapshot.shop, candidates)
    bought = year.buyers(matrix)
    size, revenue = np.asarray(bought.sum(axis=0)).ravel(), year.revenue @ matrix
    order = _in_turns(candidates, revenue)
    chosen = _apart([at for at in order if size[at] <= MOST_SHARE * total], matrix, bought)[:top]
    table = pd.DataFrame(
        {
            "kind": [candidates[at].kind for at in chosen],
            "products": [candidates[at].label for at in chosen],
            "buyers": size[chosen].astype(np.int64),
            "share_of_buyers": size[chosen] / max(total, 1),
            "revenue": revenue[chosen],
            "share_of_revenue": revenue[chosen] / max(float(year.revenue.sum()), 1e-9),
        }
    )
    return [candidates[at] for at in chosen], table


def every_set(catalogue: Catalogue) -> list[ProductSet]:
    """All categories, at every level, and all brands."""
    ids = catalogue.products.index
    categories = [ProductSet.of(path, ids[positions], kind="category") for path, positions in catalogue.categories.items()]
    return [*categories, *(ProductSet.of(name, ids[positions], kind="brand") for name, positions in catalogue.brands.items())]


def _large(catalogue: Catalogue, year: LastYear, snapshot: Snapshot, *, least: float) -> list[ProductSet]:
    """Brands, and the narrowest categories, that enough customers bought from."""
    sets = every_set(catalogue)
    if not sets:
        return []
    size = np.asarray(year.buyers(membership(snapshot.shop, sets)).sum(axis=0)).ravel()
    large = [one for one, buyers in zip(sets, size, strict=True) if buyers >= least]
    wider = {path for one in large if one.kind == "category" for path in _above(one.label)}
    return [one for one in large if one.kind == "brand" or one.label not in wider]


def _above(path: str) -> Iterable[str]:
    parts = path.split(PATH_SEPARATOR)
    return (PATH_SEPARATOR.join(parts[:depth]) for depth in range(1, len(parts)))


def _in_turns(candidates: Sequence[ProductSet], revenue: NDArray[np.float64]) -> list[int]:
    """Positions by revenue, a category and a brand in turns."""
    ranked = sorted(range(len(candidates)), key=lambda at: (-revenue[at], candidates[at].label))
    kinds = ([at for at in ranked if candidates[at].kind == kind] for kind in ("category", "brand"))
    return [at for pair in zip_longest(*kinds) for at in pair if at is not None]


def _apart(ranked: Sequence[int], matrix: csr_matrix, bought: csc_matrix) -> list[int]:
    """Those that share neither too many products nor too many buyers with one before."""
    shared, together = (matrix.T @ matrix).tocsr(), (bought.T @ bought).tocsr()
    chosen: list[int] = []
    for at in ranked:
        common = np.array([[shared[at, other], together[at, other]] for other in chosen]).reshape(-1, 2)
        products, buyers = (np.array([square[other, other] for other in chosen]) for square in (shared, together))
        of_products = common[:, 0] / np.maximum(np.minimum(products, shared[at, at]), 1)
        of_buyers = common[:, 1] / np.maximum(buyers + together[at, at] - common[:, 1], 1)
        if (of_products <= MOST_OVERLAP).all() and (of_buyers <= MOST_OVERLAP).all():
            chosen.append(at)
    return chosen


def _find(ground: Ground) -> Suggested:
    sets, table = main_sets(ground.snapshot, ground.catalogue, top=ground.top)
    if not sets:
        named = bool(ground.catalogue.categories or ground.catalogue.brands)
        few = f"no category or brand was bought from by {LEAST_BUYERS} customers, and {LEAST_SHARE:.0%} of all, within a year"
        return nothing(few if named else "products have neither a category nor a brand; import products with one of them, or map one")
    ground.evidence.prepare(sets)
    table[["expected_buyers", "expected_low", "expected_high"]] = [ground.expected_buyers(one) for one in sets]
    fillings = tuple({"products": one, one.kind: one} for one in sets)
    few_notes = (f"only {len(sets)} are large enough and distinct",) if len(sets) < min(5, ground.top) else ()
    return Suggested(table, fillings, notes=few_notes)


MAIN = Kind("main", "the 5 to 10 main categories and brands, distinct in products and buyers", _find)
