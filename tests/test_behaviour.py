"""Behaviour of customers on literal rows, on strange shops, and on the made-up shop whose gift buyers, sale buyers and store customers are known."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from features.behaviour import (
    BEHAVIOUR,
    SIGN_UPS,
    Season,
    behaviour,
    first_order_value,
    gift_seasons,
    high_seasons,
    repeat_odds,
    sign_up_behaviour,
    sign_up_curve,
    sign_up_likelihood,
    sign_ups,
)
from features.behaviour.buying import baskets, cheapness, pace, prices
from features.behaviour.contact import CONTACT, contact
from features.behaviour.facts import known_of
from features.behaviour.gifts import gifts
from features.behaviour.habits import channels, seasons, weekdays
from features.behaviour.repeats import COLUMNS, GROUPS
from features.behaviour.tastes import PLACES, places, tags
from features.config import Config
from features.errors import UsageError
from features.imports import import_files
from features.made_up import END, MadeUpShop, made_up_shop
from features.shop import Shop
from features.snapshot import Snapshot

AS_OF = date(2025, 3, 1)
Rows = list[dict[str, object]]
Part = Callable[[Snapshot], Any]


def ago(days: int, *, as_of: date = AS_OF) -> pd.Timestamp:
    return pd.Timestamp(as_of - timedelta(days=days))


def snapshot_of(orders: Rows, lines: Rows | None = None, *, as_of: date = AS_OF, **others: Rows) -> Snapshot:
    """A snapshot of orders (customer_id, ordered_at as days before the date) and lines; customers and products are those named."""
    bought = pd.DataFrame([{"status": "completed", "revenue": 10.0, "order_id": f"o{at:04}", **row} for at, row in enumerate(orders)])
    bought["ordered_at"] = [ago(int(days), as_of=as_of) for days in bought["ordered_at"]]
    tables = {"orders": bought}
    if lines is not None:
        sold = pd.DataFrame([{"line_no": at, "quantity": 1.0, **row} for at, row in enumerate(lines)])
        tables["order_lines"] = sold
        tables["products"] = pd.DataFrame(others.pop("products", [{"product_id": each} for each in sorted(set(sold["product_id"]))]))
    if "events" in others:
        did = pd.DataFrame(others.pop("events"))
        did["occurred_at"] = [ago(int(days), as_of=as_of) for days in did["occurred_at"]]
        tables["events"] = did
    known = [{"customer_id": each} for each in sorted(set(bought["customer_id"]))]
    tables["customers"] = pd.DataFrame(others.pop("customers", known))
    return Snapshot(Shop.of(tables), as_of)


def orders_of(customer: str, *days: int, **more: object) -> Rows:
    return [{"customer_id": customer, "ordered_at": each, **more} for each in days]


def facts_of(part: Part, orders: Rows, lines: Rows | None = None, **others: Rows) -> pd.DataFrame:
    """The columns that one part of the behaviour makes, by customer_id."""
    snapshot = snapshot_of(orders, lines, as_of=AS_OF, **others)
    found = known_of(part, snapshot).reindex(snapshot.codes)
    return found.set_index(snapshot.customer_ids)


def of_one(part: Part, orders: Rows, lines: Rows | None = None, **others: Rows) -> dict[str, Any]:
    """That of the customer ``a``."""
    return {str(name): value for name, value in facts_of(part, orders, lines, **others).loc["a"].items()}


def is_unknown(value: object) -> bool:
    return value is pd.NA or value is None or value != value


PACES: list[tuple[tuple[int, ...], float, float | None]] = [
    ((1,), 365 / 180, None),  # one order says nothing of a trend, and a young customer counts as 180 days old
    ((730,), 0.5, None),
    ((365, 100), 2.0, 2.0),  # nothing after the first in the earlier half, one in the later: (1 + 1) / (0 + 1)
    ((365, 300, 250), 3.0, 1 / 3),
    ((365, 300, 182), 3.0, 1.0),  # 182 of 365 days is the later half
    ((365, 300, 183), 3.0, 1 / 3),
    ((365, 365, 100), 3.0, 2.0),  # both of the first day are first orders
    ((59, 10), 2 * 365 / 180, None),  # too young
    ((60, 10), 2 * 365 / 180, 2.0),
]


def test_pace() -> None:
    found = facts_of(pace, [row for at, (days, _, _) in enumerate(PACES) for row in orders_of(f"c{at}", *days)])
    np.testing.assert_allclose(found["orders_per_year"], [a_year for _, a_year, _ in PACES])
    np.testing.assert_allclose(found["frequency_trend"].astype(float), [np.nan if trend is None else trend for _, _, trend in PACES])


def test_discounts() -> None:
    """Of one week: a buys one of two lines at half price (20 of 120), b everything at full price, c has a coupon on the whole order."""
    orders = [*orders_of("a", 10), *orders_of("b", 10), *orders_of("c", 10, discount=1.0)]
    lines: Rows = [
        {"order_id": "o0000", "product_id": "p", "price": 20.0, "list_price": 40.0},
        {"order_id": "o0000", "product_id": "q", "price": 100.0, "list_price": 100.0},
        {"order_id": "o0001", "product_id": "q", "price": 100.0, "list_price": 100.0},
        {"order_id": "o0002", "product_id": "q", "price": 100.0},
    ]
    found = facts_of(cheapness, orders, lines)
    assert found["full_price_share"].tolist() == [0.5, 1.0, 0.0]
    usual = (20 / 120 + 0 + 1) / 3
    expected = [(cut + 2 * usual) / (usual + 2 * usual) for cut in (20 / 120, 0, 1)]
    np.testing.assert_allclose(found["discount_sensitivity"], expected, rtol=1e-5)


def test_a_discount_in_an_expensive_week_says_more_than_one_in_the_sale() -> None:
    """Everybody buys cheap in the sale week; only a buys cheap in the other."""
    orders = [*orders_of("a", 10, 40, discount=1.0), *orders_of("b", 10, discount=1.0), *orders_of("b", 40), *orders_of("c", 40)]
    found = facts_of(cheapness, orders)["discount_sensitivity"]
    assert found["a"] == pytest.approx((2 + 1.2) / (4 / 3 + 1.2), rel=1e-5)
    assert found["b"] == pytest.approx((1 + 1.2) / (4 / 3 + 1.2), rel=1e-5)


def test_without_discounts_nothing_is_known_of_them() -> None:
    found = of_one(cheapness, orders_of("a", 10), [{"order_id": "o0000", "product_id": "p", "price": 20.0}])
    assert is_unknown(found["full_price_share"]) and is_unknown(found["discount_sensitivity"])


def test_prices_are_compared_within_the_category() -> None:
    """Tents cost 100 and 400 (mean log: of 200), socks 5 and 20 (of 10): everything is one factor 2 above or below."""
    products: Rows = [{"product_id": each, "category": "Tents" if each[0] == "t" else "Socks"} for each in ("t1", "t4", "s5", "s20")]
    cost = {"t1": 100.0, "t4": 400.0, "s5": 5.0, "s20": 20.0}
    baskets = {"a": ["t1", "s5"], "b": ["t4", "s20"], "c": ["t1", "s20"], "d": ["t4", "s5"]}
    orders = [row for customer in baskets for row in orders_of(customer, 10)]
    lines: Rows = [
        {"order_id": f"o{at:04}", "product_id": each, "price": cost[each], "list_price": cost[each], "quantity": 3.0}
        for at, basket in enumerate(baskets.values())
        for each in basket
    ]
    found = facts_of(prices, orders, lines, products=products)
    np.testing.assert_allclose(found["price_level"], [-2 / 4, 2 / 4, 0, 0], atol=1e-6)
    assert found["price_quintile"].tolist() == [1.0, 4.0, 2.0, 2.0]  # of four, the first has 0 below, the two in the middle 1, the last 3


@pytest.mark.parametrize(
    ("orders", "lines", "products", "value", "returned"),
    [
        # two orders: 100 + 50, and 50; nobody returns anything
        (orders_of("a", 9, 8), [("o0000", "p", 1, 100), ("o0000", "q", 1, 50), ("o0001", "p", 1, 50)], 1.5, 100, None),
        # a return that is an order of its own
        ([*orders_of("a", 9), *orders_of("a", 5, revenue=-40.0)], [("o0000", "p", 1, 80), ("o0001", "p", -1, 40)], 1, 80, 0.5),
        # a returned line within the order
        (orders_of("a", 9, revenue=60.0), [("o0000", "p", 1, 80), ("o0000", "q", -1, 20)], 1, 80, 0.25),
        # refunds above revenue count once
        ([*orders_of("a", 9), *orders_of("a", 5, revenue=-500.0)], [("o0000", "p", 1, 80)], 1, 80, 1),
        # all of it paid back on the order itself
        (orders_of("a", 9, revenue=-5.0), [("o0000", "p", 1, 80)], 1, 80, 1),
        # a return after the date is not known
        ([*orders_of("a", 9), *orders_of("a", -5, revenue=-40.0)], [("o0000", "p", 1, 80), ("o0001", "p", -1, 40)], 1, 80, None),
        # orders alone
        (orders_of("a", 9, 8, revenue=30.0), None, None, 30, None),
    ],
)
def test_baskets(orders: Rows, lines: list[tuple[str, str, int, int]] | None, products: float | None, value: float, returned: float | None) -> None:
    rows: Rows | None = None
    if lines is not None:
        rows = [{"order_id": order, "product_id": each, "quantity": float(count), "price": float(price)} for order, each, count, price in lines]
    found = of_one(baskets, orders, rows)
    for name, expected in (("basket_products", products), ("basket_value", value), ("return_rate", returned)):
        assert is_unknown(found[name]) if expected is None else found[name] == pytest.approx(expected), name


def test_marked_gifts() -> None:
    """a marks 2 of 2, b none of 4; an empty mark is a no. The first year knows no season but Christmas, into which no order falls."""
    found = facts_of(gifts, [*orders_of("a", 10, 20, is_gift=True), *orders_of("b", 10, 20, 30), *orders_of("b", 40, is_gift=False)])
    assert found["gift_flag_share"].tolist() == [1.0, 0.0]
    assert found["gift_share"].tolist() == [1.0, 0.0]
    np.testing.assert_allclose(found["gift_lift"], [2.25 / (2 / 3 + 0.25), 0.25 / (4 / 3 + 0.25)], rtol=1e-5)
    assert found["is_gift_buyer"].tolist() == [False, False]  # 2.45 times is just below: with three it is one
    assert found["gift_season_share"].isna().all() and found["delivered_elsewhere_share"].isna().all()


SHOPIFY = ("Shipping Name", "Billing Name", "Shipping Street", "Billing Street")


@pytest.mark.parametrize(
    ("columns", "texts", "elsewhere", "share"),
    [
        (SHOPIFY, ("Ann Berg", "ANN  BERG", "Elm 1", "Elm 1"), 0, 0),
        (SHOPIFY, ("Bo Lund", "Ann Berg", "Elm 1", "Elm 1"), 1, 1),
        (SHOPIFY, ("Ann Berg", "Ann Berg", "Work 9", "Elm 1"), 1, 0),  # the office is no gift where names are known
        (SHOPIFY, (None, "Ann Berg", None, "Elm 1"), None, None),
        (SHOPIFY[2:], ("Work 9", "Elm 1"), 1, 1),
        (("Address 1&2 (Shipping)", "Address 1&2 (Billing)"), ("Elm 1", "Oak 2"), 1, 1),
        (("Shipping Method", "Billing Method"), ("post", "card"), None, None),
    ],
)
@pytest.mark.parametrize("where", ["orders", "order_lines"], ids=str)
def test_deliveries_elsewhere(where: str, columns: tuple[str, ...], texts: tuple[str, ...], elsewhere: float | None, share: float | None) -> None:
    """In exports of orders the columns are kept with the order, in flat ones with its lines, on the first of which only they may be filled."""
    told = dict(zip(columns, texts, strict=True))
    lines: Rows = [{"order_id": "o0000", "product_id": each, "price": 5.0} for each in "pq"]
    if where == "orders":
        found = of_one(gifts, orders_of("a", 10, **told), lines)
    else:
        found = of_one(gifts, orders_of("a", 10), [{**lines[0], **told}, {**lines[1], **dict.fromkeys(columns)}])
    for name, expected in (("delivered_elsewhere_share", elsewhere), ("gift_share", share)):
        assert is_unknown(found[name]) if expected is None else found[name] == expected, name


def test_gift_buyers_without_marks_come_back_every_christmas() -> None:
    christmas, another = (AS_OF - date(2024, 12, 10)).days, (AS_OF - date(2023, 12, 10)).days
    orders = [*orders_of("a", christmas, another), *orders_of("b", christmas, christmas - 1)]
    orders += [*orders_of("c", christmas, another, 1, 2, 3), *orders_of("d", 700)]
    found = facts_of(gifts, orders)
    assert found["gift_season_share"].tolist() == [1.0, 1.0, 0.4, 0.0]
    assert found["is_gift_buyer"].tolist() == [True, False, False, False]
    young = facts_of(gifts, orders_of("a", 364, christmas))
    assert young["is_gift_buyer"].isna().all()


def daily(start: date, days: int, count: Callable[[date], int]) -> Rows:
    """So many orders a day of as many customers from ``start`` on."""
    dates = [start + timedelta(days=each) for each in range(days)]
    return [{"customer_id": f"c{number}", "ordered_at": (AS_OF - each).days} for each in dates for number in range(count(each))]


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (lambda day: 2, []),
        (lambda day: 6 if day.month == 12 else 3, [("11-26", "12-31")]),  # weeks of seven days from 1 January: the first has two of December
        (lambda day: 9 if day.month in (1, 12) else 3, [("11-26", "02-04")]),  # over New Year it is one
        (lambda day: 6 if day.month in (6, 12) else 3, [("05-28", "07-01"), ("12-03", "12-31")]),  # 2 of 7 days are not enough over this mean
        (lambda day: 4 if day < date(2024, 3, 1) else 8, []),  # growth is no season, neither at once
        (lambda day: round(4 * 2 ** ((day - date(2023, 3, 2)).days / 365)), []),  # nor day by day
        (lambda day: 30 if day == date(2024, 9, 9) else 2, []),  # one loud day of one year is none
    ],
)
def test_high_seasons(count: Callable[[date], int], expected: list[tuple[str, str]]) -> None:
    found = high_seasons(snapshot_of(daily(date(2023, 3, 2), 730, count)))
    assert found is not None
    assert [(each.first, each.last) for each in found] == expected


def test_the_lift_of_a_season_is_over_the_mean_day() -> None:
    """Twice as many in December: (2 + 5 * 1 + 2 * 29 + ...) of the 36 days from 26 November over 36 mean days."""
    (season,) = high_seasons(snapshot_of(daily(date(2023, 3, 2), 730, lambda day: 6 if day.month == 12 else 3))) or ()
    assert season.lift == pytest.approx((5 * 3 + 31 * 6) / 36 / ((365 + 31) * 3 / 365), rel=0.01)


def test_seasons_of_customers() -> None:
    orders = daily(date(2023, 3, 2), 730, lambda day: 6 if day.month == 12 else 3)
    december = (AS_OF - date(2024, 12, 20)).days
    found = facts_of(seasons, [*orders, *orders_of("a", december, december + 40, 20), *orders_of("b", 20)])
    assert list(found.loc["a", ["high_season_share", "q4_share"]]) == pytest.approx([1 / 3, 2 / 3])
    assert found.loc[["a", "b"], "is_high_season"].tolist() == [False, False]
    assert found.loc[["a", "b"], "is_q4"].tolist() == [True, False]
    assert found.loc["c5", "high_season_share"] == 1.0


def test_the_first_year_knows_no_high_season() -> None:
    snapshot = snapshot_of(daily(AS_OF - timedelta(days=364), 364, lambda day: 6 if day.month == 12 else 3))
    assert high_seasons(snapshot) is None
    assert known_of(seasons, snapshot)[["high_season_share", "is_high_season"]].isna().to_numpy().all()


@pytest.mark.parametrize(
    ("days", "others", "expected"),
    [
        ((5, 12, 19, 26, 33), range(1, 200), "Mon"),  # five of five: 7 * (1/7)**5
        ((5, 12, 19), range(1, 200), "Mon"),  # 7 * (1/7)**3 = 0.02
        ((5, 12), range(1, 200), None),  # 7 * (1/7)**2 = 0.14
        ((5, 5, 5, 5), range(1, 200), None),  # four orders of one day are one day
        ((5, 12, 19, 26, 33), range(5, 200, 7), None),  # a shop that sells on Mondays only
    ],
)
def test_weekday(days: tuple[int, ...], others: range, expected: str | None) -> None:
    found = of_one(weekdays, [*orders_of("a", *days), *orders_of("b", *others)])["weekday"]
    assert is_unknown(found) if expected is None else found == expected


def test_channel_is_the_most_usual_and_of_equals_the_latest() -> None:
    orders = [
        *orders_of("a", 30, 20, channel="web"),
        *orders_of("a", 10, channel="store"),
        *orders_of("b", 30, channel="web"),
        *orders_of("b", 10, channel="store"),
        *orders_of("c", 10),
    ]
    found = facts_of(channels, orders)
    assert found["channel"].tolist()[:2] == ["web", "store"] and is_unknown(found.loc["c", "channel"])
    np.testing.assert_allclose(found["channel_share"], [2 / 3, 1 / 2, np.nan])


def event(kind: str, *days: int, customer: str = "a") -> Rows:
    return [{"customer_id": customer, "occurred_at": each, "event": kind} for each in days]


SINCE = event("viewed", 1, 200, customer="b")
"""What another customer did tells that the shop's events reach from 200 days ago to yesterday."""


