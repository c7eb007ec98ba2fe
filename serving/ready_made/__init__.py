"""Definitions that come with whobuys: ready-made.yaml, in the audience language. Some are audiences as they stand, valid on any shop; others are
filled in with what a kind of suggestions finds in the shop, and become an audience for each.

The latter begin with ``ready_made`` (their name), ``filled_in_by`` (the kind of suggestions) and perhaps ``top`` (how many). ``suggested: NAME``
stands where a product set would be named, ``{NAME}`` inside a text for its words.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from features.errors import DataError, did_you_mean
from features.products import Catalogue, ProductSet
from features.tables import PATH_SEPARATOR
from features.words import words
from serving.audiences.definitions import Audience, parse_audience
from serving.audiences.reading import parse_documents

FILE = "ready-made.yaml"
CROSS_SELL = "cross-sell"
LONG_TAIL = "long-tail"
HEADER = ("ready_made", "filled_in_by", "top")
Filling = Mapping[str, ProductSet | str]
"""What a definition is filled in with: a product set, or plain words, by what the definition calls it."""


@dataclass(frozen=True)
class ReadyMade:
    """One definition: ``text`` as it is written, ``says`` who it is (its comment), ``definition`` the keys of the audience.

    ``filled_in_by`` names the kind of suggestions that fill it in, with the best ``top`` of them; empty for an audience as it stands.
    """

    name: str
    text: str
    says: str
    definition: Mapping[str, object]
    filled_in_by: str = ""
    top: int | None = None

    @property
    def audience(self) -> Audience | None:
        """The audience as it stands; None for one that is filled in."""
        return None if self.filled_in_by else parse_audience(self.definition, source=FILE)

    def filled(self, found: Sequence[Filling], *, catalogue: Catalogue) -> list[Audience]:
        """An audience for each of ``found`` that has all that the definition asks for. Ids are made of the sets' words; one that is there already
        gets a number."""
        made: dict[str, Audience] = {}
        for filling in found:
            if not _names(self.definition) <= filling.keys():
                continue
            filled = _filled(dict(self.definition), filling, catalogue)
            assert isinstance(filled, dict)
            begin = identifier(filled["audience"])
            number = next(n for n in range(1, len(found) + 1) if (begin if n == 1 else f"{begin}-{n}") not in made)
            audience = parse_audience({**filled, "audience": begin if number == 1 else f"{begin}-{number}"}, source=FILE)
            made[audience.audience] = audience
        return list(made.values())


@cache
def definitions() -> dict[str, ReadyMade]:
    """Every ready-made definition by its name, in the order of the file."""
    text = (files(__package__) / FILE).read_text(encoding="utf-8")
    return {made.name: made for made in map(_read, text.split("---\n"))}


def _read(text: str) -> ReadyMade:
    (document,) = parse_documents(text, source=FILE)
    assert isinstance(document, dict)
    definition = {key: value for key, value in document.items() if key not in HEADER}
    name = str(document.get("ready_made", document["audience"]))
    says = text.splitlines()[0].removeprefix("# ")
    return ReadyMade(name, text, says, definition, str(document.get("filled_in_by", "")), document.get("top"))


def ready_made(name: str) -> ReadyMade:
    """The ready-made definition of that name. Raises DataError for an unknown one."""
    if name not in definitions():
        raise DataError(f"there is no ready-made audience {name!r}{did_you_mean(name, definitions())}")
    return definitions()[name]


def as_they_stand() -> dict[str, Audience]:
    """The ready-made audiences that need no suggestions, by name, in order."""
    found = {name: made.audience for name, made in definitions().items()}
    return {name: audience for name, audience in found.items() if audience is not None}


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


def _names(value: object) -> set[str]:
    """What a definition calls what it is filled in with."""
    if isinstance(value, dict):
        own = {str(value["suggested"])} if "suggested" in value else set()
        return own.union(*(_names(each) for each in value.values()))
    return set().union(*(_names(each) for each in value)) if isinstance(value, list) else set()


def _filled(value: object, filling: Filling, catalogue: Catalogue) -> object:
    if isinstance(value, dict):
        products = filling[value["suggested"]] if "suggested" in value else None
        named = named_products(products) if isinstance(products, ProductSet) else {}
        return {**named, **{key: _filled(each, filling, catalogue) for key, each in value.items() if key != "suggested"}}
    if isinstance(value, list):
        return [_filled(each, filling, catalogue) for each in value]
    if isinstance(value, str):
        for name, said in filling.items():
            value = value.replace(f"{{{name}}}", said if isinstance(said, str) else spoken(said, catalogue))
    return value
