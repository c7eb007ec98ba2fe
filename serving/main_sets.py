"""The product sets that a scoring run answers for everybody: those of a list, or the main categories, brands and products by sales."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from features.errors import DataError, UsageError, did_you_mean
from features.products import Catalogue, ProductSet, membership
from features.snapshot import Snapshot
from features.tables import PATH_SEPARATOR

MAIN_SETS = 300
"""Categories and brands chosen when no list is given."""
MAIN_PRODUCTS = 200
"""Products among which the best of each customer are looked for."""
HALF_LIFE = 180


def read_names(path: Path) -> list[str]:
    """The lines of a file of product sets, such as ``category: Tents``; empty lines and those that begin with # are left out."""
    if not path.is_file():
        raise DataError(f"{path}: there is no such file")
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    names = [line for line in lines if line and not line.startswith("#")]
    if not names:
        raise DataError(f"{path}: names no product set; write lines such as: category: Tents")
    return names


def named_sets(catalogue: Catalogue, names: Sequence[str]) -> list[ProductSet]:
    """The sets called ``category: X``, ``brand: X``, ``keyword: X``, ``product: X``; a bare X is a category, else a brand, a product, a keyword."""
    sets = [_named(catalogue, name) for name in names]
    return sorted({(each.kind, each.label): each for each in sets}.values(), key=lambda each: (each.kind, each.label))


def _named(catalogue: Catalogue, name: str) -> ProductSet:
    kind, colon, rest = (part.strip() for part in name.partition(":"))
    if not colon:
        return catalogue.named(name.strip())
    look_ups: dict[str, Callable[[str], ProductSet]] = {
        "category": catalogue.category,
        "brand": catalogue.brand,
        "keyword": catalogue.keyword,
        "product": catalogue.product,
    }
    if kind not in look_ups:
        raise UsageError(f"{name!r}: {kind!r} is no kind of product set{did_you_mean(kind, look_ups)}")
    return look_ups[kind](rest)


def main_sets(catalogue: Catalogue, snapshot: Snapshot, *, limit: int = MAIN_SETS) -> list[ProductSet]:
    """The categories (every level) and brands that sold most as of the snapshot, newer orders counting more; sorted by kind and name."""
    paths = [_of(catalogue, name, positions, "category") for name, positions in catalogue.categories.items()]
    brands = [_of(catalogue, name, positions, "brand") for name, positions in catalogue.brands.items()]
    every = [*paths, *brands]
    if not every:
        return []
    orders, names = snapshot.matrix("product", half_life=HALF_LIFE)
    rows = pd.Index(snapshot.shop.product_ids).get_indexer(names)
    sales = np.asarray(orders.sum(axis=0)).ravel() @ membership(snapshot.shop, every)[rows]
    chosen = sorted(np.argsort(-sales, kind="stable")[:limit])
    return sorted((every[at] for at in chosen if sales[at] > 0), key=lambda each: (each.kind, each.label))


def main_products(snapshot: Snapshot, *, limit: int = MAIN_PRODUCTS) -> list[ProductSet]:
    """The products that sold most as of the snapshot and are not known to be out of stock, one set each, sorted by id."""
    orders, names = snapshot.matrix("product", half_life=HALF_LIFE)
    in_stock = snapshot.shop.products["in_stock"].reindex(names)
    sales = np.where(in_stock.eq(False).fillna(False), -1, np.asarray(orders.sum(axis=0)).ravel())
    best = [at for at in np.argsort(-sales, kind="stable")[:limit] if sales[at] >= 0]
    return [ProductSet(str(name), (str(name),), "product") for name in sorted(names[best])]


def is_narrow(product_set: ProductSet, sets: Sequence[ProductSet]) -> bool:
    """Whether a set is no category that contains another category of ``sets``: a customer's best sets should not be the shop's widest ones."""
    below = product_set.label + PATH_SEPARATOR
    return not any(each.kind == "category" and each.label.startswith(below) for each in sets) or product_set.kind != "category"


def _of(catalogue: Catalogue, label: str, positions: Sequence[int], kind: str) -> ProductSet:
    ids = catalogue.products.index[list(positions)]
    return ProductSet.of(label, ids, kind="category" if kind == "category" else "brand")