CONTACTS: list[tuple[dict[str, tuple[int, ...]], dict[str, object]]] = [
    ({}, {"visits_90": 0, "engagement": "unengaged", "has_open_cart": False, "channel_preference": None}),
    ({"viewed": (90, 90, 91)}, {"visits_90": 1, "engagement": "engaged", "channel_preference": None}),
    ({"unsubscribed": (5,)}, {"engagement": "unengaged"}),
    ({"opened_email": (5, 9), "clicked_email": (5,)}, {"opened_90": 2, "clicked_90": 1, "channel_preference": "mail"}),
    ({"opened_email": (5,), "viewed": (5, 9)}, {"channel_preference": "visit"}),
    ({"opened_email": (5, 6), "viewed": (5, 9, 10)}, {"channel_preference": None}),
    ({"added_to_cart": (14,)}, {"carts_90": 1, "has_open_cart": True, "engagement": "engaged"}),
    ({"added_to_cart": (15,)}, {"has_open_cart": False}),
    ({"started_checkout": (14,)}, {"has_open_cart": True}),
    ({"added_to_cart": (50,)}, {"carts_90": 1, "has_open_cart": False}),
]


def test_contact() -> None:
    """The shop's events reach from 200 days ago to yesterday."""
    orders = [row for at in range(len(CONTACTS)) for row in orders_of(f"c{at}", 50)]
    did = [row for at, (events, _) in enumerate(CONTACTS) for kind, days in events.items() for row in event(kind, *days, customer=f"c{at}")]
    found = facts_of(contact, [*orders, *orders_of("b", 50)], events=[*did, *SINCE])
    for at, (_, expected) in enumerate(CONTACTS):
        for name, value in expected.items():
            known = found.loc[f"c{at}", name]
            assert is_unknown(known) if value is None else known == value, (CONTACTS[at], name)


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        (event("viewed", 1, 80, customer="b"), {"visits_90": None, "engagement": "unknown", "has_open_cart": False}),
        ([*event("viewed", 1, 80, customer="b"), *event("viewed", 70)], {"visits_90": None, "engagement": "engaged"}),
        (event("viewed", 1, 9, customer="b"), {"has_open_cart": None}),
        (event("viewed", 20, 200, customer="b"), {"visits_90": None, "engagement": "unknown", "has_open_cart": None}),  # the events have stopped
        (event("viewed", -1, customer="b"), {"visits_90": None, "engagement": "unknown", "has_open_cart": None}),
    ],
)
def test_events_that_do_not_reach(events: Rows, expected: dict[str, object]) -> None:
    found = of_one(contact, [*orders_of("a", 50), *orders_of("b", 50)], events=events)
    for name, value in expected.items():
        assert is_unknown(found[name]) if value is None else found[name] == value, name


