"""First orders become repeat odds: which kinds of new customers come back, by where they live and what their first order was."""

from collections.abc import Callable

import ibis
import numpy as np
import pandas as pd
from ibis.expr.types import Table
from scipy.special import betaincinv

from features.behaviour.tastes import PLACES, places, product_tags
from features.errors import UsageError, did_you_mean
from features.expressions import before
from features.snapshot import Snapshot

COLUMNS = ("group", "customers", "repeated", "share", "expected", "low", "high", "lift")
PRIOR = 20.0
"""Every group is drawn toward the whole shop as if by so many further customers."""
INTERVAL = 0.95


def repeat_odds(snapshot: Snapshot, by: str, *, horizon: int) -> pd.DataFrame:
    """Of each group of customers, how many ordered again within ``horizon`` days after the day of their first order.

    ``by`` is one of ``GROUPS``: country, region, city, postal_area of the customer; channel, discount (discount or full price), quarter of the
    first order; category and brand of which the first order had most; tag (a customer is in the group of every tag of the first order).
    Only customers whose first order is at least ``horizon`` days before the date's eve count, so that all had the same time.

    A row per group, most customers first: ``customers``, ``repeated``, ``share`` (of them), ``expected`` (the share drawn toward the whole
    shop's as if by 20 further customers), ``low`` and ``high`` (its 95 % interval, beta), and ``lift`` (expected over the whole shop's).
    Customers of whom the group is not known are left out. Raises UsageError for a ``by`` that does not exist.
    """
    if by not in GROUPS:
        raise UsageError(f"repeat odds are by {', '.join(GROUPS)}, not by {by!r}{did_you_mean(by, GROUPS)}")
    came = _came_again(snapshot, horizon=horizon)
    total = came.agg(customers=came.count(), repeated=came.again.sum()).to_pandas().fillna(0).iloc[0]
    grouped = came.join(GROUPS[by](snapshot).filter(lambda each: each.group.notnull()), "customer")
    counts: pd.DataFrame = grouped.group_by("group").agg(customers=grouped.count(), repeated=grouped.again.sum()).to_pandas()
    return _odds(counts, (float(total["repeated"]) + 0.5) / (float(total["customers"]) + 1.0))


def _odds(counts: pd.DataFrame, usual: float) -> pd.DataFrame:
    repeated, customers = (counts[name].to_numpy(np.float64) for name in ("repeated", "customers"))
    yes, no = repeated + PRIOR * usual, customers - repeated + PRIOR * (1 - usual)
    expected, tail = yes / (yes + no), (1 - INTERVAL) / 2
    found = counts.assign(
        share=repeated / np.maximum(customers, 1),
        expected=expected,
        low=betaincinv(yes, no, tail),
        high=betaincinv(yes, no, 1 - tail),
        lift=expected / usual,
    )
    typed = found.astype({"customers": np.int64, "repeated": np.int64})
    return typed.sort_values(["customers", "group"], ascending=[False, True], ignore_index=True)[list(COLUMNS)]


def _came_again(snapshot: Snapshot, *, horizon: int) -> Table:
    """Whether (``again``, 0 or 1) each customer with time enough ordered on a later day within the horizon."""
    orders = before(snapshot.shop.orders, snapshot.day)
    since = orders.mutate(age=orders.ago.max().over(group_by=orders.customer))
    old = since.filter(since.age > horizon)
    later = (old.ago < old.age) & (old.age - old.ago <= horizon)
    return old.group_by("customer").agg(again=later.any().cast("int64"))


def _first(snapshot: Snapshot) -> Table:
    """The first order of each customer; of several on one day the one with the first id."""
    orders = before(snapshot.shop.orders, snapshot.day)
    place = ibis.row_number().over(group_by=orders.customer, order_by=[orders.ago.desc(), orders.order])
    numbered = orders.mutate(place=place)
    return numbered.filter(numbered.place == 0).select("customer", "order", "day", "discount")


def _by_place(name: str) -> Callable[[Snapshot], Table]:
    return lambda snapshot: places(snapshot).select("customer", group=name)


def _by_channel(snapshot: Snapshot) -> Table:
    first = _first(snapshot).join(snapshot.shop.order_codes, "order")
    return first.join(snapshot.shop.tables["orders"].select("order_id", "channel"), "order_id").select("customer", group="channel")


def _by_discount(snapshot: Snapshot) -> Table:
    first = _first(snapshot)
    cut = first.discount > 0
    return first.select("customer", group=cut.any().over().ifelse(cut.ifelse("discount", "full price"), ibis.null("string")))


def _by_quarter(snapshot: Snapshot) -> Table:
    orders = snapshot.shop.tables["orders"]
    dates = orders.join(snapshot.shop.order_codes, "order_id").select("order", quarter=orders.ordered_at.quarter())
    first = _first(snapshot).join(dates, "order")
    return first.select("customer", group=ibis.literal("Q") + first.quarter.cast("string"))


def _by_most(name: str) -> Callable[[Snapshot], Table]:
    """The value of a products column of which the first order had most lines; ties by name."""

    def most(snapshot: Snapshot) -> Table:
        products = snapshot.shop.tables["products"].join(snapshot.shop.product_codes, "product_id").select("product", group=name)
        lines = _first_lines(snapshot).join(products.filter(products.group.notnull()), "product")
        counts = lines.group_by("customer", "group").agg(lines=lines.count())
        place = ibis.row_number().over(group_by=counts.customer, order_by=[counts.lines.desc(), counts.group])
        numbered = counts.mutate(place=place)
        return numbered.filter(numbered.place == 0).select("customer", "group")

    return most


def _by_tag(snapshot: Snapshot) -> Table:
    tags = product_tags(snapshot.shop, snapshot.day).select("product", group="tag")
    return _first_lines(snapshot).join(tags, "product").select("customer", "group").distinct()


def _first_lines(snapshot: Snapshot) -> Table:
    first = _first(snapshot).select("order")
    return before(snapshot.shop.lines, snapshot.day).semi_join(first, "order").select("customer", "product")


GROUPS: dict[str, Callable[[Snapshot], Table]] = {
    **{feature.name: _by_place(feature.name) for feature in PLACES},
    "channel": _by_channel,
    "discount": _by_discount,
    "quarter": _by_quarter,
    "category": _by_most("category"),
    "brand": _by_most("brand"),
    "tag": _by_tag,
}
"""What customers can be grouped by, as of their first order."""
