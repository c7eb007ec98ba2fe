"""Rhythm, the next order and the stages of life: the two customers everybody knows, every limit to the day, and shops where little is known."""

import json
from collections.abc import Hashable
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.config import Config, parse_map, with_import
from features.dates import day_number
from features.errors import DataError
from features.imports import import_files
from features.made_up import END, made_up_shop
from features.shop import Shop
from features.snapshot import Snapshot
from models.customers.gaps import OrderDays, ended_by
from models.customers.lifecycle import ACTIVE, JUST_ORDERED, LOST, SLIPPING_AWAY, STAGE_NAMES
from models.customers.rhythm import BASES, DEFAULT_DAYS, Rhythm, return_rates

AS_OF = date(2025, 7, 1)
COLUMNS = "rhythm_days next_order_date next_order_low next_order_high lifecycle slipping_from lost_from basis".split()
DATES = [name for name in COLUMNS if name.startswith("next") or name.endswith("from")]


def shop_of(days: dict[str, list[date]]) -> Shop:
    """Orders without lines on these days of each customer."""
    rows = [(customer, pd.Timestamp(day)) for customer, own in days.items() for day in own]
    orders = pd.DataFrame(rows, columns=["customer_id", "ordered_at"]).assign(status="completed", revenue=10.0)
    orders["order_id"] = [str(number) for number in range(len(orders))]
    return Shop.of({"orders": orders, "customers": pd.DataFrame({"customer_id": list(days)})})


def every(gap: int, orders: int, *, ago: int, as_of: date = AS_OF) -> list[date]:
    """The days of so many orders at a gap, the last one ``ago`` days before the date."""
    return [as_of - timedelta(days=ago + gap * number) for number in range(orders)]


def predicted(days: dict[str, list[date]], *, as_of: date = AS_OF) -> pd.DataFrame:
    snapshot = Snapshot(shop_of(days), as_of)
    return Rhythm.fit(snapshot).predict(snapshot)


MONTHLY = {f"monthly {number}": every(27 + number % 7, 3 + number % 9, ago=5 + 3 * number % 40) for number in range(40)}
YEARLY = {f"yearly {number}": every(355 + number % 20, 2 + number % 3, ago=20 + 9 * number) for number in range(40)}
ONCE = {f"once {number}": [AS_OF - timedelta(days=10 + 17 * number)] for number in range(40)}
OTHERS = [{}, MONTHLY, YEARLY, ONCE, MONTHLY | YEARLY | ONCE]


@pytest.mark.parametrize("others", OTHERS, ids=["alone", "monthly", "yearly", "once", "all kinds"])
@pytest.mark.parametrize("orders", [5, 8])
def test_who_buys_every_three_months_is_slipping_away_after_four(others: dict[str, list[date]], orders: int) -> None:
    days = [day.date() for day in pd.date_range(end="2025-03-01", periods=orders, freq=pd.DateOffset(months=3))]
    found = predicted(others | {"quarterly": days}, as_of=AS_OF)
    assert found.loc["quarterly", "lifecycle"] == SLIPPING_AWAY
    assert found.loc["quarterly", "basis"] == "own"


@pytest.mark.parametrize("others", OTHERS, ids=["alone", "monthly", "yearly", "once", "all kinds"])
@pytest.mark.parametrize("orders", [4, 6])
def test_who_buys_yearly_is_active_after_nine_months(others: dict[str, list[date]], orders: int) -> None:
    days = [day.date() for day in pd.date_range(end="2024-10-01", periods=orders, freq=pd.DateOffset(years=1))]
    assert predicted(others | {"yearly": days}, as_of=AS_OF).loc["yearly", "lifecycle"] == ACTIVE


def test_each_stage_begins_on_its_day_and_the_limits_stay_until_the_next_order() -> None:
    shop = shop_of(MONTHLY | {"ann": every(60, 6, ago=0)})
    model = Rhythm.fit(Snapshot(shop, AS_OF))

    def seen(after: int) -> dict[Hashable, Any]:
        return model.predict(Snapshot(shop, AS_OF + timedelta(days=after))).loc[["ann"]].to_dict("records")[0]

    first = seen(1)
    assert 50 < first["rhythm_days"] < 61
    limits = [int(np.ceil(first["rhythm_days"] / 4)), *((first[name].date() - AS_OF).days for name in ("slipping_from", "lost_from"))]
    for limit, (before, after) in zip(limits, pairwise(STAGE_NAMES), strict=True):
        assert [seen(limit - 1)["lifecycle"], seen(limit)["lifecycle"]] == [before, after]
    for waited in (1, limits[1], limits[2] + 500):
        assert all(seen(waited)[name] == first[name] for name in ("rhythm_days", "slipping_from", "lost_from"))