@pytest.mark.parametrize(("ordered", "cart", "open_cart"), [(5, 4, True), (5, 5, False), (5, 6, False)])
def test_an_order_closes_the_cart_of_its_day(ordered: int, cart: int, open_cart: bool) -> None:
    events = [*event("viewed", 1, 200, customer="b"), *event("added_to_cart", cart)]
    assert of_one(contact, [*orders_of("a", ordered), *orders_of("b", 50)], events=events)["has_open_cart"] == open_cart


def test_tags_stand_out_against_the_shop() -> None:
    """a buys blue outdoor things only; everything is new and made in DK, so these say nothing; eco is just below two standard errors."""
    products: Rows = [
        {"product_id": "p1", "tags": "Outdoor, eco,new", "colour": "blue", "made_in": "DK"},
        {"product_id": "p2", "tags": "outdoor,new", "colour": "blue", "made_in": "DK"},
        {"product_id": "p3", "tags": "new", "colour": "red", "made_in": "DK"},
        {"product_id": "p4", "tags": None, "colour": None, "made_in": "DK"},
    ]
    orders = [*orders_of("a", 1, 2, 3, 4), *orders_of("b", *range(1, 17))]
    bought = ["p1", "p1", "p2", "p2", "p1", *["p3"] * 14, "p4"]
    lines: Rows = [{"order_id": f"o{at:04}", "product_id": each, "price": 5.0} for at, each in enumerate(bought)]
    found = facts_of(tags, orders, lines, products=products)["tags"]
    # of 20 lines outdoor and blue have 5: lift (4 + 5 * .25) / 9 / .25 = 2.3; eco has 3: 2 - .6 is 1.96 times sqrt(.6 * .85)
    assert found["a"] == "colour: blue,outdoor"
    assert is_unknown(found["b"])  # 14 of 16 red of 14 of 20: only 1.17 times


