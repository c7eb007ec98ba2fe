"""Intervals of buyers: planted months and sets are found again, and the intervals hold as many as they say."""

import numpy as np
import pytest

from models.pairs.intervals import SHARE, USUAL_MONTH, USUAL_OWN, Spread

RNG = np.random.default_rng(1)


def windows(count: int, *, month: float, own: float, sets: int = 80, customers: int = 3000) -> list[tuple[np.ndarray, np.ndarray]]:
    """Probabilities that are right but for a shift of the month and one of each set."""
    found = []
    for _ in range(count):
        given = RNG.gamma(0.3, 0.03 / 0.3, (customers, sets)).clip(0, 0.4).astype(np.float32)
        real = given * np.exp(RNG.normal(0, month)) * np.exp(RNG.normal(0, own, sets))
        found.append((given, RNG.random(given.shape) < real))
    return found


@pytest.mark.parametrize("month, own", [(0.0, 0.0), (0.2, 0.1), (0.1, 0.4)])
def test_planted_spreads_are_found(month: float, own: float) -> None:
    found = Spread.learnt(windows(12, month=month, own=own))
    assert found.month == pytest.approx(np.hypot(month, USUAL_MONTH * np.sqrt(2 / 14)), abs=0.12)
    assert found.own == pytest.approx(own, abs=0.08)
    assert found.windows == 12


@pytest.mark.parametrize("month, own", [(0.0, 0.0), (0.2, 0.1), (0.1, 0.4)])
def test_intervals_hold_what_comes(month: float, own: float) -> None:
    inside, whole = [], []
    for _ in range(60):
        *past, (given, came), (later, then) = windows(6, month=month, own=own, sets=30, customers=400)
        spread = Spread.learnt(past)
        for p, y in ((given, came), (later, then)):
            low, high = spread.of_sets(p.sum(axis=0), (p * (1 - p)).sum(axis=0))
            inside.append(np.mean((y.sum(axis=0) >= low) & (y.sum(axis=0) <= high)))
            low, high = spread.of_shop(p.sum())
            whole.append(low <= y.sum() <= high)
    assert SHARE - 0.1 < np.mean(inside) < 0.95
    assert np.mean(whole) > SHARE - 0.15


def test_a_shop_without_closed_windows_has_the_usual_spread() -> None:
    assert Spread.learnt([]) == Spread(USUAL_MONTH, USUAL_OWN, 0)
    nobody = (np.full((5, 2), 0.1, np.float32), np.zeros((5, 2), bool))
    assert Spread.learnt([nobody]) == Spread()


@pytest.mark.parametrize("expected", [0.0, 0.2, 1.0, 30.0, 1e6])
def test_an_interval_is_whole_and_holds_the_expected(expected: float) -> None:
    low, high = Spread().of_sets(expected, expected * 0.9)
    assert low == round(float(low)) and high == round(float(high))
    assert 0 <= low <= expected + 0.5 and high >= expected - 0.5


def test_more_windows_make_surer() -> None:
    few, many = (Spread(0.2, 0.1, count).of_shop(1000.0) for count in (0, 20))
    assert few[0] < many[0] and many[1] < few[1]


def test_few_sets_together_keep_the_chance_of_each() -> None:
    spread = Spread()
    alone = spread.variance_alone(1.4, 1.3)
    assert spread.of_shop(1.4, alone)[1] >= spread.of_sets(1.4, 1.3)[1] > spread.of_shop(1.4)[1]
    assert spread.of_shop(0.2, spread.variance_alone(0.2, 0.2))[1] == 1


def test_a_set_that_nobody_ever_bought_from_may_stay_without_a_buyer() -> None:
    spread = Spread(month=0.1, own=0.2, windows=5)
    (low, unsold_low), (high, unsold_high) = spread.of_sets([4.0, 4.0], [3.9, 3.9], sold=[True, False])
    assert low > unsold_low == 0
    assert unsold_high > high
    assert spread.variance_alone(4.0, 3.9, sold=False) > spread.variance_alone(4.0, 3.9)
    wide = Spread(own=1.5)
    assert wide.of_sets(4.0, 3.9, sold=False) == wide.of_sets(4.0, 3.9)


def test_chance_evens_out_over_many_sets() -> None:
    spread = Spread()
    alone = 400 * spread.variance_alone(20.0, 19.0)
    together, whole = spread.of_shop(8000.0, alone), spread.of_shop(8000.0)
    assert together == pytest.approx(whole, rel=0.02)
