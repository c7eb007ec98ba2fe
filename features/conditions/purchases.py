"""Purchases answer conditions: who bought from a product set, ever or within a time before the date."""

from collections.abc import Iterator
from datetime import date
from functools import reduce

import ibis
import numpy as np
from ibis.expr.types import Table
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from features.conditions.evidence import Answer, Evidence
from features.conditions.mechanism import Condition, at, condition
from features.conditions.values import OneOrMore, ProductAttribute, Span
from features.dates import day_number
from features.errors import DataError, did_you_mean
from features.expressions import before
from features.products import Catalogue, ProductSet, membership
from features.shop import Shop

NOTHING = ProductSet.of("nothing", [])
EPOCH = date(1970, 1, 1)
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
QUARTERS = {f"Q{number + 1}": MONTHS[3 * number : 3 * number + 3] for number in range(4)}


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


def chosen_products(rows: Table, products: ProductSet | None, shop: Shop) -> Table:
    """The rows whose product is of the set; all rows for None."""
    if products is None:
        return rows
    wanted = membership(shop, [products]).nonzero()[0].astype(np.int32)
    return rows.join(ibis.memtable({"product": wanted}, schema={"product": "int32"}), "product")


@condition("bought")
class Bought(OfProducts):
    """Bought at least one product of the set, or with ``anything: true`` anything at all, ever or ``within`` a time before the date; through a
    ``channel``, in a ``quarter`` or some ``months`` of any year, ``as_gift``: one order must be all of it."""

    within: Span | None = Field(default=None, description='how long ago at most, such as "60 days" or "12 months"')
    anything: bool = Field(default=False, description="any purchase, whatever was bought")
    channel: OneOrMore | None = Field(default=None, description="the channel of the order: online, store, ...")
    quarter: OneOrMore | None = Field(default=None, description="Q1, Q2, Q3 or Q4, of any year")
    months: OneOrMore | None = Field(default=None, description="jan, feb, ... of any year")
    as_gift: bool | None = Field(default=None, description="true: marked as a gift; false: known not to be one")

    @model_validator(mode="after")
    def _asks_for_one_thing(self) -> "Bought":
        named = bool(self.model_fields_set & OfProducts.model_fields.keys() or self.__pydantic_extra__)
        if named == self.anything:
            raise ValueError("needs either products (category, brand, product, keyword, ...) or anything: true")
        return self

    @field_validator("quarter", "months")
    @classmethod
    def _of_the_year(cls, words: tuple[str, ...] | None, info: ValidationInfo) -> tuple[str, ...] | None:
        known = {each.casefold(): each for each in (QUARTERS if info.field_name == "quarter" else MONTHS)}
        for word in words or ():
            if word.casefold() not in known:
                raise ValueError(f"there is no {word!r}; there are: {', '.join(known.values())}")
        return words and tuple(known[word.casefold()] for word in words)

    def holds(self, evidence: Evidence) -> Answer:
        """Who has such a purchase before the date. Returned and cancelled orders are none. Raises DataError for a channel that no order has."""
        shop = evidence.snapshot.shop
        purchases = shop.orders if self.anything else chosen_products(shop.lines, self.products(evidence.catalogue) or NOTHING, shop)
        past = before(purchases, day_number(evidence.as_of))
        if self.within:
            past = past.filter(past.day >= day_number(self.within.before(evidence.as_of)))
        months = {*(self.months or ()), *(month for quarter in self.quarter or () for month in QUARTERS[quarter])}
        if months:
            day = ibis.literal(EPOCH) + past.day.as_interval("D")
            past = past.filter(day.month().isin([MONTHS.index(month) + 1 for month in months]))
        past = self._of_orders(past, shop)
        customers = past.filter(past.customer.notnull()).select("customer").distinct().to_pyarrow()["customer"]
        return evidence.among(customers.to_numpy())

    def _of_orders(self, past: Table, shop: Shop) -> Table:
        """The purchases whose order came through the channel, and was or was no gift."""
        if self.channel is None and self.as_gift is None:
            return past
        orders = shop.tables["orders"]
        if self.channel is not None:
            known = sorted(orders.filter(orders.channel.notnull()).select("channel").distinct().to_pandas()["channel"])
            for word in self.channel:
                if word.casefold() not in {each.casefold() for each in known}:
                    raise DataError(f"channel: no order came through {word!r}{did_you_mean(word, known)}")
            orders = orders.filter(orders.channel.lower().isin([word.casefold() for word in self.channel]))
        if self.as_gift is not None:
            orders = orders.filter(orders.is_gift == self.as_gift)
        return past.semi_join(shop.order_codes.semi_join(orders, "order_id"), "order")
