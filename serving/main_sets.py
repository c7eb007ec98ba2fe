"""The product sets that a scoring run answers for everybody: those of a list, or the shop's main products."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from features.errors import DataError, UsageError, did_you_mean
from features.products import Catalogue, ProductSet
from features.snapshot import Snapshot
from features.tables import PATH_SEPARATOR
from models.training_sets import recent_orders

MAIN_SETS = 300
"""Product sets chosen when no list is given."""
MAIN_PRODUCTS = 50
"""Products among which the best of each customer are looked for."""


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


def main_products(snapshot: Snapshot, *, limit: int = MAIN_PRODUCTS) -> list[ProductSet]:
    """The products that sold most lately and are not known to be out of stock, one set each, sorted by id."""
    out_of_stock = snapshot.shop.products["in_stock"].eq(False).fillna(False).to_numpy(bool)
    orders = np.where(out_of_stock, 0, recent_orders(snapshot))
    best = np.argsort(-orders, kind="stable")[:limit]
    return [ProductSet(name, (name,), "product") for name in sorted(snapshot.shop.product_ids[best[orders[best] > 0]])]


def is_narrow(product_set: ProductSet, sets: Sequence[ProductSet]) -> bool:
    """Whether a set is no category that contains another category of ``sets``: a customer's best sets should not be the shop's widest ones."""
    below = product_set.label + PATH_SEPARATOR
    return not any(each.kind == "category" and each.label.startswith(below) for each in sets) or product_set.kind != "category"