def test_places() -> None:
    customers: Rows = [
        {"customer_id": "a", "country": "DK", "region": "Fyn", "city": "Odense", "postal_code": "5000"},
        {"customer_id": "b", "country": None, "region": " ", "city": None, "postal_code": "sw1a 1aa"},
    ]
    found = facts_of(places, [*orders_of("a", 1), *orders_of("b", 1)], customers=customers)
    assert list(found.loc["a", ["country", "region", "city", "postal_area"]]) == ["DK", "Fyn", "Odense", "DK 50"]
    assert found.loc["b", "postal_area"] == "SW" and found.loc["b", ["country", "region", "city"]].isna().all()


def test_repeat_odds() -> None:
    """Within 30 days: of web a and b come again (b on the last day), c too late; of store d not; e came too late, f's channel is unknown."""
    days = {"a": (100, 99), "b": (100, 70), "c": (100, 69), "d": (100, 100), "e": (30, 20), "f": (31, 30)}
    where = {"a": "web", "b": "web", "c": "web", "d": "store", "e": "web"}
    orders = [row for who, each in days.items() for row in orders_of(who, *each, channel=where.get(who))]
    found = repeat_odds(snapshot_of(orders), "channel", horizon=30).set_index("group")
    usual = 3.5 / 6  # three of five, and half of one more
    assert found.index.tolist() == ["web", "store"]
    assert found[["customers", "repeated", "share"]].to_numpy().tolist() == [[3, 2, 2 / 3], [1, 0, 0]]
    np.testing.assert_allclose(found["expected"], [(2 + 20 * usual) / 23, 20 * usual / 21])
    np.testing.assert_allclose(found["lift"], found["expected"] / usual)
    assert (found["low"] < found["expected"]).all() and (found["expected"] < found["high"]).all()
    assert list(repeat_odds(snapshot_of(orders), "city", horizon=30)) == list(COLUMNS)


