"""Definitions that come with whobuys: a YAML file each, in the audience language, whose ``suggested`` products are found in the shop.

``suggested: NAME`` stands where a product set would be named, ``{NAME}`` in ids and names for its words.
"""

import re
from collections.abc import Mapping, Sequence
from importlib.resources import files

from features.errors import DataError, did_you_mean
from features.products import Catalogue, ProductSet
from features.tables import PATH_SEPARATOR
from features.words import words
from serving.audiences.definitions import Audience, parse_audience
from serving.audiences.reading import parse_documents

CROSS_SELL = "cross-sell"
LONG_TAIL = "long-tail"


def ready_made() -> list[str]:
    """The names of the ready-made definitions, sorted."""
    return sorted(path.name.removesuffix(".yaml") for path in files(__package__).iterdir() if path.name.endswith(".yaml"))


def ready_made_text(name: str) -> str:
    """A ready-made definition as it is written. Raises DataError for an unknown name."""
    if name not in ready_made():
        raise DataError(f"there is no ready-made audience {name!r}{did_you_mean(name, ready_made())}")
    return (files(__package__) / f"{name}.yaml").read_text(encoding="utf-8")


def audiences_of(name: str, found: Sequence[Mapping[str, ProductSet]], *, catalogue: Catalogue) -> list[Audience]:
    """The ready-made definition ``name`` filled in once for each of ``found``: the product sets by what the definition calls them.

    Ids are made of the sets' words; one that is there already gets a number.
    """
    (document,) = parse_documents(ready_made_text(name), source=f"{name}.yaml")
    made: dict[str, Audience] = {}
    for sets in found:
        filled = _filled(document, sets, catalogue)
        assert isinstance(filled, dict)
        begin = identifier(filled["audience"])
        number = next(n for n in range(1, len(found) + 1) if (begin if n == 1 else f"{begin}-{n}") not in made)
        audience = parse_audience({**filled, "audience": begin if number == 1 else f"{begin}-{number}"}, source=f"{name}.yaml")
        made[audience.audience] = audience
    return list(made.values())


def identifier(text: str) -> str:
    """An id of a text: its plain words, joined by hyphens.

    >>> identifier("Ski-boots & Børster")
    'ski-boots-borster'
    """
    return re.sub(r"[^a-z0-9-]+", "", "-".join(words(text)))[:90].strip("-") or "audience"


def named_products(products: ProductSet) -> dict[str, str]:
    """A product set as a condition names it. Raises ValueError for one that has no name in the language.

    >>> named_products(ProductSet.of("Outdoor > Tents", ["p1"], kind="category"))
    {'category': 'Outdoor > Tents'}
    """
    if products.kind not in ("category", "brand", "product", "keyword"):
        raise ValueError(f"a set of kind {products.kind!r} has no name in the audience language")
    return {products.kind: products.label}


def spoken(products: ProductSet, catalogue: Catalogue) -> str:
    """What people call a product set: the last level of a category, the title of a product."""
    if products.kind == "product" and products.label in catalogue.products.index:
        title = catalogue.products["title"].astype(object)[products.label]
        return title if isinstance(title, str) and title else products.label
    return products.label.rsplit(PATH_SEPARATOR, 1)[-1]


def _filled(value: object, sets: Mapping[str, ProductSet], catalogue: Catalogue) -> object:
    if isinstance(value, dict):
        named = named_products(sets[value["suggested"]]) if "suggested" in value else {}
        return {**named, **{key: _filled(each, sets, catalogue) for key, each in value.items() if key != "suggested"}}
    if isinstance(value, list):
        return [_filled(each, sets, catalogue) for each in value]
    if isinstance(value, str):
        for name, products in sets.items():
            value = value.replace(f"{{{name}}}", spoken(products, catalogue))
    return value
