"""What is known of customers becomes likelihood: the probability to order anything within the horizon."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
from scipy.special import expit

from features.errors import DataError
from features.snapshot import Snapshot
from models.base import Floats
from models.blend import Blend, BlendConfig
from models.customers.customer_features import customer_columns
from models.trees import CUSTOMER_TREES

CUSTOMERS = BlendConfig(**asdict(CUSTOMER_TREES), logistic_strength=1e-2)


@dataclass(frozen=True)
class LikelihoodConfig:
    """Settings of the customer model; a snapshot counts half as much as one that is ``half_life`` days later."""

    seed: int = 1
    half_life: float = 45.0
    threads: int = 2
    blend: BlendConfig = CUSTOMERS


@dataclass(frozen=True, eq=False)
class Likelihood:
    """The fitted customer model. ``horizon`` in days; ``level`` is added to the log-odds (0 unless it was proven better)."""

    config: LikelihoodConfig
    horizon: int
    blend: Blend
    level: float = 0.0

    @classmethod
    def fit(cls, snapshots: Sequence[Snapshot], *, config: LikelihoodConfig) -> Self:
        """Learn from every customer of snapshots whose horizon has passed; nearer dates count more. Raises DataError when nobody ordered again."""
        newest = max(snapshot.day for snapshot in snapshots)
        frames = [customer_columns(snapshot) for snapshot in snapshots]
        columns = pd.concat(frames, ignore_index=True)
        ordered = np.concatenate([snapshot.ordered() for snapshot in snapshots])
        ages = [0.5 ** ((newest - snapshot.day) / config.half_life) for snapshot in snapshots]
        weight = np.repeat(np.asarray(ages, np.float32), [len(frame) for frame in frames])
        if not ordered.any() or ordered.all():
            raise DataError("on the dates that could be learnt from no known customer came back within the horizon, or all did")
        return cls(config, snapshots[0].horizon, Blend.fit(columns, ordered, weight, config=config.blend, seed=config.seed, threads=config.threads))

    def predict(self, snapshot: Snapshot) -> pd.DataFrame:
        """One column ``likelihood_<horizon>`` (float32), index customer_id, for every customer with an order before the snapshot's date."""
        columns = customer_columns(snapshot)
        return pd.DataFrame({f"likelihood_{self.horizon}": self.probability(columns)}, index=columns.index)

    def probability(self, columns: pd.DataFrame) -> Floats:
        """The likelihood of customers from their ``customer_columns``."""
        return expit(self.blend.log_odds(columns) + self.level).astype(np.float32)

    def save(self, folder: Path) -> None:
        """Write the blend and JSON into a folder."""
        self.blend.save(folder)
        content = {"config": asdict(self.config), "horizon": self.horizon, "level": self.level}
        (folder / "likelihood.json").write_text(json.dumps(content, indent=1, sort_keys=True), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The inverse of ``save``."""
        content = json.loads((folder / "likelihood.json").read_text(encoding="utf-8"))
        settings = content["config"]
        config = LikelihoodConfig(**settings | {"blend": BlendConfig(**settings["blend"])})
        return cls(config, content["horizon"], Blend.load(folder, threads=config.threads), content["level"])
