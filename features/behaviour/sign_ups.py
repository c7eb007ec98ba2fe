"""Customers without an order become facts, and a likelihood that their first order comes, by how long ago they signed up."""

from collections.abc import Sequence
from datetime import date

import ibis
import numpy as np
import pandas as pd
from ibis.expr.types import Table
from numpy.typing import NDArray

from features.behaviour.contact import contact_of
from features.behaviour.tastes import places
from features.dates import day_number
from features.expressions import Feature, before
from features.shop import MONEY, Shop
from features.snapshot import Snapshot

SIGN_UPS = (
    Feature("created", "the day of the sign-up: when the customer was created, or the first signed_up event, whichever is earlier"),
    Feature("days_since", "days since the sign-up"),
    Feature("engagement", "engaged, unengaged or unknown, as of those with orders"),
    Feature("has_open_cart", "whether something was put into the cart, or a checkout started, in the last 14 days"),
)
STARTS = np.array([0, 1, 2, 4, 7, 14, 30, 60, 90, 180, 365, 730])
"""The days since the sign-up from which a rate of its own is learnt."""
FAR = 36_500
SLOW = 0.5 / 365
"""Orders a day of a sign-up of which the shop knows nothing yet: one in two years."""

Whole = NDArray[np.int64]
Floats = NDArray[np.float64]


def sign_ups(snapshot: Snapshot) -> pd.DataFrame:
    """``SIGN_UPS`` of every customer who signed up before the date and had no order by then; index customer_id, sorted.

    ``created`` is datetime64, ``days_since`` int64 (at least 1), ``engagement`` str, ``has_open_cart`` boolean. Customers without a sign-up day
    are not in it.
    """
    waiting = _waiting(snapshot)
    found = waiting.join(_met(waiting, snapshot), "customer").order_by("customer").to_pandas()
    created = found["created"].to_numpy(np.int64)
    columns = {
        "created": created.astype("datetime64[D]").astype("datetime64[s]"),
        "days_since": snapshot.day - created,
        "engagement": found["engagement"].astype("str").to_numpy(),
        "has_open_cart": pd.array(found["has_open_cart"], dtype="boolean"),
    }
    return pd.DataFrame(columns, index=_ids(found["customer"], snapshot)).astype({"engagement": "str"})


def sign_up_curve(shop: Shop, as_of: date) -> pd.DataFrame:
    """At what rate the shop's sign-ups without an order place their first one, by the days since the sign-up, learnt from before ``as_of``.

    A row per stretch of days: ``first_day``, ``last_day``, ``sign_up_days`` (days that sign-ups without an order spent in it), ``orders`` (first
    orders in it) and ``daily_rate``, the orders of one such day, drawn toward the stretch before as if by one further order. Customers who
    ordered before they signed up, or signed up before the shop's first order, are not counted.
    """
    day = day_number(as_of)
    until, ordered = _waits(shop, day)
    ends = np.append(STARTS[1:], FAR)
    spent = np.array([np.clip(until - start, 0, end - start).sum() for start, end in zip(STARTS, ends, strict=True)], np.int64)
    orders = np.histogram(until[ordered] - 1, bins=np.append(STARTS, FAR))[0].astype(np.int64)
    return pd.DataFrame({"first_day": STARTS, "last_day": ends - 1, "sign_up_days": spent, "orders": orders, "daily_rate": _rates(spent, orders)})


def sign_up_likelihood(snapshot: Snapshot, horizons: Sequence[int]) -> pd.DataFrame:
    """The probability that each of ``sign_ups`` places a first order within each horizon: ``likelihood_30`` for 30 days, index customer_id.

    It is that of all sign-ups that waited as long (``sign_up_curve``); 0 to 1, never falling with the horizon.
    """
    waiting = _waiting(snapshot).order_by("customer").to_pandas()
    curve = snapshot.of_all("sign-ups", lambda: sign_up_curve(snapshot.shop, snapshot.as_of))
    edges = np.append(curve["first_day"].to_numpy(np.float64), FAR)
    passed = np.concatenate([[0.0], np.cumsum(-np.log1p(-curve["daily_rate"].to_numpy()) * np.diff(edges))])
    since = snapshot.day - waiting["created"].to_numpy(np.float64)
    at = np.interp(since, edges, passed)
    columns = {f"likelihood_{days}": -np.expm1(at - np.interp(since + days, edges, passed)) for days in horizons}
    return pd.DataFrame(columns, index=_ids(waiting["customer"], snapshot))


