"""What counts as a purchase, on literal rows."""

import shutil
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from features.errors import DataError
from features.files import read_current
from features.shop import CODED, CODED_TABLES, MONEY, Shop

DAY = pd.Timestamp("2025-01-01 12:00")
ORDER_COLUMNS = ["order_id", "customer_id", "ordered_at", "status", "revenue", "discount"]
LINE_COLUMNS = ["order_id", "line_no", "product_id", "quantity", "price", "list_price"]


def _shop(lines: list[tuple[str, str, float | None, float | None]], orders: list[tuple[str, str | None, str, float | None]] | None = None) -> Shop:
    """Lines are (order, product, quantity, price), orders (order, customer, status, revenue)."""
    ids = sorted({line[0] for line in lines})
    orders = orders or [(order_id, "c1", "completed", None) for order_id in ids]
    tables = {
        "orders": pd.DataFrame(orders, columns=["order_id", "customer_id", "status", "revenue"]).assign(ordered_at=DAY),
        "customers": pd.DataFrame({"customer_id": sorted({order[1] for order in orders if order[1]})}),
        "products": pd.DataFrame({"product_id": sorted({line[1] for line in lines})}),
    }
    if lines:
        tables["order_lines"] = pd.DataFrame(lines, columns=["order_id", "product_id", "quantity", "price"]).assign(line_no=range(1, len(lines) + 1))
    return Shop.of(tables)


@pytest.mark.parametrize(
    ("quantity", "price", "counts"),
    [(1, 9.5, True), (None, 9.5, True), (2, None, True), (-1, 9.5, False), (0, 9.5, False), (1, 0, False), (1, -3, False)],
)
def test_a_purchase_line_has_a_quantity_and_was_not_free(quantity: float | None, price: float | None, counts: bool) -> None:
    assert _shop([("o1", "p1", quantity, price), ("o2", "p2", 1, 1)]).lines.count().execute() == 1 + counts


@pytest.mark.parametrize(("status", "counts"), [("completed", 1), ("cancelled", 0)])
def test_cancelled_orders_are_no_purchases(status: str, counts: int) -> None:
    shop = _shop([("o1", "p1", 1, 2.0)], [("o1", "c1", status, 2.0)])
    assert (shop.lines.count().execute(), shop.orders.count().execute()) == (counts, counts)


def test_lines_without_a_customer_count_for_products_only() -> None:
    shop = _shop([("o1", "p1", 1, 2.0), ("o2", "p1", 1, 2.0)], [("o1", "c1", "completed", None), ("o2", None, "completed", None)])
    assert shop.lines.count().execute() == 2
    assert shop.orders.to_pandas()["customer"].tolist() == [0]


def test_orders_alone_are_purchases_unless_they_take_revenue_away() -> None:
    orders: list[tuple[str, str | None, str, float | None]] = [
        ("o1", "c1", "completed", 5.0),
        ("o2", "c1", "completed", 0.0),
        ("o3", "c2", "completed", -4.0),
        ("o4", "c2", "completed", None),
        ("o5", "c2", "cancelled", 0.0),
    ]
    shop = _shop([], orders)
    assert not shop.has_lines
    assert sorted(shop.orders.to_pandas()["revenue"]) == [0, 5 * MONEY]
    assert shop.returns.to_pandas()["revenue"].tolist() == [-4 * MONEY]


def test_where_lines_are_known_an_order_without_any_must_have_brought_something() -> None:
    orders: list[tuple[str, str | None, str, float | None]] = [
        ("o1", "c1", "completed", None),
        ("o2", "c1", "completed", 0.0),
        ("o3", "c1", "completed", 7.0),
        ("o4", "c1", "completed", 0.0),
    ]
    shop = _shop([("o1", "p1", 1, 2.0), ("o4", "p1", 1, 0.0)], orders)
    assert sorted(shop.orders.to_pandas()["revenue"]) == [2 * MONEY, 7 * MONEY]


def test_revenue_of_an_order_is_the_given_one_or_that_of_its_lines() -> None:
    shop = _shop([("o1", "p1", 2, 3.0), ("o2", "p1", 2, 3.0)], [("o1", "c1", "completed", 5.5), ("o2", "c1", "completed", None)])
    assert sorted(shop.orders.to_pandas()["revenue"] / MONEY) == [5.5, 6.0]


