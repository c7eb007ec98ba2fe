"""A date whose horizon has passed becomes the ground of a comparison: product sets, what was known of them, what came, and what plain rules said."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import ibis
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.expressions import before
from features.products import Catalogue, ProductSet
from features.snapshot import Pairs, Snapshot
from models.base import Floats
from models.pairs.baselines import BASELINES
from models.pairs.calibrated import Numbers, tally, usual_shares
from models.pairs.training_sets import main_products, main_sets
from models.set_metrics import MIN_BUYERS, MIN_NEW

Mask = NDArray[np.bool_]
Choose = Callable[[Snapshot, Catalogue], Sequence[ProductSet]]

QUICK_SETS, MAIN_SETS, PRODUCTS = 50, 200, 50
GRID = 20_000_000
"""Pairs of one date that are measured at most: a rule holds a number for each, and some hold several."""
HEAD, MIDDLE = 0.2, 0.5
"""The best sold fifth of the sets is the head, what follows up to the half the middle, the rest the tail."""
NEW_DAYS = 30
FEW = 10
POPULATIONS: Mapping[str, Callable[["Ground"], Mask]] = {
    "everybody": lambda ground: np.ones_like(ground.bought),
    "repeat": lambda ground: ground.bought,
    "new": lambda ground: ~ground.bought,
    "one_order": lambda ground: np.broadcast_to(ground.frequency[:, None] == 1, ground.bought.shape),
}
"""Which pairs (customer, product set) are looked at: a mask customers x sets."""


@dataclass(eq=False)
class Ground:
    """A snapshot whose horizon has passed, and the product sets that it is asked about."""

    snapshot: Snapshot
    sets: tuple[ProductSet, ...]
    _tallies: dict[str, Numbers] = field(default_factory=dict)

    @cached_property
    def pairs(self) -> Pairs:
        """What was known of the sets and of every customer with them."""
        return self.snapshot.pairs(self.sets)

    @cached_property
    def outcome(self) -> Mask:
        """Who bought from what within the horizon: customers x sets."""
        return np.asarray(self.snapshot.outcome(self.sets).toarray(), dtype=bool)

    @cached_property
    def bought(self) -> Mask:
        """Who had bought from what before: customers x sets."""
        return np.asarray(self.pairs.bought().toarray(), dtype=bool)

    @cached_property
    def usual(self) -> Numbers:
        """See ``usual_shares``."""
        return usual_shares(self.pairs)

    @cached_property
    def frequency(self) -> NDArray[np.float64]:
        """Orders of every customer before the date."""
        return self.snapshot.customers()["frequency"].to_numpy()

    @cached_property
    def groups(self) -> pd.DataFrame:
        """Which group each set (row) belongs to: a column of bool per group of ``groups_of``."""
        facts = self.pairs.set_facts
        return groups_of(facts["popularity_90"].to_numpy(), facts["on_sale_days"].to_numpy(), np.asarray([len(one) for one in self.sets]))

    def measured(self, population: str) -> Mask:
        """Which sets have enough buyers, in all and within the population, to be measured."""
        among = (self.outcome & POPULATIONS[population](self)).sum(axis=0)
        return np.asarray((self.outcome.sum(axis=0) >= MIN_BUYERS) & (among >= MIN_NEW))

    def scores(self, rule: str) -> Floats:
        """What a rule of ``BASELINES`` says: customers x sets. Not kept: it may be large."""
        return BASELINES[rule].scores(self.snapshot, self.pairs)

    def tally(self, rule: str) -> Numbers:
        """What this date teaches of the lift of a rule; made once."""
        if rule not in self._tallies:
            self._tallies[rule] = tally(self.scores(rule), self.outcome, self.usual)
        return self._tallies[rule]


def groups_of(popularity: NDArray[np.floating], on_sale_days: NDArray[np.floating], products: NDArray[np.integer]) -> pd.DataFrame:
    """Which group each set belongs to, from its share of the orders of the last 90 days, the days since it was first sold, and its products.

    >>> groups_of(np.array([.5, .4, .3, .2, .1]), np.array([9, 90, 90, 90, 90]), np.array([1, 2, 10, 11, 1])).T.astype(int).values.tolist()
    [[1, 1, 1, 1, 1], [1, 0, 0, 0, 0], [0, 1, 1, 0, 0], [0, 0, 0, 1, 1], [1, 0, 0, 0, 0], [1, 0, 0, 0, 1], [0, 1, 1, 0, 0], [0, 0, 0, 1, 0]]
    """
    place = np.empty(len(popularity))
    place[np.argsort(-popularity, kind="stable")] = np.arange(len(popularity)) / max(len(popularity), 1)
    head, upper = place < HEAD, place < MIDDLE
    return pd.DataFrame(
        {
            "all": True,
            "head": head,
            "middle": upper & ~head,
            "tail": ~upper,
            "new": on_sale_days < NEW_DAYS,
            "single": products <= 1,
            "few": (products > 1) & (products <= FEW),
            "many": products > FEW,
        }
    )


def quick_sets(snapshot: Snapshot, catalogue: Catalogue) -> list[ProductSet]:
    """What every training is proved on: the shop's main categories and brands."""
    return main_sets(snapshot, catalogue, limit=QUICK_SETS)


def varied_sets(snapshot: Snapshot, catalogue: Catalogue) -> list[ProductSet]:
    """What an evaluation asks about by itself: main categories and brands, the products that sell most, and those that came last. None twice.

    A shop with so many customers that customers x sets would pass ``GRID`` is asked about fewer.
    """
    share = min(1.0, GRID / len(snapshot.customer_ids) / (MAIN_SETS + 2 * PRODUCTS))
    main, products = round(MAIN_SETS * share), round(PRODUCTS * share)
    found = [*main_sets(snapshot, catalogue, limit=main), *main_products(snapshot, limit=products), *_newest_products(snapshot, limit=products)]
    seen: dict[tuple[str, ...], ProductSet] = {}
    for each in found:
        seen.setdefault(each.product_ids, each)
    return list(seen.values())


def _newest_products(snapshot: Snapshot, *, limit: int) -> list[ProductSet]:
    """Products that were first sold less than ``NEW_DAYS`` before the date, most customers first, ties by id."""
    lines = before(snapshot.shop.lines, snapshot.day)
    products = lines.group_by("product").agg(on_sale=lines.ago.max(), customers=lines.customer.nunique())
    newest = products.filter(products.on_sale < NEW_DAYS).order_by(ibis.desc("customers"), "product").limit(limit).to_pyarrow()
    ids = snapshot.shop.product_ids[newest["product"].to_numpy()]
    return [ProductSet(name, (name,), "product") for name in ids]
