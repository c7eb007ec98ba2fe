"""Purchases become learned pairs of categories: who buys A goes on to buy B, more than popularity, activity, season and taste explain."""

from dataclasses import dataclass
from datetime import date
from typing import Protocol

import ibis
import numpy as np
import pandas as pd
from ibis.expr.types import Table
from numpy.typing import NDArray
from scipy.stats import beta, gamma

from features.dates import day_number
from features.engines import kept
from features.errors import DataError
from features.expressions import before
from features.shop import Shop
from features.tables import PATH_SEPARATOR

Floats = NDArray[np.float64]

WINDOW = 90
"""B counts as bought because of A when it is first bought at most so many days after A."""
MOST_CATEGORIES = 400
"""Pairs are learnt at the narrowest level that has at most so many categories."""
LEAST_TOGETHER = 10
"""Fewer customers than this who bought B after A are an anecdote."""
LEAST_LIFT = 1.5
"""The cautious lift that a pair must reach: shoppers of a taste buy many things of it in one go, which alone brings up to about this."""
CAUTION = 0.001
"""The cautious lift is exceeded with all but this probability: thousands of pairs are looked at, so 5 % would let hundreds of chances through."""
_MONTH = 30
_STEPS = ("earlier", "same_day", "later")


class AsOf(Protocol):
    """What is needed of a snapshot: the shop and the date."""

    @property
    def shop(self) -> Shop:
        """The shop."""

    @property
    def as_of(self) -> date:
        """The date, exclusive."""


@dataclass(frozen=True)
class CrossSell:
    """Who bought from category ``first`` tends to buy from ``then``; both are full paths.

    ``rate`` share of the buyers of ``first`` (with ``WINDOW`` days since) that bought ``then`` on the same day or within ``WINDOW`` days;
    ``usual_days`` median delay of those; ``lift`` how many times as many they are as the popularity of ``then``, the season and what these customers
    bought in those days would bring by chance, between ``lift_low`` and ``lift_high`` (95 %); ``strength`` the cautious lift that ranks, against
    chance and against the same customers before; ``together`` those customers; ``same_basket`` how many of them bought both on one day;
    ``in_gap`` customers who bought ``first`` in the last 365 days and never ``then``.
    """

    first: str
    then: str
    rate: float
    usual_days: float
    lift: float
    lift_low: float
    lift_high: float
    strength: float
    together: int
    same_basket: int
    in_gap: int

    @property
    def label(self) -> str:
        """The pair in words."""
        return f"{_leaf(self.first)} -> {_leaf(self.then)}"


def cross_sell(snapshot: AsOf, *, top: int | None = 20) -> list[CrossSell]:
    """The strongest learned pairs, strongest first; ``top=None`` gives all that hold.

    Customers are their own controls (sequence symmetry analysis, Hallas 1996): what they first bought in the 90 days before their first A tells
    how much people of this taste buy B anyway, what they bought on that day and in the 90 days after it tells what A adds. Both are taken per B that
    their purchases of those months would bring by chance. A pair must hold against that, and against chance alone, by a cautious margin; the weaker
    of the two margins ranks. Of A -> B and B -> A the one with more customers in the gap is kept. Decoys (popular, bought together by chance) and
    substitutes stay near or below 1 and do not come. Every level of the categories is looked at; a pair above or below a stronger one is not told
    again. Raises DataError when products have no category.
    """
    frames = [measured(count_pairs(snapshot, categories=level)) for level in levels(snapshot.shop)]
    frame = pd.concat(frames, ignore_index=True)
    holds = frame[(frame["strength"] >= LEAST_LIFT) & (frame["together"] >= LEAST_TOGETHER) & (frame["in_gap"] > 0)]
    one_way = holds[~_weaker_direction(holds)]
    ranked = one_way.sort_values(["strength", "first", "then"], ascending=[False, True, True], kind="stable")
    found: list[CrossSell] = []
    for row in ranked.astype(object).to_dict("records"):
        pair = CrossSell(**{str(name): value for name, value in row.items()})
        if not any(_same_line(pair, other) for other in found):
            found.append(pair)
    return found[:top]


