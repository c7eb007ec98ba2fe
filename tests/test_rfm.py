"""RFM groups and concentration: every triple of scores has exactly one name, and the curve is what was spent."""

from collections import Counter
from datetime import date
from itertools import product

import numpy as np
import pandas as pd
import pytest

from features.shop import Shop
from features.snapshot import Snapshot
from models.customers.rfm import GROUPS, SCORES, concentration, concentration_of, rfm_group

TRIPLES = list(product(range(1, 6), range(1, 6), range(1, 6)))


def test_every_triple_of_scores_has_exactly_one_group() -> None:
    counted = Counter(cell for group in GROUPS for cell in group.cells())
    assert counted == Counter(TRIPLES)
    scores = pd.DataFrame(TRIPLES, columns=SCORES, dtype="Int8")
    named = {cell: group.name for group in GROUPS for cell in group.cells()}
    assert rfm_group(scores).tolist() == [named[triple] for triple in TRIPLES]


@pytest.mark.parametrize(
    "triple, name",
    [((5, 5, 5), "champions"), ((1, 1, 1), "gone"), ((1, 5, 5), "must keep"), ((5, 1, 1), "newcomers"), ((3, 1, 5), "big spenders")],
)
def test_the_corners(triple: tuple[int, int, int], name: str) -> None:
    assert rfm_group(pd.DataFrame([triple], columns=SCORES)).tolist() == [name]


def test_an_unknown_score_has_no_group() -> None:
    scores = pd.DataFrame([(5, 5, 5), (None, 5, 5)], columns=SCORES, index=["a", "b"]).astype("Int8")
    assert rfm_group(scores).isna().tolist() == [False, True]


def test_concentration_counts_what_was_spent_before_the_date() -> None:
    rows = [("1", "ann", "2025-01-01", 60.0), ("2", "bob", "2025-01-02", 30.0), ("3", "cid", "2025-01-03", 10.0), ("4", "cid", "2025-02-01", 900.0)]
    orders = pd.DataFrame(rows, columns=["order_id", "customer_id", "ordered_at", "revenue"]).assign(status="completed")
    orders["ordered_at"] = pd.to_datetime(orders["ordered_at"])
    shop = Shop.of({"orders": orders, "customers": pd.DataFrame({"customer_id": ["ann", "bob", "cid"]})})
    curve = concentration(Snapshot(shop, date(2025, 2, 1)))
    assert np.interp([1 / 3, 2 / 3], curve["customers"], curve["revenue"]) == pytest.approx([0.6, 0.9], abs=0.01)


@pytest.mark.parametrize("spent", [[0.0, 0.0], [5.0], [1.0] * 7, [9.0, 1.0, np.nan]])
def test_a_curve_rises_from_nothing_to_all(spent: list[float]) -> None:
    curve = concentration_of(pd.Series(spent))
    assert len(curve) == 101
    assert curve.iloc[0].tolist() == [0, 0] and curve.iloc[-1].to_numpy() == pytest.approx([1, 1])
    assert (np.diff(curve["revenue"]) >= 0).all() and (curve["revenue"] >= curve["customers"] - 1e-9).all()
