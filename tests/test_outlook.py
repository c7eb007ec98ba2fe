"""The outlook of customers: one story over all horizons, carried on where the past is too short, and an answer that makes sense for every shop."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.shop import Shop
from features.snapshot import Snapshot
from models.customers.likelihood import LikelihoodConfig
from models.customers.outlook import AVERAGE, MODEL, SHORTER_MODEL, Learnt, Outlook, OutlookConfig, carried_on, teaching_dates
from models.customers.stretches import CARRIED_ON, FROM_SHORTER, LEARNT, OWN, SEASON, Said

START = date(2024, 1, 1)
HORIZONS = (30, 60, 90, 180, 365)


def shop_of(orders: list[tuple[str, int, float]], *, returns: dict[str, float] | None = None) -> Shop:
    """A shop that has orders only: (customer, day, revenue); ``returns`` are taken back on the last day."""
    rows = pd.DataFrame(orders, columns=["customer_id", "day", "revenue"])
    back = pd.DataFrame([(name, rows["day"].max(), -value) for name, value in (returns or {}).items()], columns=rows.columns)
    rows = pd.concat([rows, back], ignore_index=True)
    rows["ordered_at"] = pd.Timestamp(START) + pd.to_timedelta(rows["day"], unit="D")
    rows["order_id"] = [f"o{number}" for number in range(len(rows))]
    customers = pd.DataFrame({"customer_id": sorted(rows["customer_id"].unique())})
    return Shop.of({"orders": rows[["order_id", "customer_id", "ordered_at", "revenue"]].assign(status="completed"), "customers": customers})


def regulars(customers: int = 300, *, days: int = 500) -> list[tuple[str, int, float]]:
    """Customers who order by chance at rates of their own, and leave one day."""
    rng = np.random.default_rng(7)
    found = []
    for who in range(customers):
        day, until, gap = int(rng.integers(0, days - 60)), float(rng.exponential(400)), float(rng.gamma(2, 25)) + 3
        first = day
        while day < days and day - first <= until:
            found.append((f"c{who:03}", day, float(rng.gamma(4, 10)) + 5))
            day += 1 + int(rng.exponential(gap))
    return found


STRANGE = {
    "a single day of sales": [(f"c{who}", 10, 20.0) for who in range(100)],
    "everybody with one order": [(f"c{who}", who, 20.0) for who in range(100)],
    "no order in the last 90 days": [*((f"c{who}", who % 50, 20.0) for who in range(100)), ("late", 200, 1.0)],
    "an outlier with 200 orders": [*((f"c{who}", who, 20.0) for who in range(100)), *(("firm", day, 9000.0) for day in range(200))],
    "a hundred customers, three hundred orders": [(f"c{who}", 5 * who // 2 + 40 * time, 20.0 + who) for who in range(100) for time in range(3)],
    "one customer": [("alone", 3, 5.0)],
    "orders that brought nothing known": [(f"c{who}", who, 0.01) for who in range(50)],
}


def outlook(shop: Shop, as_of: date, *, horizon: int = 30, config: OutlookConfig | None = None) -> tuple[Outlook, pd.DataFrame]:
    snapshot = Snapshot(shop, as_of, horizon)
    dates = teaching_dates(shop, as_of, horizon)
    try:
        main = Learnt.of([Snapshot(shop, each, horizon) for each in dates], config=LikelihoodConfig(threads=1)) if dates else None
    except Exception:  # noqa: BLE001 - whatever a strange shop makes of it, the outlook must stand without
        main = None
    fitted = Outlook.fit(snapshot, main, config=config or OutlookConfig(likelihood=LikelihoodConfig(threads=1)))
    own = main.likelihood.predict(snapshot).join(main.volume.predict(snapshot)) if main else None
    return fitted, fitted.predict(snapshot, own)


MOST, LEAST = SEASON[LEARNT][1] * OWN[LEARNT][1], SEASON[LEARNT][0] * OWN[LEARNT][0]


def check(table: pd.DataFrame) -> None:
    """Every number is one, in its bounds, and rises with the horizon; nobody's orders a day leap or die, and a lifetime brings more than a year."""
    numbers = table.drop(columns=["basis", "basis_by_horizon"])
    assert np.isfinite(numbers.to_numpy()).all()
    likelihood, orders, revenue = (
        table[[f"{name}_{each}" for each in HORIZONS]].to_numpy(np.float64) for name in ("likelihood", "expected_orders", "expected_revenue")
    )
    assert ((np.diff(likelihood, axis=1) > 0) | (likelihood[:, 1:] > 0.9999)).all() and (likelihood >= 0).all() and (likelihood <= 1).all()
    assert (np.diff(orders, axis=1) > 0).all() and (np.diff(revenue, axis=1) >= 0).all()
    assert (orders >= likelihood - 1e-6).all() and (numbers >= 0).all(axis=None)
    pace = np.diff(orders, axis=1, prepend=0) / np.diff(HORIZONS, prepend=0)
    assert (pace[:, 1:] <= MOST * 1.01 * pace[:, :-1]).all() and (pace[:, 1:] >= LEAST * 0.95 * pace[:, :-1]).all()


