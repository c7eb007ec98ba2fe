"""The logistic regression on logarithms: what it says of values of any size, and that it warns of none."""

import warnings

import numpy as np
import pandas as pd
import pytest

from models.logistic import Logistic


@pytest.fixture(scope="module")
def learnt() -> Logistic:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"small": rng.gamma(2, 1e-3, 2000), "plain": rng.gamma(2, 5, 2000)}).astype(np.float32)
    bought = rng.random(2000) < 1 / (1 + np.exp(-np.log(frame["small"].to_numpy() * 1e3 + 0.01)))
    return Logistic.fit(frame, bought, np.ones(2000, np.float32), strength=1.0)


@pytest.mark.parametrize("sign", [1, -1])
def test_huge_values_have_their_logarithm_and_no_warning(learnt: Logistic, sign: int) -> None:
    frame = pd.DataFrame({"small": sign * np.asarray([1e18, 1e28, 1e38]), "plain": 1.0}, dtype=np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        log_odds, moves = learnt.log_odds(frame), learnt.contributions(frame)["small"].to_numpy()
    assert np.isfinite(log_odds).all()
    steps = np.diff(log_odds)
    assert steps[0] == pytest.approx(np.log(1e10) * sign * learnt.weights[0] / learnt.spread[0], rel=1e-3)
    np.testing.assert_allclose([steps[1], *np.diff(moves)], steps[0], rtol=1e-3)


def test_it_learns_from_huge_values_without_a_warning() -> None:
    values = np.asarray([1e-38, 1.0, 1e38, -1e38, np.nan] * 40, np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = Logistic.fit(pd.DataFrame({"any": values}), values > 1, np.ones(200, np.float32), strength=1.0)
    log_odds = found.log_odds(pd.DataFrame({"any": values[:5]}))
    assert np.isfinite(log_odds).all() and log_odds.argmax() == 2