def test_repeat_odds_of_what_was_bought_first() -> None:
    products: Rows = [{"product_id": each, "category": f"C{each}", "brand": None, "tags": "x"} for each in "pqr"]
    lines: Rows = [{"order_id": order, "product_id": each} for order, each in (("o0000", "q"), ("o0001", "p"), ("o0001", "r"), ("o0001", "q"))]
    found = repeat_odds(snapshot_of(orders_of("a", 50, 40), lines, products=products), "category", horizon=20)
    assert found[["group", "customers", "repeated"]].to_numpy().tolist() == [["Cq", 1, 1]]


def test_repeat_odds_by_nothing_known() -> None:
    with pytest.raises(UsageError, match="not by 'chanel', did you mean 'channel'"):
        repeat_odds(snapshot_of(orders_of("a", 50)), "chanel", horizon=30)


PEOPLE: Rows = [
    {"customer_id": each, "created_at": None if day is None else ago(day)}
    for each, day in {"a": 100, "b": 100, "c": 100, "d": 3, "e": 0, "f": None, "g": None, "h": 400, "i": 50}.items()
]
SIGNED: Rows = [*event("signed_up", 10, customer="g"), *event("viewed", 2, customer="g"), *event("signed_up", 90, customer="c")]


def signed_up() -> Snapshot:
    """a orders on the day of the sign-up, b four days later; c, d, g and h wait; e signs up on the date, f nobody knows when; i ordered first."""
    orders = [*orders_of("a", 100), *orders_of("b", 96), *orders_of("i", 60), *orders_of("a", 1)]
    return snapshot_of(orders, events=[*SIGNED, *event("viewed", 1, 99)], customers=PEOPLE)