def levels(shop: Shop) -> list[pd.Series]:
    """The categories of the products (index product_id) cut at each level that has at most ``MOST_CATEGORIES``, the widest first."""
    paths = shop.products["category"].dropna().astype(str)
    if paths.empty:
        raise DataError("products have no category, so no pairs of categories can be learnt; import products with a category, or map one")
    parts = paths.str.split(PATH_SEPARATOR)
    cuts = [parts.str[:depth].str.join(PATH_SEPARATOR) for depth in range(1, int(paths.str.count(PATH_SEPARATOR).max()) + 1 + 1)]
    return [cut for cut in cuts if cut.nunique() <= MOST_CATEGORIES]


@dataclass(frozen=True, eq=False)
class PairCounts:
    """First purchases of every ordered pair of ``categories``: matrices first x then.

    ``seen`` customers whose first B came earlier / on the same day / later, within ``WINDOW`` days of their first A; ``expected`` the same if
    what they bought then had been drawn from all first purchases of those months; ``median_days`` from A to B; ``in_gap`` as in ``CrossSell``;
    ``full`` those of same day and later whose first A is at least ``WINDOW`` days ago, of ``observed`` buyers of A.
    """

    categories: tuple[str, ...]
    seen: dict[str, Floats]
    expected: dict[str, Floats]
    full: Floats
    median_days: Floats
    observed: Floats
    in_gap: Floats


def count_pairs(snapshot: AsOf, *, categories: pd.Series) -> PairCounts:
    """What customers first bought around their first purchase of every category (a name per product_id), counted and expected."""
    shop, day = snapshot.shop, day_number(snapshot.as_of)
    codes, names = _category_codes(shop, categories)
    visits = kept(shop.engine, "category_visits", _visits(shop, codes, day))
    by_category = visits.group_by("customer", "category")
    firsts = kept(shop.engine, "category_firsts", by_category.agg(day=visits.day.min(), last=visits.day.max()))
    size = len(names)
    together = _together(firsts, day).to_pandas()
    seen = {step: _square(together, step, size) for step in _STEPS}
    expected = _expected(visits, firsts, size)
    of_category = firsts.group_by("category").agg(
        observed=(firsts.day <= day - WINDOW).cast("int64").sum(), recent=(firsts["last"] >= day - 365).cast("int64").sum()
    )
    facts = of_category.to_pandas().set_index("category").reindex(range(size), fill_value=0)
    gap = facts["recent"].to_numpy(np.float64)[:, None] - _square(together, "recent_with_both", size)
    return PairCounts(
        names,
        seen,
        expected,
        full=_square(together, "full", size),
        median_days=_square(together, "median_days", size),
        observed=facts["observed"].to_numpy(np.float64),
        in_gap=gap,
    )