@pytest.fixture(scope="module")
def shop() -> Shop:
    return shop_of(regulars())


@pytest.mark.parametrize("strange", STRANGE)
def test_every_shop_gets_an_answer(strange: str) -> None:
    shop = shop_of(STRANGE[strange])
    fitted, table = outlook(shop, shop.default_as_of)
    check(table)
    assert len(table) == len(Snapshot(shop, shop.default_as_of).customer_ids)
    bases = fitted.bases(30, main=MODEL in set(table["basis"]))
    if strange in ("a single day of sales", "one customer"):
        assert set(table["basis"]) == {AVERAGE} and set(bases.values()) == {CARRIED_ON}
        assert table["basis_by_horizon"].unique().tolist() == ["30, 60, 90, 180, 365 days carried on"]
    if strange == "everybody with one order":
        assert 0.0005 < table["likelihood_30"].max() < 0.02 and table["likelihood_365"].mean() < 0.05
    if strange == "an outlier with 200 orders":
        assert table["expected_orders_365"].idxmax() == "firm" and table["expected_orders_30"].max() > 10
    if strange == "a hundred customers, three hundred orders":
        assert (table["likelihood_90"] > 0.02).all() and table["expected_orders_90"].mean() < 1


def test_a_young_shop_says_that_shorter_horizons_taught_it() -> None:
    young = shop_of([each for each in regulars() if each[1] < 45])
    fitted, table = outlook(young, START + timedelta(days=45))
    check(table)
    assert fitted.bases(30, main=False) == dict.fromkeys(HORIZONS, FROM_SHORTER)
    assert set(table["basis"]) == {SHORTER_MODEL}
    assert set(table["basis_by_horizon"]) == {"30, 60, 90, 180, 365 days learnt from shorter"}


def test_refunds_above_revenue_leave_no_value_below_nothing() -> None:
    shop = shop_of([(f"c{who}", who, 20.0) for who in range(60)], returns={"c3": 500.0})
    check(table := outlook(shop, shop.default_as_of)[1])
    assert table.loc["c3", "lifetime_value"] < table.drop("c3")["lifetime_value"].min()


def test_a_grown_shop_is_learnt_and_carried_on(shop: Shop, tmp_path: Path) -> None:
    as_of = START + timedelta(days=300)
    fitted, table = outlook(shop, as_of)
    check(table)
    assert set(fitted.learnt) == {60, 90, 180} and set(table["basis"]) == {MODEL}
    assert fitted.bases(30, main=True) == {**dict.fromkeys((30, 60, 90, 180), LEARNT), 365: FROM_SHORTER}
    assert set(table["basis_by_horizon"]) == {"30, 60, 90, 180 days learnt; 365 days learnt from shorter"}
    snapshot = Snapshot(shop, as_of)
    for days, tolerance in ((30, 0.35), (90, 0.25), (180, 0.25)):
        assert table[f"likelihood_{days}"].sum() == pytest.approx(snapshot.ordered(days=days).sum(), rel=tolerance)
    fitted.save(tmp_path / "outlook")
    own = pd.DataFrame({"likelihood_30": table["likelihood_30"], "expected_orders_30": table["expected_orders_30"]})
    pd.testing.assert_frame_equal(Outlook.load(tmp_path / "outlook").predict(snapshot, own), fitted.predict(snapshot, own))


def test_the_lifetime_value_follows_margin_and_discount(shop: Shop) -> None:
    as_of = START + timedelta(days=300)
    full = outlook(shop, as_of, config=OutlookConfig(discount_rate=0.0))[1]["lifetime_value"]
    half = outlook(shop, as_of, config=OutlookConfig(discount_rate=0.0, margin=0.5))[1]["lifetime_value"]
    later = outlook(shop, as_of, config=OutlookConfig(discount_rate=0.5))[1]["lifetime_value"]
    np.testing.assert_allclose(half, full / 2, rtol=1e-5)
    assert (later < full).all() and (later > 0.4 * full).all()


def test_what_is_carried_on_keeps_its_ratio_and_its_order() -> None:
    said = {
        days: pd.DataFrame({"p_order": [chance, 0.1], "expected_orders": [count, 0.2]})
        for days, chance, count in ((15, 0.1, 0.15), (30, 0.2, 0.3), (60, 0.36, 0.6))
    }
    found = carried_on({30: Said(np.array([0.5, 0.4]), np.array([1.0, 0.5]), LEARNT)}, said)
    assert found[60].likelihood.tolist() == pytest.approx([0.75, 0.4]) and found[60].orders.tolist() == pytest.approx([2.0, 0.5])
    assert found[15].orders.tolist() == pytest.approx([0.5, 0.5]) and found[15].likelihood[0] < 0.5
    assert [found[days].basis for days in (15, 30, 60)] == [CARRIED_ON, LEARNT, CARRIED_ON]
    alone = carried_on({}, said)
    assert alone[60].likelihood.tolist() == pytest.approx([0.36, 0.1]) and alone[60].orders.tolist() == pytest.approx([0.6, 0.2])
