"""What is planted in the made-up shop, so that tests know the right answers: cross-sell pairs, decoys, substitutes, long tail, rhythms."""

from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.made_up.assortment import CATEGORIES, CODES

START = date(2023, 7, 1)
"""The first day of the shop."""
END = date(2026, 7, 1)
"""The day after the last day of the shop: the natural as_of."""
DAYS = (END - START).days
NEW_CATEGORY_OPENED = date(2026, 5, 18)
NEW_PRODUCT_ID = "NORDVIND-TRAIL-2026"
NEW_PRODUCT_LAUNCHED = date(2026, 6, 22)
CANARY_EMAIL = "canary.kanariefugl@example.com"
"""The address of one customer with orders and consent: where it turns up, personal data leaks."""


@dataclass(frozen=True)
class PlantedPair:
    """Who bought from category ``first`` tends to buy from ``then`` about ``days`` later; ``share`` of such buyers are moved to do so."""

    first: str
    then: str
    days: int
    share: float


def _path(name: str) -> str:
    return CATEGORIES[CODES[name]].path


def _pair(first: str, then: str, days: int, share: float = 0.5) -> PlantedPair:
    return PlantedPair(_path(first), _path(then), days, share)


CROSS_SELL: tuple[PlantedPair, ...] = (
    _pair("Tents", "Mosquito repellent", 14),
    _pair("City bikes", "Bike locks", 0),
    _pair("Hiking boots", "Boot care", 20),
    _pair("Backpacks", "Rain covers", 0),
    _pair("Shell jackets", "Wash and proofing", 45),
    _pair("Gas stoves", "Gas canisters", 7),
    _pair("Down sleeping bags", "Sleeping bag liners", 10),
    _pair("Climbing ropes", "Rope bags", 5),
    _pair("Climbing shoes", "Climbing chalk", 10),
    _pair("Fly rods", "Fly lines", 10),
    _pair("Cross-country skis", "Ski wax", 20),
    _pair("Touring skis", "Ski skins", 3),
    _pair("Avalanche transceivers", "Avalanche shovels", 0),
    _pair("Mountain bikes", "Chain oil", 30),
    _pair("Cycling shorts", "Chamois cream", 14),
    _pair("Running watches", "Chest straps", 20),
    _pair("Running vests", "Soft flasks", 0),
    _pair("Yoga mats", "Mat cleaners", 30),
    _pair("Kayaks", "Spray decks", 10),
    _pair("Swim goggles", "Anti-fog spray", 7),
)
DECOYS: tuple[tuple[str, str], ...] = tuple(
    (_path(one), _path(other))
    for one, other in (
        ("Socks", "Water bottles"),
        ("Socks", "T-shirts"),
        ("Water bottles", "T-shirts"),
        ("Caps and hats", "Socks"),
        ("Energy bars", "Water bottles"),
    )
)
SUBSTITUTES: tuple[tuple[str, str], ...] = tuple(
    (_path(one), _path(other))
    for one, other in (
        ("Down sleeping bags", "Synthetic sleeping bags"),
        ("Gas stoves", "Multi-fuel stoves"),
        ("Road bikes", "Gravel bikes"),
    )
)
REPLENISHED: dict[str, int] = {
    _path(name): days for name, days in (("Energy gels", 30), ("Protein powder", 35), ("Lures", 45), ("Freeze-dried meals", 60), ("Inner tubes", 75))
}
LONG_TAIL: tuple[str, ...] = tuple(category.path for category in CATEGORIES if category.kind == "long-tail")
NEW_CATEGORY = _path("Rooftop tents")


@dataclass(frozen=True)
class Truth:
    """The right answers. Categories are paths as in ``products.category`` (above scale 1 each has ranges below it), customers are their ids.

    ``cross_sell`` pairs to be found; ``decoys`` pairs that are popular and independent; ``substitutes`` pairs that replace each other;
    ``replenished`` category -> days between purchases of those who use it up; ``long_tail`` category -> ids of those with orders who love it,
    sorted, of whom only some have bought it; ``rhythms`` days between orders by customer_id (only customers with at least five orders);
    ``lapsed`` the day a customer with at least two orders stopped for good, by customer_id; ``tastes`` customer_id x taste, shares that sum
    to 1 in a row; ``vips``, ``gift_buyers``, ``sale_buyers`` sorted ids; ``new_category`` opened on ``new_category_opened``.
    """

    cross_sell: tuple[PlantedPair, ...]
    decoys: tuple[tuple[str, str], ...]
    substitutes: tuple[tuple[str, str], ...]
    replenished: dict[str, int]
    long_tail: dict[str, NDArray[np.str_]]
    rhythms: "pd.Series[float]"
    lapsed: "pd.Series[pd.Timestamp]"
    tastes: pd.DataFrame
    vips: NDArray[np.str_]
    gift_buyers: NDArray[np.str_]
    sale_buyers: NDArray[np.str_]
    new_category: str
    new_category_opened: date
