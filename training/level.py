"""Closed windows become the level of the probabilities, learnt from several of them and kept only where it beats the raw model later on."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit, logit

from models.metrics import log_loss

SHRINKAGE = 2.0
"""Windows of no shift that the learnt ones are averaged with: one month says little about the next."""

Probabilities = NDArray[np.float32]
Outcome = NDArray[np.bool_]


def shift(probabilities: Probabilities, outcome: Outcome) -> float:
    """What must be added to all log-odds so that as many are expected as came, within -2 and 2; 0 when nobody came.

    >>> abs(shift(np.full(100, 0.5, np.float32), np.arange(100) < 50)) < 1e-4
    True
    """
    if not outcome.any() or outcome.all():
        return 0.0
    odds = logit(np.clip(probabilities.astype(np.float64), 1e-9, 1 - 1e-9)).ravel()
    wanted = float(outcome.sum())

    def miss(added: float) -> float:
        return float(expit(odds + added).sum()) - wanted

    if miss(-2.0) > 0:
        return -2.0
    return 2.0 if miss(2.0) < 0 else float(brentq(miss, -2.0, 2.0, xtol=1e-4))


def shifted(probabilities: Probabilities, added: float) -> Probabilities:
    """Probabilities with a constant added to their log-odds."""
    return probabilities if added == 0 else expit(logit(probabilities) + np.float32(added)).astype(np.float32)


def shrunk(shifts: Sequence[float]) -> float:
    """The mean of the shifts of several windows, drawn toward 0.

    >>> shrunk([0.4, 0.4]), shrunk([])
    (0.2, 0.0)
    """
    return float(sum(shifts) / (len(shifts) + SHRINKAGE)) if len(shifts) else 0.0


def learnt_level(windows: Sequence[tuple[Probabilities, Outcome]]) -> tuple[float, bool]:
    """The level from raw probabilities and outcomes of closed windows, oldest first, and whether it earned its place.

    Each window but the first is predicted with the level of those before it; only when that lowers their summed log loss is the
    level of all windows used, otherwise it is 0.
    """
    shifts = [shift(probabilities, outcome) for probabilities, outcome in windows]
    gain = 0.0
    for place, (probabilities, outcome) in enumerate(windows[1:], start=1):
        gain += log_loss(probabilities, outcome) - log_loss(shifted(probabilities, shrunk(shifts[:place])), outcome)
    earned = gain > 0
    return (shrunk(shifts) if earned else 0.0), earned
