"""Visits, carts and mails become what was known of customers, and of customers with product sets, as of a date, for a shop that has events."""

import ibis
from ibis.expr.types import Column, Table

from features.expressions import Feature, before, bits_of
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
SET_EVENT_FEATURES = (
    Feature("set_visits_30", "days with a product of the set viewed, of the last 30"),
    Feature("set_carts_30", "days with a product of the set put into the cart, of the last 30"),
    Feature("set_visit_recency", "days since a product of the set was last viewed or put into the cart; unknown when it never was"),
)
EVENT_NAMES = tuple(feature.name for feature in EVENT_FEATURES)
SET_EVENT_NAMES = tuple(feature.name for feature in SET_EVENT_FEATURES)
KINDS = {
    "visits": ("viewed",),
    "carts": ("added_to_cart", "started_checkout"),
    "opened": ("opened_email",),
    "clicked": ("clicked_email",),
    "unsubscribed": ("unsubscribed",),
}
"""Which events count for what; what else a customer did counts as an event only."""
WINDOWS = {"visits": (7, 30, 90), "carts": (7, 30), "opened": (90,), "clicked": (90,)}
LONGEST = max(width for widths in WINDOWS.values() for width in widths)
SET_WINDOW = 30
SILENT = 7
"""When the last event is longer ago than so many days, the shop's events have stopped, and nothing is known of what customers do."""


def known_days(shop: Shop, day: int) -> int:
    """How many days before ``day`` the events of customers with orders begin; 0 when they had not begun, or had stopped by then."""
    did = before(shop.events, day).semi_join(before(shop.orders, day), "customer")
    first, last = did.agg(first=ibis.coalesce(did.ago.max(), 0), last=ibis.coalesce(did.ago.min(), 0)).to_pandas().iloc[0]
    return int(first) if last <= SILENT else 0


def event_facts(shop: Shop, day: int, *, known: int) -> Table:
    """One row per customer with an order before ``day``, sorted: ``customer`` (code) and ``EVENT_FEATURES``, of the ``known_days``.

    Every kind is counted by days, so that a page loaded five times is one visit. A window that began before the shop's events did is unknown;
    so is everything when events have not begun, or ended more than ``SILENT`` days before.
    """
    orders, did = before(shop.orders, day), before(shop.events, day)
    customers = orders.group_by("customer").agg(recency=orders.ago.min())
    lately, every = kinds_by_day(did.filter(did.ago <= LONGEST)), did.group_by("customer").agg(**_last(did))
    counts = lately.group_by("customer").agg(
        **{f"{kind}_{width}": _days(lately[kind] & (lately.ago <= width)) for kind, widths in WINDOWS.items() for width in widths}
    )
    carts = did.filter(did.event.isin(KINDS["carts"])).join(customers, "customer")
    left = carts.filter(carts.ago < carts.recency).group_by("customer").agg(carts_since=lambda each: each.ago.nunique())
    found = every.left_join(counts, "customer").drop("customer_right").left_join(left, "customer").drop("customer_right")
    everybody = customers.left_join(found, "customer")
    return everybody.order_by("customer").select("customer", **{name: _known(everybody, name, known) for name in EVENT_NAMES})


def set_event_facts(shop: Shop, members: Table, day: int, *, known: int) -> Table:
    """One row per pair of which something is known, sorted: ``set``, ``customer`` (codes) and ``SET_EVENT_FEATURES``, of the ``known_days``."""
    every = before(shop.events, day)
    looked = every.filter(every.event.isin([*KINDS["visits"], *KINDS["carts"]]), ibis.literal(known > 0)).join(members, "product")
    did = looked.semi_join(before(shop.orders, day), "customer")  # of the few that looked at the sets
    days = did.group_by("set", "customer", "ago").agg(**{kind: did.event.isin(KINDS[kind]).any() for kind in ("visits", "carts")})
    found = days.group_by("set", "customer").agg(
        set_visits_30=_days(days.visits & (days.ago <= SET_WINDOW)),
        set_carts_30=_days(days.carts & (days.ago <= SET_WINDOW)),
        set_visit_recency=days.ago.min(),
    )
    counts = {} if known >= SET_WINDOW else dict.fromkeys(SET_EVENT_NAMES[:2], ibis.null("int64"))
    return found.mutate(**counts)[["set", "customer", *SET_EVENT_NAMES]].order_by("set", "customer")


def _last(did: Table) -> dict[str, Column]:
    """How many days ago a customer last did something of each kind, and whether mails were ever unsubscribed from."""
    ago = {f"{name}_recency": did.ago.min(where=did.event.isin(KINDS[kind])) for name, kind in (("visit", "visits"), ("cart", "carts"))}
    unsubscribed = ibis.coalesce(did.event.isin(KINDS["unsubscribed"]).any(), False).cast("int64")
    return {**ago, "event_recency": did.ago.min(), "unsubscribed": unsubscribed}


def kinds_by_day(did: Table) -> Table:
    """A row per customer and day on which something happened: ``customer``, ``ago``, and for each of ``KINDS`` whether it was among it."""
    bits = {kind: 1 << place for place, kind in enumerate(KINDS)}
    bit = ibis.cases(*((did.event.isin(names), bits[kind]) for kind, names in KINDS.items()), else_=0).cast("int8")
    days = did.select("customer", "ago", bit=bit).group_by("customer", "ago").agg(bits=lambda each: bits_of(each.bit))
    return days.select("customer", "ago", **{kind: (days.bits & place) > 0 for kind, place in bits.items()})


def _days(happened: Column) -> Column:
    return happened.cast("int64").sum()


def _known(everybody: Table, name: str, known: int) -> Column:
    """A feature of customers with and without events, null where events do not reach far enough back to tell."""
    found, unknown = everybody[name], ibis.null("int64")
    if name.endswith("_recency"):
        return found if known else unknown
    if name == "carts_since":  # a cart that was seen counts, none is only known when the last order is of a time with events
        return ibis.coalesce(found.nullif(0), (everybody.recency <= known).ifelse(0, unknown)) if known else unknown
    width = int(name.split("_")[1]) if "_" in name else 1
    return ibis.coalesce(found, 0) if known >= width else unknown
