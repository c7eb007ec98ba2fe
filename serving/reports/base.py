"""A shop's folder and a date become what a page about its customers reads: the table of customers, the shop as of the date, and the bundle."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd

from features.config import Config
from features.dates import day_number, day_of
from features.files import BUNDLES, read_current
from features.shop import Shop
from features.snapshot import Snapshot
from models.bundle import Bundle
from models.customers.importance import Importance, shares, worth
from serving.customers import YEAR, Customers, horizons_of
from serving.published import currency_of, load_bundle, open_as_of, past_fit
from serving.reports.blocks import money
from serving.scores import Scores

NEEDED = ("frequency", "lifecycle", "rfm_group", "importance", "expected_order_value", "basis")
"""Scores without these columns are of an older whobuys: what a page needs is then computed anew."""
Say = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Base:
    """``everybody``: the table of customers as in the scores, of those with orders and of sign-ups; ``snapshot``: the shop as of the same date;
    ``past``: the newest fit that knew only what came before a date at least one horizon earlier, where one is kept."""

    name: str
    currency: str
    bundle: Bundle
    snapshot: Snapshot
    everybody: pd.DataFrame
    past: Bundle | None = None

    @classmethod
    def open(
        cls, shop: Path, as_of: date | None, *, config: Config, memory_limit: str | None, threads: int | None, say: Say = lambda text: None
    ) -> Self:
        """As of a date, None being that of the published scores or else the day after the last order.

        The published scores are read when they are of that date and of the shop's present tables; otherwise every customer is scored now, and
        nothing of it is kept. Raises DataError as ``open_as_of`` does.
        """
        published = _published(shop, as_of)
        if published is not None:
            say(f"reading {published.folder}")
            bundle, opened = (
                load_bundle(shop, str(published.facts["bundle"]), customers=config.customers),
                Shop.open(shop, memory_limit=memory_limit, threads=threads),
            )
            snapshot, table = Snapshot(opened, published.as_of, horizon=published.horizon), published.customers
        else:
            bundle, snapshot = open_as_of(shop, as_of, bundle=None, memory_limit=memory_limit, threads=threads, customers=config.customers)
            say(f"scoring {len(snapshot.customer_ids):,} customers as of {snapshot.as_of}")
            table = Customers.of(bundle, snapshot).table
        name = config.shop.name or shop.resolve().name
        return cls(name, currency_of(snapshot.shop, config), bundle, snapshot, table, past_fit(shop, bundle, snapshot.as_of))

    @property
    def as_of(self) -> date:
        """The day before which everything is known."""
        return self.snapshot.as_of

    @cached_property
    def facts(self) -> pd.DataFrame:
        """What was known of every customer with an order (``Snapshot.customers``)."""
        return self.snapshot.customers()

    @cached_property
    def customers(self) -> pd.DataFrame:
        """The rows of those with an order, in the order of ``facts``."""
        return self.everybody.reindex(self.facts.index)

    @cached_property
    def sign_ups(self) -> pd.DataFrame:
        """The rows of those who signed up and never ordered."""
        return self.everybody[self.everybody["frequency"] == 0]

    @cached_property
    def horizons(self) -> list[int]:
        """The horizons of the table in days, ascending."""
        return horizons_of(self.everybody)

    @cached_property
    def ahead(self) -> int:
        """The longest horizon up to a year: what importance and value are about."""
        return max((each for each in self.horizons if each <= YEAR), default=self.bundle.horizon)

    def likely(self, days: int) -> pd.Series:
        """The probability of an order within so many days, of every customer."""
        return self.customers[f"likelihood_{days}"].astype(np.float64)

    def orders(self, days: int) -> pd.Series:
        """Expected orders of every customer within so many days."""
        return self.customers.get(f"expected_orders_{days}", self.likely(days)).astype(np.float64).fillna(0)

    def revenue(self, days: int) -> pd.Series:
        """Expected revenue of every customer within so many days."""
        return self.customers.get(f"expected_revenue_{days}", self.orders(days) * self.facts["monetary"]).astype(np.float64).fillna(0)

    @cached_property
    def matters(self) -> pd.DataFrame:
        """What importance is made of: ``frequency``, expected ``orders`` and ``revenue`` of the longest horizon up to a year, and ``worth``."""
        told = {"frequency": self.facts["frequency"], "orders": self.orders(self.ahead), "revenue": self.revenue(self.ahead)}
        return pd.DataFrame(told | {"worth": worth(self.facts["spent"], self.revenue(self.bundle.horizon))})

    @cached_property
    def importance(self) -> Importance:
        """The limits of importance."""
        return Importance.of(self.matters)

    @cached_property
    def group(self) -> pd.Series:
        """The importance of every customer."""
        return self.importance.group(self.matters)

    def expected_shares(self) -> dict[str, dict[str, float]]:
        """For each importance its shares of ``customers``, and of the ``orders`` and ``revenue`` that are expected, 0 to 1."""
        return _nested(shares(self.group, self.matters))

    def past_shares(self) -> dict[str, dict[str, float]]:
        """The same of the orders and the revenue so far."""
        return _nested(shares(self.group, pd.DataFrame({"orders": self.facts["frequency"], "revenue": self.facts["spent"]})))

    @cached_property
    def first_day(self) -> date:
        """The day of the shop's first order."""
        return day_of(self.snapshot.shop.days[0])

    @property
    def history(self) -> int:
        """Days from the first order to ``as_of``."""
        return day_number(self.as_of) - day_number(self.first_day)

    @property
    def unit(self) -> str:
        """What follows a title above amounts."""
        return f", {self.currency}" if self.currency else ""

    def money(self, value: float) -> str:
        """An amount in the shop's currency."""
        return money(value, self.currency)


def _published(shop: Path, as_of: date | None) -> Scores | None:
    current = read_current(shop)
    if "scores" not in current:
        return None
    scores = Scores.open(shop)
    fits = as_of in (None, scores.as_of) and scores.facts.get("tables") == Path(current.get("tables", "")).name
    kept = (shop / BUNDLES / str(scores.facts["bundle"])).is_dir()
    return scores if fits and kept and set(NEEDED) <= set(scores.customers.columns) else None


def _nested(table: pd.DataFrame) -> dict[str, dict[str, float]]:
    return {str(name): {str(column): float(value) for column, value in row.items()} for name, row in table.iterrows()}
