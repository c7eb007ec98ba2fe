"""Scores and outcomes of many product sets become a row of measures for each, and their means.

Scores are matrices customers x sets; outcomes, too, as bool or sparse.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csc_matrix, csr_matrix

from models.metrics import MEASURES, Ranked, average_precision, order_of

Outcome = csr_matrix | NDArray[np.bool_]
MIN_BUYERS = 10
"""A product set is measured when so many customers bought from it; from fewer, its figures are chance."""
MIN_NEW = 5
"""The same among customers who had never bought from the set before."""


def ap_among(
    scores: NDArray[np.floating], outcome: NDArray[np.bool_], among: NDArray[np.bool_], *, measured: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Average precision of every set among the pairs of a mask (matrices customers x sets), NaN for sets that are not ``measured``.

    >>> scores, everybody = np.array([[3.0], [2.0], [1.0]]), np.ones((3, 1), bool)
    >>> ap_among(scores, np.array([[False], [False], [True]]), everybody, measured=np.array([True])).round(2).tolist()
    [0.33]
    >>> ap_among(scores, np.array([[False], [False], [True]]), scores < 3, measured=np.array([True])).tolist()
    [0.5]
    """
    found = np.full(scores.shape[1], np.nan)
    for place in np.flatnonzero(measured):
        rows = among[:, place]
        found[place] = average_precision(scores[rows, place], outcome[rows, place])
    return found


def by_set(
    probabilities: NDArray[np.floating], outcome: Outcome, bought: Outcome, *, min_buyers: int = MIN_BUYERS, min_new: int = MIN_NEW
) -> pd.DataFrame:
    """All measures of every product set (matrices customers x sets): a row per set, in order.

    Columns: ``buyers``, ``new_buyers``, ``expected`` (sum of the scores; means something for probabilities only), ``MEASURES`` and the same as
    ``new_...`` among customers who had not ``bought`` from the set before. Sets with fewer than ``min_buyers`` buyers have NaN for all measures,
    those with fewer than ``min_new`` new buyers for the new ones. Raises ValueError for shapes that differ or a score that is no number.
    """
    if not probabilities.shape == outcome.shape == bought.shape:
        raise ValueError(f"shapes differ: {probabilities.shape}, {outcome.shape}, {bought.shape}")
    if np.isnan(probabilities).any():
        raise ValueError("a score is not a number")
    outcomes, past = csc_matrix(outcome, dtype=bool), csc_matrix(bought, dtype=bool)
    rows = [
        _of_one_set(np.ascontiguousarray(probabilities[:, i]), _column(outcomes, i), _column(past, i), min_buyers=min_buyers, min_new=min_new)
        for i in range(probabilities.shape[1])
    ]
    names = ["buyers", "new_buyers", "expected", *MEASURES, *(f"new_{name}" for name in MEASURES)]
    return pd.DataFrame(rows, columns=names).astype({"buyers": int, "new_buyers": int})


def summary(table: pd.DataFrame) -> dict[str, float]:
    """The means of ``by_set`` over its measured sets, with how many they are (``sets``, ``new_sets``), all buyers and all expected.

    >>> table = by_set(np.array([[0.9], [0.1], [0.2]]), np.array([[True], [False], [False]]), np.zeros((3, 1), bool), min_buyers=1, min_new=1)
    >>> found = summary(table)
    >>> found["sets"], found["ap"], found["new_ap"], found["lift_1"]
    (1.0, 1.0, 1.0, 3.0)
    """
    measured = {"sets": float(table["ap"].notna().sum()), "new_sets": float(table["new_ap"].notna().sum())}
    totals = {name: float(table[name].sum()) for name in ("buyers", "new_buyers", "expected")}
    return {**measured, **totals, **{f"{new}{name}": float(table[f"{new}{name}"].mean()) for new in ("", "new_") for name in MEASURES}}


def _of_one_set(
    scores: NDArray[np.floating], outcome: NDArray[np.bool_], bought: NDArray[np.bool_], *, min_buyers: int, min_new: int
) -> tuple[float, ...]:
    unknown = (np.nan,) * len(MEASURES)
    facts = (outcome.sum(), (outcome & ~bought).sum(), scores.sum(dtype=np.float64))
    if facts[0] < min_buyers:
        return (*facts, *unknown, *unknown)
    order = order_of(scores)
    everyone = Ranked.of_sorted(scores[order], outcome[order])
    if facts[1] < min_new:
        return (*facts, *everyone.measures(), *unknown)
    new = order[~bought[order]]
    return (*facts, *everyone.measures(), *Ranked.of_sorted(scores[new], outcome[new]).measures())


def _column(matrix: csc_matrix, place: int) -> NDArray[np.bool_]:
    column = np.zeros(matrix.shape[0], dtype=bool)
    entries = slice(matrix.indptr[place], matrix.indptr[place + 1])
    column[matrix.indices[entries]] = matrix.data[entries]
    return column