def test_two_orders_are_drawn_to_the_others_and_many_are_not() -> None:
    found = predicted(MONTHLY | {"two": every(200, 2, ago=20), "many": every(200, 9, ago=20)})
    assert 30 < found["rhythm_days"]["two"] < 180
    assert 180 < found["rhythm_days"]["many"] <= 200
    assert list(found.loc[["two", "many"], "basis"]) == ["like them", "own"]


def test_the_open_gap_counts_as_a_long_one() -> None:
    """Of the gaps 20 and 60 and the open one the median is 60."""
    ann = [AS_OF - timedelta(days=ago) for ago in (10, 30, 90)]
    days = OrderDays(np.zeros(3, np.int64), np.array([day_number(day) for day in sorted(ann)]), day_number(AS_OF))
    model = Rhythm.of_days(days)
    gaps = days.gaps_before(days.ends)
    assert np.exp(model.habit(gaps, np.log([60.0])).usual) == pytest.approx([60])


def test_one_order_gets_the_shops_return_curve() -> None:
    """Of 100 customers 60 came back after 20 days, 40 after 80; another 100 never did."""
    start = AS_OF - timedelta(days=400)
    came = {f"c{number:03}": [start, start + timedelta(days=20 if number < 60 else 80)] for number in range(100)}
    never = {f"n{number:03}": [start] for number in range(100)} | {"new": [AS_OF - timedelta(days=1)]}
    found = predicted(came | never)
    assert set(found.loc[list(never), "basis"]) == {"shop"}
    assert 18 < found["rhythm_days"]["new"] < 26
    assert found.loc["new", "lifecycle"] == JUST_ORDERED
    assert found.loc["n000", "lifecycle"] == LOST
    low, high = (found[name]["new"].date() for name in ("next_order_low", "next_order_high"))
    assert low <= AS_OF + timedelta(days=20) and AS_OF + timedelta(days=70) < high < AS_OF + timedelta(days=150)


def test_open_gaps_make_the_return_curve_longer() -> None:
    """Three waits of 10 days and one of 40, beside four that are open after 30 days: half have ended only after 40."""
    moments, share = ended_by([10, 10, 10, 40, 30, 30, 30, 30], [True] * 4 + [False] * 4)
    assert moments.tolist() == [10, 40]
    assert share.tolist() == [3 / 8, 1]


@pytest.mark.parametrize(
    "days, as_of",
    [
        ({f"c{number}": [date(2025, 1, 1) + timedelta(days=number)] for number in range(100)}, AS_OF),
        ({f"c{number}": [date(2025, 6, 30)] for number in range(30)}, AS_OF),
        ({"only": [date(2025, 6, 30)]}, AS_OF),
        ({"only": [date(2025, 6, 30)] * 3}, AS_OF),
        ({"only": [date(2010, 1, 1)]}, AS_OF),
    ],
    ids=["everybody once", "a single day", "one order", "three orders on one day", "years ago"],
)
def test_where_nobody_came_back_there_is_a_stated_default(days: dict[str, list[date]], as_of: date) -> None:
    found = predicted(days, as_of=as_of)
    assert set(found["basis"]) == {"default"}
    assert found["rhythm_days"].to_numpy() == pytest.approx(DEFAULT_DAYS)
    check(found, as_of)


def check(found: pd.DataFrame, as_of: date) -> None:
    assert list(found) == COLUMNS
    assert found.notna().all(axis=None)
    assert set(found["lifecycle"]) <= set(STAGE_NAMES) and set(found["basis"]) <= set(BASES)
    assert (found["rhythm_days"] >= 1).all()
    assert all(found[name].dtype.kind == "M" for name in DATES)
    assert (found["next_order_low"] >= pd.Timestamp(as_of)).all()
    assert (found["next_order_low"] <= found["next_order_date"]).all()
    assert (found["next_order_date"] <= found["next_order_high"]).all()
    assert (found["slipping_from"] < found["lost_from"]).all()


def test_a_firm_that_orders_daily_is_not_lost_after_a_long_weekend() -> None:
    found = predicted(ONCE | {"firm": every(1, 200, ago=4), "gone": every(1, 200, ago=60)})
    assert found["rhythm_days"]["firm"] == pytest.approx(1, abs=0.2)
    assert list(found.loc[["firm", "gone"], "lifecycle"]) == [ACTIVE, LOST]


