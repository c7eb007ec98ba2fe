"""A logistic regression on logarithms: every column as sign(x) log(1 + |x| / its own small unit), standardised, with flags for what is unknown."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.base import Floats

ROWS = 300_000
"""A regression with a hundred weights learns nothing more from further rows."""


@dataclass(frozen=True, eq=False)
class Logistic:
    """Fitted weights. ``columns`` in order; ``unit`` (the scale of each logarithm), ``mean`` and ``spread`` standardise; ``unknown`` are the
    columns with a flag of their own; ``weights`` first of the columns, then of the flags."""

    columns: tuple[str, ...]
    unknown: tuple[str, ...]
    unit: Floats
    mean: Floats
    spread: Floats
    weights: Floats
    intercept: float

    @classmethod
    def fit(cls, frame: pd.DataFrame, outcome: NDArray[np.bool_], weight: Floats, *, strength: float) -> Self:
        """Fit by lbfgs with an L2 penalty on at most ``ROWS`` rows, evenly taken; ``strength`` is scikit-learn's C."""
        from sklearn.linear_model import LogisticRegression

        every = -(-len(frame) // ROWS)
        frame, outcome, weight = frame.iloc[::every], outcome[::every], weight[::every]
        unit = _units(frame)
        unknown = tuple(str(name) for name in frame if frame[name].isna().any())
        values = _logarithms(frame, unit, unknown)
        mean = values.mean(axis=0, dtype=np.float64).astype(np.float32)
        spread = values.std(axis=0, dtype=np.float64).astype(np.float32)
        spread[spread < 1e-6] = 1
        values -= mean
        values /= spread
        model = LogisticRegression(C=strength, max_iter=300).fit(values, outcome, sample_weight=weight)
        return cls(tuple(map(str, frame.columns)), unknown, unit, mean, spread, model.coef_[0].astype(np.float32), float(model.intercept_[0]))

    def log_odds(self, frame: pd.DataFrame) -> Floats:
        """The log-odds of each row; columns are found by name."""
        values = _logarithms(frame[list(self.columns)], self.unit, self.unknown)
        return values @ (self.weights / self.spread) + self.constant

    @property
    def constant(self) -> np.float32:
        """What is added to ``sums`` over all columns to make log-odds."""
        return np.float32(self.intercept - self.mean @ (self.weights / self.spread))

    def sums(self, columns: Mapping[str, Floats]) -> Floats:
        """What some of the columns add to the log-odds, each an array of as many rows, or one value for all; others than its own add nothing."""
        weights = self.weights / self.spread
        total = np.zeros(1, np.float32)
        for name, values in columns.items():
            if name not in self.columns:
                continue
            place = self.columns.index(name)
            total = total + weights[place] * _logarithm(np.atleast_1d(np.asarray(values, np.float32)), self.unit[place])
            if name in self.unknown:
                total = total + weights[len(self.columns) + self.unknown.index(name)] * np.isnan(values)
        return np.asarray(total, np.float32)

    def contributions(self, frame: pd.DataFrame) -> pd.DataFrame:
        """How far each column, with its flag, moves the log-odds of each row from those of the mean row."""
        values = (_logarithms(frame[list(self.columns)], self.unit, self.unknown) - self.mean) * (self.weights / self.spread)
        places = [self.columns.index(name) for name in self.unknown]
        count = len(self.columns)
        values[:, places] += values[:, count:]
        return pd.DataFrame(values[:, :count], index=frame.index, columns=list(self.columns))

    def as_dict(self) -> dict[str, Any]:
        """Plain lists, for JSON."""
        arrays = {name: getattr(self, name).astype(float).tolist() for name in ("unit", "mean", "spread", "weights")}
        return {"columns": list(self.columns), "unknown": list(self.unknown), "intercept": self.intercept, **arrays}

    @classmethod
    def of_dict(cls, content: dict[str, Any]) -> Self:
        """The inverse of ``as_dict``."""
        arrays = {name: np.asarray(content[name], np.float32) for name in ("unit", "mean", "spread", "weights")}
        return cls(tuple(content["columns"]), tuple(content["unknown"]), intercept=content["intercept"], **arrays)


def _units(frame: pd.DataFrame) -> Floats:
    sizes = np.abs(frame.iloc[:: max(1, len(frame) // 20_000)].to_numpy())
    sizes[~(sizes > 0)] = np.nan
    known = ~np.isnan(sizes).all(axis=0)
    unit = np.ones(sizes.shape[1], np.float32)
    unit[known] = np.nanquantile(sizes[:, known], 0.1, axis=0)
    return unit


def _logarithms(frame: pd.DataFrame, unit: Floats, unknown: tuple[str, ...]) -> Floats:
    logs = np.empty((len(frame), frame.shape[1] + len(unknown)), np.float32, order="F")
    for place, name in enumerate(frame.columns):
        logs[:, place] = _logarithm(frame[name].to_numpy(np.float32), unit[place])
        np.nan_to_num(logs[:, place], copy=False, nan=0.0)
    for place, name in enumerate(unknown, start=frame.shape[1]):
        logs[:, place] = frame[name].isna().to_numpy()
    return logs


def _logarithm(values: Floats, unit: np.float32) -> Floats:
    """sign(x) log(1 + |x| / unit); of what is unknown 0."""
    sizes = np.abs(np.nan_to_num(values, nan=0.0))
    with np.errstate(over="ignore"):
        logs = np.log1p(sizes / unit)
    huge = np.isinf(logs)  # more units than a float32 holds
    logs[huge] = np.log(sizes[huge]) - np.log(unit)
    return np.copysign(logs, values)
