"""The product sets that a scoring run answers for everybody: those of a file, those of a list, or the shop's categories and brands."""

from collections.abc import Sequence
from pathlib import Path

from features.products import Catalogue, ProductSet, read_named_sets
from features.snapshot import Snapshot
from features.tables import PATH_SEPARATOR
from models.pairs.training_sets import main_sets

MOST_SETS = 300
"""Categories and brands that are scored, at most, when nobody names product sets."""
CANDIDATE_PRODUCTS = 50
"""Products among which the best of each customer are looked for."""


def sets_to_score(snapshot: Snapshot, *, names: Sequence[str], sets_file: Path | None) -> list[ProductSet]:
    """The sets of ``sets_file``, else those of ``names``, else the categories and brands with the most recent orders. Raises DataError."""
    catalogue = Catalogue.of(snapshot.shop)
    if sets_file is not None:
        return in_order(read_named_sets(sets_file, catalogue))
    return named_sets(catalogue, names) if names else main_sets(snapshot, catalogue, limit=MOST_SETS)


def named_sets(catalogue: Catalogue, names: Sequence[str]) -> list[ProductSet]:
    """The sets called ``category: X``, ``brand: X``, ``keyword: X``, ``product: X``; a bare X is a category, else a brand, a product, a keyword."""
    return in_order([catalogue.called(name) for name in names])


def in_order(sets: Sequence[ProductSet]) -> list[ProductSet]:
    """The sets sorted by kind and name, each once."""
    return sorted({(each.kind, each.label): each for each in sets}.values(), key=lambda each: (each.kind, each.label))


def is_narrow(product_set: ProductSet, sets: Sequence[ProductSet]) -> bool:
    """Whether a set is no category that contains another category of ``sets``: a customer's best sets should not be the shop's widest ones."""
    below = product_set.label + PATH_SEPARATOR
    return not any(each.kind == "category" and each.label.startswith(below) for each in sets) or product_set.kind != "category"
