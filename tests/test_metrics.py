"""Measures of a ranking and of probabilities: literal cases, scikit-learn where it has the same measure, and the ways to count wrongly."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn import metrics as theirs

from models import metrics, set_metrics
from models.resampling import drawn_customers, resampled

NAN = float("nan")


def vector(text: str) -> list[bool]:
    return [letter == "x" for letter in text]


@pytest.mark.parametrize(
    "scores, outcome, ap, rp, lift_half, recall_half, auc",
    [
        ([4, 3, 2, 1], "xx..", 1.0, 1.0, 2.0, 1.0, 1.0),
        ([4, 3, 2, 1], "..xx", (1 / 3 + 2 / 4) / 2, 0.0, 0.0, 0.0, 0.0),
        ([1, 2, 3, 4], "..xx", 1.0, 1.0, 2.0, 1.0, 1.0),
        ([7, 7, 7, 7], "x...", 0.25, 1.0, 2.0, 1.0, 0.5),
        ([7, 7, 7, 7], "...x", 0.25, 0.0, 0.0, 0.0, 0.5),
        ([9, 5, 5, 1], ".x.x", (1 / 3 + 2 / 4) / 2, 0.5, 1.0, 0.5, 0.125),
        ([4, 3, 2, 1], "xxxx", 1.0, 1.0, 1.0, 0.5, NAN),
        ([4, 3, 2, 1], "....", NAN, NAN, NAN, NAN, NAN),
        ([1], "x", 1.0, 1.0, 1.0, 1.0, NAN),
    ],
    ids=[
        "perfect",
        "worst",
        "upwards",
        "all tied, buyer first",
        "all tied, buyer last",
        "tied in the middle",
        "all bought",
        "nobody bought",
        "one customer",
    ],
)
def test_a_ranking_is_measured(scores: list[float], outcome: str, ap: float, rp: float, lift_half: float, recall_half: float, auc: float) -> None:
    bought = vector(outcome)
    found = [
        metrics.average_precision(scores, bought),
        metrics.r_precision(scores, bought),
        metrics.lift(scores, bought, share=0.5),
        metrics.recall_at(scores, bought, share=0.5),
        metrics.auc(scores, bought),
    ]
    assert found == pytest.approx([ap, rp, lift_half, recall_half, auc], nan_ok=True)


@pytest.mark.parametrize("customers, size", [(4086, 40), (2900, 29), (700, 7), (199, 1), (40, 1)])
def test_one_percent_of_the_customers_is_rounded_down_and_never_nobody(customers: int, size: int) -> None:
    ranked = metrics.Ranked.of(np.arange(customers)[::-1], np.arange(customers) < 5)
    assert ranked.top(0.01) == size


@pytest.mark.parametrize("decimals", [1, 2, 6], ids=["many ties", "some ties", "hardly a tie"])
@pytest.mark.parametrize("share", [0.005, 0.05, 0.5])
def test_measures_equal_scikit_learn(decimals: int, share: float) -> None:
    random = np.random.default_rng(5)
    outcome = random.random(2000) < share
    scores = np.clip(random.random(2000) * 0.8 + outcome * 0.2, 0.01, 0.99).round(decimals)
    scores = np.clip(scores, 0.01, 0.99)
    assert metrics.average_precision(scores, outcome) == pytest.approx(theirs.average_precision_score(outcome, scores))
    assert metrics.auc(scores, outcome) == pytest.approx(theirs.roc_auc_score(outcome, scores))
    assert metrics.log_loss(scores, outcome) == pytest.approx(theirs.log_loss(outcome, scores))


@pytest.mark.parametrize(
    "scores, outcome, quality",
    [
        ([4, 3, 2, 1], "xx..", 100.0),
        ([4, 3, 2, 1], "x.x.", 100 * ((2 + 1 + 4 / 3 + 1) / 4 - 1) / ((2 + 2 + 4 / 3 + 1) / 4 - 1)),
        ([4, 3, 2, 1], "xxxx", NAN),
        ([4, 3, 2, 1], "....", NAN),
    ],
)
def test_lift_quality_runs_from_random_to_perfect(scores: list[float], outcome: str, quality: float) -> None:
    assert metrics.lift_quality(scores, vector(outcome)) == pytest.approx(quality, nan_ok=True)


def test_lift_quality_of_chance_is_about_zero() -> None:
    random = np.random.default_rng(5)
    found = [metrics.lift_quality(random.random(1000), random.random(1000) < 0.1) for _ in range(200)]
    assert abs(np.mean(found)) < 3


def test_calibration_compares_bins_of_equal_count() -> None:
    table = metrics.calibration_table([0.1, 0.3, 0.2, 0.6, 0.5, 0.7], vector("..xx.x"), bins=3)
    expected = pd.DataFrame(
        {
            "pairs": [2, 2, 2],
            "lowest": [0.1, 0.3, 0.6],
            "predicted": [0.15, 0.4, 0.65],
            "real": [0.5, 0.0, 1.0],
            "ratio": [0.3, NAN, 0.65],
        }
    )
    pd.testing.assert_frame_equal(table, expected)
    assert metrics.calibration_error([0.1, 0.3, 0.2, 0.6, 0.5, 0.7], vector("..xx.x"), bins=3) == pytest.approx((0.35 + 0.4 + 0.35) / 3)


@pytest.mark.parametrize("pairs, sizes", [(3, [1] * 3), (20, [1] * 20), (47, [2, 2, 3] * 6 + [2, 3])])
def test_calibration_uses_every_pair_once(pairs: int, sizes: list[int]) -> None:
    assert metrics.calibration_table(np.linspace(0, 1, pairs), np.zeros(pairs, bool))["pairs"].tolist() == sizes


def test_the_gain_curve_ends_with_all_buyers() -> None:
    curve = metrics.gain_curve([4, 3, 2, 1], vector("x.x."), points=4)
    assert curve["size"].tolist() == [0, 1, 2, 3, 4]
    assert curve["gain"].tolist() == [0.0, 0.5, 0.5, 1.0, 1.0]
    assert curve["perfect"].tolist() == [0.0, 0.5, 1.0, 1.0, 1.0]
    assert curve["lift"].tolist()[1:] == pytest.approx([2.0, 1.0, 4 / 3, 1.0])


@pytest.mark.parametrize(
    "outcome, sizes",
    [
        ("x.x.", {0.5: 1, 0.7: 3, 0.9: 3}),
        ("...x", {0.5: 4, 0.7: 4, 0.9: 4}),
        ("....", {0.5: 0, 0.7: 0, 0.9: 0}),
        ("xxxxxxxxxx", {0.5: 5, 0.7: 7, 0.9: 9}),
    ],
)
def test_sizes_that_catch_the_buyers(outcome: str, sizes: dict[float, int]) -> None:
    assert metrics.capture_sizes(range(len(outcome), 0, -1), vector(outcome)) == sizes


SCORES = np.array([[0.9, 0.1], [0.8, 0.4], [0.7, 0.3], [0.6, 0.2]], np.float32)
BOUGHT_BEFORE = np.array([[True, False], [False, False], [False, True], [False, False]])
OUTCOME = np.array([[True, False], [False, True], [True, False], [False, False]])


@pytest.mark.parametrize("matrix", [np.asarray, csr_matrix], ids=["dense", "sparse"])
def test_every_set_is_a_row_and_new_buyers_are_measured_apart(matrix: Callable[[object], csr_matrix]) -> None:
    table = set_metrics.by_set(SCORES, matrix(OUTCOME), matrix(BOUGHT_BEFORE), min_buyers=1, min_new=1)
    assert table[["buyers", "new_buyers"]].values.tolist() == [[2, 1], [1, 1]]
    assert table["expected"].tolist() == pytest.approx([3.0, 1.0])
    assert table["ap"].tolist() == pytest.approx([(1 + 2 / 3) / 2, 1.0])
    assert table["new_ap"].tolist() == pytest.approx([0.5, 1.0])
    assert table["new_lift_5"].tolist() == pytest.approx([0.0, 3.0])
    assert table[["catch_50", "catch_90", "new_catch_50"]].values.tolist() == [[0.25, 0.75, pytest.approx(2 / 3)], [0.25, 0.25, pytest.approx(1 / 3)]]


@pytest.mark.parametrize("min_buyers, min_new, sets, new_sets", [(1, 1, 2, 2), (2, 1, 1, 1), (2, 2, 1, 0), (1, 2, 2, 0), (3, 1, 0, 0)])
def test_sets_with_few_buyers_are_not_measured_nor_averaged(min_buyers: int, min_new: int, sets: int, new_sets: int) -> None:
    found = set_metrics.summary(set_metrics.by_set(SCORES, OUTCOME, BOUGHT_BEFORE, min_buyers=min_buyers, min_new=min_new))
    assert (found["sets"], found["new_sets"]) == (sets, new_sets)
    assert np.isnan(found["ap"]) == (sets == 0) and np.isnan(found["new_ap"]) == (new_sets == 0)
    assert found["buyers"] == 3.0


def test_by_set_equals_the_measures_of_each_set() -> None:
    random = np.random.default_rng(3)
    outcome, bought = random.random((600, 7)) < 0.1, random.random((600, 7)) < 0.3
    scores = random.random((600, 7)).round(2)
    table = set_metrics.by_set(scores, csr_matrix(outcome), csr_matrix(bought))
    for place in range(7):
        row = table.loc[place]
        new = ~bought[:, place]
        for prefix, of in (("", np.ones(600, bool)), ("new_", new)):
            given, happened = scores[of, place], outcome[of, place]
            assert row[f"{prefix}ap"] == pytest.approx(theirs.average_precision_score(happened, given))
            assert row[f"{prefix}auc"] == pytest.approx(theirs.roc_auc_score(happened, given))
            assert row[f"{prefix}lift_1"] == pytest.approx(metrics.lift(given, happened, share=0.01))
            assert row[f"{prefix}recall_10"] == pytest.approx(metrics.recall_at(given, happened, share=0.1))


def test_a_part_of_the_pairs_is_measured_alone() -> None:
    measured = np.array([True, False])
    assert set_metrics.ap_among(SCORES, OUTCOME, ~BOUGHT_BEFORE, measured=measured).tolist() == [pytest.approx(0.5), pytest.approx(NAN, nan_ok=True)]


def test_the_inputs_are_not_changed() -> None:
    scores, outcome, bought = SCORES.copy(), csr_matrix(OUTCOME), csr_matrix(BOUGHT_BEFORE)
    set_metrics.by_set(scores, outcome, bought, min_buyers=1)
    assert np.array_equal(scores, SCORES) and np.array_equal(outcome.toarray(), OUTCOME) and np.array_equal(bought.toarray(), BOUGHT_BEFORE)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: metrics.average_precision([1.0, 2.0], [True]), "one length"),
        (lambda: metrics.average_precision([], []), "at least 1"),
        (lambda: metrics.auc([1.0, NAN], [True, False]), "not a number"),
        (lambda: set_metrics.by_set(SCORES, OUTCOME[:2], BOUGHT_BEFORE), "shapes differ"),
        (lambda: set_metrics.by_set(np.full((4, 2), NAN), OUTCOME, BOUGHT_BEFORE), "not a number"),
    ],
)
def test_what_cannot_be_measured_is_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_expected_over_real() -> None:
    assert metrics.level(np.full((4, 2), 0.25), csr_matrix(OUTCOME)) == pytest.approx(2 / 3)
    assert np.isnan(metrics.level([0.5], [False]))


def test_a_draw_of_customers_equals_measuring_the_drawn_customers() -> None:
    random = np.random.default_rng(4)
    outcome, bought = random.random((300, 4)) < 0.15, random.random((300, 4)) < 0.3
    scores: dict[str, NDArray[np.floating]] = {
        "one": random.random((300, 4)).round(1),
        "other": (random.random((300, 4)) + outcome * 0.3).astype(np.float32),
    }
    found = resampled(scores, csr_matrix(outcome), csr_matrix(bought), samples=5, seed=9)
    draws = drawn_customers(300, samples=5, seed=9).astype(int)
    for draw in range(5):
        people = np.repeat(np.arange(300), draws[:, draw])
        for name, values in scores.items():
            table = set_metrics.by_set(values[people], outcome[people], bought[people], min_buyers=1, min_new=1)
            assert found[name, "ap"][draw] == pytest.approx(table["ap"].mean())
            assert found[name, "new_ap"][draw] == pytest.approx(table["new_ap"].mean())


def test_draws_are_the_same_for_the_same_seed_and_scores_without_a_difference_have_none() -> None:
    scores = np.arange(40, dtype=np.float32).reshape(20, 2)
    outcome = scores % 3 == 0
    found = resampled({"a": scores, "b": scores * 2}, outcome, np.zeros_like(outcome), samples=8, seed=1, min_buyers=5)
    again = resampled({"a": scores}, outcome, np.zeros_like(outcome), samples=8, seed=1, min_buyers=5)
    assert found["a"].equals(found["b"]) and found["a"].equals(again["a"])
