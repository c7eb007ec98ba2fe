"""Numbers of customers become conditions: within limits, or among the highest; and what the orders alone tell of them."""

from abc import abstractmethod
from typing import ClassVar

import numpy as np
import pandas as pd
from ibis.expr.types import Table
from pydantic import BaseModel, ConfigDict, Field, model_validator

from features.conditions.evidence import Answer, Evidence, Floats, highest
from features.conditions.mechanism import Condition, condition
from features.conditions.values import Bounds, Span, TimeSpan, Top
from features.dates import day_number
from features.expressions import before
from features.shop import MONEY


class Measure(Bounds, Condition):
    """A number of each customer: within limits, among the ``top``, or both."""

    ranks: ClassVar[bool] = True

    top: Top | None = Field(default=None, description='those with the highest, 2000 or "10%" of all customers of whom it is known')

    @property
    def asks(self) -> bool:
        """Whether it says more than by what to rank."""
        return self.bounded or self.top is not None

    def holds(self, evidence: Evidence) -> Answer:
        """Whose number fits; unknown where the number is."""
        values = self.scores(evidence)
        known = ~np.isnan(values)
        yes = self.fits(values)
        if self.top:
            yes &= highest(values, self.top.of(int(known.sum())))
        return Answer.of(yes, known)

    @abstractmethod
    def scores(self, evidence: Evidence) -> Floats:
        """The number of each customer; NaN where it is unknown."""


class _OfOrders(Measure):
    within: Span | None = Field(default=None, description='only orders of so long ago at most, such as "12 months"; left out: of all time')

    def _totals(self, evidence: Evidence) -> pd.DataFrame:
        """``orders`` and ``spent`` of each customer, float64; NaN without an order in that time."""
        orders = _past_orders(evidence, self.within)
        found = orders.group_by("customer").agg(orders=orders.count(), spent=orders.revenue.sum() / MONEY)
        return evidence.per_customer(found.to_pandas()).astype(np.float64)


@condition("orders")
class Orders(_OfOrders):
    """How many orders: ``orders: {at_least: 2, within: 12 months}``. Who only signed up has 0."""

    def scores(self, evidence: Evidence) -> Floats:
        """Orders."""
        return self._totals(evidence)["orders"].fillna(0).to_numpy(np.float32)


@condition("spent")
class Spent(_OfOrders):
    """Revenue of the orders, in the shop's currency: ``spent: {at_least: 1000, within: 12 months}``. Who only signed up spent 0."""

    def scores(self, evidence: Evidence) -> Floats:
        """Revenue."""
        return self._totals(evidence)["spent"].fillna(0).to_numpy(np.float32)


@condition("average_order")
class AverageOrder(_OfOrders):
    """Mean revenue per order: ``average_order: {more_than: 100}``. Unknown for customers without an order in that time."""

    def scores(self, evidence: Evidence) -> Floats:
        """Revenue over orders."""
        totals = self._totals(evidence)
        return (totals["spent"] / totals["orders"]).to_numpy(np.float32)


class _OrderDay(BaseModel, Condition):
    """A day of each customer's orders, near or long ago."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    within: Span | None = Field(default=None, description='so long ago at most, such as "12 months"')
    longer_ago: Span | None = Field(default=None, description='longer ago than this, such as "6 months"')

    @model_validator(mode="after")
    def _asks_for_a_time(self) -> "_OrderDay":
        if self.within is None and self.longer_ago is None:
            raise ValueError("needs within, longer_ago or both")
        return self

    def holds(self, evidence: Evidence) -> Answer:
        """On whom that day lies there; not true of who never ordered."""
        orders = _past_orders(evidence, None)
        found = orders.group_by("customer").agg(first=orders.day.min(), last=orders.day.max())
        days = evidence.per_customer(found.to_pandas())[self.key.removesuffix("_order")].to_numpy(np.float64)
        yes = ~np.isnan(days)
        if self.within:
            yes &= days >= day_number(self.within.before(evidence.as_of))
        if self.longer_ago:
            yes &= days < day_number(self.longer_ago.before(evidence.as_of))
        return Answer.known(yes)


@condition("first_order")
class FirstOrder(_OrderDay):
    """When the first order was: ``first_order: {within: 30 days}``."""


@condition("last_order")
class LastOrder(_OrderDay):
    """When the last order was: ``last_order: {longer_ago: 6 months}``."""


def _past_orders(evidence: Evidence, within: TimeSpan | None) -> Table:
    """The purchase orders before the date, and not longer ago than ``within``."""
    past = before(evidence.snapshot.shop.orders, day_number(evidence.as_of))
    return past.filter(past.day >= day_number(within.before(evidence.as_of))) if within else past
