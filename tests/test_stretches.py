"""Horizons that know nothing of each other become one story: nobody's pace leaps or dies, and totals stay as they were learnt."""

import numpy as np
import pytest

from models.customers.stretches import CARRIED_ON, FROM_SHORTER, LEARNT, OWN, SEASON, Said, agreed, hazards


def said(orders: list[float], basis: str = LEARNT, *, likelihood: list[float] | None = None) -> Said:
    """Likelihood as if orders came at random, where it is not told."""
    count = np.asarray(orders)
    return Said(-np.expm1(-count) if likelihood is None else np.asarray(likelihood), count, basis)


def test_what_agrees_is_left_alone() -> None:
    models = {30: said([0.3, 1.0, 0.02]), 60: said([0.55, 2.1, 0.04]), 180: said([1.4, 6.0, 0.12], CARRIED_ON)}
    found = agreed(models)
    for days, each in models.items():
        np.testing.assert_allclose(found[days].orders, each.orders)
        np.testing.assert_allclose(found[days].likelihood, each.likelihood)
        assert found[days].basis == each.basis


CONTRADICTIONS = {
    "nothing after half a year": {30: said([1.0, 1.0]), 180: said([6.0, 6.0]), 365: said([2.0, 30.0], FROM_SHORTER)},
    "twenty times as much in the second half": {30: said([0.1, 0.2]), 180: said([0.8, 0.8]), 365: said([16.2, 16.2], FROM_SHORTER)},
    "the same at 60, 90 and 180 days": {60: said([0.8, 0.7]), 90: said([0.8, 0.9]), 180: said([0.8, 1.9]), 365: said([9.5, 2.0], FROM_SHORTER)},
    "a longer horizon that expects less": {30: said([2.0, 1.0]), 60: said([1.0, 0.5]), 90: said([5.0, 5.0])},
    "likelihood stands still": {
        30: said([0.9, 0.9], FROM_SHORTER, likelihood=[0.5, 0.5]),
        90: said([2.7, 2.7], FROM_SHORTER, likelihood=[0.5, 0.4]),
        180: said([5.0, 5.0], CARRIED_ON, likelihood=[0.5, 0.4]),
    },
    "nobody is expected": {30: said([0.0, 0.0]), 60: said([0.0, 0.0]), 365: said([3.0, 0.0], FROM_SHORTER)},
    "everybody is sure": {30: said([9.0, 9.0], likelihood=[1.0, 1.0]), 60: said([9.0, 19.0], likelihood=[1.0, 1.0])},
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_no_pace_leaps_or_dies(name: str) -> None:
    models = CONTRADICTIONS[name]
    found = agreed(models)
    days = sorted(found)
    orders, likelihood = (np.array([getattr(found[each], column) for each in days]) for column in ("orders", "likelihood"))
    pace = np.diff(orders, axis=0, prepend=0) / np.diff(days, prepend=0)[:, None]
    for step, each in enumerate(days[1:], start=1):
        least, most = (SEASON[models[each].basis][end] * OWN[models[each].basis][end] for end in (0, 1))
        assert (pace[step] <= pace[step - 1] * most * 1.001).all() and (pace[step] >= pace[step - 1] * least * 0.999).all()
    assert (np.diff(orders, axis=0) > 0).all() and (orders >= likelihood - 1e-9).all()
    assert (np.diff(likelihood, axis=0) > 0).all() or name == "everybody is sure"


def test_totals_of_a_horizon_are_those_of_its_model() -> None:
    rng = np.random.default_rng(3)
    orders = {days: rng.gamma(0.5, days / 60, 400) for days in (30, 60, 90, 180)}
    found = agreed({days: said(list(each)) for days, each in orders.items()})
    for days, each in orders.items():
        assert found[days].orders.sum() == pytest.approx(each.sum(), rel=0.03)
        assert found[days].likelihood.sum() == pytest.approx(-np.expm1(-each).sum(), rel=0.03)


def test_hazards_are_finite() -> None:
    assert hazards(np.array([0.0, 0.5, 1.0])).round(3).tolist() == [0.0, 0.693, 13.816]
