"""Closed windows become a correction of log-odds, learnt from several of them and kept only where it beats the raw model later on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from models.base import Floats
from models.pairs.interest import Correction

LEVEL_PRIOR, SHAPE_PRIOR = 2.0, 1.0
"""Windows without any correction that the learnt ones are averaged with: one month says little about the next, and less about its level."""
LEAST_EVENTS = 2000.0
"""With so many purchases in the windows a shape is believed half."""
SHAPE_LATER, LEVEL_LATER = 2, 3
"""So many later windows must bear a part out, in sum: the level of a month says less of the next than the shape does."""
ROWS = 100_000
"""Cases of a window that its shape is learnt from."""


@dataclass(frozen=True, eq=False)
class Window:
    """A closed window as a fit saw it that knew nothing of it: raw ``log_odds`` of its cases, what ``happened``, the ``weight`` of each case, and
    whether the customer ``had`` bought from the product set before (for customers: never)."""

    log_odds: Floats
    happened: NDArray[np.bool_]
    weight: Floats
    had: NDArray[np.bool_]

    @classmethod
    def of_customers(cls, log_odds: Floats, ordered: NDArray[np.bool_]) -> "Window":
        """Cases that all count alike and have no product set."""
        return cls(log_odds, ordered, np.ones(len(ordered), np.float32), np.zeros(len(ordered), dtype=bool))

    @property
    def tells(self) -> bool:
        """Whether something happened, and not always."""
        return bool(self.happened.any() and not self.happened.all())

    def log_loss(self, correction: Correction) -> float:
        """The mean loss of the corrected log-odds."""
        odds = correction.of(self.log_odds, self.had).astype(np.float64)
        losses = np.logaddexp(0, np.where(self.happened, -odds, odds))
        return float(np.average(losses, weights=self.weight))

    def shift(self, odds: NDArray[np.floating], wanted: float) -> float:
        """What must be added to log-odds of the cases so that ``wanted`` are expected, within -2 and 2."""

        def miss(added: float) -> float:
            return float(expit(odds.astype(np.float64) + added) @ self.weight) - wanted

        if miss(-2.0) > 0:
            return -2.0
        return 2.0 if miss(2.0) < 0 else float(brentq(miss, -2.0, 2.0, xtol=1e-4))


def learnt_level(windows: Sequence[Window]) -> Correction:
    """What makes as many expected as came: the mean of the windows' shifts, drawn toward 0."""
    shifts = [each.shift(each.log_odds, float(each.happened @ each.weight)) for each in windows if each.tells]
    return Correction(level=sum(shifts) / (len(shifts) + LEVEL_PRIOR))


def learnt_shape(windows: Sequence[Window]) -> Correction:
    """A slope, and an offset of those who bought before, that leave the total as it is: a logistic regression (Platt 1999) in which every window
    has a level of its own, so that good and bad months do not pass for it; drawn toward no correction."""
    told = [each for each in windows if each.tells]
    if not told:
        return Correction()
    cases, happened, weights = [], [], []
    for place, each in enumerate(told):
        every = slice(None, None, -(-len(each.happened) // ROWS))
        months = np.zeros((len(each.happened[every]), len(told) - 1))
        months[:, place - 1 : place] = 1
        cases.append(np.column_stack([each.log_odds[every], each.had[every], months]))
        happened.append(each.happened[every])
        weights.append(each.weight[every] / each.weight[every].sum())
    weight = np.concatenate(weights)
    model = LogisticRegression(C=np.inf, max_iter=300).fit(np.concatenate(cases), np.concatenate(happened), sample_weight=weight / weight.mean())
    events = float(sum(each.happened.sum() for each in told))
    trust = len(told) / (len(told) + SHAPE_PRIOR) * events / (events + LEAST_EVENTS)
    slope, repeat = 1 + trust * (float(model.coef_[0, 0]) - 1), trust * float(model.coef_[0, 1])
    bent = Correction(slope, repeat)
    shifts = [each.shift(bent.of(each.log_odds, each.had), float(expit(each.log_odds) @ each.weight)) for each in told]
    return Correction(slope, repeat, sum(shifts) / len(shifts))


def learnt_correction(windows: Sequence[Window], *, shape: bool) -> tuple[Correction, dict[str, bool]]:
    """The correction from closed windows, oldest first, and which of its parts earned their place (``shape``, if asked for, and ``level``).

    A part earns its place when the windows but the first, each corrected by what those before it taught, have a log loss that is lower in sum by
    more than one standard error of that sum, and are ``SHAPE_LATER`` or ``LEVEL_LATER`` at least.
    """
    found = learnt_shape(windows) if shape and (bent := _earned(windows, learnt_shape, later=SHAPE_LATER)) else Correction()
    lifted = _earned(windows, learnt_level, later=LEVEL_LATER)
    earned = {"shape": bent} if shape else {}
    level = learnt_level(windows).level if lifted else 0.0
    return Correction(found.slope, found.repeat, found.level + level), {**earned, "level": lifted}


def _earned(windows: Sequence[Window], learn: Callable[[Sequence[Window]], Correction], *, later: int) -> bool:
    if len(windows) <= later:
        return False
    gains = np.asarray([each.log_loss(Correction()) - each.log_loss(learn(windows[:place])) for place, each in enumerate(windows) if place])
    return bool(gains.sum() > np.sqrt(np.square(gains).sum()))