def test_sign_ups() -> None:
    found = sign_ups(signed_up())
    assert list(found) == [feature.name for feature in SIGN_UPS]
    assert found.index.tolist() == ["c", "d", "g", "h"]
    assert found["days_since"].tolist() == [100, 3, 10, 400]
    assert found["created"].tolist() == [ago(100), ago(3), ago(10), ago(400)]
    assert found["engagement"].tolist() == ["unengaged", "unengaged", "engaged", "unengaged"]
    assert found["has_open_cart"].tolist() == [False] * 4


def test_what_else_is_known_of_sign_ups() -> None:
    people: Rows = [*PEOPLE[:2], {**PEOPLE[2], "country": "NO", "region": "Vestland", "city": "Bergen", "postal_code": "5003"}, *PEOPLE[3:]]
    snapshot = snapshot_of(orders_of("a", 100), events=[*SIGNED, *event("viewed", 1, 99)], customers=people)
    found = sign_up_behaviour(snapshot)
    assert list(found) == [feature.name for feature in (*CONTACT, *PLACES)] and found.index.tolist() == sign_ups(snapshot).index.tolist()
    assert found.loc[["c"], ["country", "region", "city", "postal_area"]].to_numpy()[0].tolist() == ["NO", "Vestland", "Bergen", "NO 50"]
    assert found["engagement"].tolist() == sign_ups(snapshot)["engagement"].tolist() and found.loc["g", "visits_90"] == 1


def test_what_the_first_order_after_a_sign_up_brings() -> None:
    """a and b ordered first when or after they signed up, i before; a's second order does not count."""
    rows = (*orders_of("a", 100, 1), *orders_of("b", 96), *orders_of("i", 60))
    orders = [{**order, "revenue": revenue} for order, revenue in zip(rows, (10, 99, 30, 5), strict=True)]
    assert first_order_value(snapshot_of(orders, customers=PEOPLE)) == 20.0
    assert first_order_value(snapshot_of(orders[3:], customers=PEOPLE)) == 5.0


def test_the_sign_up_curve() -> None:
    """Counted are a (0 days), b (4), c, d and g; h signed up before the shop began, i had ordered."""
    snapshot = signed_up()
    found = sign_up_curve(snapshot.shop, AS_OF).set_index("first_day")
    assert found["orders"].to_dict() == {day: int(day in (0, 4)) for day in found.index}
    # on day 0 all five; on day 1 all but a; of days 2 and 3 d saw one, b, c and g two; of days 4 to 6 b one, c and g three
    assert found["sign_up_days"].to_dict() == {0: 5, 1: 4, 2: 7, 4: 7, 7: 10, 14: 16, 30: 30, 60: 30, 90: 10, 180: 0, 365: 0, 730: 0}
    rates = found["daily_rate"].tolist()
    mean = (1 + 1) / (114 + 730)
    assert rates[:3] == pytest.approx([1.5 / 6, 1 / (4 + 1 / mean), 1 / (7 + 4 + 1 / mean)])
    assert (np.diff(rates[4:]) <= 0).all()


