"""Orders and lines become how customers buy: how often, at a discount or not, how dear, how much at once, and what they send back."""

from functools import reduce
from operator import add

import ibis
from ibis.expr.types import Table

from features.expressions import UNIT, Feature, before, real
from features.shop import MONEY, PIECES, Shop
from features.snapshot import Snapshot

BUYING = (
    Feature("orders_per_year", "orders over the years since the first one; less than 180 days count as 180"),
    Feature(
        "frequency_trend",
        "repeat orders in the later half of the time since the first order over those in the earlier half, one added to both: above 1 orders more "
        "often than before; unknown without a repeat order, or with a first order less than 60 days ago",
    ),
    Feature("discount_share", "discount over what the orders would have cost without it, 0 to 1; unknown for a shop without discounts"),
    Feature("full_price_share", "share of product lines bought without any discount; unknown for a shop without discounts"),
    Feature(
        "discount_sensitivity",
        "share of the orders' value bought at a discount over that of all orders of the same weeks, drawn toward 1 as if by two further orders: "
        "above 1 buys what is cheap; unknown for a shop without discounts",
    ),
    Feature(
        "price_level",
        "how dear the bought products are within their categories: mean of the log unit prices above the category's mean, in standard deviations, "
        "drawn toward 0 as if by two further lines; unknown without prices",
    ),
    Feature("price_quintile", "price level from 1 (the cheapest fifth of the customers) to 5, equal for equal price levels"),
    Feature("basket_products", "different products per order; unknown where orders have no lines"),
    Feature("basket_value", "value of the bought lines per order, before returns; the revenue where orders have no lines"),
    Feature("return_rate", "value of what was sent back over value bought, at most 1; unknown for a shop without returns"),
)
YOUNG = 180
"""An age below this counts as this for orders a year: two orders in one week are not a hundred a year."""
TREND_AGE = 60
WEIGHT = 2
"""How many orders, or lines, of the average customer are added to a customer's own."""


def pace(snapshot: Snapshot) -> Table:
    """One row per customer: ``orders_per_year`` and ``frequency_trend``."""
    orders = before(snapshot.shop.orders, snapshot.day)
    own = orders.mutate(age=orders.ago.max().over(group_by=orders.customer))
    repeat, late = own.ago < own.age, own.ago * 2 <= own.age
    counts = own.group_by("customer").agg(
        orders=own.count(),
        age=own.age.max(),
        later=(repeat & late).cast("int64").sum(),
        earlier=(repeat & ~late).cast("int64").sum(),
    )
    tells = (counts.age >= TREND_AGE) & (counts.later + counts.earlier > 0)
    return counts.select(
        "customer",
        orders_per_year=real(counts.orders) * 365.0 / ibis.greatest(counts.age, YOUNG),
        frequency_trend=tells.ifelse((real(counts.later) + 1.0) / (real(counts.earlier) + 1.0), ibis.null("float64")),
    )


def cheapness(snapshot: Snapshot) -> Table:
    """One row per customer: ``discount_share``, ``full_price_share`` and ``discount_sensitivity``."""
    each = _discounted(snapshot.shop, snapshot.day)
    by_week = each.group_by("week").agg(usual=(each.cut.sum() / each.count()).round().cast("int64"))
    weeks = snapshot.of_all("discounts by week", by_week.to_pyarrow)
    all_of_them = snapshot.numbers_of_all("discounts", each.agg(cut=ibis.coalesce(each.cut.sum(), 0), orders=each.count()))
    joined = each.left_join(ibis.memtable(weeks), "week")
    own = joined.group_by("customer").agg(
        lines=joined.lines.sum(),
        cut_lines=joined.cut_lines.sum(),
        cut=joined.cut.sum(),
        usual=joined.usual.sum(),
        orders=joined.count(),
        saved=joined.saved.sum(),
        spent=joined.spent.sum(),
    )
    more = float(all_of_them["cut"]) * WEIGHT / max(float(all_of_them["orders"]), 1)
    tells = ibis.literal(bool(all_of_them["cut"] > 0))
    return own.select(
        "customer",
        discount_share=tells.ifelse(own.saved / ibis.greatest(own.spent + own.saved, 1), ibis.null("float64")),
        full_price_share=tells.ifelse(1 - own.cut_lines / own.lines, ibis.null("float64")),
        discount_sensitivity=tells.ifelse((real(own.cut) + more) / (real(own.usual) + more), ibis.null("float64")),
    )


