"""Any horizon: what dates are learnt from, the shop's return curve, and totals on a shop whose process is known."""

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from features.errors import DataError
from features.shop import Shop
from features.snapshot import Snapshot
from models import metrics
from models.customers.any_horizon import AnyHorizon, ReturnCurve, horizons_learnt, proportional, step_to
from models.customers.btyd import order_days_after

START = date(2024, 1, 1)


def shop_of(customers: int, *, seed: int, days: int = 400) -> Shop:
    """Customers who come in the first 90 days, order at a steady rate of their own, and leave at one."""
    rng = np.random.default_rng(seed)
    first, leaves = rng.integers(0, 90, customers), rng.exponential(200, customers)
    rate = rng.gamma(0.8, 1 / 50, customers)
    rows = [(number, int(start)) for number, start in enumerate(first)]
    for number in range(customers):
        times = first[number] + np.cumsum(rng.exponential(1 / rate[number], 60))
        rows += [(number, int(time)) for time in times[times < min(days, first[number] + leaves[number])]]
    orders = pd.DataFrame(rows, columns=["customer", "day"]).drop_duplicates()
    orders = orders.assign(
        order_id=[str(number) for number in range(len(orders))],
        customer_id=orders["customer"].astype(str),
        ordered_at=pd.Timestamp(START) + pd.to_timedelta(orders["day"], unit="D"),
        status="completed",
        revenue=10.0,
    ).drop(columns=["customer", "day"])
    return Shop.of({"orders": orders, "customers": orders[["customer_id"]].drop_duplicates()})


@pytest.fixture(scope="module")
def shop() -> Shop:
    return shop_of(3000, seed=1)


@pytest.fixture(scope="module")
def fit(shop: Shop) -> tuple[Snapshot, AnyHorizon]:
    snapshot = Snapshot(shop, START + timedelta(days=200))
    return snapshot, AnyHorizon.fit(snapshot, horizon=180, threads=1)


def test_it_ranks_and_its_totals_come_true(fit: tuple[Snapshot, AnyHorizon]) -> None:
    snapshot, model = fit
    came, found = order_days_after(snapshot, 180), model.predict(snapshot)
    assert list(found.index) == list(snapshot.customer_ids)
    assert metrics.auc(found["p_order"], came > 0) > 0.75
    assert found["p_order"].between(0, 1).all() and (found["expected_orders"] > 0).all()
    assert 0.8 < found["expected_orders"].sum() / came.sum() < 1.25
    assert 0.8 < found["p_order"].sum() / (came > 0).sum() < 1.25


def test_the_same_seed_gives_the_same(fit: tuple[Snapshot, AnyHorizon]) -> None:
    snapshot, model = fit
    pd.testing.assert_frame_equal(AnyHorizon.fit(snapshot, horizon=180, threads=1).predict(snapshot), model.predict(snapshot))


@pytest.mark.parametrize(("history", "horizon", "longest"), [(200, 180, 133), (200, 30, 30), (30, 180, 23)])
def test_dates_learnt_from_are_over(shop: Shop, history: int, horizon: int, longest: int) -> None:
    """No horizon that is learnt from is longer than the one asked for, and each date has a week of orders before it."""
    found = horizons_learnt(Snapshot(shop, START + timedelta(days=history)), horizon)
    assert max(found) <= longest and list(found) == sorted(found)


def test_nothing_after_the_date_is_known(shop: Shop) -> None:
    as_of = START + timedelta(days=100)
    orders: pd.DataFrame = shop.tables["orders"].to_pandas()
    known = orders[orders["ordered_at"] < pd.Timestamp(as_of)]
    cut = Shop.of({"orders": known, "customers": known[["customer_id"]].drop_duplicates()})
    pd.testing.assert_frame_equal(proportional(Snapshot(shop, as_of), 60), proportional(Snapshot(cut, as_of), 60))
    assert ReturnCurve.fit(Snapshot(shop, as_of)) == ReturnCurve.fit(Snapshot(cut, as_of))


def test_a_steady_shop_has_a_flat_curve() -> None:
    """40 customers who order every tenth day: .7 orders a week, at any age."""
    days = [(str(customer), START + timedelta(days=customer % 10 + 10 * number)) for customer in range(40) for number in range(40)]
    orders = pd.DataFrame(days, columns=["customer_id", "ordered_at"])
    orders = orders.assign(ordered_at=pd.to_datetime(orders["ordered_at"]), order_id=orders.index.astype(str), status="completed", revenue=1.0)
    snapshot = Snapshot(Shop.of({"orders": orders, "customers": orders[["customer_id"]].drop_duplicates()}), START + timedelta(days=390))
    curve = ReturnCurve.fit(snapshot)
    assert curve.fall == pytest.approx(0.0, abs=0.03)
    assert curve.expected(np.array([390.0]), 70.0)[0] == pytest.approx(7.0, rel=0.03)


@pytest.mark.parametrize("fall", [0.0, 0.5, 1.0, 1.7])
def test_the_curve_adds_up(fall: float) -> None:
    curve, ages = ReturnCurve(0.2, fall), np.array([1.0, 70.0])
    parts = curve.expected(ages, 50.0) + curve.expected(ages + 50.0, 100.0)
    np.testing.assert_allclose(curve.expected(ages, 150.0), parts)


def test_a_shop_without_repeat_orders_says_so() -> None:
    orders = pd.DataFrame({"customer_id": [str(n) for n in range(90)], "ordered_at": pd.date_range(START, periods=90)})
    orders = orders.assign(order_id=orders["customer_id"], status="completed", revenue=1.0)
    snapshot = Snapshot(Shop.of({"orders": orders, "customers": orders[["customer_id"]]}), START + timedelta(days=90))
    assert ReturnCurve.fit(snapshot).expected(np.array([30.0]), 365.0)[0] == 0.0
    with pytest.raises(DataError, match="nobody ordered"):
        AnyHorizon.fit(snapshot, horizon=90)


def test_probabilities_are_moved_to_a_total() -> None:
    log_odds = np.array([-3.0, 0.0, 2.0])
    found = expit(log_odds + step_to(log_odds, 1.2))
    assert found.sum() == pytest.approx(1.2) and (np.diff(found) > 0).all()
