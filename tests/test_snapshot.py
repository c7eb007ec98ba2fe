"""What is known of customers, pairs and sets as of a date, on literal rows."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from features.errors import DataError
from features.products import ProductSet
from features.shop import Shop
from features.snapshot import Snapshot

AS_OF = date(2025, 3, 1)
TENTS = ProductSet.of("tents", ["t1", "t2"])
SHOES = ProductSet.of("shoes", ["s1"])
NEVER = ProductSet.of("never sold", ["n1"])
ROWS = [
    # order, customer, day, product, quantity, price
    ("o1", "anna", "2025-01-10", "t1", 1, 100.0),
    ("o1", "anna", "2025-01-10", "s1", 2, 50.0),
    ("o2", "anna", "2025-01-30", "t2", 1, 80.0),
    ("o3", "anna", "2025-02-19", "s1", 1, 60.0),
    ("o4", "bo", "2025-02-28", "t1", 1, 90.0),
    ("o5", None, "2025-02-27", "t1", 1, 90.0),
    ("o6", "bo", "2025-03-01", "s1", 1, 60.0),
    ("o7", "anna", "2025-03-30", "t1", 1, 60.0),
    ("o8", "anna", "2025-03-31", "s1", 1, 60.0),
    ("o9", "cleo", "2025-03-02", "t1", 1, 60.0),
]


@pytest.fixture(scope="module")
def shop() -> Shop:
    lines = pd.DataFrame(ROWS, columns=["order_id", "customer_id", "ordered_at", "product_id", "quantity", "price"])
    lines["ordered_at"] = pd.to_datetime(lines["ordered_at"])
    orders = lines.groupby("order_id", as_index=False)[["customer_id", "ordered_at"]].first().assign(status="completed")
    returned = pd.DataFrame(
        {"order_id": ["r1"], "customer_id": ["anna"], "ordered_at": [pd.Timestamp("2025-02-20")], "status": ["completed"], "revenue": [-60.0]}
    )
    return Shop.of(
        {
            "orders": pd.concat([orders, returned], ignore_index=True),
            "order_lines": lines[["order_id", "product_id", "quantity", "price"]].assign(line_no=range(len(lines))),
            "customers": pd.DataFrame({"customer_id": ["anna", "bo", "cleo"]}),
            "products": pd.DataFrame({"product_id": ["n1", "s1", "t1", "t2"], "brand": [None, "Acme", "Nordvind", "Acme"]}),
        }
    )


@pytest.fixture(scope="module")
def snapshot(shop: Shop) -> Snapshot:
    return Snapshot(shop, AS_OF)


def test_another_horizon_of_the_same_date_has_the_facts_of_its_own(shop: Shop) -> None:
    snapshot = Snapshot(shop, date(2026, 2, 25), 30)
    for horizon in (30, 15, 300):
        asked, own = snapshot.ahead(horizon), Snapshot(shop, snapshot.as_of, horizon)
        assert asked.horizon == horizon
        pd.testing.assert_frame_equal(asked.customers(), own.customers())
        assert asked.codes.tolist() == own.codes.tolist() and asked.customer_ids.tolist() == own.customer_ids.tolist()
    assert snapshot.ahead(300).customers()["orders_last_year"].tolist() != snapshot.customers()["orders_last_year"].tolist()


@pytest.mark.parametrize(
    ("feature", "anna", "bo"),
    [
        ("frequency", 3, 1),
        ("recency", 10, 1),
        ("age", 50, 1),
        ("active_days", 40, 0),
        ("monetary", (200 + 80 + 60) / 3, 90),
        ("returned", -60, 0),
        ("rhythm", 20, np.nan),
        ("lateness", 0.5, np.nan),
        ("orders_30", 2, 1),
        ("orders_90", 3, 1),
        ("spent_30", 140, 90),
        ("lines", 4, 1),
        ("basket", 4 / 3, 1),
        ("products", 3, 1),
        ("orders_decayed_60", 2 ** (-50 / 60) + 2 ** (-30 / 60) + 2 ** (-10 / 60), 2 ** (-1 / 60)),
    ],
)
def test_customers(snapshot: Snapshot, feature: str, anna: float, bo: float) -> None:
    facts = snapshot.customers()[feature]
    assert list(facts.index) == ["anna", "bo"]
    np.testing.assert_allclose(facts.to_numpy(), [anna, bo], rtol=1e-5)


@pytest.mark.parametrize(
    ("feature", "expected"),
    [
        ("set_orders", {("anna", "tents"): 2, ("bo", "tents"): 1, ("anna", "shoes"): 2}),
        ("set_lines", {("anna", "tents"): 2, ("bo", "tents"): 1, ("anna", "shoes"): 2}),
        ("set_spent", {("anna", "tents"): 180, ("bo", "tents"): 90, ("anna", "shoes"): 160}),
        ("set_recency", {("anna", "tents"): 30, ("bo", "tents"): 1, ("anna", "shoes"): 10}),
        ("set_age", {("anna", "tents"): 50, ("bo", "tents"): 1, ("anna", "shoes"): 50}),
        ("set_orders_30", {("anna", "tents"): 1, ("bo", "tents"): 1, ("anna", "shoes"): 1}),
        ("set_products", {("anna", "tents"): 2, ("bo", "tents"): 1, ("anna", "shoes"): 1}),
        ("set_orders_since", {("anna", "tents"): 1, ("bo", "tents"): 0, ("anna", "shoes"): 0}),
    ],
)
def test_pairs_with_history(snapshot: Snapshot, feature: str, expected: dict[tuple[str, str], float]) -> None:
    frame = snapshot.pairs([TENTS, SHOES, NEVER]).frame().set_index(["customer_id", "product_set"])
    assert frame[feature].to_dict() == expected


@pytest.mark.parametrize(
    ("feature", "tents", "shoes", "never"),
    [
        ("size", 2, 1, 1),
        ("size_sold", 2, 1, 0),
        ("buyers", 2, 1, 0),
        ("popularity", 4 / 5, 2 / 5, 0),
        ("popularity_30", 3 / 4, 1 / 4, 0),
        ("rebuyers", 1 / 2, 1, 0),
        ("price", (100 + 80 + 90 + 90) / 4, 160 / 3, np.nan),
        ("on_sale_days", 50, 50, 0),
    ],
)
def test_sets(snapshot: Snapshot, feature: str, tents: float, shoes: float, never: float) -> None:
    np.testing.assert_allclose(snapshot.pairs([TENTS, SHOES, NEVER]).set_facts[feature], [tents, shoes, never], rtol=1e-5)


@pytest.mark.parametrize(
    ("days", "expected"), [(30, [[True, False], [False, True]]), (31, [[True, True], [False, True]]), (1, [[False, False], [False, True]])]
)
def test_the_outcome_begins_on_the_date_and_ends_before_the_horizon(snapshot: Snapshot, days: int, expected: list[list[bool]]) -> None:
    """anna buys tents on day 29 and shoes on day 30, bo shoes on day 0, and cleo was not known before."""
    assert snapshot.outcome([TENTS, SHOES], days=days).toarray().tolist() == expected


@pytest.mark.parametrize(("days", "expected"), [(30, [True, True]), (29, [False, True])])
def test_who_ordered(snapshot: Snapshot, days: int, expected: list[bool]) -> None:
    assert snapshot.ordered(days=days).tolist() == expected


def test_matrices(snapshot: Snapshot) -> None:
    products, names = snapshot.matrix("product")
    assert list(names) == ["s1", "t1", "t2"]
    assert products.toarray().tolist() == [[2, 1, 1], [0, 1, 0]]
    brands, labels = snapshot.matrix("brand")
    assert list(labels) == ["Acme", "Nordvind"]
    assert brands.toarray().tolist() == [[3, 1], [0, 1]]
    decayed, _ = snapshot.matrix("product", half_life=10)
    np.testing.assert_allclose(decayed.toarray()[0], [2**-5 + 2**-1, 2**-5, 2**-3], rtol=1e-5)


def test_pairs_without_history_are_zero_or_unknown(snapshot: Snapshot) -> None:
    history = snapshot.pairs([NEVER]).history(np.array([0, 1]), np.array([0, 0]))
    assert history["set_orders"].tolist() == [0, 0]
    assert np.isnan(history["set_recency"]).all()


def test_before_the_first_order_nobody_is_known(shop: Shop) -> None:
    with pytest.raises(DataError, match="nobody had ordered before 2024-12-01; the first order is of 2025-01-10"):
        Snapshot(shop, date(2024, 12, 1)).customers()
