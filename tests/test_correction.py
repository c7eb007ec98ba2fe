"""Corrections of probabilities: planted ones are found again, and none is kept that later windows do not bear out."""

import numpy as np
import pytest
from scipy.special import expit

from models.pairs.interest import Correction
from training.correction import Window, learnt_correction, learnt_level, learnt_shape

RNG = np.random.default_rng(5)


def window(true: Correction, *, month: float = 0.0, cases: int = 60_000) -> Window:
    """Raw log-odds that ``true`` would make right, but for a level of the month; every case stands for two."""
    had = RNG.random(cases) < 0.3
    raw = (RNG.normal(-3, 1.2, cases) + had).astype(np.float32)
    happened = RNG.random(cases) < expit(true.of(raw, had) + month)
    return Window(raw, happened, np.full(cases, 2.0, np.float32), had)


@pytest.mark.parametrize(("slope", "repeat"), [(1.0, 0.0), (0.8, 0.0), (1.0, -0.4), (0.9, -0.3)])
def test_a_planted_shape_is_found_whatever_the_months_were(slope: float, repeat: float) -> None:
    windows = [window(Correction(slope, repeat, 0.1), month=month) for month in (0.4, -0.5, 0.1, 0.3)]
    found = learnt_shape(windows)
    assert found.slope == pytest.approx(1 + 0.8 * (slope - 1), abs=0.04)
    assert found.repeat == pytest.approx(0.8 * repeat, abs=0.08)
    for each in windows:
        corrected = expit(found.of(each.log_odds, each.had)) @ each.weight
        assert corrected == pytest.approx(expit(each.log_odds) @ each.weight, rel=0.02)


@pytest.mark.parametrize(
    ("months", "earned"),
    [
        ((0.5, 0.5, 0.5, 0.5), True),
        ((0.5, 0.5, 0.5), False),
        ((0.5, -0.5, 0.5, -0.5), False),
        ((0.5, 0.5, -0.2, 0.5), False),
        ((0.5,), False),
        ((), False),
        ((0.0,) * 4, False),
    ],
)
def test_a_level_must_earn_its_place_on_later_windows(months: tuple[float, ...], earned: bool) -> None:
    windows = [window(Correction(), month=month) for month in months]
    correction, parts = learnt_correction(windows, shape=False)
    assert parts == {"level": earned} or not any(months)
    assert (correction.level > 0.2) is earned
    assert (correction.slope, correction.repeat) == (1.0, 0.0)


def test_a_shape_must_earn_its_place_too() -> None:
    steady = [window(Correction(0.8, -0.4, 0.3), month=month) for month in (0.3, -0.3, 0.0)]
    correction, parts = learnt_correction(steady, shape=True)
    assert parts["shape"] and correction.slope < 0.95 and correction.repeat < -0.15
    fickle = [window(Correction(slope, repeat)) for slope, repeat in ((0.7, -0.8), (1.3, 0.8), (0.7, -0.8))]
    correction, parts = learnt_correction(fickle, shape=True)
    assert not parts["shape"] and (correction.slope, correction.repeat) == (1.0, 0.0)


def test_windows_in_which_nothing_happened_teach_nothing() -> None:
    nothing = window(Correction(), cases=100)
    empty = Window(nothing.log_odds, np.zeros(100, dtype=bool), nothing.weight, nothing.had)
    assert learnt_shape([empty]) == Correction() == learnt_level([empty])
    assert learnt_correction([empty, empty], shape=True)[0] == Correction()


@pytest.mark.parametrize(("given", "came", "expected"), [(0.5, 50, 0.0), (0.5, 73, 1.0), (0.5, 0, -2.0), (0.01, 99, 2.0)])
def test_the_shift_that_makes_a_window_true(given: float, came: int, expected: float) -> None:
    odds = np.full(100, np.log(given / (1 - given)), np.float32)
    assert Window.of_customers(odds, np.arange(100) < came).shift(odds, came) == pytest.approx(expected, abs=0.01)
