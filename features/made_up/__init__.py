"""A made-up Nordic outdoor shop whose right answers are known: one vectorised generator for the demo, the tests and the benchmarks."""

from features.made_up.planted import CANARY_EMAIL, END, NEW_PRODUCT_ID, START, PlantedPair, Truth
from features.made_up.shop import MadeUpShop, made_up_shop, write_exports
from features.made_up.weeks import weeks_of

__all__ = ["CANARY_EMAIL", "END", "NEW_PRODUCT_ID", "START", "MadeUpShop", "PlantedPair", "Truth", "made_up_shop", "weeks_of", "write_exports"]
