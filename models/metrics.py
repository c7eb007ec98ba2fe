"""Scores and outcomes become measures of one ranking: how well buyers stand first, and how true probabilities are.

Scores and outcomes are vectors over the customers of one product set, sorted by customer id (``models.set_metrics`` has many). Ties: average
precision and AUC count tied customers as one group, everything about "the first n" takes them in the order of the vector. A measure that has no
meaning (no buyer at all) is NaN.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_matrix

Floats = NDArray[np.float64]
CAUGHT = (0.5, 0.7, 0.9)
"""Shares of the buyers for which is told how many customers must be asked to catch them."""
MEASURES = (
    *("ap", "rp", "lift_1", "lift_5", "recall_1", "recall_5", "recall_10", "lift_quality", "auc"),
    *(f"catch_{share * 100:.0f}" for share in CAUGHT),
)
BANDS = ((60, "excellent"), (40, "good"), (20, "fair"))
"""From which Lift Quality on it is called so."""


@dataclass(frozen=True, eq=False)
class Ranked:
    """Customers from the highest score to the lowest: whether each bought (``hits``), and where groups of equal scores end (``ends``)."""

    hits: Floats
    ends: NDArray[np.intp]

    @classmethod
    def of(cls, scores: ArrayLike, outcome: ArrayLike) -> Self:
        """The ranking by ``scores``; ties keep their order. Raises ValueError for unequal lengths, no customers or a score that is no number."""
        values, bought = np.asarray(scores), np.asarray(outcome, dtype=bool)
        if values.ndim != 1 or values.shape != bought.shape or not len(values):
            raise ValueError(f"scores and outcome must be two vectors of one length of at least 1, got {values.shape} and {bought.shape}")
        if np.isnan(values).any():
            raise ValueError("a score is not a number")
        order = order_of(values)
        return cls.of_sorted(values[order], bought[order])

    @classmethod
    def of_sorted(cls, scores: NDArray[Any], outcome: NDArray[np.bool_]) -> Self:
        """The same of vectors that already run from the highest score to the lowest."""
        return cls(outcome.astype(np.float64), ends_of(scores))

    @property
    def buyers(self) -> float:
        """How many bought."""
        return float(self.hits.sum())

    def top(self, share: float) -> int:
        """The first ``share`` of all customers, rounded down, at least one."""
        return max(1, int(len(self.hits) * share + 1e-9))

    def average_precision(self) -> float:
        """See ``average_precision``."""
        return _average_precision(np.cumsum(self.hits)[self.ends], self.ends + 1.0)

    def r_precision(self) -> float:
        """See ``r_precision``."""
        return self.hits[: int(self.buyers)].sum() / self.buyers if self.buyers else np.nan

    def recall(self, share: float) -> float:
        """See ``recall_at``."""
        return self.hits[: self.top(share)].sum() / self.buyers if self.buyers else np.nan

    def lift(self, share: float) -> float:
        """See ``lift``."""
        return self.recall(share) * len(self.hits) / self.top(share)

    def lift_quality(self) -> float:
        """See ``lift_quality``."""
        if not 0 < self.buyers < len(self.hits):
            return np.nan
        sizes = np.arange(1, len(self.hits) + 1)
        scale = len(self.hits) / self.buyers
        mean_lift = (np.cumsum(self.hits) / sizes).mean() * scale
        perfect = (np.minimum(sizes, self.buyers) / sizes).mean() * scale
        return float(100 * (mean_lift - 1) / (perfect - 1))

    def auc(self) -> float:
        """See ``auc``."""
        hits = np.diff(np.cumsum(self.hits)[self.ends], prepend=0.0)
        misses = np.diff(self.ends + 1.0, prepend=0.0) - hits
        below = misses.sum() - np.cumsum(misses) + misses / 2
        pairs = hits.sum() * misses.sum()
        return float((hits * below).sum() / pairs) if pairs else np.nan

    def capture_sizes(self, shares: Sequence[float] = CAUGHT) -> list[int]:
        """See ``capture_sizes``."""
        found = np.cumsum(self.hits)
        return (np.searchsorted(found, np.asarray(shares) * found[-1] - 1e-9) + 1).tolist() if found[-1] else [0] * len(shares)

    def measures(self) -> tuple[float, ...]:
        """All ``MEASURES``, in their order; ``catch_50`` and so on are shares of the customers."""
        recalls = [self.recall(share) for share in (0.01, 0.05, 0.1)]
        lifts = [self.lift(share) for share in (0.01, 0.05)]
        catches = [size / len(self.hits) if self.buyers else np.nan for size in self.capture_sizes()]
        return (self.average_precision(), self.r_precision(), *lifts, *recalls, self.lift_quality(), self.auc(), *catches)


def average_precision(scores: ArrayLike, outcome: ArrayLike) -> float:
    """The mean over buyers of the share of buyers among all who score at least as high; equal to scikit-learn's.

    >>> average_precision([3, 2, 1], [True, False, True])
    0.8333333333333333
    >>> average_precision([1, 1, 1, 1], [True, False, False, False])
    0.25
    """
    return Ranked.of(scores, outcome).average_precision()


def r_precision(scores: ArrayLike, outcome: ArrayLike) -> float:
    """The share of buyers among the first n, n being the number of buyers.

    >>> float(r_precision([4, 3, 2, 1], [True, False, True, False]))
    0.5
    """
    return Ranked.of(scores, outcome).r_precision()


def lift(scores: ArrayLike, outcome: ArrayLike, *, share: float) -> float:
    """The purchase rate of the first ``share`` of customers (rounded down, at least one) over that of all.

    >>> float(lift([4, 3, 2, 1], [True, False, False, False], share=0.5))
    2.0
    """
    return Ranked.of(scores, outcome).lift(share)


def recall_at(scores: ArrayLike, outcome: ArrayLike, *, share: float) -> float:
    """The share of all buyers that is found in the first ``share`` of customers (rounded down, at least one).

    >>> float(recall_at([4, 3, 2, 1], [True, False, False, True], share=0.25))
    0.5
    """
    return Ranked.of(scores, outcome).recall(share)


def lift_quality(scores: ArrayLike, outcome: ArrayLike) -> float:
    """The mean lift over all audience sizes, on a scale where random is 0 and perfect 100 (Braze's Lift Quality: 60 excellent, 40 good, 20 fair).

    >>> lift_quality([4, 3, 2, 1], [True, False, False, False])
    100.0
    """
    return Ranked.of(scores, outcome).lift_quality()


def auc(scores: ArrayLike, outcome: ArrayLike) -> float:
    """How often a buyer scores above one who did not buy; ties count half.

    >>> auc([3, 2, 2, 1], [True, True, False, False])
    0.875
    """
    return Ranked.of(scores, outcome).auc()


def log_loss(probabilities: ArrayLike, outcome: ArrayLike) -> float:
    """The mean of -log of the probability given to what happened; probabilities are kept 1e-7 away from 0 and 1.

    >>> round(log_loss([0.5, 0.5], [True, False]), 4)
    0.6931
    """
    given = np.clip(np.asarray(probabilities, np.float64), 1e-7, 1 - 1e-7)
    return float(-np.log(np.where(dense(outcome), given, 1 - given)).mean())


def level(probabilities: ArrayLike, outcome: ArrayLike | csr_matrix) -> float:
    """Expected over real buyers: 1 is right, below 1 too few were expected.

    >>> level([0.5, 0.25, 0.25], [True, True, False])
    0.5
    """
    happened = float(outcome.sum() if isinstance(outcome, csr_matrix) else np.sum(np.asarray(outcome)))
    return float(np.sum(np.asarray(probabilities), dtype=np.float64)) / happened if happened else np.nan


def mae(expected: ArrayLike, came: ArrayLike) -> float:
    """How far expected and real numbers lie apart, on average (mean absolute error).

    >>> mae([0.5, 1.0], [0, 3])
    1.25
    """
    return float(np.abs(np.asarray(expected, np.float64) - np.asarray(came, np.float64)).mean())


def calibration_table(probabilities: ArrayLike, outcome: ArrayLike | csr_matrix, *, bins: int = 20) -> pd.DataFrame:
    """What was predicted and what came true in ``bins`` of equal count, from the lowest probabilities to the highest.

    A row per bin: ``pairs``, ``lowest``, ``predicted`` and ``real`` (means), ``ratio`` (predicted / real; NaN where nobody bought).

    >>> calibration_table([0.1, 0.1, 0.8, 0.6], [False, False, True, True], bins=2)[["pairs", "predicted", "real"]].values.tolist()
    [[2.0, 0.1, 0.0], [2.0, 0.7, 1.0]]
    """
    given, real = np.asarray(probabilities, np.float64).ravel(), dense(outcome).ravel()
    order = np.argsort(given, kind="stable")
    starts = np.linspace(0, len(order), min(bins, len(order)) + 1).astype(np.intp)[:-1]
    pairs = np.diff(np.append(starts, len(order)))
    predicted = np.add.reduceat(given[order], starts) / pairs
    happened = np.add.reduceat(real[order].astype(np.float64), starts) / pairs
    ratio = np.divide(predicted, happened, out=np.full(len(starts), np.nan), where=happened > 0)
    return pd.DataFrame({"pairs": pairs, "lowest": given[order][starts], "predicted": predicted, "real": happened, "ratio": ratio})


def calibration_error(probabilities: ArrayLike, outcome: ArrayLike | csr_matrix, *, bins: int = 20) -> float:
    """The mean distance between predicted and real over ``bins`` of equal count.

    >>> round(calibration_error([0.1, 0.1, 0.8, 0.6], [False, False, True, True], bins=2), 4)
    0.2
    """
    table = calibration_table(probabilities, outcome, bins=bins)
    return float((table["predicted"] - table["real"]).abs().mean())


def gain_curve(scores: ArrayLike, outcome: ArrayLike, *, points: int = 100) -> pd.DataFrame:
    """How many of the buyers an audience of each size catches: ``share`` of customers, ``size``, ``gain``, ``perfect`` gain, ``lift``.

    A row for each of ``points`` equal steps (fewer when there are fewer customers), after one for nobody.

    >>> gain_curve([4, 3, 2, 1], [True, False, True, False], points=2)[["size", "gain", "perfect"]].values.tolist()
    [[0.0, 0.0, 0.0], [2.0, 0.5, 1.0], [4.0, 1.0, 1.0]]
    """
    ranked = Ranked.of(scores, outcome)
    found = np.concatenate([[0.0], np.cumsum(ranked.hits)])
    sizes = np.unique(np.linspace(0, len(ranked.hits), points + 1).astype(np.intp))
    share = sizes / len(ranked.hits)
    gain = found[sizes] / ranked.buyers if ranked.buyers else np.full(len(sizes), np.nan)
    perfect = np.minimum(sizes / ranked.buyers, 1.0) if ranked.buyers else gain
    return pd.DataFrame({"share": share, "size": sizes, "gain": gain, "perfect": perfect, "lift": gain / np.where(share > 0, share, np.nan)})


def capture_sizes(scores: ArrayLike, outcome: ArrayLike, *, shares: Sequence[float] = CAUGHT) -> dict[float, int]:
    """How many customers, best first, it takes to catch each share of the buyers; 0 when nobody bought.

    >>> capture_sizes([4, 3, 2, 1], [True, False, True, False])
    {0.5: 1, 0.7: 3, 0.9: 3}
    """
    return dict(zip(shares, Ranked.of(scores, outcome).capture_sizes(shares), strict=True))


def band(quality: float) -> str:
    """What a Lift Quality is called.

    >>> band(63.0), band(41.5), band(20.0), band(3.0)
    ('excellent', 'good', 'fair', 'poor')
    """
    return next((name for least, name in BANDS if quality >= least), "poor")


def _average_precision(found: NDArray[np.floating], looked_at: NDArray[np.floating]) -> float:
    hits = np.diff(found, prepend=0.0)
    return float((hits * found / looked_at).sum() / found[-1]) if found[-1] else np.nan


def order_of(scores: NDArray[Any]) -> NDArray[np.intp]:
    """The positions from the highest score to the lowest; ties keep their order."""
    return np.asarray(np.argsort(-scores.astype(np.float64, copy=False), kind="stable"))


def ends_of(scores: NDArray[Any]) -> NDArray[np.intp]:
    """Where each group of equal scores ends, in scores that run downwards."""
    return np.append(np.flatnonzero(scores[1:] != scores[:-1]), len(scores) - 1)


def dense(outcome: ArrayLike | csr_matrix) -> NDArray[np.bool_]:
    """Outcomes as a plain bool array."""
    return np.asarray(outcome.toarray() if isinstance(outcome, csr_matrix) else outcome, dtype=bool)
