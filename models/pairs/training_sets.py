"""A catalogue becomes the product sets that the interest model is trained on: many kinds, so that it serves any set."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from features.products import Catalogue, ProductSet, SetKind
from features.snapshot import Snapshot

Groups = list[tuple[str, NDArray[np.int64]]]


@dataclass(frozen=True)
class SetMixture:
    """How many sets of each kind a snapshot is trained on; ``least_orders`` from the set, decayed over 90 days, make it worth asking.

    Of single ``products`` every other one is drawn by its orders: best sellers are asked about more than others, and are few.

    A shop with so many customers that the grid customers x sets passes ``grid`` takes fewer sets, but at least half of them.
    """

    named: int = 300
    products: int = 80
    random: int = 40
    grid: int = 3_000_000
    least_orders: float = 5.0
    largest_random: int = 60


def training_sets(snapshot: Snapshot, catalogue: Catalogue, *, mixture: SetMixture, seed: int) -> list[ProductSet]:
    """Categories at all levels, brands and keywords (``named``, drawn evenly over kinds), single products, and random groups of products.

    Only what was known before the snapshot's date decides; the same seed gives the same sets. A shop with few products gives fewer sets.
    """
    rng = np.random.default_rng([seed, snapshot.day])
    mixture = _for_size(mixture, customers=len(snapshot.customer_ids))
    orders = recent_orders(snapshot)
    ids = catalogue.products.index
    kinds = [groups for groups in _named(catalogue, orders, least=mixture.least_orders) if groups]
    sets = [
        ProductSet.of(label, ids[positions])
        for groups in kinds
        for label, positions in (groups[i] for i in rng.permutation(len(groups))[: -(-mixture.named // len(kinds))])
    ]
    sold = np.flatnonzero(orders >= mixture.least_orders)
    sets += [ProductSet(ids[position], (ids[position],), "product") for position in _singles(sold, orders, mixture.products, rng)]
    if len(sold) >= 2:
        largest = np.log(min(mixture.largest_random, len(sold)))
        sizes = np.exp(rng.uniform(np.log(2), largest, mixture.random)).astype(int)
        sets += [ProductSet.of(f"random {i}", ids[rng.choice(sold, size, replace=False)]) for i, size in enumerate(sizes)]
    return sets


def _singles(sold: NDArray[np.int64], orders: NDArray[np.float32], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """``count`` of the ``sold`` products (all, if they are fewer): half of them drawn evenly, the rest by their orders."""
    if len(sold) <= count:
        return rng.permutation(sold)
    evenly = rng.permutation(sold)[: count // 2]
    others = np.setdiff1d(sold, evenly)
    return np.append(evenly, rng.choice(others, count - len(evenly), replace=False, p=orders[others] / orders[others].sum()))


def _for_size(mixture: SetMixture, *, customers: int) -> SetMixture:
    share = np.clip(mixture.grid / (customers * (mixture.named + mixture.products + mixture.random)), 0.5, 1.0)
    named, products, random = (round(count * share) for count in (mixture.named, mixture.products, mixture.random))
    return replace(mixture, named=named, products=products, random=random)


def main_sets(snapshot: Snapshot, catalogue: Catalogue, *, limit: int, least: float = 5.0) -> list[ProductSet]:
    """The shop's main categories (all levels) and brands, and its main keywords when it has neither: most recent orders first, ties by name.
    A shop whose products have no words at all has its main products instead.

    No set of the whole catalogue; of sets with the same products only the first.
    """
    orders = recent_orders(snapshot)
    categories, brands, by_word = _named(catalogue, orders, least=least)
    named: list[tuple[SetKind, Groups]] = [("category", categories), ("brand", brands)] if categories or brands else [("keyword", by_word)]
    weighed = [(float(orders[positions].sum()), label, kind, positions) for kind, groups in named for label, positions in groups]
    ranked = sorted(weighed, key=lambda found: (-found[0], found[1], found[2]))
    ids = catalogue.products.index
    seen: dict[bytes, ProductSet] = {}
    for _, label, kind, positions in ranked:
        if len(positions) < len(ids) or len(ids) == 1:
            seen.setdefault(np.sort(positions).tobytes(), ProductSet.of(label, ids[positions], kind=kind))
    return list(seen.values())[:limit] or main_products(snapshot, limit=limit)


def main_products(snapshot: Snapshot, *, limit: int) -> list[ProductSet]:
    """The products that sold most lately and are not known to be out of stock, one set each, sorted by id."""
    products = snapshot.shop.products
    out_of_stock = products["in_stock"].eq(False).fillna(False).to_numpy(bool)
    orders = np.where(out_of_stock, 0, recent_orders(snapshot))
    best = np.argsort(-orders, kind="stable")[:limit]
    return [ProductSet(name, (name,), "product") for name in sorted(products.index[best[orders[best] > 0]])]


def recent_orders(snapshot: Snapshot) -> NDArray[np.float32]:
    """Orders by known customers per product of the catalogue, each worth half after 90 days."""
    matrix, products = snapshot.matrix("product", half_life=90)
    orders = np.zeros(len(snapshot.shop.product_ids), np.float32)
    orders[snapshot.shop.products.index.get_indexer(products)] = np.asarray(matrix.sum(axis=0)).ravel()
    return orders


def _named(catalogue: Catalogue, orders: NDArray[np.float32], *, least: float) -> list[Groups]:
    vocabulary, matrix = catalogue.words
    by_word = matrix.tocsc()
    word_groups = [(word, by_word.indices[by_word.indptr[i] : by_word.indptr[i + 1]]) for i, word in enumerate(vocabulary)]
    kinds = [
        [(name, np.asarray(positions)) for name, positions in catalogue.categories.items()],
        [(name, np.asarray(positions)) for name, positions in catalogue.brands.items()],
        [(word, positions) for word, positions in word_groups if len(positions) >= 3 and not word.isdigit()],
    ]
    return [[(label, positions) for label, positions in groups if orders[positions].sum() >= least] for groups in kinds]
