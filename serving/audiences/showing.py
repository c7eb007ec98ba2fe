"""Members and a product set become what to show each of them: products of the set that fit best, in stock, rather new to them."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csc_matrix, csr_matrix, diags

from features.conditions import Evidence
from features.products import ProductSet
from features.snapshot import Snapshot

SHOWN = ("show_1", "show_2", "show_3")
LIKED = ("like_1", "like_2", "like_3")
MOST_PRODUCTS = 200
"""Products of a large set among which the best are looked for, those that sold most recently."""
_BLOCK = 50_000


def best_products(evidence: Evidence, products: ProductSet, codes: NDArray[np.integer], *, out_of_stock: bool = False) -> pd.DataFrame:
    """For customers (shop codes), up to three product ids of the set: columns show_1 .. show_3, a row per customer, null when there are fewer.

    A product fits who bought what its buyers bought (item-based cosine similarity, Sarwar et al. 2001), popularity settles ties. What the customer
    has already comes last, what is known to be out of stock never, unless ``out_of_stock`` asks for it.
    """
    snapshot, (orders, names) = evidence.snapshot, evidence.purchases
    candidates = _listed(snapshot, products).index.to_numpy(object) if out_of_stock else in_stock(snapshot, products)
    shown = np.full((len(codes), len(SHOWN)), None, dtype=object)
    columns = names.get_indexer(pd.Index(candidates))
    sales = np.where(columns >= 0, np.asarray(orders.sum(axis=0)).ravel()[columns], 0.0) if len(names) else np.zeros(len(candidates))
    best = np.lexsort((candidates, -sales))[:MOST_PRODUCTS]
    candidates, columns, sales = candidates[best], columns[best], sales[best]
    if len(candidates):
        similar = _similarity(orders, columns)
        rows = _rows(snapshot, codes)
        for start in range(0, len(codes), _BLOCK):
            block = rows[start : start + _BLOCK]
            fit = _fit(orders, similar, columns, sales, block)
            places = np.argsort(-fit, axis=1, kind="stable")[:, : len(SHOWN)]
            shown[start : start + len(block), : places.shape[1]] = candidates[places]
    return pd.DataFrame({name: pd.array(shown[:, at], dtype="str") for at, name in enumerate(SHOWN)})


def in_stock(snapshot: Snapshot, products: ProductSet) -> NDArray[np.object_]:
    """The ids of those of the set that are not known to be out of stock."""
    listed = _listed(snapshot, products)
    return listed.index[~listed["in_stock"].eq(False).fillna(False).to_numpy(bool)].to_numpy(object)


def _listed(snapshot: Snapshot, products: ProductSet) -> pd.DataFrame:
    known = snapshot.shop.products
    return known.reindex([product_id for product_id in products.product_ids if product_id in known.index])


def _similarity(orders: csr_matrix, columns: NDArray[np.intp]) -> csc_matrix:
    """Cosine of every product sold (rows) with each candidate (columns); 0 for candidates never sold."""
    norms = np.sqrt(np.asarray(orders.multiply(orders).sum(axis=0)).ravel())
    scaled = csc_matrix(orders @ diags(1 / np.maximum(norms, 1e-12)))
    chosen = scaled[:, np.maximum(columns, 0)] @ diags((columns >= 0).astype(np.float32))
    return csc_matrix(scaled.T @ chosen)


def _rows(snapshot: Snapshot, codes: NDArray[np.integer]) -> NDArray[np.intp]:
    """The snapshot's rows of customers, -1 for those without orders."""
    place = np.minimum(np.searchsorted(snapshot.codes, codes), len(snapshot.codes) - 1)
    return np.where(snapshot.codes[place] == codes, place, -1)


def _fit(
    orders: csr_matrix, similar: csc_matrix, columns: NDArray[np.intp], sales: NDArray[np.floating], rows: NDArray[np.intp]
) -> NDArray[np.float64]:
    """How well each candidate fits each row: taste, then popularity, less 1000 for what was bought before."""
    popularity = sales / max(float(sales.max(initial=0.0)), 1e-12) * 1e-3
    fit = np.tile(popularity, (len(rows), 1))
    own = orders[np.maximum(rows, 0)]
    known = rows >= 0
    total = np.maximum(np.asarray(own.sum(axis=1)).ravel(), 1e-12)
    taste = np.asarray((own @ similar).todense()) / total[:, None]
    had = np.asarray(csc_matrix(own)[:, np.maximum(columns, 0)].todense() > 0) & (columns >= 0)
    fit[known] += (taste - 1000.0 * had)[known]
    return fit
