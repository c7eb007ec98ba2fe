"""Purchases answer what a customer's taste is: which share of what somebody bought is from a product set."""

import numpy as np
from ibis.expr.types import Table
from pydantic import ConfigDict, Field, model_validator

from features.conditions.evidence import Evidence, Floats
from features.conditions.measures import Measure
from features.conditions.mechanism import condition
from features.conditions.purchases import NOTHING, OfProducts, chosen_products
from features.conditions.values import Span
from features.dates import day_number
from features.expressions import before


@condition("share_bought")
class ShareBought(OfProducts, Measure):
    """Share of the products bought (one counts once an order) that are of the product set, ever or ``within`` a time:
    ``share_bought: {category: Tents, at_least: 50%}``. Unknown for customers of whom no product is known in that time."""

    model_config = ConfigDict(frozen=True, extra="allow")

    within: Span | None = Field(default=None, description='only orders of so long ago at most, such as "12 months"; left out: of all time')

    @model_validator(mode="after")
    def _names_products(self) -> "ShareBought":
        if not (self.model_fields_set & OfProducts.model_fields.keys() or self.__pydantic_extra__):
            raise ValueError("needs products (category, brand, product, keyword, or a column of the products)")
        return self

    def scores(self, evidence: Evidence) -> Floats:
        """The share, 0 to 1."""
        shop = evidence.snapshot.shop
        chosen = self._counted(chosen_products(shop.lines, self.products(evidence.catalogue) or NOTHING, shop), evidence)
        everything = self._counted(shop.lines, evidence)
        return np.where(np.isnan(everything), np.nan, np.nan_to_num(chosen) / everything).astype(np.float32)

    def _counted(self, lines: Table, evidence: Evidence) -> Floats:
        """Lines of each customer; NaN for those without."""
        past = before(lines, day_number(evidence.as_of))
        if self.within:
            past = past.filter(past.day >= day_number(self.within.before(evidence.as_of)))
        known = past.filter(past.customer.notnull())
        found = known.group_by("customer").agg(lines=known.count()).to_pandas()
        return evidence.per_customer(found)["lines"].to_numpy(np.float32)
