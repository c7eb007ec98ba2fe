"""Events become what customers, with orders and without, lately did: visits, carts and mails, whether they are engaged, and carts left behind."""

import ibis
from ibis.expr.types import Column, Table

from features.events import kinds_by_day
from features.expressions import Feature, before
from features.snapshot import Snapshot

CONTACT = (
    Feature("visits_90", "days with a product viewed, of the last 90"),
    Feature("carts_90", "days with something put into the cart or a checkout started, of the last 90"),
    Feature("opened_90", "days with a mail opened, of the last 90"),
    Feature("clicked_90", "days with a mail clicked, of the last 90"),
    Feature("engagement", "engaged: visited, used the cart, opened or clicked in the last 90 days; unengaged: did not; else unknown"),
    Feature("has_open_cart", "whether something was put into the cart or a checkout started in the last 14 days, after the day of the last order"),
    Feature(
        "channel_preference",
        "mail or visit: which of the two had at least two days in the last 90, and twice as many as the other; else empty",
    ),
)
DAYS = 90
OPEN_CART = 14
ENGAGED, UNENGAGED, UNKNOWN = "engaged", "unengaged", "unknown"


def contact(snapshot: Snapshot) -> Table:
    """One row per customer: the ``CONTACT`` columns."""
    orders = before(snapshot.shop.orders, snapshot.day)
    return contact_of(orders.group_by("customer").agg(recency=orders.ago.min()), snapshot)


def contact_of(customers: Table, snapshot: Snapshot) -> Table:
    """A row for each of ``customers`` (``customer``, and ``recency``, the days since the last order, null without one): the ``CONTACT`` columns.

    A stretch of days that began before the shop's events did is unknown; so is everything when they have stopped (``features.events.SILENT``).
    """
    known = snapshot.event_days
    did = before(snapshot.shop.events, snapshot.day)
    days = kinds_by_day(did.filter(did.ago <= DAYS, ibis.literal(known > 0)).semi_join(customers, "customer"))
    found = days.group_by("customer").agg(
        **{f"{kind}_90": _days(days[kind]) for kind in ("visits", "carts", "opened", "clicked")},
        mails=_days(days.opened | days.clicked),
        cart=days.ago.min(where=days.carts),
    )
    joined = customers.left_join(found, "customer").drop("customer_right")
    counts = {name: ibis.coalesce(joined[name], 0) for name in ("visits_90", "carts_90", "opened_90", "clicked_90", "mails")}
    told = {name: count if known >= DAYS else ibis.null("int64") for name, count in counts.items() if name != "mails"}
    engaged = ibis.greatest(counts["visits_90"], counts["carts_90"], counts["mails"]) > 0
    return joined.select(
        "customer",
        **told,
        engagement=engaged.ifelse(ENGAGED, UNENGAGED if known >= DAYS else UNKNOWN),
        has_open_cart=_open(joined, known),
        channel_preference=_preferred(counts["mails"], counts["visits_90"]),
    )


def _open(joined: Table, known: int) -> Column:
    opened = ibis.coalesce((joined.cart <= OPEN_CART) & (joined.recency.isnull() | (joined.cart < joined.recency)), False)
    return opened if known >= OPEN_CART else opened.nullif(False)


def _preferred(mails: Column, visits: Column) -> Column:
    return ibis.cases(
        ((mails >= 2) & (mails >= visits * 2), "mail"),
        ((visits >= 2) & (visits >= mails * 2), "visit"),
        else_=ibis.null("string"),
    )


def _days(happened: Column) -> Column:
    return happened.cast("int64").sum()
