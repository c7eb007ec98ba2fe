"""Visits, carts and mails become what was known of every customer as of a date, for a shop that has events."""

import ibis
from ibis.expr.types import Column, Table

from features.expressions import Feature, before
from features.shop import Shop

EVENT_FEATURES = (
    Feature("visits_7", "days with a product viewed, of the last 7"),
    Feature("visits_30", "days with a product viewed, of the last 30"),
    Feature("visits_90", "days with a product viewed, of the last 90"),
    Feature("carts_7", "days with something put into the cart or a checkout started, of the last 7"),
    Feature("carts_30", "days with something put into the cart or a checkout started, of the last 30"),
    Feature("opened_90", "days with a mail opened, of the last 90"),
    Feature("clicked_90", "days with a mail clicked, of the last 90"),
    Feature("visit_recency", "days since a product was last viewed; unknown without a view"),
    Feature("cart_recency", "days since the last cart or checkout; unknown without one"),
    Feature("event_recency", "days since the last event of any kind; unknown without one"),
    Feature("carts_since", "days with a cart or a checkout after the day of the last order: what was left behind"),
    Feature("unsubscribed", "1 when the customer ever unsubscribed from mails, else 0"),
)
EVENT_NAMES = tuple(feature.name for feature in EVENT_FEATURES)
KINDS = {
    "visits": ("viewed",),
    "carts": ("added_to_cart", "started_checkout"),
    "opened": ("opened_email",),
    "clicked": ("clicked_email",),
    "unsubscribed": ("unsubscribed",),
}
"""Which events count for what; what else a customer did counts as an event only."""
WINDOWS = {"visits": (7, 30, 90), "carts": (7, 30), "opened": (90,), "clicked": (90,)}
SILENT = 7
"""When the shop's last event is longer ago than so many days, its events have stopped, and nothing is known of what customers do."""


def event_facts(shop: Shop, customers: Table, day: int) -> Table:
    """One row per row of ``customers`` (customer, recency), in their order of ``customer``: ``customer`` and ``EVENT_FEATURES`` as of ``day``.

    Every kind is counted by days, so that a page loaded five times is one visit. A window that began before the shop's events did is unknown;
    so is everything when events have not begun, or ended more than ``SILENT`` days before ``day``.
    """
    did = before(shop.events, day).semi_join(customers, "customer")
    reach = _reach(did)
    kinds = {kind: did.event.isin(names) for kind, names in KINDS.items()}
    days = did.group_by("customer", "ago").agg(**{kind: of_kind.any() for kind, of_kind in kinds.items()})
    joined = days.join(customers, "customer")
    found = joined.group_by("customer").agg(
        **{f"{kind}_{width}": _days(joined[kind] & (joined.ago <= width)) for kind, widths in WINDOWS.items() for width in widths},
        visit_recency=joined.ago.min(where=joined.visits),
        cart_recency=joined.ago.min(where=joined.carts),
        event_recency=joined.ago.min(),
        carts_since=_days(joined.carts & (joined.ago < joined.recency)),
        unsubscribed=joined.unsubscribed.any().cast("int64"),
    )
    everybody = customers.left_join(found, "customer")
    return everybody.order_by("customer").select("customer", **{name: _known(everybody, name, reach) for name in EVENT_NAMES})


def _reach(did: Table) -> int:
    """How many days ago the events begin; 0 when they have not begun, or have stopped."""
    first, last = did.agg(first=ibis.coalesce(did.ago.max(), 0), last=ibis.coalesce(did.ago.min(), 0)).to_pandas().iloc[0]
    return int(first) if last <= SILENT else 0


def _days(happened: Column) -> Column:
    return happened.cast("int64").sum()


def _known(everybody: Table, name: str, reach: int) -> Column:
    """A feature of customers with and without events, null where events do not reach far enough back to tell."""
    found, unknown = everybody[name], ibis.null("int64")
    if name.endswith("_recency"):
        return found if reach else unknown
    if name == "carts_since":  # a cart that was seen counts, none is only known when the last order is of a time with events
        return ibis.coalesce(found.nullif(0), (everybody.recency <= reach).ifelse(0, unknown)) if reach else unknown
    width = int(name.split("_")[1]) if "_" in name else 1
    return ibis.coalesce(found, 0) if reach >= width else unknown
