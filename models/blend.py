"""Two learners over the same columns, averaged in log-odds: boosted trees, which find conditions, and a logistic regression on logarithms,
which finds rates and products of rates."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import lightgbm as lgb
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.base import Floats
from models.logistic import Logistic
from models.unknown import by_name, sometimes_unknown

TREES, LOGISTIC = "trees.txt", "logistic.json"


@dataclass(frozen=True)
class BlendConfig:
    """Settings of the trees (LightGBM's, under plain names; shares and the least rows of a leaf keep them from learning rows by heart), and of
    the regression (``logistic_strength`` is scikit-learn's C). ``least_in_leaf`` falls to 1 % of the rows where these are few."""

    trees: int = 160
    leaves: int = 7
    learning_rate: float = 0.1
    least_in_leaf: int = 600
    column_share: float = 0.2
    row_share: float = 0.7
    ridge: float = 20.0
    logistic_strength: float = 1e-3


@dataclass(frozen=True, eq=False)
class Blend:
    """The fitted learners. Columns are found by name."""

    booster: lgb.Booster
    logistic: Logistic
    threads: int

    @classmethod
    def fit(cls, columns: pd.DataFrame, outcome: NDArray[np.bool_], weight: Floats, *, config: BlendConfig, seed: int, threads: int) -> Self:
        """Learn from a row per case; both outcomes must occur. The same seed gives the same learners, whatever the threads.

        Sources: LightGBM (Ke and others 2017); log-odds are averaged, so that a sure learner counts more than an unsure one.
        """
        settings = {
            "objective": "binary",
            "num_leaves": config.leaves,
            "learning_rate": config.learning_rate,
            "min_data_in_leaf": min(config.least_in_leaf, max(5, len(columns) // 100)),
            "feature_fraction": config.column_share,
            "bagging_fraction": config.row_share,
            "bagging_freq": 1,
            "lambda_l2": config.ridge,
            "num_threads": threads,
            "deterministic": True,
            "force_row_wise": True,
            "seed": seed,
            "verbose": -1,
        }
        columns = sometimes_unknown(columns, seed=seed)
        cases = lgb.Dataset(columns, outcome.astype(np.float32), weight=weight, free_raw_data=True)
        booster = lgb.train(settings, cases, config.trees)
        return cls(booster, Logistic.fit(columns, outcome, weight, strength=config.logistic_strength), threads)

    def log_odds(self, columns: pd.DataFrame) -> Floats:
        """The mean of both learners' log-odds of each row."""
        rows = by_name(columns, self.booster.feature_name())
        trees = np.asarray(self.booster.predict(rows.to_numpy(np.float32), raw_score=True, num_threads=self.threads))
        return np.asarray((trees + self.logistic.log_odds(rows)) / 2, np.float32)

    def contributions(self, columns: pd.DataFrame) -> Floats:
        """How far each column moves the log-odds of each row from those of the mean row: rows x columns, in the order of the trees' columns."""
        names = self.booster.feature_name()
        rows = by_name(columns, names).to_numpy(np.float32)
        trees = np.asarray(self.booster.predict(rows, pred_contrib=True, num_threads=self.threads), np.float32)[:, :-1]
        regression = self.logistic.contributions(by_name(columns, self.logistic.columns))[names]
        return np.asarray((trees + regression.to_numpy(np.float32)) / 2, np.float32)

    def save(self, folder: Path) -> None:
        """Write LightGBM's text model and JSON into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / TREES).write_text(self.booster.model_to_string(), encoding="utf-8")
        (folder / LOGISTIC).write_text(json.dumps(self.logistic.as_dict(), indent=1, sort_keys=True), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, *, threads: int) -> Self:
        """The inverse of ``save``."""
        booster = lgb.Booster(model_str=(folder / TREES).read_text(encoding="utf-8"))
        logistic = json.loads((folder / LOGISTIC).read_text(encoding="utf-8"))
        return cls(booster, Logistic.of_dict(logistic), threads)
