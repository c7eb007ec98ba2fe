"""Purchase lines and product sets become what was known of every pair (customer, product set) and of every set, as of a date."""

import ibis
import pyarrow as pa
from ibis.expr.types import Table
from scipy.sparse import csr_matrix

from features.expressions import UNIT, Feature, before, decayed, real
from features.shop import MONEY, PIECES, Shop

HISTORY_FEATURES = (
    Feature("set_orders", "the customer's orders from the set"),
    Feature("set_lines", "product lines bought from the set"),
    Feature("set_products", "different products bought from the set"),
    Feature("set_spent", "revenue from the set"),
    Feature("set_recency", "days since the last order from the set"),
    Feature("set_age", "days since the first order from the set"),
    Feature("set_orders_30", "orders from the set in the last 30 days"),
    Feature("set_orders_90", "orders from the set in the last 90 days"),
    Feature("set_orders_180", "orders from the set in the last 180 days"),
    Feature("set_orders_365", "orders from the set in the last 365 days"),
    Feature("set_decayed_30", "orders from the set, each worth half after 30 days"),
    Feature("set_decayed_120", "orders from the set, each worth half after 120 days"),
    Feature("set_lines_decayed_90", "product lines from the set, each worth half after 90 days"),
    Feature("set_orders_last_year", "orders from the set in the horizon's days one year ago"),
    Feature("set_orders_since", "the customer's orders since the last one from the set"),
)
SET_FEATURES = (
    Feature("size", "products of the set"),
    Feature("size_sold", "products of the set that were sold in the last 90 days"),
    Feature("buyers", "customers who ever bought from the set"),
    Feature("popularity", "share of all orders that contain the set"),
    Feature("popularity_30", "share of the orders of the last 30 days that contain the set"),
    Feature("popularity_90", "share of the orders of the last 90 days that contain the set"),
    Feature("trend", "popularity of the last 30 days over that of the last 90"),
    Feature("season", "orders with the set in the horizon's days one year ago, over a usual such stretch of that year; unknown in the first year"),
    Feature("price", "mean price of a product line's unit"),
    Feature("rebuyers", "share of the set's buyers with at least two orders from it"),
    Feature("return_rate", "share of those who had bought from it a horizon ago that bought again since"),
    Feature("arrival_rate", "share of those who had not bought from it a horizon ago that bought since"),
    Feature("on_sale_days", "days since the set was first sold"),
)
TOTALS = ("all_orders", "all_orders_30", "all_orders_90", "all_days", "people_before")
"""What facts of sets are shares of: the columns of ``all_orders``."""
NO_HISTORY = {"set_recency", "set_age"}
"""Unknown, not 0, for a pair without history."""


def members(shop: Shop, membership: csr_matrix) -> Table:
    """The membership (products x sets) as a table: ``product``, ``set`` (codes)."""
    entries = membership.tocoo()
    return ibis.memtable(pa.table({"product": pa.array(entries.row, pa.int32()), "set": pa.array(entries.col, pa.int32())}))


def set_visits(shop: Shop, members: Table, day: int) -> Table:
    """One row per set and order before ``day`` that contains it: set, customer (null when unknown), order, ago, lines, amount, pieces."""
    lines = before(shop.lines, day)
    joined = lines.join(members, "product")
    return joined.group_by("set", "customer", "order", "ago").agg(
        lines=joined.count(),
        amount=joined.amount.sum(),
        pieces=joined.pieces.sum(),
    )


def later_orders(shop: Shop, day: int) -> Table:
    """One row per order before ``day``: order, ``place``, how many the same customer made after it."""
    orders = before(shop.orders, day)
    return orders.select("order", place=ibis.row_number().over(group_by=orders.customer, order_by=[orders.ago, orders.order.desc()]))


def history(shop: Shop, members: Table, visits: Table, later: Table, day: int, *, horizon: int) -> Table:
    """One row per pair with history: ``set``, ``customer`` (codes) and ``HISTORY_FEATURES``, sorted by set and customer; ``later`` as of
    ``later_orders``."""
    known = visits.filter(visits.customer.notnull()).join(later, "order")
    by_order = known.group_by("set", "customer").agg(
        set_orders=known.count(),
        set_lines=known.lines.sum(),
        set_spent=known.amount.sum() / MONEY,
        set_recency=known.ago.min(),
        set_age=known.ago.max(),
        **{f"set_orders_{days}": known.count(where=known.ago <= days) for days in (30, 90, 180, 365)},
        **{f"set_decayed_{half}": decayed(known.ago, half).sum() / UNIT for half in (30, 120)},
        set_lines_decayed_90=(decayed(known.ago, 90) * known.lines).sum() / UNIT,
        set_orders_last_year=known.count(where=known.ago.between(366 - horizon, 365)),
        set_orders_since=known.place.min(),
    )
    lines = before(shop.lines, day)
    bought = lines.filter(lines.customer.notnull()).join(members, "product").select("set", "customer", "product").distinct()  # of these sets alone
    products = bought.group_by("set", "customer").agg(set_products=bought.count())
    joined = by_order.join(products, ["set", "customer"])
    return joined[["set", "customer", *(feature.name for feature in HISTORY_FEATURES)]].order_by("set", "customer")