@pytest.mark.parametrize(
    ("price", "revenue", "discount", "saved"),
    [
        (80.0, 80.0, 20.0, 20),
        (80.0, 80.0, -20.0, 20),
        (80.0, 70.0, 10.0, 30),
        (80.0, 40.0, 20.0, 20),
        (80.0, None, 10.0, 20),
        (80.0, 80.0, None, 20),
        (100.0, 90.0, 10.0, 10),
        (None, 90.0, 10.0, 10),
        (120.0, 110.0, 10.0, 10),
    ],
    ids=["holds the lines'", "written below 0", "comes on top", "refunded", "revenue unknown", "lines only", "order only", "no prices", "above list"],
)
def test_what_was_saved_is_counted_once(price: float | None, revenue: float | None, discount: float | None, saved: float) -> None:
    tables = {
        "orders": pd.DataFrame([("o1", "c1", DAY, "completed", revenue, discount)], columns=ORDER_COLUMNS).astype({"discount": float}),
        "order_lines": pd.DataFrame([("o1", 1, "p1", 1.0, price, 100.0)], columns=LINE_COLUMNS).astype({"price": float}),
        "customers": pd.DataFrame({"customer_id": ["c1"]}),
        "products": pd.DataFrame({"product_id": ["p1"]}),
    }
    assert Shop.of(tables).orders.to_pandas()["discount"].tolist() == [saved * MONEY]


def test_dates_and_codes() -> None:
    shop = _shop([("o1", "p2", 1, 1.0), ("o1", "p1", 1, 1.0)])
    assert shop.default_as_of == date(2025, 1, 2)
    assert list(shop.product_ids) == ["p1", "p2"]
    assert sorted(shop.lines.to_pandas()["product"]) == [0, 1]


def test_a_shop_without_orders_says_what_to_check() -> None:
    with pytest.raises(DataError, match="no completed order of a known customer; check the mapping"):
        _ = _shop([("o1", "p1", 1, 1.0)], [("o1", None, "completed", None)]).days


def test_tables_that_are_not_canonical_are_a_programmers_mistake() -> None:
    with pytest.raises(ValueError, match="not canonical tables"):
        Shop.of({"baskets": pd.DataFrame()})


@pytest.mark.parametrize("name", CODED_TABLES)
def test_what_the_import_kept_is_what_is_worked_out_without_it(shop: Path, name: str) -> None:
    kept = getattr(Shop.open(shop), name).to_pandas()
    shutil.rmtree(shop / read_current(shop)["tables"] / CODED)
    worked_out = getattr(Shop.open(shop), name).to_pandas()
    in_order = [each.sort_values(list(each.columns), ignore_index=True) for each in (kept, worked_out)]
    pd.testing.assert_frame_equal(*in_order)


def test_drawn_customers_bring_all_that_is_theirs_and_a_fair_share_of_the_rest() -> None:
    orders: list[tuple[str, str | None, str, float | None]] = [
        (f"o{number}", f"c{number % 2000}" if number % 3 else None, "completed", None) for number in range(9000)
    ]
    shop = _shop([(order[0], f"p{place % 5}", 1, 2.0) for place, order in enumerate(orders)], orders)
    few, fewer = shop.drawn(500), shop.drawn(200)
    whole, some, least = (each.lines.to_pandas() for each in (shop, few, fewer))
    known = some["customer"].dropna()
    assert few.share == pytest.approx(0.25, abs=0.01) and len(few.customer_ids) == len(shop.customer_ids)
    assert len(known.unique()) / 2000 == pytest.approx(0.25, abs=0.05)
    assert set(least["customer"].dropna()) < set(known)
    assert len(some[some["customer"].isin(known)]) == len(whole[whole["customer"].isin(known)])
    assert some["customer"].isna().sum() / whole["customer"].isna().sum() == pytest.approx(0.25, abs=0.03)
    assert shop.drawn(5000) is shop and few.drawn(900) is few
    assert few.days == shop.days