def _discounted(shop: Shop, day: int) -> Table:
    """Every order with its ``lines``, its ``cut_lines`` (at a discount) and the share of its value at a discount (``cut``, in UNITs).

    A discount on the whole order counts for all of its lines, unless it is told by the lines' own prices.
    """
    orders = before(shop.orders, day)
    own = ibis.coalesce(orders.cut_lines, 0)
    whole = (own == 0) & (orders.discount > 0)
    cut_lines = whole.ifelse(orders.lines, own)
    by_value = (ibis.coalesce(orders.cut_amount, 0) / orders.amount.nullif(0) * UNIT).round().cast("int64")
    by_count = (cut_lines / orders.lines * UNIT).round().cast("int64")
    return orders.select(
        "customer",
        "lines",
        saved=ibis.coalesce(orders.discount, 0),
        spent=orders.revenue,
        week=(orders.day + 3) // 7,
        cut_lines=cut_lines,
        cut=whole.ifelse(UNIT, ibis.coalesce(by_value, by_count)),
    )


def prices(snapshot: Snapshot) -> Table:
    """One row per customer with a priced line: ``price_level`` and ``price_quintile``."""
    off = _off_category(snapshot)
    every = off.group_by("customer").agg(off=off.off.sum(), lines=off.count(), squares=(off.off * off.off).sum())
    spread = snapshot.numbers_of_all("prices", every.agg(spread=(every.squares.sum() / every.lines.sum()).sqrt()))["spread"]
    own = every.filter(every.customer.notnull(), ibis.literal(bool(spread > 0)))
    level = own.select("customer", price_level=own.off / (real(own.lines) + float(WEIGHT)) / (float(spread) or 1.0))
    begins = snapshot.of_all("price fifths", lambda: _fifths(level))
    passed = [(level.price_level >= begin).cast("int64") for begin in begins]
    return level.mutate(price_quintile=reduce(add, passed, ibis.literal(1)))


def _fifths(level: Table) -> list[float]:
    """The price levels at which the second fifth of the customers begins, the third, ...: where nobody is in it, with the next one.

    As many are cheaper, of all: equal price levels are in one fifth, that of the first of them."""
    placed = level.mutate(fifth=ibis.rank().over(order_by=level.price_level) * 5 // level.count().over() + 1)
    begins = placed.group_by("fifth").agg(begin=placed.price_level.min()).to_pandas().set_index("fifth")["begin"]
    return [float(begins[begins.index >= fifth].min()) for fifth in (2, 3, 4, 5) if (begins.index >= fifth).any()]


def _off_category(snapshot: Snapshot) -> Table:
    """The log list price of each line's unit above the mean of its narrowest category (``off``, in 1/UNIT); products without one are together."""
    shop = snapshot.shop
    lines, products = before(shop.lines, snapshot.day), shop.tables["products"]
    category = products.join(shop.product_codes, "product_id").select("product", category=ibis.coalesce(products.category, ""))
    numbered = category.select("product", category=ibis.dense_rank().over(order_by=category.category))
    priced = lines.filter(lines.list_amount > 0, lines.pieces > 0).join(numbered, "product")
    logs = priced.select(
        "customer", "category", log=((priced.list_amount.cast("float64") * PIECES / MONEY / priced.pieces).ln() * UNIT).round().cast("int64")
    )
    by_category = logs.group_by("category").agg(mean=(logs.log.sum() / logs.count()).round().cast("int64"))
    joined = logs.join(ibis.memtable(snapshot.of_all("prices by category", by_category.to_pyarrow)), "category")
    return joined.select("customer", off=joined.log - joined.mean)


def baskets(snapshot: Snapshot) -> Table:
    """One row per customer: ``basket_products``, ``basket_value`` and ``return_rate``."""
    shop, day = snapshot.shop, snapshot.day
    orders = before(shop.orders, day)
    value = ibis.greatest(ibis.coalesce(orders.amount, orders.revenue), 0)
    refunded = (orders.revenue <= 0) & (value > 0)
    own = orders.group_by("customer").agg(
        orders=orders.count(),
        listed=orders.products.count(),
        products=orders.products.sum(),
        value=value.sum(),
        refunded=refunded.ifelse(value, 0).sum(),
    )
    with_returns = own.left_join(_sent_back(shop, day), "customer").drop("customer_right")
    back = with_returns.refunded + ibis.coalesce(with_returns.back, 0)
    sent = snapshot.numbers_of_all("sent back", with_returns.agg(any=back.sum() > 0))["any"]
    return with_returns.select(
        "customer",
        basket_products=with_returns.products / with_returns.listed.nullif(0),
        basket_value=with_returns.value / MONEY / with_returns.orders,
        return_rate=ibis.least(back / with_returns.value.nullif(0), 1.0) if sent else ibis.null("float64"),
    )


def _sent_back(shop: Shop, day: int) -> Table:
    """What each customer sent back (``back``, in 1/MONEY): returns that are orders of their own, and negative lines within purchases."""
    returns = before(shop.returns, day)
    lines = shop.tables["order_lines"]
    negative = lines.filter(lines.quantity < 0, lines.price > 0).join(shop.order_codes, "order_id")
    within = negative.join(before(shop.orders, day), "order")
    both = returns.select("customer", back=-returns.revenue).union(
        within.select("customer", back=(-within.quantity * within.price * MONEY).round().cast("int64"))
    )
    return both.group_by("customer").agg(back=both.back.sum())
