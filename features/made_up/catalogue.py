"""A scale becomes products: which category, brand, price level and launch day each has, laid out in blocks that baskets draw from."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from features.dates import day_number
from features.made_up.assortment import CATEGORIES, CODES
from features.made_up.chance import Flags, Floats, Ints, Longs, Whole, chances, draw, draw_by_row, positions_of_sorted, stream
from features.made_up.planted import DAYS, NEW_CATEGORY_OPENED, NEW_PRODUCT_LAUNCHED, START

LEVELS = 3
"""Price levels: 0 cheap, 1 middle, 2 dear."""
_LEVEL_SHARES = (0.35, 0.42, 0.23)
_LEVEL_PRICES = (0.65, 1.0, 1.7)
FIRST_BRANDS = (
    *("Nordvind", "Fjeldhus", "Isbrand", "Skovsti", "Tindra", "Havgus", "Granmo", "Stensø", "Vidje", "Bølgegang", "Kvistvej", "Snefald"),
    *("Lynhjul", "Sortsti", "Ravnkløft", "Myrmark", "Solhverv", "Tågedal", "Rimtop", "Vildspor", "Birketop", "Klippefod", "Nattefrost", "Åmose"),
)
NORDVIND = 0


@dataclass(frozen=True)
class Catalogue:
    """Arrays with one entry a product. The first ``sold`` products lie sorted by (category, level, popularity); the others never sell, and
    the very first of those is the new shoe, which sells from its launch on. Days count from START; prices are per unit."""

    category: Ints
    level: Ints
    brand: Ints
    launched: Ints
    list_price: Floats
    in_stock: Flags
    brands: int
    sold: int

    @property
    def new_product(self) -> int:
        """The position of the newly launched shoe."""
        return self.sold

    @cached_property
    def level_starts(self) -> Longs:
        """Where block (category * LEVELS + level) starts among the sold products; one more entry at the end."""
        keys = self.category[: self.sold].astype(np.int64) * LEVELS + self.level[: self.sold]
        return np.searchsorted(keys, np.arange(len(CATEGORIES) * LEVELS + 1))

    @cached_property
    def by_brand(self) -> tuple[Longs, Longs]:
        """The sold products sorted by (category, brand), and where block (category * brands + brand) starts; one more entry at the end."""
        keys = self.category[: self.sold].astype(np.int64) * self.brands + self.brand[: self.sold]
        order = positions_of_sorted(keys)
        return order, np.searchsorted(keys[order], np.arange(len(CATEGORIES) * self.brands + 1))


def made_up_catalogue(*, scale: float, seed: int) -> Catalogue:
    """About 3,000 products at scale 1 (600 to 100,000), 24 brands (up to 1,000), prices in EUR."""
    rng = stream(seed, "catalogue")
    count = int(np.clip(round(3000 * scale**0.9), 600, 100_000))
    brands = int(np.clip(round(24 * scale**0.95), len(FIRST_BRANDS), 1000))
    sold = round(count * 0.96)
    category, level, first = _places(rng, count, sold)
    brand = _brands(rng, category, brands)
    category[sold], brand[sold], level[sold] = CODES["Running shoes"], NORDVIND, 1
    launched = _launch_days(rng, category, first)
    launched[sold] = day_number(NEW_PRODUCT_LAUNCHED) - day_number(START)
    price = np.array([each.price for each in CATEGORIES])[category] * np.array(_LEVEL_PRICES)[level] * rng.lognormal(0, 0.15, count)
    in_stock = chances(rng, 0.94, count)
    price[sold], in_stock[sold] = 150.0, True
    return Catalogue(category, level, brand, launched, _rounded(price), in_stock, brands, sold)


def _places(rng: np.random.Generator, count: int, sold: int) -> tuple[Ints, Ints, Flags]:
    """Category, level and "first of its block" for each product, the sold ones sorted by block; every block has at least one."""
    blocks = len(CATEGORIES) * LEVELS
    wide = np.sqrt([max(each.weight, 1.0) for each in CATEGORIES])
    weights = (wide[:, None] * np.array(_LEVEL_SHARES)).ravel()
    block = np.concatenate([np.arange(blocks), np.sort(draw(rng, weights, sold - blocks)), draw(rng, weights, count - sold)]).astype(np.int32)
    block[:sold].sort()
    first = np.zeros(count, dtype=bool)
    first[np.searchsorted(block[:sold], np.arange(blocks))] = True
    return block // LEVELS, block % LEVELS, first


def _brands(rng: np.random.Generator, category: Ints, brands: int) -> Ints:
    """A brand for each product: a few brands are wide, and Nordvind is strong in running."""
    chosen = draw(rng, 1.0 / (np.arange(brands) + 4.0), len(category))
    strong = np.array([0.35 if "Running" in each.path or "Sportswear" in each.path else 0.04 for each in CATEGORIES])
    return np.where(chances(rng, strong[category], len(category)), NORDVIND, chosen).astype(np.int32)


def _launch_days(rng: np.random.Generator, category: Ints, first: Flags) -> Ints:
    """Two products in three are older than the shop's records; the first of each block always is, unless its category is new."""
    launched = np.where(chances(rng, 0.66, len(category)), rng.integers(-900, 0, len(category)), rng.integers(0, DAYS, len(category)))
    launched[first] = -900
    opened = day_number(NEW_CATEGORY_OPENED) - day_number(START)
    new = np.array([each.kind == "new" for each in CATEGORIES])[category]
    return np.where(new, opened + rng.integers(0, 10, len(category)) * ~first, launched).astype(np.int32)


def _rounded(price: Floats) -> Floats:
    """Prices as shops write them: 12.95, 149, 1,290."""
    return np.where(price < 40, np.floor(price) + 0.95, np.where(price < 400, np.round(price / 5) * 5 - 1, np.round(price / 50) * 50 - 10)).clip(1.95)


def chosen_products(rng: np.random.Generator, catalogue: Catalogue, category: Whole, level: Ints, brand: Ints, day: Ints) -> Ints:
    """A product for each line: of the wanted brand where ``brand`` is not -1 and the category has it, else of the price level;
    popular ones more often, and only what was already launched on ``day``."""
    block = category.astype(np.int64) * LEVELS + level
    start = catalogue.level_starts[block]
    width = catalogue.level_starts[block + 1] - start
    found: Ints = (start + width * _popular(rng, len(block))).astype(np.int32)
    order, starts = catalogue.by_brand
    loyal = np.flatnonzero(brand >= 0)
    block = category[loyal].astype(np.int64) * catalogue.brands + brand[loyal]
    has = starts[block + 1] - starts[block]
    loyal, block, has = loyal[has > 0], block[has > 0], has[has > 0]
    found[loyal] = order[starts[block] + (has * _popular(rng, len(has))).astype(np.int64)]
    early = np.flatnonzero(catalogue.launched[found] > day)
    found[early] = start[early]
    return found


def _popular(rng: np.random.Generator, size: int) -> Floats:
    """Places between 0 and 1, small ones more often: a few products sell much, most sell little."""
    return np.minimum(rng.random(size) ** 2.2, 1 - 1e-9)


def product_levels(rng: np.random.Generator, wanted: Ints) -> Ints:
    """The price level of each line's product, given what its customer usually buys: mostly that, now and then a neighbour."""
    table = np.array([[0.75, 0.2, 0.05], [0.2, 0.6, 0.2], [0.07, 0.25, 0.68]])
    return draw_by_row(rng, table, wanted)
