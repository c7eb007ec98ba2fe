"""Orders become gifts: by their marks, by where they were sent, and by the season."""

from collections.abc import Iterable, Sequence

import ibis
import numpy as np
from ibis.expr.types import Column, Table

from features.behaviour.seasons import YEAR, Season, calendar, orders_a_day, places, standing_out
from features.expressions import UNIT, Feature, before, real
from features.shop import Shop
from features.snapshot import Snapshot
from features.words import words

GIFTS = (
    Feature("gift_flag_share", "share of the orders that are marked as a gift; unknown for a shop that marks none"),
    Feature(
        "delivered_elsewhere_share",
        "share of the orders sent to another name or address than the invoice's, of those that say both; unknown where none does",
    ),
    Feature("gift_season_share", "share of the orders in the shop's gift seasons (gift_seasons); unknown for a shop that had no order in any"),
    Feature(
        "gift_share",
        "share of the orders that are gifts: marked, or sent to another name (to another address, where the shop knows neither marks nor names); "
        "unknown where nothing of this is known",
    ),
    Feature(
        "gift_lift",
        "gifts over what the shop's orders of the same season would have, a quarter of a gift added to both; unknown where gift_share is",
    ),
    Feature(
        "is_gift_buyer",
        "whether gift_lift is at least 2.5; without any mark or other name, whether at least half of two or more orders lie in gift seasons, in "
        "two different years; unknown in the first year of such a shop",
    ),
)
CHRISTMAS = Season("11-10", "12-24", 1.0)
"""The gift season of a shop whose orders do not tell one."""
GIFT_LIFT = 1.5
GIFT_BUYER = 2.5
QUARTER = 0.25
DELIVERY_WORDS = {"shipping", "delivery", "ship", "delivered", "recipient"}
INVOICE_WORDS = {"billing", "invoice", "bill", "invoiced", "payer"}
NAMES = ("name",)
ADDRESSES = ("address", "street", "zip", "postcode", "postal")


def gift_seasons(snapshot: Snapshot) -> tuple[Season, ...]:
    """The stretches of the year in which clearly more orders than usual are gifts; 10 November to 24 December (lift 1) where orders do not tell."""
    return snapshot.of_all("gift seasons", lambda: _gift_seasons(snapshot))


def _gift_seasons(snapshot: Snapshot) -> tuple[Season, ...]:
    counts = orders_a_day(snapshot.shop, snapshot.day)
    years = len(counts) // YEAR
    each = _gifts(snapshot)
    by_day = each.group_by("day").agg(gifts=(each.is_gift & each.is_known).sum(), known=each.is_known.sum()).to_pyarrow()
    gifts, known = (np.zeros(len(counts), np.int64) for _ in range(2))
    at = by_day["day"].to_numpy() - (snapshot.day - len(counts))
    gifts[at], known[at] = by_day["gifts"].to_numpy(), by_day["known"].to_numpy()
    if not years or not gifts.sum():
        return (CHRISTMAS,)
    own, usual = (each[len(counts) - years * YEAR :].reshape(years, YEAR) for each in (gifts, known))
    place = places(snapshot.day, days=years * YEAR).reshape(years, YEAR)
    return standing_out(own, usual * (own.sum() / max(usual.sum(), 1)), place, lift=GIFT_LIFT) or (CHRISTMAS,)