def _category_codes(shop: Shop, categories: pd.Series) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Products (codes) and the number of their category, and the names by number."""
    numbers, names = pd.factorize(categories, sort=True)
    products = pd.Index(shop.product_ids).get_indexer(categories.index).astype(np.int32)
    return pd.DataFrame({"product": products, "category": numbers.astype(np.int32)}), tuple(str(name) for name in names)


def _visits(shop: Shop, codes: pd.DataFrame, day: int) -> Table:
    lines = before(shop.lines, day)
    return lines.filter(lines.customer.notnull()).join(ibis.memtable(codes), "product").select("customer", "day", "category").distinct()


def _together(firsts: Table, day: int) -> Table:
    """A row per ordered pair of categories that a customer has both of."""
    one, other = firsts, firsts.view()
    both = one.join(other, [one.customer == other.customer, one.category != other.category]).select(
        first=one.category, then=other.category, started=one.day, last=one["last"], delay=other.day - one.day
    )
    soon = both.delay.between(0, WINDOW)
    return both.group_by("first", "then").agg(
        earlier=both.delay.between(-WINDOW, -1).cast("int64").sum(),
        same_day=(both.delay == 0).cast("int64").sum(),
        later=both.delay.between(1, WINDOW).cast("int64").sum(),
        full=(soon & (both.started <= day - WINDOW)).cast("int64").sum(),
        median_days=both.delay.median(where=soon),
        recent_with_both=(both["last"] >= day - 365).cast("int64").sum(),
    )


def _expected(visits: Table, firsts: Table, size: int) -> dict[str, Floats]:
    """First purchases of each B around each A, by step, had every visit there been drawn from the first purchases of its month."""
    month = (visits.day // _MONTH).cast("int32")
    joined = firsts.join(visits.mutate(month=month, visited=visits.day).drop("day"), "customer", rname="visited_{name}")
    delay = joined.visited - joined.day
    around = joined.mutate(delay=delay).filter(delay.between(-WINDOW, WINDOW), joined.category != joined.visited_category)
    step = (around.delay < 0).ifelse("earlier", (around.delay == 0).ifelse("same_day", "later"))
    exposure = around.group_by("category", "month", step=step).agg(n=around.count()).to_pandas()
    all_visits = visits.group_by(month=month).agg(n=visits.count()).order_by("month").to_pandas()
    new = firsts.group_by("category", month=(firsts.day // _MONTH).cast("int32")).agg(n=firsts.count()).to_pandas()
    months = pd.Index(all_visits["month"])
    shares = np.zeros((len(months), size))
    shares[months.get_indexer(new["month"]), new["category"]] = new["n"]
    shares /= all_visits["n"].to_numpy(np.float64)[:, None]
    expected = {}
    for name in _STEPS:
        rows = exposure[exposure["step"] == name]
        visited = np.zeros((size, len(months)))
        visited[rows["category"], months.get_indexer(rows["month"])] = rows["n"]
        expected[name] = visited @ shares
    return expected


def _square(together: pd.DataFrame, column: str, size: int) -> Floats:
    matrix = np.zeros((size, size))
    matrix[together["first"], together["then"]] = together[column].fillna(0)
    return matrix


def measured(counts: PairCounts) -> pd.DataFrame:
    """A row per ordered pair that anybody has both of, with the fields of ``CrossSell`` and ``strength``, the weaker of the two cautious lifts.

    Half a customer is added to what was seen and to what was expected on each side (Jeffreys): rare pairs shrink to a lift of 1.
    """
    hits = counts.seen["same_day"] + counts.seen["later"]
    usual = counts.expected["same_day"] + counts.expected["later"] + 0.5
    against_before = _odds(beta.ppf(CAUTION, hits + 0.5, counts.seen["earlier"] + 0.5)) * (counts.expected["earlier"] + 0.5) / usual
    against_chance = gamma.ppf(CAUTION, hits + 0.5) / usual
    first, then = np.nonzero(hits)
    at = (first, then)
    names = np.asarray(counts.categories, dtype=object)
    return pd.DataFrame(
        {
            "first": names[first],
            "then": names[then],
            "rate": counts.full[at] / np.maximum(counts.observed[first], 1),
            "usual_days": counts.median_days[at],
            "lift": (hits[at] + 0.5) / usual[at],
            "lift_low": gamma.ppf(0.025, hits[at] + 0.5) / usual[at],
            "lift_high": gamma.ppf(0.975, hits[at] + 0.5) / usual[at],
            "strength": np.minimum(against_before, against_chance)[at],
            "together": hits[at].astype(np.int64),
            "same_basket": counts.seen["same_day"][at].astype(np.int64),
            "in_gap": counts.in_gap[at].astype(np.int64),
        }
    )


def _odds(share: "Floats | float") -> Floats:
    return np.asarray(share / np.maximum(1 - np.asarray(share), 1e-12))


def _weaker_direction(pairs: pd.DataFrame) -> NDArray[np.bool_]:
    """Whether the opposite pair is there too and more customers are in its gap (or as many, and it comes first by name)."""
    opposite = pairs[["first", "then", "in_gap"]].rename(columns={"first": "then", "then": "first", "in_gap": "other_gap"})
    gaps = pairs.merge(opposite, on=["first", "then"], how="left")["other_gap"].fillna(-1).to_numpy()
    own = pairs["in_gap"].to_numpy()
    return np.asarray((gaps > own) | ((gaps == own) & (pairs["then"] < pairs["first"]).to_numpy()))


def _same_line(one: CrossSell, other: CrossSell) -> bool:
    """Whether one pair says the other again, on another level or in the opposite direction."""
    return (_related(one.first, other.first) and _related(one.then, other.then)) or (
        _related(one.first, other.then) and _related(one.then, other.first)
    )


def _related(one: str, other: str) -> bool:
    """Whether one category is the other or lies above it."""
    return f"{one}{PATH_SEPARATOR}".startswith(f"{other}{PATH_SEPARATOR}") or f"{other}{PATH_SEPARATOR}".startswith(f"{one}{PATH_SEPARATOR}")


def _leaf(path: str) -> str:
    return path.rsplit(PATH_SEPARATOR, 1)[-1]