def test_sign_up_likelihoods() -> None:
    snapshot = signed_up()
    found = sign_up_likelihood(snapshot, [2, 30, 365])
    rates = sign_up_curve(snapshot.shop, AS_OF)["daily_rate"].to_numpy()
    assert list(found) == ["likelihood_2", "likelihood_30", "likelihood_365"]
    assert found.index.tolist() == sign_ups(snapshot).index.tolist()
    assert found.loc["d", "likelihood_2"] == pytest.approx(1 - (1 - rates[2]) * (1 - rates[3]))  # the fourth day and the fifth
    assert (found.diff(axis=1).iloc[:, 1:] >= 0).all(axis=None) and found.to_numpy().min() > 0 and found.to_numpy().max() < 1


def strange(name: str) -> dict[str, pd.DataFrame]:
    """Shops that have little, or odd things."""
    days = [1, 1, 1] if name == "one day" else [1, 40, 400]
    orders = pd.DataFrame({"order_id": ["1", "2", "3"], "customer_id": ["a", "a", "b"], "status": "completed"})
    orders["ordered_at"] = [ago(each) for each in days]
    customers = pd.DataFrame({"customer_id": ["a", "b", "c"]})
    lines = pd.DataFrame({"order_id": orders["order_id"], "line_no": 1, "product_id": "p", "quantity": 1.0, "price": 5.0})
    if name == "refunds above revenue":
        refund = pd.DataFrame([{"order_id": "4", "customer_id": "a", "ordered_at": ago(1), "status": "completed", "revenue": -1e6}])
        return {"orders": pd.concat([orders.assign(revenue=9.0), refund]), "customers": customers}
    if name == "null everything":
        lines = lines.assign(quantity=None, price=None, line_no=[1, 2, 3], product_id=pd.Series(["p", "p", None], dtype=object))
        products = pd.DataFrame({"product_id": ["p"], "tags": [None], "category": [None], "colour": [None]})
        events = pd.DataFrame({"occurred_at": [ago(3)], "customer_id": [None], "event": [None], "product_id": [None]})
        return {
            "orders": orders.assign(is_gift=None, channel=None),
            "order_lines": lines,
            "products": products,
            "customers": customers,
            "events": events,
        }
    if name in ("one product", "one day"):
        return {"orders": orders, "order_lines": lines, "products": pd.DataFrame({"product_id": ["p"]}), "customers": customers}
    return {"orders": orders.assign(revenue=[5.0, 7.0, 1e5]), "customers": customers}


@pytest.mark.parametrize("name", ["orders only", "one product", "one day", "refunds above revenue", "null everything"])
def test_strange_shops(name: str) -> None:
    snapshot = Snapshot(Shop.of(strange(name)), AS_OF)
    found = behaviour(snapshot)
    assert list(found) == [feature.name for feature in BEHAVIOUR]
    assert set(found.index) <= {"a", "b"} and len(found) > 0
    assert np.isfinite(found.select_dtypes("float64").fillna(0)).all(axis=None)
    unknown = ["full_price_share", "gift_share", "price_level", "channel", "weekday", "visits_90", "has_open_cart", "tags", "country", "postal_area"]
    assert found[unknown].isna().all(axis=None)
    assert found["engagement"].tolist() == ["unknown"] * len(found)
    assert found.loc["a", "return_rate"] == 1 if name == "refunds above revenue" else found["return_rate"].isna().all()
    for by in ("country", "channel", "discount", "category", "tag"):
        assert list(repeat_odds(snapshot, by, horizon=30)) == list(COLUMNS)
    assert sign_ups(snapshot).empty and sign_up_likelihood(snapshot, [30]).empty
    assert sign_up_curve(snapshot.shop, AS_OF)["daily_rate"].between(0, 1).all()
    assert gift_seasons(snapshot) == (Season("11-10", "12-24", 1.0),)


@pytest.fixture(scope="module")
def made() -> MadeUpShop:
    return made_up_shop(scale=0.1, seed=2)


@pytest.fixture(scope="module")
def now(made: MadeUpShop) -> Snapshot:
    return Snapshot(Shop.of(made.tables), END)


@pytest.fixture(scope="module")
def facts(now: Snapshot) -> pd.DataFrame:
    return behaviour(now)


def test_the_order_of_the_rows_does_not_matter(made: MadeUpShop, facts: pd.DataFrame) -> None:
    shuffled = {name: table.to_pandas().sample(frac=1, random_state=1) for name, table in made.tables.items()}
    found = behaviour(Snapshot(Shop.of(shuffled), END))
    pd.testing.assert_frame_equal(found, facts, check_exact=True)
    for name in facts.select_dtypes("float64"):
        assert found[name].to_numpy().tobytes() == facts[name].to_numpy().tobytes(), name


@pytest.mark.parametrize(
    ("column", "who", "least", "floor"),
    [
        ("full_price_share", "sale_buyers", 3, 0.95),
        ("discount_sensitivity", "sale_buyers", 3, 0.93),
        ("discount_sensitivity", "sale_buyers", 1, 0.78),
        ("gift_lift", "gift_buyers", 3, 0.85),
        ("gift_share", "gift_buyers", 3, 0.82),
    ],
)
def test_planted_buyers_are_found(made: MadeUpShop, now: Snapshot, facts: pd.DataFrame, column: str, who: str, least: int, floor: float) -> None:
    among = facts[now.customers()["frequency"] >= least]
    values = -among[column] if column == "full_price_share" else among[column]
    assert roc_auc_score(among.index.isin(getattr(made.truth, who)), values) > floor


