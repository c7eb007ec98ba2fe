"""Orders become habits: the seasons, the usual channel and the usual weekday."""

import ibis
import numpy as np
import pandas as pd
from ibis.expr.types import Table
from scipy.special import bdtrc

from features.behaviour.seasons import Season, calendar, high_seasons
from features.expressions import Feature, before
from features.snapshot import Snapshot

HABITS = (
    Feature("high_season_share", "share of the orders in the shop's own high seasons (high_seasons); unknown in a shop's first year or without any"),
    Feature("is_high_season", "whether at least half of the orders lie in high seasons"),
    Feature("q4_share", "share of the orders from October to December; unknown for a shop that had no order then"),
    Feature("is_q4", "whether at least half of the orders are from October to December"),
    Feature("channel", "where most orders were placed, the latest of equals; empty where the shop does not tell"),
    Feature("channel_share", "share of the orders with a known channel that were placed there"),
    Feature(
        "weekday",
        "Mon to Sun, where it is clear: so many order days on one weekday come by chance to fewer than one customer in 20, given the shop's own "
        "week and seven weekdays to choose from (binomial test); else empty",
    ),
)
CHANCE = 0.05
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def seasons(snapshot: Snapshot) -> Table:
    """One row per customer: ``high_season_share``, ``is_high_season``, ``q4_share``, ``is_q4``."""
    high, q4 = snapshot.of_all("high seasons", lambda: high_seasons(snapshot)) or (), (Season("10-01", "12-31", 1.0),)
    orders = before(snapshot.shop.orders, snapshot.day).join(calendar(snapshot, high=high, q4=q4), "day")
    own = orders.group_by("customer").agg(orders=orders.count(), high=orders.high.sum(), q4=orders.q4.sum())
    any_of = snapshot.numbers_of_all("orders in seasons", own.agg(high=own.high.sum(), q4=own.q4.sum()))
    shares = {name: own[name] / own.orders if any_of[name] > 0 else ibis.null("float64") for name in ("high", "q4")}
    return own.select(
        "customer",
        high_season_share=shares["high"],
        is_high_season=shares["high"] >= 0.5,
        q4_share=shares["q4"],
        is_q4=shares["q4"] >= 0.5,
    )


def channels(snapshot: Snapshot) -> Table:
    """One row per customer with an order of a known channel: ``channel`` and ``channel_share``."""
    told = snapshot.shop.order_marks
    orders = before(snapshot.shop.orders, snapshot.day).join(told.filter(told.channel.notnull()), "order")
    counts = orders.group_by("customer", "channel").agg(orders=orders.count(), ago=orders.ago.min())
    place = ibis.row_number().over(group_by=counts.customer, order_by=[counts.orders.desc(), counts.ago, counts.channel])
    ranked = counts.mutate(place=place, channel_share=counts.orders / counts.orders.sum().over(group_by=counts.customer))
    return ranked.filter(ranked.place == 0).select("customer", "channel", "channel_share")


def weekdays(snapshot: Snapshot) -> pd.DataFrame:
    """Of the customers whose weekday is clear: ``customer`` (code) and ``weekday``."""
    orders = before(snapshot.shop.orders, snapshot.day)
    days = orders.select("customer", "day").distinct()
    at = (days.day + 3) % 7
    found = days.group_by("customer").agg(**{name: (at == place).cast("int64").sum() for place, name in enumerate(WEEKDAYS)})
    table = found.order_by("customer").to_pyarrow()
    counts = np.column_stack([table[name].to_numpy() for name in WEEKDAYS])
    customer, best = table["customer"].to_numpy(), counts.argmax(axis=1)
    share = snapshot.of_all("weekdays", lambda: counts.sum(axis=0) / counts.sum())
    own, all_days = counts.max(axis=1), counts.sum(axis=1)
    clear = bdtrc(own - 1.0, all_days, share[best]) * 7 < CHANCE
    return pd.DataFrame({"customer": customer[clear], "weekday": np.asarray(WEEKDAYS, dtype=object)[best[clear]]})
