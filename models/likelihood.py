"""What is known of customers becomes likelihood: the probability to order anything within the horizon."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import lightgbm as lgb
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from features.errors import DataError
from features.snapshot import Snapshot
from models.base import Floats
from models.logistic import Logistic


@dataclass(frozen=True)
class LikelihoodConfig:
    """Settings of the customer model: small trees and a logistic regression, averaged in log-odds."""

    seed: int = 1
    trees: int = 150
    leaves: int = 5
    learning_rate: float = 0.05
    least_in_leaf: int = 100
    ridge: float = 20.0
    logistic_strength: float = 1e-2
    half_life: float = 45.0
    threads: int = 2


@dataclass(frozen=True, eq=False)
class Likelihood:
    """The fitted customer model. ``horizon`` in days; ``level`` is added to the log-odds (0 unless it was proven better)."""

    config: LikelihoodConfig
    horizon: int
    booster: lgb.Booster
    logistic: Logistic
    level: float = 0.0

    @classmethod
    def fit(cls, snapshots: Sequence[Snapshot], *, config: LikelihoodConfig) -> Self:
        """Learn from every customer of snapshots whose horizon has passed; nearer dates count more. Raises DataError when nobody ordered again."""
        newest = max(snapshot.day for snapshot in snapshots)
        frames = [snapshot.customers().astype(np.float32) for snapshot in snapshots]
        columns = pd.concat(frames, ignore_index=True)
        ordered = np.concatenate([snapshot.ordered() for snapshot in snapshots])
        ages = [0.5 ** ((newest - snapshot.day) / config.half_life) for snapshot in snapshots]
        weight = np.repeat(np.asarray(ages, np.float32), [len(frame) for frame in frames])
        if not ordered.any() or ordered.all():
            raise DataError("on the training dates nobody ordered within the horizon, or everybody did; train with another --horizon")
        booster = _boosted(columns, ordered, weight, config)
        return cls(config, snapshots[0].horizon, booster, Logistic.fit(columns, ordered, weight, strength=config.logistic_strength))

    def predict(self, snapshot: Snapshot) -> pd.DataFrame:
        """One column ``likelihood_<horizon>`` (float32), index customer_id, for every customer with an order before the snapshot's date."""
        columns = snapshot.customers().astype(np.float32)
        return pd.DataFrame({f"likelihood_{self.horizon}": self.probability(columns)}, index=columns.index)

    def probability(self, columns: pd.DataFrame) -> Floats:
        """The likelihood of customers from their facts, which are put into the order of the fit by name."""
        rows = columns[self.booster.feature_name()].to_numpy(np.float32)
        trees = np.asarray(self.booster.predict(rows, raw_score=True, num_threads=self.config.threads))
        return expit((trees + self.logistic.log_odds(columns)) / 2 + self.level).astype(np.float32)

    def save(self, folder: Path) -> None:
        """Write LightGBM's text model and JSON into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "trees.txt").write_text(self.booster.model_to_string(), encoding="utf-8")
        content = {"config": asdict(self.config), "horizon": self.horizon, "level": self.level, "logistic": self.logistic.as_dict()}
        (folder / "likelihood.json").write_text(json.dumps(content, indent=1, sort_keys=True), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The inverse of ``save``."""
        content = json.loads((folder / "likelihood.json").read_text(encoding="utf-8"))
        booster = lgb.Booster(model_str=(folder / "trees.txt").read_text(encoding="utf-8"))
        config = LikelihoodConfig(**content["config"])
        return cls(config, content["horizon"], booster, Logistic.of_dict(content["logistic"]), content["level"])


def _boosted(columns: pd.DataFrame, ordered: NDArray[np.bool_], weight: Floats, config: LikelihoodConfig) -> lgb.Booster:
    settings = {
        "objective": "binary",
        "num_leaves": config.leaves,
        "learning_rate": config.learning_rate,
        "min_data_in_leaf": min(config.least_in_leaf, max(5, len(columns) // 100)),
        "feature_fraction": 0.5,
        "lambda_l2": config.ridge,
        "num_threads": config.threads,
        "deterministic": True,
        "force_row_wise": True,
        "seed": config.seed,
        "verbose": -1,
    }
    return lgb.train(settings, lgb.Dataset(columns, ordered.astype(np.float32), weight=weight), config.trees)
