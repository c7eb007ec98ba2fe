"""Learned pairs and the long tail become suggestions: with what the gap is worth, and with the audiences that fill it."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.conditions import Evidence
from features.conditions.purchases import chosen_products
from features.products import ProductSet
from serving.audiences.numbers import per_buyer
from serving.ready_made import CROSS_SELL, LONG_TAIL, Filling
from serving.suggestions.hidden_demand import long_tail
from serving.suggestions.kinds import Ground, Kind, Suggested, nothing
from serving.suggestions.learned_pairs import LEAST_TOGETHER, WINDOW, CrossSell, cross_sell

PAIR_COLUMNS = ("first", "then", "rate", "usual_days", "lift", "lift_low", "lift_high", "together", "same_basket", "in_gap")
SOONEST = 7
"""Days that B is due for at least, so that a mail can be sent."""


def due_days(pair: CrossSell) -> int:
    """For how many days after A the second product is still due: twice the usual delay, at least a week, at most the window pairs are learnt in."""
    return int(min(WINDOW, max(SOONEST, np.ceil(2 * pair.usual_days))))


def _pairs(ground: Ground) -> Suggested:
    pairs = cross_sell(ground.snapshot, top=ground.top)
    if not pairs:
        why = "no pair of categories is bought one after the other more than chance and taste explain"
        return nothing(f"{why}, by at least {LEAST_TOGETHER} customers who bought both")
    sets = [(ground.catalogue.category(pair.first), ground.catalogue.category(pair.then)) for pair in pairs]
    ground.evidence.prepare([then for _, then in sets])
    table = pd.DataFrame([[getattr(pair, name) for name in PAIR_COLUMNS] for pair in pairs], columns=list(PAIR_COLUMNS))
    worth = [_worth(ground, pair, first, then) for pair, (first, then) in zip(pairs, sets, strict=True)]
    table = table.join(pd.DataFrame(worth))
    fillings: list[Filling] = [
        {"first": first, "then": then, "due": f"{due_days(pair)} days"} for pair, (first, then) in zip(pairs, sets, strict=True)
    ]
    return Suggested(table, tuple(fillings))


def _worth(ground: Ground, pair: CrossSell, first: ProductSet, then: ProductSet) -> dict[str, float]:
    """Who of the gap just bought A, and how many of the gap will buy B within the horizon, for how much."""
    lacks = ~_bought(ground.evidence, then)
    gap = _bought(ground.evidence, first, days=365) & lacks
    expected, low, high = ground.expected_buyers(then, gap)
    return {
        "just_bought": int((_bought(ground.evidence, first, days=due_days(pair)) & lacks).sum()),
        "expected_buyers": expected,
        "expected_low": low,
        "expected_high": high,
        "expected_revenue": expected * per_buyer(ground.evidence, then),
    }


def _bought(evidence: Evidence, products: ProductSet, *, days: int | None = None) -> NDArray[np.bool_]:
    """Which customers bought from the set before the date, in the last so many days."""
    snapshot = evidence.snapshot
    lines = chosen_products(snapshot.shop.lines, products, snapshot.shop)
    past = lines.filter(lines.customer.notnull(), lines.day < snapshot.day, lines.day >= (snapshot.day - days if days else 0))
    return np.isin(evidence.codes, past.select("customer").distinct().to_pyarrow()["customer"].to_numpy())


def _tail(ground: Ground) -> Suggested:
    found = long_tail(ground.snapshot, ground.catalogue, ground.interest_blocks, most=ground.top)
    if not found:
        return nothing("no product of the long tail is wanted more than it sells")
    rows = [(each.products.kind, each.products.label, each.demand, each.sales, each.likely_new, each.new_demand) for each in found]
    table = pd.DataFrame(rows, columns=["kind", "products", "demand", "sales", "likely_new", "new_demand"])
    return Suggested(table, tuple({"products": each.products} for each in found))


PAIRS = Kind(CROSS_SELL, "pairs of categories: who bought A goes on to buy B, and these have not yet", _pairs)
TAIL = Kind(LONG_TAIL, "products that sell little and are wanted more", _tail)