def test_orders_on_one_day_are_one() -> None:
    twice = {name: own * 2 for name, own in MONTHLY.items()}
    pd.testing.assert_frame_equal(predicted(twice), predicted(MONTHLY))


def test_what_comes_later_changes_nothing() -> None:
    later = {name: [*own, AS_OF, AS_OF + timedelta(days=3)] for name, own in MONTHLY.items()} | {"new": [AS_OF]}
    pd.testing.assert_frame_equal(predicted(later), predicted(MONTHLY))


def test_nobody_yet_is_said() -> None:
    with pytest.raises(DataError, match="nobody had ordered before 2025-07-01"):
        predicted({"ann": [AS_OF]})


def test_every_kind_of_customer_in_one_shop() -> None:
    found = predicted(MONTHLY | YEARLY | ONCE | {"firm": every(1, 200, ago=4), "long ago": [date(2011, 1, 1), date(2011, 1, 2)]})
    check(found, AS_OF)
    assert list(found.index) == sorted(found.index)


def test_kept_as_json() -> None:
    snapshot = Snapshot(shop_of(MONTHLY | ONCE), AS_OF)
    model = Rhythm.fit(snapshot)
    again = Rhythm.of_dict(json.loads(json.dumps(model.as_dict())))
    pd.testing.assert_frame_equal(again.predict(snapshot), model.predict(snapshot))


def test_planted_rhythms_are_found_and_next_orders_lie_in_their_intervals() -> None:
    made = made_up_shop(scale=0.15, seed=2)
    shop = Shop.of(made.tables)
    found = Rhythm.fit(Snapshot(shop, END)).predict(Snapshot(shop, END))
    errors = (found["rhythm_days"].reindex(made.truth.rhythms.index) / made.truth.rhythms - 1).abs().dropna()
    assert len(errors) > 0.9 * len(made.truth.rhythms) > 200
    assert errors.median() <= 0.2
    assert 0.72 < share_inside(shop, date(2025, 1, 1)) < 0.92


def share_inside(shop: Shop, as_of: date) -> float:
    """Of the customers who came back, the share whose next order lay in its interval."""
    snapshot = Snapshot(shop, as_of)
    found = Rhythm.fit(snapshot).predict(snapshot)
    ahead = shop.orders.filter(shop.orders.day >= snapshot.day)
    first = ahead.group_by("customer").agg(day=ahead.day.min()).to_pandas()
    came = pd.Series(pd.to_datetime(first["day"].to_numpy(), unit="D"), index=shop.customer_ids[first["customer"]])
    came = came[came.index.isin(found.index)]
    known = found.loc[came.index]
    return float(((came >= known["next_order_low"]) & (came <= known["next_order_high"])).mean())


SHOPS = {
    "online_retail": (
        "order_id=InvoiceNo product_id=StockCode customer_id=CustomerID ordered_at=InvoiceDate price=UnitPrice title=Description",
        ["2011-06-01", "2011-08-01", "2011-10-01", "2011-11-10"],
    ),
    "cdnow": ("ordered_at=date revenue=amount", ["1997-07-01", "1997-10-01", "1998-01-01", "1998-04-01"]),
}


@pytest.mark.parametrize("name", SHOPS)
def test_fewer_come_back_the_further_a_customer_has_slipped(shared_data: Path, tmp_path: Path, name: str) -> None:
    pairs, dates = SHOPS[name]
    config = with_import(Config(), map=parse_map(pairs.split()), cancelled_prefix="C" if name == "online_retail" else None)
    import_files(tmp_path, [shared_data / name / "transactions.parquet"], config=config)
    shop = Shop.open(tmp_path)
    for as_of in map(date.fromisoformat, dates):
        table = return_rates(shop, as_of, days=30)
        fresh = table.loc[[JUST_ORDERED, ACTIVE]]
        rates = [np.average(fresh["returned"], weights=fresh["customers"]), *table.loc[[SLIPPING_AWAY, LOST], "returned"]]
        assert rates[0] > rates[1] > rates[2], f"{as_of}\n{table}"
        assert table["customers"].min() > 100
    assert share_inside(shop, date.fromisoformat(dates[1])) == pytest.approx(0.88, abs=0.05)


def test_return_rates_of_a_shop_that_has_one_stage_only() -> None:
    table = return_rates(shop_of({"ann": [AS_OF - timedelta(days=1), AS_OF], "bob": [AS_OF - timedelta(days=2)]}), AS_OF, days=1)
    assert list(table.index) == list(STAGE_NAMES)
    assert table["customers"].tolist() == [2, 0, 0, 0]
    assert table["returned"].iloc[0] == 0.5 and table["returned"].iloc[1:].isna().all()
