"""Purchase orders become what was known of every customer as of a date."""

import ibis
from ibis.expr.types import NumericValue, Table

from features.expressions import UNIT, Feature, before, decayed
from features.shop import MONEY, PIECES, Shop

CUSTOMER_FEATURES = (
    Feature("frequency", "orders before the date"),
    Feature("order_days", "days with an order before the date"),
    Feature("recency", "days since the last order"),
    Feature("age", "days since the first order"),
    Feature("active_days", "days from the first order to the last"),
    Feature("monetary", "mean revenue per order"),
    Feature("spent", "revenue of all orders"),
    Feature("returned", "revenue taken away again by returns and credit notes, 0 or negative"),
    Feature("rhythm", "median days between two order days; unknown with fewer than two order days"),
    Feature("lateness", "recency over rhythm"),
    Feature("orders_30", "orders in the last 30 days"),
    Feature("orders_90", "orders in the last 90 days"),
    Feature("orders_180", "orders in the last 180 days"),
    Feature("orders_365", "orders in the last 365 days"),
    Feature("spent_30", "revenue of the last 30 days"),
    Feature("spent_90", "revenue of the last 90 days"),
    Feature("spent_180", "revenue of the last 180 days"),
    Feature("spent_365", "revenue of the last 365 days"),
    Feature("orders_decayed_60", "orders, each worth half after 60 days"),
    Feature("orders_decayed_120", "orders, each worth half after 120 days"),
    Feature("lines", "product lines bought, one per product and order"),
    Feature("lines_decayed_30", "product lines bought, each worth half after 30 days"),
    Feature("lines_decayed_90", "product lines bought, each worth half after 90 days"),
    Feature("basket", "product lines per order"),
    Feature("products", "different products bought"),
    Feature("products_90", "different products bought in the last 90 days"),
    Feature("unit_price", "mean price of a product line's unit; unknown without prices"),
    Feature("discount_share", "discount over what the orders would have cost without it"),
    Feature("orders_last_year", "orders in the horizon's days one year ago"),
)
WINDOWS = (30, 90, 180, 365)


def customer_facts(shop: Shop, day: int, *, horizon: int) -> Table:
    """One row per customer with an order before ``day``: ``customer`` (code) and ``CUSTOMER_FEATURES``, money in the shop's currency."""
    orders = before(shop.orders, day)
    of_orders = orders.group_by("customer").agg(
        frequency=orders.count(),
        last=orders.ago.min(),
        first=orders.ago.max(),
        all_spent=orders.revenue.sum(),
        all_discount=orders.discount.sum(),
        **{f"orders_{days}": orders.count(where=orders.ago <= days) for days in WINDOWS},
        **{f"spent_{days}": orders.revenue.sum(where=orders.ago <= days).fill_null(0) / MONEY for days in WINDOWS},
        **{f"orders_decayed_{half}": decayed(orders.ago, half).sum() / UNIT for half in (60, 120)},
        lines=orders.lines.sum(),
        **{f"lines_decayed_{half}": (decayed(orders.ago, half) * orders.lines).sum() / UNIT for half in (30, 90)},
        orders_last_year=_last_year(orders, horizon),
    )
    parts = (_rhythm(orders), _returned(shop, day), _products(shop, day))
    joined = of_orders
    for part in parts:
        joined = joined.left_join(part, "customer").drop("customer_right")
    return joined.order_by("customer").select(
        "customer",
        "frequency",
        order_days=joined.order_days,
        recency=joined.last,
        age=joined.first,
        active_days=joined.first - joined.last,
        monetary=joined.all_spent / MONEY / joined.frequency,
        spent=joined.all_spent / MONEY,
        returned=ibis.coalesce(joined.all_returned, 0) / MONEY,
        rhythm=joined.rhythm,
        lateness=joined.last / joined.rhythm,
        basket=joined.lines / joined.frequency,
        products=ibis.coalesce(joined.products, 0),
        products_90=ibis.coalesce(joined.products_90, 0),
        unit_price=joined.unit_price,
        discount_share=joined.all_discount / ibis.greatest(joined.all_spent + joined.all_discount, 1),
        **{name: joined[name] for name in joined.columns if name.startswith(("orders_", "spent_", "lines"))},
    )[["customer", *(feature.name for feature in CUSTOMER_FEATURES)]]


def season_facts(shop: Shop, day: int, *, horizon: int) -> Table:
    """Those of ``customer_facts`` that depend on the horizon, a row for each of the same customers: ``customer`` and ``orders_last_year``."""
    orders = before(shop.orders, day)
    return orders.group_by("customer").agg(orders_last_year=_last_year(orders, horizon)).order_by("customer")


def _last_year(orders: Table, horizon: int) -> NumericValue:
    return orders.ago.between(366 - horizon, 365).cast("int64").sum()


def _rhythm(orders: Table) -> Table:
    days = orders.select("customer", "ago").distinct()
    gaps = days.mutate(gap=days.ago - days.ago.lead().over(group_by=days.customer, order_by=days.ago.desc()))
    return gaps.group_by("customer").agg(order_days=gaps.count(), rhythm=gaps.gap.median())


def _returned(shop: Shop, day: int) -> Table:
    returns = before(shop.returns, day)
    return returns.group_by("customer").agg(all_returned=returns.revenue.sum())


def _products(shop: Shop, day: int) -> Table:
    lines = before(shop.lines, day)
    known = lines.filter(lines.customer.notnull())
    per_product = known.group_by("customer", "product").agg(ago=known.ago.min(), amount=known.amount.sum(), pieces=known.pieces.sum())
    return per_product.group_by("customer").agg(
        products=per_product.count(),
        products_90=per_product.count(where=per_product.ago <= 90),
        unit_price=(per_product.amount.cast("float64") / per_product.pieces * PIECES / MONEY * 100).round().cast("int64").mean() / 100,
    )
