"""Two learners over the same columns, averaged in log-odds: boosted trees, which find conditions, and a logistic regression on logarithms,
which finds rates and products of rates."""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.base import Floats
from models.logistic import Logistic
from models.tree_tables import Begun as BegunTrees
from models.tree_tables import Trees
from models.trees import TreesConfig, boosted
from models.unknown import NAMES, by_name, sometimes_unknown

TREES, LOGISTIC = "trees.txt", "logistic.json"
ROWS = 100_000
"""Rows of which the regression's contributions are held at once."""


@dataclass(frozen=True)
class BlendConfig(TreesConfig):
    """Settings of the trees, and of the regression: ``logistic_strength`` is scikit-learn's C."""

    logistic_strength: float = 1e-3


@dataclass(frozen=True, eq=False)
class Blend:
    """The fitted learners. Columns are found by name."""

    trees: Trees
    logistic: Logistic
    threads: int

    @classmethod
    def fit(cls, columns: pd.DataFrame, outcome: NDArray[np.bool_], weight: Floats, *, config: BlendConfig, seed: int, threads: int) -> Self:
        """Learn from a row per case; both outcomes must occur. The same seed gives the same learners, whatever the threads.

        Log-odds are averaged, so that a sure learner counts more than an unsure one.
        """
        columns = sometimes_unknown(columns, seed=seed)
        with ThreadPoolExecutor(max_workers=1) as beside:
            logistic = beside.submit(Logistic.fit, columns, outcome, weight, strength=config.logistic_strength)
            trees = boosted(columns, outcome, weight, objective="binary", config=config, seed=seed, threads=threads)
            return cls(trees, logistic.result(), threads)

    def log_odds(self, columns: pd.DataFrame) -> Floats:
        """The mean of both learners' log-odds of each row."""
        rows = by_name(columns, self.trees.names)
        trees = self.trees.raw_scores(rows.to_numpy(np.float32), threads=self.threads)
        return np.asarray((trees + self.logistic.log_odds(rows)) / 2, np.float32)

    def begun(self, known: Mapping[str, Floats]) -> "Begun":
        """The learners with what the ``known`` columns (each an array of as many rows) say worked out once and for all."""
        return Begun(self.trees.begun(known), self.logistic, self.logistic.sums(known) + self.logistic.constant, self.threads)

    def contributions(self, columns: pd.DataFrame, together: NDArray[np.floating]) -> Floats:
        """How far groups of columns move the log-odds of each row from those of the mean row: rows x groups.

        ``together`` (columns x groups) is 1 where a column belongs to a group; columns are in the order of the trees'.
        """
        names = self.trees.names
        rows = by_name(columns, names)
        moves = self.trees.contributions(rows.to_numpy(np.float32), together, threads=self.threads)
        for first in range(0, len(rows), ROWS):
            block = slice(first, first + ROWS)
            moves[block] += self.logistic.contributions(rows.iloc[block])[names].to_numpy() @ together
        return np.asarray(moves / 2, np.float32)

    def save(self, folder: Path) -> None:
        """Write LightGBM's text model and JSON into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        self.trees.save(folder / TREES)
        (folder / LOGISTIC).write_text(json.dumps(self.logistic.as_dict(), indent=1, sort_keys=True), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, *, threads: int) -> Self:
        """The inverse of ``save``."""
        logistic = json.loads((folder / LOGISTIC).read_text(encoding="utf-8"))
        return cls(Trees.load(folder / TREES), Logistic.of_dict(logistic), threads)


@dataclass(frozen=True, eq=False)
class Begun:
    """Fitted learners of which some columns are known already: ``told`` is what these, and the constant, add to the regression's log-odds."""

    trees: BegunTrees
    logistic: Logistic
    told: Floats
    threads: int

    def log_odds(self, same: Mapping[str, Floats], varying: Mapping[str, Floats]) -> Floats:
        """As ``Blend.log_odds`` of rows of which the other columns are the ``same`` for all, or ``varying``; those of events that are not there are
        unknown."""
        there = self.trees.known | same.keys() | varying.keys()
        same = {**same, **{name: np.asarray(np.nan, np.float32) for name in NAMES if name not in there}}
        trees = self.trees.raw_scores(same, varying, threads=self.threads)
        return np.asarray((trees + self.told + self.logistic.sums(same) + self.logistic.sums(varying)) / 2, np.float32)