def test_gift_buyers_are_named_with_few_mistakes(made: MadeUpShop, facts: pd.DataFrame) -> None:
    planted, named = pd.Series(facts.index.isin(made.truth.gift_buyers)), facts["is_gift_buyer"].astype(bool).to_numpy()
    assert planted[named].mean() > 0.55  # of all customers 15 %
    assert named[planted].mean() > 0.25  # most of the others have one order


def test_store_customers_buy_in_stores(made: MadeUpShop, facts: pd.DataFrame) -> None:
    customers = made.tables["customers"].to_pandas().set_index("customer_id")
    has_store = customers["favourite_store"].notna().reindex(facts.index)
    assert (facts.loc[has_store, "channel"] == "store").mean() > 0.75
    assert (facts.loc[~has_store, "channel"] == "store").mean() < 0.08


def test_tags_tell_the_taste(made: MadeUpShop, facts: pd.DataFrame) -> None:
    taste = made.truth.tastes.idxmax(axis=1).reindex(facts.index)
    known = facts["tags"].notna()
    assert known.mean() > 0.7
    hits = [own in tags.split(",") for own, tags in zip(taste[known], facts.loc[known, "tags"], strict=True)]
    assert np.mean(hits) > 0.7


@pytest.mark.parametrize("by", GROUPS)
def test_repeat_odds_of_every_kind(now: Snapshot, by: str) -> None:
    found = repeat_odds(now, by, horizon=180)
    assert len(found) > 1 and (found["customers"] >= found["repeated"]).all() and found["group"].is_unique
    assert ((found["low"] < found["expected"]) & (found["expected"] < found["high"])).all()


def test_the_seasons_of_the_made_up_shop(now: Snapshot) -> None:
    (gift,) = gift_seasons(now)
    assert "11-01" <= gift.first <= "11-15" and "12-17" <= gift.last <= "12-31" and gift.lift > 2
    found = high_seasons(now)
    assert found is not None
    covered = [(season.first, season.last) for season in found]
    assert any(first <= "07-05" <= last for first, last in covered)  # the summer sale begins
    assert any(first <= "11-25" <= last for first, last in covered)  # black week


def test_sign_ups_order_as_often_as_expected(made: MadeUpShop) -> None:
    """The made-up customers who order do so within three weeks of the sign-up."""
    expected, came = 0.0, 0
    for as_of in (date(2025, 9, 1), date(2026, 1, 1), date(2026, 4, 1)):
        snapshot = Snapshot(Shop.of(made.tables), as_of)
        likely = sign_up_likelihood(snapshot, [60])["likelihood_60"]
        orders = snapshot.shop.orders
        ahead = orders.filter(orders.day >= snapshot.day, orders.day < snapshot.day + 60).select("customer").distinct().to_pandas()["customer"]
        bought = likely.index.isin(snapshot.shop.customer_ids[ahead])
        expected, came = expected + likely.sum(), came + int(bought.sum())
        assert roc_auc_score(bought, likely) > 0.75
    assert 0.6 < expected / came < 1.6


def test_gifts_of_a_shopify_export_are_known(tmp_path: Path) -> None:
    """A flat file says where an order went on its first line only; the import keeps such columns with the lines."""
    order = "Name,Email,Financial Status,Subtotal,Created at"
    rows = [
        f"{order},Lineitem quantity,Lineitem name,Lineitem price,Lineitem sku,Shipping Name,Billing Name",
        "#1,ann@example.com,paid,25.00,2025-01-10 10:00:00 +0100,1,Tent,20.00,t1,Bo Lund,Ann Berg",
        "#1,ann@example.com,,,2025-01-10 10:00:00 +0100,1,Peg,5.00,t2,,",
        "#2,ann@example.com,paid,20.00,2025-01-12 10:00:00 +0100,1,Tent,20.00,t1,Ann Berg,Ann Berg",
        "#3,ann@example.com,paid,20.00,2025-01-14 10:00:00 +0100,1,Tent,20.00,t1,,",
        "#4,bo@example.com,paid,20.00,2025-01-14 10:00:00 +0100,1,Tent,20.00,t1,,",
    ]
    (tmp_path / "orders_export.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    import_files(tmp_path / "shop", [tmp_path / "orders_export.csv"], config=Config.model_validate({"import": {"format": "shopify"}}))
    found = known_of(gifts, Snapshot(Shop.open(tmp_path / "shop"), AS_OF))
    for name in ("delivered_elsewhere_share", "gift_share"):
        assert found[name].dropna().tolist() == [0.5], name  # nothing is known of Bo