def sign_up_behaviour(snapshot: Snapshot) -> pd.DataFrame:
    """``CONTACT`` and ``PLACES`` of every one of ``sign_ups``, as those of customers with orders are told; index customer_id, sorted."""
    met = _met(_waiting(snapshot), snapshot).to_pandas().set_index("customer")
    found: pd.DataFrame = met.join(places(snapshot).to_pandas().set_index("customer")).sort_index()
    return found.set_index(_ids(found.index, snapshot))


def first_order_value(snapshot: Snapshot) -> float:
    """What the first order day of who had signed up by then brought on average, in the shop's currency; of all customers where nobody had; 0 without
    any order."""
    orders = before(snapshot.shop.orders, snapshot.day)
    days = orders.group_by("customer", "day").agg(revenue=orders.revenue.sum())
    firsts = days.group_by("customer").agg(day=days.day.min(), revenue=days.revenue.argmin(days.day))
    joined = firsts.left_join(_signed_up(snapshot.shop, snapshot.day), "customer")
    known = joined.created <= joined.day
    means = joined.agg(signed_up=joined.revenue.mean(where=known), everybody=joined.revenue.mean()).to_pandas().iloc[0]
    value = means["signed_up"] if pd.notna(means["signed_up"]) else means["everybody"]
    return max(float(value), 0.0) / MONEY if pd.notna(value) else 0.0


def _waiting(snapshot: Snapshot) -> Table:
    """Who signed up before the date and had no order by then: ``customer``, ``created`` (day number)."""
    return _signed_up(snapshot.shop, snapshot.day).anti_join(before(snapshot.shop.orders, snapshot.day), "customer")


def _met(waiting: Table, snapshot: Snapshot) -> Table:
    return contact_of(waiting.select("customer", recency=ibis.null("int32")), snapshot)


def _ids(codes: pd.Series | pd.Index, snapshot: Snapshot) -> pd.Index:
    return pd.Index(snapshot.shop.customer_ids[codes.to_numpy(np.int64)], name="customer_id", dtype=object)


def _rates(spent: Whole, orders: Whole) -> Floats:
    """Orders a day of each stretch; the first two (the day itself, the day after) have nothing before them and keep to their own mean."""
    rates = np.empty(len(spent))
    rates[0] = (orders[0] + 0.5) / (spent[0] + 1.0)
    before = (orders[1:].sum() + 1.0) / (spent[1:].sum() + 1.0 / SLOW)
    for stretch in range(1, len(spent)):
        before = rates[stretch] = min((orders[stretch] + 1.0) / (spent[stretch] + 1.0 / before), 0.99)
    return rates


def _waits(shop: Shop, day: int) -> tuple[Whole, NDArray[np.bool_]]:
    """Of everybody who signed up while the shop had orders: the days they waited, that of the first order included, and whether it came."""
    orders = before(shop.orders, day)
    firsts = orders.group_by("customer").agg(first=orders.day.min())
    joined = _signed_up(shop, day).left_join(firsts, "customer").select("created", "first").to_pyarrow()
    created = joined["created"].to_numpy().astype(np.int64)
    first = joined["first"].fill_null(FAR * 10).to_numpy().astype(np.int64)
    opened = int(first.min(initial=FAR * 10))
    counted = (created >= opened) & (created <= first)
    created, first = created[counted], first[counted]
    return np.minimum(first + 1, day) - created, first < day


def _signed_up(shop: Shop, day: int) -> Table:
    """Everybody whose sign-up before ``day`` is known: ``customer``, ``created`` (day number)."""
    customers = shop.tables["customers"]
    made = customers.join(shop.customer_codes, "customer_id").select("customer", created=customers.created_at.date().epoch_days().cast("int32"))
    did = shop.events.filter(shop.events.event == "signed_up").select("customer", created="day")
    both = made.filter(made.created.notnull()).union(did)
    earlier = both.filter(both.created < day)
    return earlier.group_by("customer").agg(created=earlier.created.min())
