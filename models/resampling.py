"""Scores of several methods become how sure their difference is: the same customers drawn again and again for all of them."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from models.metrics import dense, ends_of, order_of
from models.set_metrics import MIN_BUYERS, MIN_NEW, Outcome

Draws = NDArray[np.float32]


def resampled(
    scores: Mapping[str, NDArray[np.floating]], outcome: Outcome, bought: Outcome, *, samples: int, seed: int, min_buyers: int = MIN_BUYERS
) -> pd.DataFrame:
    """Mean average precision of several methods in ``samples`` draws of customers with replacement, the same draws for all (a paired bootstrap).

    Columns (method, "ap" | "new_ap"), a row per draw; sets are those that ``set_metrics.by_set`` measures, whatever a draw holds of their buyers.
    Customers are drawn, not sets: sets share customers, so draws of sets would look far too sure.
    """
    happened, past = dense(outcome), dense(bought)
    draws = drawn_customers(len(happened), samples=samples, seed=seed)
    new = happened & ~past
    measured, new_measured = happened.sum(axis=0) >= min_buyers, new.sum(axis=0) >= MIN_NEW
    everybody = np.ones_like(past)
    columns = {}
    for name, values in scores.items():
        columns[name, "ap"] = np.nanmean(ap_draws(values, happened, everybody, draws, measured=measured), axis=0)
        columns[name, "new_ap"] = np.nanmean(ap_draws(values, happened, ~past, draws, measured=measured & new_measured), axis=0)
    return pd.DataFrame(columns)


def ap_draws(
    scores: NDArray[np.floating], outcome: NDArray[np.bool_], among: NDArray[np.bool_], draws: Draws, *, measured: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """``set_metrics.ap_among`` in every draw of customers: sets x draws; NaN where a set is not ``measured`` or a draw holds none of its buyers."""
    found = np.full((scores.shape[1], draws.shape[1]), np.nan)
    for place in np.flatnonzero(measured):
        rows = among[:, place]
        whole = bool(rows.all())
        found[place] = _average_precision(scores[rows, place], outcome[rows, place], draws if whole else draws[rows])
    return found


def gain_draws(scores: NDArray[np.floating], outcome: NDArray[np.bool_], draws: Draws, shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """The share of the buyers among the first ``shares`` of all pairs (matrices customers x sets), in every draw of customers: shares x draws.

    ``shares`` run upwards from 0 to 1. The limits between them are those of the scores as they are; between two of them a draw is taken as a line.
    """
    order = np.argsort(-scores.ravel(), kind="stable")
    part = np.empty(scores.size, np.intp)
    part[order] = np.searchsorted(np.round(shares[1:-1] * scores.size), np.arange(scores.size), side="right")
    customers, parts = scores.shape[0], len(shares) - 1
    cells = part + np.repeat(np.arange(customers) * parts, scores.shape[1])
    seen, hits = (np.bincount(cells, weights, customers * parts).reshape(customers, parts) for weights in (None, outcome.ravel().astype(np.float64)))
    sizes, found = (np.cumsum(each.T @ draws.astype(np.float64), axis=0) for each in (seen.astype(np.float64), hits))
    across, upwards = (np.vstack([np.zeros(draws.shape[1]), each / np.maximum(each[-1], 1)]) for each in (sizes, found))
    return np.column_stack([np.interp(shares, across[:, draw], upwards[:, draw]) for draw in range(draws.shape[1])])


def drawn_customers(customers: int, *, samples: int, seed: int) -> Draws:
    """How often each customer (row) is in each draw (column) of as many customers with replacement.

    >>> drawn_customers(5, samples=3, seed=1).sum(axis=0).tolist()
    [5.0, 5.0, 5.0]
    """
    chances = np.full(customers, 1 / customers)
    return np.ascontiguousarray(np.random.default_rng(seed).multinomial(customers, chances, size=samples).T, dtype=np.float32)


def interval(values: ArrayLike, *, share: float = 0.95) -> tuple[float, float]:
    """The middle ``share`` of the values.

    >>> interval([0, 1, 2, 3, 4], share=0.5)
    (1.0, 3.0)
    """
    low, high = np.quantile(np.asarray(values, np.float64), [(1 - share) / 2, (1 + share) / 2])
    return float(low), float(high)


def _average_precision(scores: NDArray[np.floating], outcome: NDArray[np.bool_], draws: Draws) -> NDArray[np.float64]:
    """In every draw; NaN where it holds no buyer. Only groups of equal scores with a buyer count, so the rest is summed up between them."""
    order = order_of(scores)
    ends = ends_of(scores[order])
    buyers = np.flatnonzero(outcome[order])
    if not len(buyers):
        return np.full(draws.shape[1], np.nan)
    groups, first = np.unique(np.searchsorted(ends, buyers), return_index=True)
    hits = np.add.reduceat(draws[order[buyers]], first, axis=0).astype(np.float64)
    stretches = np.concatenate([[0], ends[groups][:-1] + 1])
    seen = np.cumsum(np.add.reduceat(draws[order[: ends[groups[-1]] + 1]], stretches, axis=0), axis=0, dtype=np.float64)
    total = hits.sum(axis=0)
    precision = np.divide(np.cumsum(hits, axis=0), seen, out=np.zeros_like(hits), where=seen > 0)
    return np.asarray(np.divide((hits * precision).sum(axis=0), total, out=np.full(len(total), np.nan), where=total > 0))
