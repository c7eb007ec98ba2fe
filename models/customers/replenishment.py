"""Purchases from product sets become when a customer will need more of each: "vitamin D every two months"."""

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.expressions import before
from features.pairs import members
from features.products import Catalogue, ProductSet, membership
from features.snapshot import Snapshot
from models.customers.gaps import OrderDays, Values
from models.customers.lifecycle import Limits
from models.customers.rhythm import Rhythm, class_of, date_of

FEWEST_DAYS = 3
"""Order days from a set that make a rhythm: two gaps."""
MOST_VARIATION = 0.5
"""Standard deviation over mean of the gaps, above which they are no rhythm; gaps at random have 1."""
PRIOR_SET = 20
"""A set's own gaps are drawn toward those of all sets as if by so many."""
COLUMNS = ("customer_id", "product_set", "rhythm_days", "due", "low", "high")


def replenishment(snapshot: Snapshot, sets: Sequence[ProductSet] | None = None) -> pd.DataFrame:
    """Who buys regularly from what, and when the next purchase is due: ``COLUMNS``, sorted by customer and set.

    A row per customer and product set with at least ``FEWEST_DAYS`` order days from the set before the snapshot's date whose gaps (the last ten)
    vary by at most ``MOST_VARIATION``; who is lost to the set by the limits of ``models.customers.lifecycle`` has no row.

    ``rhythm_days``, ``due`` and the interval ``low`` to ``high`` (8 of 10 cases, never before ``as_of``) come about as for orders in
    ``models.customers.rhythm``; like a pair are all other pairs, above all those of the same set. ``sets`` are by default the categories of the
    products, as deep as they go. Without sets or regular pairs the table is empty.
    """
    asked = _categories(snapshot) if sets is None else tuple(sets)
    if not asked:
        return _table(snapshot, asked, np.zeros((0, 2), np.int64), np.zeros((4, 0)))
    lines = before(snapshot.shop.lines, snapshot.day)
    bought = lines.filter(lines.customer.notnull()).join(members(snapshot.shop, membership(snapshot.shop, asked)), "product")
    days, keys = OrderDays.of(bought, ("customer", "set"), snapshot.day)
    if not len(days.day):
        return _table(snapshot, asked, np.zeros((0, 2), np.int64), np.zeros((4, 0)))
    regular = _regular(days)
    model = snapshot.shop.of_all(("rhythm of sets", asked, days.until), lambda: Rhythm.of_days(days))
    slower = snapshot.shop.of_all(("slower sets", asked, days.until), lambda: _slower(model, days, keys["set"], len(asked)))
    due = _due(days, regular, model, slower[keys["set"][regular]])
    still = days.until - days.day[days.ends[regular]] < Limits.of(due[0]).lost
    return _table(snapshot, asked, np.column_stack([keys["customer"], keys["set"]])[regular[still]], due[:, still])


def due_first(found: pd.DataFrame, as_of: date, *, within: int | None) -> pd.DataFrame:
    """The rows of ``replenishment``, what is due first at the top, ties by customer and set; with ``within`` only what is due before so many days.

    >>> found = pd.DataFrame({"customer_id": ["a", "b"], "product_set": "x", "due": pd.to_datetime(["2025-07-09", "2025-07-03"])})
    >>> due_first(found, date(2025, 7, 1), within=None)["customer_id"].tolist(), due_first(found, date(2025, 7, 1), within=8)["customer_id"].tolist()
    (['b', 'a'], ['b'])
    """
    kept = found if within is None else found[found["due"] < pd.Timestamp(as_of + timedelta(days=within))]
    return kept.sort_values(["due", "customer_id", "product_set"], ignore_index=True)


def _categories(snapshot: Snapshot) -> tuple[ProductSet, ...]:
    catalogue = Catalogue.of(snapshot.shop)
    ids, paths = catalogue.products.index.to_numpy(), sorted(catalogue.products["category"].dropna().unique())
    return tuple(ProductSet.of(path, ids[catalogue.categories[path]], kind="category") for path in paths)


def _regular(days: OrderDays) -> NDArray[np.intp]:
    """The pairs with enough order days and regular gaps."""
    often = np.flatnonzero(days.number[days.ends] >= FEWEST_DAYS)
    gaps = np.exp(days.gaps_before(days.ends[often]))
    return np.asarray(often[np.nanstd(gaps, axis=1, ddof=1) <= MOST_VARIATION * np.nanmean(gaps, axis=1)])


def _due(days: OrderDays, regular: NDArray[np.intp], model: Rhythm, slower: Values) -> Values:
    """Of each regular pair the rhythm in days, and the day numbers when it is due, at the earliest and at the latest."""
    last = days.ends[regular]
    number, silence = days.number[last], days.until - days.day[last]
    like_them = np.log(model.usual[class_of(number)]) + slower
    habit = model.habit(days.gaps_before(last), like_them)
    low, median, high = model.next_gap(habit, number, silence)
    return np.stack([np.exp(habit.usual), *(days.day[last] + each for each in (median, low, high))])


def _slower(model: Rhythm, days: OrderDays, sets: NDArray[np.int64], size: int) -> Values:
    """How much longer the gaps of each set are than those of all sets together, as a logarithm."""
    lengths, ended = days.gaps_after()
    deviation = (np.log(lengths) - np.log(model.usual[class_of(days.number)]))[ended]
    of_set = sets[days.buyer[ended]]
    total, count = (np.bincount(of_set, weights=each, minlength=size) for each in (deviation, np.ones(len(deviation))))
    return np.asarray(total / (count + PRIOR_SET))


def _table(snapshot: Snapshot, sets: Sequence[ProductSet], pairs: NDArray[np.int64], due: Values) -> pd.DataFrame:
    labels = np.asarray([each.label for each in sets], dtype=object)
    cells = {
        "customer_id": pd.Series(snapshot.shop.customer_ids[pairs[:, 0]], dtype="str"),
        "product_set": pd.Series(labels[pairs[:, 1]], dtype="str"),
        "rhythm_days": due[0],
        **{name: date_of(values) for name, values in zip(COLUMNS[3:], due[1:], strict=True)},
    }
    return pd.DataFrame(cells).sort_values(["customer_id", "product_set"], ignore_index=True)