def set_facts(shop: Shop, members: Table, visits: Table, totals: Table, day: int, *, horizon: int, sets: int) -> Table:
    """One row per set, sorted: ``set`` (code) and ``SET_FEATURES``; a set that was never sold has zeros and unknowns. Of drawn customers, ``buyers``
    are those that all of them come to; ``totals`` as of ``all_orders``."""
    joined = ibis.memtable(pa.table({"set": pa.array(range(sets), pa.int32())}))
    for part in (_sizes(shop, members, day), _sales(visits, horizon=horizon), _buyers(visits, horizon=horizon)):
        joined = joined.left_join(part, "set").drop("set_right")
    joined = joined.mutate(**{name: ibis.coalesce(joined[name], 0) for name in joined.columns if name not in ("set", "amount")})
    joined = joined.cross_join(totals)
    share = joined.orders / ibis.greatest(joined.all_orders, 1)
    share_30 = joined.sold_30 / ibis.greatest(joined.all_orders_30, 1)
    share_90 = joined.sold_90 / ibis.greatest(joined.all_orders_90, 1)
    usual = real(joined.sold_year) * horizon / (365.0 + horizon)
    whole_year = joined.all_days >= 365
    return joined.select(
        "set",
        "size",
        "size_sold",
        buyers=joined.buyers / shop.share,
        popularity=share,
        popularity_30=share_30,
        popularity_90=share_90,
        trend=(share_30 + 0.001) / (share_90 + 0.001),
        season=whole_year.ifelse((real(joined.sold_then) + 5.0) / (usual + 5.0), ibis.null()),
        price=joined.amount / joined.pieces.nullif(0) * PIECES / MONEY,
        rebuyers=joined.twice / ibis.greatest(joined.buyers, 1),
        return_rate=joined.returned / ibis.greatest(joined.earlier, 1),
        arrival_rate=joined.arrived / ibis.greatest(joined.people_before - joined.earlier, 1),
        on_sale_days=joined.on_sale_days,
    ).order_by("set")


def _sizes(shop: Shop, members: Table, day: int) -> Table:
    lines = before(shop.lines, day)
    recent = lines.filter(lines.ago <= 90).select("product").distinct().mutate(sold=1)
    listed = members.left_join(recent, "product")
    return listed.group_by("set").agg(size=listed.count(), size_sold=ibis.coalesce(listed.sold.sum(), 0))


def _sales(visits: Table, *, horizon: int) -> Table:
    return visits.group_by("set").agg(
        orders=visits.count(),
        sold_30=visits.count(where=visits.ago <= 30),
        sold_90=visits.count(where=visits.ago <= 90),
        sold_then=visits.count(where=visits.ago.between(366 - horizon, 365)),
        sold_year=visits.count(where=visits.ago.between(1, 365 + horizon)),
        amount=visits.amount.sum(),
        pieces=visits.pieces.sum(),
        on_sale_days=visits.ago.max(),
    )


def _buyers(visits: Table, *, horizon: int) -> Table:
    known = visits.filter(visits.customer.notnull())
    pairs = known.group_by("set", "customer").agg(n=known.count(), last=known.ago.min(), first=known.ago.max())
    return pairs.group_by("set").agg(
        buyers=pairs.count(),
        twice=pairs.count(where=pairs.n >= 2),
        earlier=pairs.count(where=pairs["first"] > horizon),
        returned=pairs.count(where=(pairs["first"] > horizon) & (pairs["last"] <= horizon)),
        arrived=pairs.count(where=pairs["first"] <= horizon),
    )


def all_orders(shop: Shop, day: int, *, horizon: int) -> Table:
    """What facts of sets are shares of, in one row: orders before ``day`` with lines, days they go back, customers of a horizon ago."""
    lines, orders = before(shop.lines, day), before(shop.orders, day)
    all_orders = lines.select("order", "ago").distinct()
    counts = all_orders.agg(
        all_orders=all_orders.count(),
        all_orders_30=all_orders.count(where=all_orders.ago <= 30),
        all_orders_90=all_orders.count(where=all_orders.ago <= 90),
        all_days=all_orders.ago.max(),
    )
    return counts.cross_join(orders.agg(people_before=orders.customer.nunique(where=orders.ago > horizon)))
