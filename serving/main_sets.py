"""The product sets that a scoring run answers for everybody: those of a list, or the shop's main products."""

from collections.abc import Sequence
from pathlib import Path

from features.errors import DataError
from features.products import Catalogue, ProductSet
from features.tables import PATH_SEPARATOR

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
    sets = [catalogue.called(name) for name in names]
    return sorted({(each.kind, each.label): each for each in sets}.values(), key=lambda each: (each.kind, each.label))


def is_narrow(product_set: ProductSet, sets: Sequence[ProductSet]) -> bool:
    """Whether a set is no category that contains another category of ``sets``: a customer's best sets should not be the shop's widest ones."""
    below = product_set.label + PATH_SEPARATOR
    return not any(each.kind == "category" and each.label.startswith(below) for each in sets) or product_set.kind != "category"
