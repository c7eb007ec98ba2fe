"""How customers behave, and what their silence costs, answers conditions: prices, pace, seasons, gifts, engagement, and what could be won back."""

from typing import ClassVar

import numpy as np
import pandas as pd
from pydantic import ConfigDict, RootModel

from features.conditions import Answer, Condition, Evidence, Floats, Measure, condition
from serving.audiences.predicted import ColumnNumber, OneOfWords
from serving.customers import YEAR, horizons_of

_DISCOUNTS = "no order or line of the shop has a discount"
_FIRST_YEAR = "in its first year a shop's seasons cannot be told, or no stretch of the year stands out"


@condition("full_price_share")
class FullPriceShare(ColumnNumber):
    """Share of the product lines bought without any discount: ``full_price_share: {at_least: 90%}``."""

    needs: ClassVar[str] = _DISCOUNTS


@condition("discount_sensitivity")
class DiscountSensitivity(ColumnNumber):
    """How much more of the orders' value was bought at a discount than others bought in the same weeks, 1 being as much:
    ``discount_sensitivity: {at_least: 1.5}``."""

    needs: ClassVar[str] = _DISCOUNTS


@condition("price_level")
class PriceLevel(ColumnNumber):
    """How dear the products are within their categories, in standard deviations above the mean: ``price_level: {more_than: 0.5}``."""

    needs: ClassVar[str] = "lines have no prices"


@condition("orders_per_year")
class OrdersPerYear(ColumnNumber):
    """Orders over the years since the first one: ``orders_per_year: {at_least: 4}``."""


@condition("frequency_trend")
class FrequencyTrend(ColumnNumber):
    """Whether orders come more often than before: above 1 the later half of the time since the first order had more:
    ``frequency_trend: {more_than: 1}``."""

    needs: ClassVar[str] = "nobody has ordered again so far"


@condition("high_season_share")
class HighSeasonShare(ColumnNumber):
    """Share of the orders in the shop's own high seasons: ``high_season_share: {at_least: 50%}``."""

    needs: ClassVar[str] = _FIRST_YEAR


@condition("q4_share")
class FourthQuarterShare(ColumnNumber):
    """Share of the orders from October to December: ``q4_share: {at_least: 50%}``."""

    needs: ClassVar[str] = "no order of the shop is from October to December"


@condition("is_gift_buyer")
class IsGiftBuyer(RootModel[bool], Condition):
    """Buys for others, ``is_gift_buyer: true``: gifts are 2.5 times as frequent as in the shop's orders of the same season, or, where the shop marks
    none, most orders lie in gift seasons."""

    model_config = ConfigDict(frozen=True)
    needs: ClassVar[str] = "no order is marked as a gift or tells of another name, and by season it takes more than a year of orders"

    root: bool

    def holds(self, evidence: Evidence) -> Answer:
        """Unknown where the shop knows nothing of gifts."""
        values = evidence.column(self.key)
        return Answer.of(values == self.root, ~np.isnan(values))


@condition("engagement")
class Engagement(OneOfWords):
    """Whether somebody who ordered also visits, opens or clicks, by the events of the last 90 days: ``engagement: unengaged``, or engaged."""

    names: ClassVar[tuple[str, ...]] = ("engaged", "unengaged")
    needs: ClassVar[str] = "the shop has no events of the last 90 days"

    def holds(self, evidence: Evidence) -> Answer:
        """Unknown of customers, and in shops, whose events are not known."""
        words = evidence.customers[self.key].astype(object)
        return Answer.of(words.isin(self.root).to_numpy(bool), words.isin(self.names).to_numpy(bool))


@condition("recoverable_value")
class RecoverableValue(Measure):
    """What winning the customer back could bring in a year beyond what is expected anyway, in the shop's currency: the probability of an order in
    that time, times a year at the customer's own pace less the revenue that is expected of it: ``recoverable_value: {top: 1000}``."""

    needs: ClassVar[str] = "nobody's revenue of the time ahead is predicted here"

    def scores(self, evidence: Evidence) -> Floats:
        """Revenue, at least 0."""
        ahead, likelihood, expected, pace = _ahead(evidence)
        found: Floats = (likelihood * np.maximum(pace * ahead / YEAR - expected, 0.0)).astype(np.float32)
        return found


@condition("priority")
class Priority(Measure):
    """Who to care for first, from 0 to 100: how dear (the place among all customers by revenue a year at their own pace) times how open it is whether
    they come back within a year, its square root. Who comes anyway, and who hardly ever will, is no priority: ``priority: {top: 10%}``."""

    needs: ClassVar[str] = RecoverableValue.needs

    def scores(self, evidence: Evidence) -> Floats:
        """The score."""
        _, likelihood, _, pace = _ahead(evidence)
        place = pd.Series(pace).rank(pct=True).to_numpy(np.float32)
        return np.asarray(100 * np.sqrt(place * 4 * likelihood * (1 - likelihood)), np.float32)


def _ahead(evidence: Evidence) -> tuple[int, Floats, Floats, Floats]:
    """The longest horizon of at most a year, and of each customer: likelihood and expected revenue within it, and a year's revenue at the own pace
    (the next order's value, as often as the rhythm comes round in a year). Where no value of an order is predicted, it is the mean so far."""
    days = max((each for each in horizons_of(evidence.customers) if each <= YEAR), default=evidence.snapshot.horizon)
    value, monetary = evidence.column("expected_order_value"), evidence.column("monetary")
    value = np.where(np.isnan(value), monetary, value)
    revenue = evidence.column(f"expected_revenue_{days}")
    revenue = np.where(np.isnan(revenue), evidence.column(f"expected_orders_{days}") * monetary, revenue)
    pace = (value * YEAR / np.maximum(evidence.column("rhythm_days"), 1)).astype(np.float32)
    return days, evidence.column(f"likelihood_{days}"), revenue, pace
