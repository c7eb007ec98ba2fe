"""A shop as it was known on a date, and a seed, become audiences: combinations of the language, each of a kind that is told apart."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from features.expressions import before
from features.products import Catalogue, ProductSet, membership
from features.shop import Shop
from features.snapshot import Snapshot
from models.customers.lifecycle import STAGE_NAMES
from serving.audiences import Audience, parse_audience

REPEAT, NEW, TAIL, LIFECYCLE = "repeat", "new", "long tail", "lifecycle"
KINDS = (REPEAT, NEW, TAIL, LIFECYCLE)
LATELY = 90
CANDIDATES = 250
"""Names of each kind of product set that are looked at."""
FEWEST_ORDERS = 15
"""A set with fewer orders in the last 90 days is not drawn: its audiences would have no buyers to speak of."""
Words = dict[str, object]
Draw = np.random.Generator


@dataclass(frozen=True)
class Drawn:
    """An audience and the kind that it is counted with; audiences of a stage of life are told by their stage."""

    kind: str
    audience: Audience


Half = tuple[Words, ...]


@dataclass(frozen=True)
class Named:
    """Product sets as a definition names them, for each kind of set (category, brand, keyword, product): the half that sold better in the last 90
    days, and the tail."""

    kinds: tuple[tuple[Half, Half], ...]

    def one(self, draw: Draw, *, tail: bool = False) -> Words:
        """A set, each kind as often."""
        return _one(draw, self.kinds[int(draw.integers(len(self.kinds)))][int(tail)])


def audiences(shop: Shop, as_of: date, *, count: int, seed: int) -> list[Drawn]:
    """So many audiences, as many of each kind; nothing is known of the orders from ``as_of`` on."""
    draw = np.random.default_rng(seed)
    named = named_sets(shop, as_of, draw)
    return [_drawn(draw, named, number) for number in range(count)]


def named_sets(shop: Shop, as_of: date, draw: Draw) -> Named:
    """The categories, brands, keywords and single products of which some had been sold by the date, as far as the shop has them."""
    catalogue = Catalogue.of(shop)
    orders = orders_of_products(shop, as_of)
    kinds = []
    for key, names, look_up in _names(catalogue, shop.product_ids[orders >= FEWEST_ORDERS].tolist()):
        picked = [str(name) for name in draw.permutation(np.asarray(sorted(names), dtype=object))[:CANDIDATES]]
        sold = membership(shop, [look_up(name) for name in picked]).T @ orders if picked else np.zeros(0)
        kept: list[Words] = [{key: picked[place]} for place in np.argsort(-sold, kind="stable") if sold[place] >= FEWEST_ORDERS]
        if len(kept) > 1:
            kinds.append((tuple(kept[: len(kept) // 2]), tuple(kept[len(kept) // 2 :])))
    return Named(tuple(kinds))


def _names(catalogue: Catalogue, sold: list[str]) -> Iterator[tuple[str, Iterable[str], Callable[[str], ProductSet]]]:
    yield "category", catalogue.categories, catalogue.category
    yield "brand", catalogue.brands, catalogue.brand
    yield "keyword", [word for word in catalogue.words[0] if word.isalpha() and len(word) > 3], catalogue.keyword
    yield "product", sold, catalogue.product


def orders_of_products(shop: Shop, as_of: date) -> NDArray[np.float64]:
    """How many orders of the last 90 days before the date held each product, in the order of ``shop.product_ids``."""
    lines = before(shop.lines, Snapshot(shop, as_of).day)
    counted = lines.filter(lines.ago <= LATELY).group_by("product").agg(orders=lines.order.nunique()).to_pandas()
    found = np.zeros(len(shop.product_ids))
    found[counted["product"].to_numpy()] = counted["orders"].to_numpy()
    return found


def _drawn(draw: Draw, named: Named, number: int) -> Drawn:
    kind = KINDS[number % len(KINDS)]
    products = named.one(draw, tail=kind == TAIL)
    who: list[Words] = []
    but_not: list[Words] = []
    if kind == REPEAT:
        who.append({"bought": {**products, **_one(draw, ({}, {"within": "12 months"}, {"within": "6 months"}))}})
    elif kind == NEW:
        who.append({"not": {"bought": products}})
    elif kind == TAIL:
        but_not.append({"bought": {**products, "within": "60 days"}})
    else:
        stage = STAGE_NAMES[number // len(KINDS) % len(STAGE_NAMES)]
        who.append({"lifecycle": stage})
        kind = f"lifecycle: {stage}"
    if draw.random() < 0.5:
        who.append(_further(draw, named))
    words = _ranked(draw, products, who)
    return Drawn(kind, parse_audience({"audience": f"drawn-{number}", **words, **({"except": but_not} if but_not else {})}, source="drawn"))


def _further(draw: Draw, named: Named) -> Words:
    """One more condition, of those that leave enough customers."""
    return _one(
        draw,
        (
            {"orders": {"at_least": int(draw.integers(2, 5))}},
            {"orders": {"at_most": int(draw.integers(2, 6))}},
            {"last_order": {"within": f"{draw.integers(1, 7)} months"}},
            {"last_order": {"longer_ago": f"{draw.integers(2, 9)} weeks"}},
            {"bought": named.one(draw)},
            {"not": {"bought": {**named.one(draw), "within": "3 months"}}},
            {"likely_to_buy": {"top": f"{10 * draw.integers(3, 8)}%"}},
            {"spent": {"top": f"{10 * draw.integers(3, 8)}%"}},
        ),
    )


def _ranked(draw: Draw, products: Words, who: list[Words]) -> Words:
    """Ranked by interest in the products: the best of those left, or a condition on all."""
    if not who or draw.random() < 0.5:
        asked = _one(draw, ({"top": "10%"}, {"top": "20%"}, {"top": "40%"}, {"likelihood": "low"}, {"likelihood": "medium"}))
        return {"who": [{"interested_in": {**products, **asked}}, *who]}
    top = _one(draw, ({}, {"top": 100}, {"top": 300}, {"top": 1000}, {"top": "25%"}, {"top": "50%"}))
    return {"who": who, "choose": {"by": {"interested_in": products}, **top}}


def _one(draw: Draw, choices: tuple[Words, ...]) -> Words:
    return choices[int(draw.integers(len(choices)))]
