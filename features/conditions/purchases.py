"""Purchases answer conditions: who bought from a product set, ever or within a time before the date."""

from collections.abc import Iterator
from functools import reduce

import ibis
import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from features.conditions.evidence import Answer, Evidence
from features.conditions.mechanism import Condition, at, condition
from features.conditions.values import OneOrMore, ProductAttribute, Span
from features.dates import day_number
from features.errors import DataError, did_you_mean
from features.expressions import before
from features.products import Catalogue, ProductSet, membership

LATER_OPTIONS = ("channel", "quarter", "months", "as_gift")
"""Options that ``bought`` will have."""


class OfProducts(BaseModel, Condition):
    """What names a product set inside a condition; several keys together mean products that fit all of them, a list fits any of its words."""

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, ProductAttribute]

    category: OneOrMore | None = Field(default=None, description="a category, by its path or by any one level of it")
    brand: OneOrMore | None = Field(default=None, description="a brand")
    product: OneOrMore | None = Field(default=None, description="a product, by its id")
    keyword: OneOrMore | None = Field(default=None, description="words in title, brand, category or tags")

    def products(self, catalogue: Catalogue) -> ProductSet | None:
        """The products that fit all that is named, or None when nothing is named. Raises DataError for a name that the shop does not know."""
        named = [*self._named(catalogue), *self._by_attribute(catalogue)]
        return reduce(ProductSet.__and__, named) if named else None

    def _named(self, catalogue: Catalogue) -> Iterator[ProductSet]:
        for kind in ("category", "brand", "product"):
            if names := getattr(self, kind):
                with at(kind, by=": "):
                    yield _either([getattr(catalogue, kind)(name) for name in names])
        if self.keyword:
            with at("keyword", by=": "):
                yield catalogue.keyword(*self.keyword)

    def _by_attribute(self, catalogue: Catalogue) -> Iterator[ProductSet]:
        for column, asked in self.__pydantic_extra__.items():
            known = [*type(self).model_fields, *catalogue.products.columns]
            if column not in catalogue.products:
                raise DataError(f"{column}: is neither a key of this condition nor a column of the products{did_you_mean(column, known)}")
            with at(column, by=": "):
                yield _either([catalogue.attribute(column, **limits) for limits in asked.limits()])


def _either(sets: list[ProductSet]) -> ProductSet:
    if len(sets) == 1:
        return sets[0]
    ids = (product_id for one in sets for product_id in one.product_ids)
    return ProductSet.of(" or ".join(one.label for one in sets), ids, kind=sets[0].kind)


@condition("bought")
class Bought(OfProducts):
    """Bought at least one product of the set, or with ``anything: true`` anything at all, ever or ``within`` a time before the date."""

    within: Span | None = Field(default=None, description='how long ago at most, such as "60 days" or "12 months"')
    anything: bool = Field(default=False, description="any purchase, whatever was bought")

    @model_validator(mode="after")
    def _asks_for_one_thing(self) -> "Bought":
        later = next((option for option in LATER_OPTIONS if option in self.__pydantic_extra__), None)
        if later:
            raise ValueError(f"{later!r} is part of the language but does not exist yet; there are: {', '.join(type(self).model_fields)}")
        named = bool(self.model_fields_set - {"within", "anything"} or self.__pydantic_extra__)
        if named == self.anything:
            raise ValueError("needs either products (category, brand, product, keyword, ...) or anything: true")
        return self

    def holds(self, evidence: Evidence) -> Answer:
        """Who has such a purchase before the date. Returned and cancelled orders are none."""
        shop, day = evidence.snapshot.shop, day_number(evidence.as_of)
        purchases = shop.orders
        if not self.anything:
            products = self.products(evidence.catalogue) or ProductSet.of("nothing", [])
            wanted = membership(shop, [products]).nonzero()[0].astype(np.int32)
            purchases = shop.lines.join(ibis.memtable({"product": wanted}, schema={"product": "int32"}), "product")
        past = before(purchases, day)
        if self.within:
            past = past.filter(past.day >= day_number(self.within.before(evidence.as_of)))
        customers = past.filter(past.customer.notnull()).select("customer").distinct().to_pyarrow()["customer"]
        return evidence.among(customers.to_numpy())
