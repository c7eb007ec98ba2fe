"""Scores of a rule become probabilities: the planted curve is found, totals are right, and a better score is never less probable."""

import json
from datetime import date

import numpy as np
import pandas as pd
import pytest

from features.products import ProductSet
from features.shop import Shop
from features.snapshot import Snapshot
from models import metrics
from models.pairs.calibrated import LiftCurve, Window, rank_shares, usual_shares

USUAL = np.array([0.01, 0.03, 0.1, 0.002])


def planted(seed: int, *, customers: int = 5000) -> Window:
    """The best tenth buys four times as often as usual, the rest two thirds as often."""
    random = np.random.default_rng(seed)
    scores = random.random((customers, len(USUAL))).astype(np.float32)
    lift = np.where(rank_shares(scores) < 0.1, 4.0, 2 / 3)
    return scores, random.random(scores.shape) < USUAL * lift, USUAL


@pytest.fixture(scope="module")
def curve() -> LiftCurve:
    return LiftCurve.fit([planted(1), planted(2), planted(3, customers=4000)])


def test_the_planted_curve_is_found(curve: LiftCurve) -> None:
    assert np.interp([0.02, 0.05, 0.3, 0.6, 0.9], curve.shares, curve.lifts) == pytest.approx([4, 4, 2 / 3, 2 / 3, 2 / 3], rel=0.2)
    assert (np.diff(curve.lifts) <= 0).all() and (np.diff(curve.shares) > 0).all()


def test_as_many_are_expected_as_came(curve: LiftCurve) -> None:
    windows = [planted(1), planted(2), planted(3, customers=4000)]
    expected = sum(curve.probability(scores, usual).sum() for scores, _, usual in windows)
    assert expected == pytest.approx(sum(outcome.sum() for _, outcome, _ in windows), rel=0.01)


def test_it_is_truer_than_the_usual_share_alone(curve: LiftCurve) -> None:
    scores, outcome, usual = planted(4)
    assert metrics.log_loss(curve.probability(scores, usual), outcome) < metrics.log_loss(np.broadcast_to(usual, outcome.shape), outcome)


@pytest.mark.parametrize("decimals", [1, 3])
def test_a_better_score_is_never_less_probable_and_equals_are_equal(curve: LiftCurve, decimals: int) -> None:
    scores = planted(5)[0].round(decimals)
    given = curve.probability(scores, USUAL)
    assert given.dtype == np.float32 and ((given >= 0) & (given < 1)).all()
    for column in range(scores.shape[1]):
        by_score = pd.Series(given[:, column]).groupby(scores[:, column]).agg(["min", "max"])
        assert (by_score["min"] == by_score["max"]).all() and by_score["min"].is_monotonic_increasing


def test_what_everybody_buys_is_no_more_than_nearly_sure(curve: LiftCurve) -> None:
    assert curve.probability(np.array([[2.0], [1.0]]), np.array([0.9])).max() < 1


def test_a_curve_is_kept_as_json(curve: LiftCurve) -> None:
    scores, _, usual = planted(6)
    again = LiftCurve.of_dict(json.loads(json.dumps(curve.as_dict())))
    assert np.array_equal(again.probability(scores, usual), curve.probability(scores, usual))


@pytest.mark.parametrize("windows", [[], [(np.zeros((3, 1)), np.zeros((3, 1), bool), np.zeros(1))]])
def test_nothing_to_learn_from_is_told(windows: list[Window]) -> None:
    with pytest.raises(ValueError, match="no pair to learn a lift from"):
        LiftCurve.fit(windows)


def test_the_usual_share_counts_buyers_of_the_last_horizon() -> None:
    """As of 2025-03-01 with a horizon of 30 days: from 2025-01-30 on."""
    orders = pd.DataFrame(
        [("1", "ann", "2025-01-30"), ("2", "ann", "2025-02-28"), ("3", "bob", "2025-01-29"), ("4", "cid", "2025-03-01")],
        columns=["order_id", "customer_id", "ordered_at"],
    ).assign(status="completed")
    orders["ordered_at"] = pd.to_datetime(orders["ordered_at"])
    lines = pd.DataFrame({"order_id": orders["order_id"], "line_no": 1, "product_id": "t", "quantity": 1.0, "price": 1.0})
    customers, products = pd.DataFrame({"customer_id": ["ann", "bob", "cid"]}), pd.DataFrame({"product_id": ["t", "u"]})
    shop = Shop.of({"orders": orders, "order_lines": lines, "customers": customers, "products": products})
    pairs = Snapshot(shop, date(2025, 3, 1), 30).pairs([ProductSet.of("t", ["t"]), ProductSet.of("u", ["u"])])
    assert usual_shares(pairs).tolist() == pytest.approx([1.5 / 3, 0.5 / 3])
