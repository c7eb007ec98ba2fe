"""Importance: every customer in exactly one group, by limits that are made anew, stable with equals; the shares add up."""

import json

import numpy as np
import pandas as pd
import pytest

from models.customers.importance import EXCLUSIVE, FREQUENT, GROUP_NAMES, LOYAL, ONE_TIME, VIP, Importance, shares


def many(count: int = 1000, *, seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    orders = rng.gamma(1.0, 1.0, count)
    cells = {"frequency": rng.geometric(0.5, count), "orders": orders, "revenue": orders * rng.lognormal(4, 0.7, count)}
    cells["worth"] = np.sqrt(cells["revenue"] * rng.lognormal(6, 1, count))
    return pd.DataFrame(cells, index=[f"c{number:04}" for number in range(count)])


def test_each_group_by_hand() -> None:
    """A worth above 80, an order value above 8, and orders above 7 are high."""
    limits = Importance({"worth": 80.0, "order_value": 8.0, "revenue": 0.0, "orders": 7.0})
    cases = [(1, 99, 999, ONE_TIME), (2, 10, 81, VIP), (2, 1, 80, EXCLUSIVE), (2, 9.9, 79, FREQUENT), (2, 7, 50, LOYAL), (2, 0, 0, LOYAL)]
    customers = pd.DataFrame([case[:3] for case in cases], columns=["frequency", "orders", "revenue"])
    assert limits.group(customers.assign(worth=customers["revenue"])).tolist() == [case[3] for case in cases]


def test_a_value_at_the_limit_is_not_above_it() -> None:
    customers = pd.DataFrame({"frequency": 2, "orders": 1.0, "revenue": 1.0, "worth": np.arange(1.0, 12.0)})
    importance = Importance.of(customers)
    assert importance.limits["worth"] == 10
    assert importance.group(customers).tolist() == [LOYAL] * 10 + [VIP]
    more = customers.assign(worth=customers["worth"] + 1)
    assert Importance.of(more).limits["worth"] == 11


def test_everybody_is_in_exactly_one_group_and_the_shares_add_up() -> None:
    customers = many()
    group = Importance.of(customers).group(customers)
    assert set(group) == set(GROUP_NAMES)
    assert ((group == ONE_TIME) == (customers["frequency"] == 1)).all()
    table = shares(group, customers)
    assert list(table.index) == list(GROUP_NAMES)
    assert table.sum().to_numpy() == pytest.approx(1)
    assert table["revenue"][VIP] > 2 * table["customers"][VIP]
    assert (group == VIP).sum() == np.ceil(((customers["frequency"] > 1).sum() - 1) / 10)


def test_equals_are_together_whatever_their_order() -> None:
    customers = many().round({"orders": 0}).assign(revenue=lambda rows: 10.0 * rows["orders"], worth=lambda rows: rows["orders"])
    group = Importance.of(customers).group(customers)
    repeated = customers["frequency"] > 1
    assert group[repeated].groupby([customers["orders"][repeated], customers["revenue"][repeated]]).nunique().max() == 1
    shuffled = customers.sample(frac=1, random_state=1)
    pd.testing.assert_series_equal(Importance.of(shuffled).group(shuffled).sort_index(), group.sort_index())


@pytest.mark.parametrize(
    "frequency, revenue, groups",
    [
        ([1, 1, 1], [1.0, 2.0, 3.0], [ONE_TIME] * 3),
        ([2], [5.0], [LOYAL]),
        ([2, 3], [5.0, 5.0], [LOYAL] * 2),
        ([2, 2, 2], [np.nan, 5.0, 6.0], [LOYAL, LOYAL, VIP]),
        ([0, 2], [0.0, 5.0], [None, LOYAL]),
        ([2, 2], [-5.0, -5.0], [LOYAL] * 2),
        ([], [], []),
    ],
    ids=["everybody once", "one customer", "equal", "unknown", "no order yet", "refunds above revenue", "nobody"],
)
def test_small_and_strange_shops(frequency: list[int], revenue: list[float], groups: list[str | None]) -> None:
    customers = pd.DataFrame({"frequency": frequency, "orders": 1.0, "revenue": revenue, "worth": revenue})
    importance = Importance.of(customers)
    found = importance.group(customers)
    assert [None if pd.isna(each) else each for each in found] == groups
    table = shares(found, customers)
    assert table["customers"].sum() == pytest.approx(1 if groups else 0)
    assert Importance.of_dict(json.loads(json.dumps(importance.as_dict(), allow_nan=False))) == importance


def test_the_limits_are_told() -> None:
    importance = Importance({"worth": 812.5, "order_value": 91.0, "revenue": 40.0, "orders": 0.75})
    assert importance.sentences(pd.Series([VIP, EXCLUSIVE, ONE_TIME]), money="{:.2f} EUR".format) == [
        "VIP: worth above 812.50 EUR",
        "exclusive: predicted revenue per order above 91.00 EUR, and predicted revenue from 40.00 EUR on",
        "frequent: nobody yet",
    ]
    nobody = Importance({"worth": np.inf, "order_value": np.inf, "revenue": np.inf, "orders": np.inf})
    assert nobody.sentences(pd.Series([ONE_TIME]), money=str) == ["VIP: nobody yet", "exclusive: nobody yet", "frequent: nobody yet"]


def test_who_is_hardly_expected_is_not_exclusive() -> None:
    """Lost customers of dear orders: revenue per order is high, but hardly any is predicted."""
    customers = pd.DataFrame({"frequency": 2, "orders": [1.0] * 20, "revenue": [50.0] * 20})
    customers.loc[[0, 1], ["orders", "revenue"]] = [[0.001, 1.0], [1.0, 900.0]]
    customers["worth"] = 1.0
    assert Importance.of(customers).group(customers)[[0, 1]].tolist() == [LOYAL, EXCLUSIVE]