def gifts(snapshot: Snapshot) -> Table:
    """One row per customer: the ``gift_`` columns, ``delivered_elsewhere_share`` and ``is_gift_buyer``."""
    each = _gifts(snapshot).join(calendar(snapshot, in_season=gift_seasons(snapshot)), "day")
    year = each.in_season.ifelse(each.day * 100 // 36525, ibis.null("int64"))
    gift = each.is_gift & each.is_known
    by_season = each.group_by("in_season").agg(rate=ibis.coalesce((gift.sum() / each.is_known.sum().nullif(0) * UNIT).round().cast("int64"), 0))
    rates = ibis.memtable(snapshot.of_all("gifts by season", by_season.to_pyarrow))
    rated = each.mutate(gift=gift, season_year=year).join(rates, "in_season")
    marked = rated.mutate(expected=rated.rate * rated.is_known.cast("int64"))
    counts = marked.group_by("customer").agg(
        orders=marked.count(),
        flags=marked.flag.cast("int64").sum(),
        flag_known=marked.flag.count(),
        elsewhere=marked.elsewhere.cast("int64").sum(),
        elsewhere_known=marked.elsewhere.count(),
        gifts=marked.gift.sum(),
        known=marked.is_known.sum(),
        expected=marked.expected.sum(),
        in_season=marked.in_season.sum(),
        years_apart=marked.season_year.max() - marked.season_year.min(),
        first=marked.day.min(),
    )
    shop = snapshot.numbers_of_all("season", counts.agg(orders=counts.in_season.sum(), since=counts["first"].min()))
    lift = (counts.known > 0).ifelse((real(counts.gifts) + QUARTER) / (counts.expected / UNIT + QUARTER), ibis.null("float64"))
    often = ibis.coalesce(counts.years_apart > 0, False) & (counts.in_season * 2 >= counts.orders)
    seasonal = often if shop["orders"] > 0 and shop["since"] <= snapshot.day - YEAR else ibis.null("boolean")
    share = counts.in_season / counts.orders if shop["orders"] > 0 else ibis.null("float64")
    return counts.select(
        "customer",
        gift_flag_share=counts.flags / counts.flag_known.nullif(0),
        delivered_elsewhere_share=counts.elsewhere / counts.elsewhere_known.nullif(0),
        gift_season_share=share,
        gift_share=counts.gifts / counts.known.nullif(0),
        gift_lift=lift,
        is_gift_buyer=ibis.coalesce(lift >= GIFT_BUYER, seasonal),
    )


def _gifts(snapshot: Snapshot) -> Table:
    """Every order: customer, day, ``flag`` and ``elsewhere`` (null when unknown), ``is_gift``, and ``is_known``, whether anything is.

    Shops mark gifts and leave the others empty: where any order is marked, an empty mark is a no.
    """
    shop = snapshot.shop
    orders = before(shop.orders, snapshot.day)
    joined = orders.left_join(shop.order_marks, "order").left_join(_delivered(shop), "order")
    each = joined.select("customer", "order", "day", "is_gift", "renamed", "elsewhere")
    marks = each.agg(marks=ibis.coalesce(each.is_gift.any(), False), names=ibis.coalesce(each.renamed.notnull().any(), False))
    known = snapshot.numbers_of_all("gift marks", marks)
    flag = ibis.coalesce(each.is_gift, False) if known["marks"] else ibis.null("boolean")
    sent = each.renamed if known["marks"] or known["names"] else each.elsewhere
    return each.select(
        "customer",
        "day",
        "elsewhere",
        flag=flag,
        is_gift=ibis.coalesce(flag, False) | ibis.coalesce(sent, False),
        is_known=flag.notnull() | sent.notnull(),
    )


def _delivered(shop: Shop) -> Table:
    """The orders that say where they went and who paid: whether the name (``renamed``), or name or address (``elsewhere``), is another; else null."""
    parts = []
    for name in ("orders", "order_lines"):
        table = shop.tables[name]
        pairs = delivery_pairs(table.columns)
        if pairs:
            renamed = [_differs(table, *pair) for pair in pairs if _speaks_of(pair[0], NAMES)]
            elsewhere = [_differs(table, *pair) for pair in pairs]
            parts.append(table.select("order_id", renamed=_either(renamed), elsewhere=_either(elsewhere)))
    if not parts:
        return ibis.memtable([], schema={"order": "int32", "renamed": "boolean", "elsewhere": "boolean"})
    told = ibis.union(*parts) if len(parts) > 1 else parts[0]
    orders = told.join(shop.order_codes, "order_id")
    return orders.group_by("order").agg(renamed=orders.renamed.any(), elsewhere=orders.elsewhere.any())


def delivery_pairs(columns: Sequence[str]) -> list[tuple[str, str]]:
    """The columns that say to whom or where an order was sent, each with the one that says the same of the invoice.

    >>> delivery_pairs(["Shipping Name", "Shipping Method", "Billing Name", "Billing Method", "Postcode (Shipping)", "Postcode (Billing)"])
    [('Shipping Name', 'Billing Name'), ('Postcode (Shipping)', 'Postcode (Billing)')]
    """
    invoice, delivery = _without(columns, INVOICE_WORDS), _without(columns, DELIVERY_WORDS)
    partner = {rest: column for column, rest in invoice.items()}
    return [(column, partner[rest]) for column, rest in delivery.items() if rest in partner and _speaks_of(column, NAMES + ADDRESSES)]


def _without(columns: Iterable[str], some: set[str]) -> dict[str, tuple[str, ...]]:
    """The columns with one of the words in their name, each with its other words."""
    named = {column: words(column) for column in columns}
    return {column: tuple(word for word in each if word not in some) for column, each in named.items() if some & set(each)}


def _speaks_of(column: str, of: tuple[str, ...]) -> bool:
    return any(word.startswith(of) for word in words(column))


def _differs(table: Table, delivery: str, invoice: str) -> Column:
    """Whether two texts differ by more than case, blanks and signs; null where one is missing."""
    one, other = (table[name].cast("string").lower().re_replace(r"[^\p{L}\p{N}]+", "").nullif("") for name in (delivery, invoice))
    return one != other


def _either(conditions: Sequence[Column]) -> Column:
    """True when any is, null when all are null."""
    return ibis.greatest(*conditions, ibis.null("boolean")) if conditions else ibis.null("boolean")
