"""How the benchmark of customers counts what came, and what it calls missed."""

import sys
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

sys.path.append(str(Path(__file__).resolve().parent.parent / "benchmarks"))

from _customers_origins import BG_NBD, OURS, RECENCY, RFM, SPENT, Origin, came_of, captured
from _customers_tables import chance_error, falls, missed_likelihoods, missed_vips, same_level, vip_revenue

AS_OF = date(2024, 3, 1)
COUNT = 400


def origin(*, ours: float = 0.9, expected: float = 1.0) -> Origin:
    """Every second customer orders, and ``ours`` is the probability given to those; what all are expected to do is ``expected`` times that."""
    again = np.arange(COUNT) % 2 == 0
    chance = np.where(again, ours, 1 - ours) * expected
    even = np.full(COUNT, 0.5)
    came = pd.DataFrame({"orders_30": again * 1.0, "revenue_30": again * 10.0}, index=[f"c{each:03d}" for each in range(COUNT)])
    table = pd.DataFrame({"importance": np.where(np.arange(COUNT) < 40, "VIP", "loyal"), "frequency": 2.0}, index=came.index)
    value = {OURS: chance, SPENT: np.where(again, 0.0, 1.0)}
    return Origin(AS_OF, 30, table, {RECENCY: even, BG_NBD: even, RFM: even, OURS: chance}, {}, value, came)


def test_what_came_is_counted_by_calendar_days_for_horizons_that_have_passed() -> None:
    rows = [
        ("a", "1", "2024-02-29 23:59", 5.0),
        ("a", "2", "2024-03-01 00:00", 7.0),
        ("a", "2", "2024-03-01 00:00", 1.0),
        ("b", "3", "2024-02-01 12:00", 5.0),
        ("b", "4", "2024-03-31 00:00", 9.0),
        ("c", "5", "2024-03-05 12:00", 5.0),
    ]
    purchases = pd.DataFrame(rows, columns=["customer", "order", "at", "amount"]).astype({"at": "datetime64[s]"})
    came = came_of(purchases, AS_OF, (30, 31, 60))
    assert came.index.tolist() == ["a", "b"]
    assert came["orders_30"].tolist() == [1.0, 0.0]
    assert came["revenue_30"].tolist() == [8.0, 0.0]
    assert came["orders_31"].tolist() == [1.0, 1.0]
    assert "orders_60" not in came


def test_true_probabilities_miss_nothing_and_untrue_ones_do() -> None:
    told = missed_likelihoods([origin(ours=0.999)])
    assert told == []
    told = missed_likelihoods([origin(ours=0.9, expected=0.5)])
    assert [each for each in told if "calibration error" in each] and "expected over real 0.50" in told[-1]
    assert len(missed_likelihoods([origin(ours=0.5)])) == 5


def test_a_level_that_is_known_adds_up_and_chance_leaves_an_error() -> None:
    each = origin(ours=0.8, expected=0.5)
    assert same_level(each.chance[OURS], each.again).sum() == pytest.approx(COUNT / 2)
    assert 0.03 < chance_error(np.full(COUNT, 0.5)) < 0.12
    assert chance_error(np.full(COUNT, 1.0)) == 0


def test_return_rates_fall_or_do_not() -> None:
    rates = pd.DataFrame({"returned": [0.1, 0.4, 0.3, 0.2]}, index=["just ordered", "active", "slipping away", "lost"])
    assert falls(rates)
    assert not falls(rates.assign(returned=[0.1, 0.4, 0.2, 0.2]))
    assert falls(rates.assign(returned=[0.1, 0.4, np.nan, 0.2]))


def test_revenue_of_the_first_and_of_vips() -> None:
    each = origin()
    assert captured(each, OURS) == pytest.approx(40 / 200)
    assert captured(each, SPENT) == 0
    found = vip_revenue([each, each])
    assert found["vip"].sum() == found["by_past"].sum() == 80
    assert missed_vips(found) == []
    assert "must be at least" in missed_vips(found.assign(vip=found["by_past"], by_past=found["vip"]))[0]
