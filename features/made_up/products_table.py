"""The catalogue becomes the products table: ids, titles, prices, tags."""

import numpy as np
import pyarrow as pa

from features.made_up.assortment import CATEGORIES
from features.made_up.catalogue import FIRST_BRANDS, Catalogue
from features.made_up.chance import Ints, chances, draw, stream
from features.made_up.columns import ids, joined, looked_up, money, plain, times
from features.made_up.planted import NEW_PRODUCT_ID

_SERIES = (
    "Frost",
    "Trail",
    "Summit",
    "Fjord",
    "Hede",
    "Vind",
    "Aurora",
    "Granit",
    "Lyng",
    "Storm",
    "Polar",
    "Drift",
    "Brink",
    "Ørn",
    "Ulv",
    "Elg",
    "Tinde",
    "Dal",
)
_COLOURS = ("black", "blue", "green", "red", "grey", "yellow")
_MADE_FOR = ("everybody", "women", "men", "children")
_BRAND_STARTS = (
    "Bjerg",
    "Dal",
    "Eng",
    "Fjord",
    "Gran",
    "Hav",
    "Is",
    "Kilde",
    "Lyng",
    "Mose",
    "Nat",
    "Ø",
    "Rav",
    "Sne",
    "Tåge",
    "Ulve",
    "Vand",
    "Ås",
    "Sol",
)
_BRAND_ENDS = (
    *("ager", "bo", "borg", "bro", "bæk", "dyb", "eng", "fald", "fod", "gran", "gård", "haug", "holt", "hus", "kam", "klint", "krog", "kær", "land"),
    *("leje", "lund", "mark", "næs", "rev", "ris", "skov", "slette", "spor", "sti", "strand", "sund", "top", "torp", "vang", "vej", "vig", "ørn"),
)


def product_ids(catalogue: Catalogue, *, seed: int) -> pa.Array:
    """The id of each product in the catalogue's order; the numbers say nothing about what sells."""
    numbers = stream(seed, "product ids").permutation(len(catalogue.category)) + 1
    made = ids("P", numbers, digits=6)
    at = catalogue.new_product
    return pa.concat_arrays([made[:at], pa.array([NEW_PRODUCT_ID]), made[at + 1 :]])


def category_paths(catalogue: Catalogue, *, scale: float) -> tuple[list[str], Ints]:
    """The paths of all categories and the one of each product; above scale 1 each category is split into about sqrt(scale) * 3 ranges."""
    ranges = 1 if scale <= 1 else min(20, round(3 * scale**0.5))
    if ranges == 1:
        return [each.path for each in CATEGORIES], catalogue.category
    paths = [f"{each.path} > {each.name} range {number}" for each in CATEGORIES for number in range(1, ranges + 1)]
    return paths, (catalogue.category * ranges + np.arange(len(catalogue.category)) % ranges).astype(np.int32)


def products_table(catalogue: Catalogue, *, scale: float, seed: int) -> pa.Table:
    """All products by id, with the attributes colour and made_for."""
    rng = stream(seed, "products")
    size = len(catalogue.category)
    made = product_ids(catalogue, seed=seed)
    on_sale = chances(rng, 0.12, size) & (np.arange(size) != catalogue.new_product)
    paths, path = category_paths(catalogue, scale=scale)
    table = pa.table(
        {
            "product_id": made,
            "title": _titles(rng, catalogue),
            "brand": looked_up(brand_names(catalogue.brands), catalogue.brand),
            "category": looked_up(paths, path),
            "price": money(catalogue.list_price * np.where(on_sale, rng.choice([0.7, 0.8, 0.9], size), 1.0)),
            "list_price": catalogue.list_price,
            "cost": money(catalogue.list_price * rng.uniform(0.4, 0.65, size)),
            "url": joined("https://shop.example.com/p", made, by="/"),
            "image_url": joined(joined("https://shop.example.com/img", made, by="/"), "jpg", by="."),
            "created_at": times(catalogue.launched, np.full(size, 6 * 3600)),
            "in_stock": catalogue.in_stock,
            "tags": _tags(rng, catalogue),
            "colour": looked_up(_COLOURS, draw(rng, np.ones(len(_COLOURS)), size)),
            "made_for": looked_up(_MADE_FOR, draw(rng, np.array([0.55, 0.2, 0.2, 0.05]), size)),
        }
    )
    return table.sort_by("product_id")


def brand_names(count: int) -> list[str]:
    """The invented brands: 24 with names of their own, then combinations."""
    combined = [start + end for end in _BRAND_ENDS for start in _BRAND_STARTS]
    more = [*combined, *(f"{name} Sport" for name in combined)]
    return [*FIRST_BRANDS, *[name for name in more if name not in FIRST_BRANDS][: count - len(FIRST_BRANDS)]]


def _titles(rng: np.random.Generator, catalogue: Catalogue) -> pa.Array:
    """Brand, series, what it is, model: "Nordvind Frost ice axe 12"."""
    size = len(catalogue.category)
    model = pa.array(rng.integers(1, 100, size)).cast(pa.string())
    brand = plain(brand_names(catalogue.brands), catalogue.brand)
    noun = plain([each.noun for each in CATEGORIES], catalogue.category)
    titles = joined(brand, plain(_SERIES, draw(rng, np.ones(len(_SERIES)), size)), noun, model)
    at = catalogue.new_product
    return pa.concat_arrays([titles[:at], pa.array(["Nordvind Trail 2026 running shoes"]), titles[at + 1 :]])


def _tags(rng: np.random.Generator, catalogue: Catalogue) -> pa.Array:
    """Taste and season of the category, and "eco" on one product in six."""
    words = [f"{each.tastes[0]},{'all year' if each.season == 'all' else each.season}" for each in CATEGORIES]
    eco = chances(rng, 1 / 6, len(catalogue.category)).astype(np.int32)
    return joined(plain(words, catalogue.category), plain(("", ",eco"), eco), by="")
