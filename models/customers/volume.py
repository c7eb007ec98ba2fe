"""What is known of customers becomes volume: how many orders, and how many different products, are expected of each within the horizon."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
from pydantic import TypeAdapter

from features.snapshot import Snapshot
from models.base import Floats
from models.customers.customer_features import customer_columns
from models.tree_tables import Trees
from models.trees import CUSTOMER_TREES, TreesConfig, boosted
from models.unknown import by_name, sometimes_unknown

PARTS = ("orders", "products")


@dataclass(frozen=True)
class VolumeConfig:
    """Settings; a snapshot counts half as much as one that is ``half_life`` days later."""

    seed: int = 1
    half_life: float = 45.0
    threads: int = 2
    trees: TreesConfig = CUSTOMER_TREES


@dataclass(frozen=True, eq=False)
class Part:
    """One number that is expected: ``factor`` makes the totals of the training windows right, all dates alike."""

    trees: Trees
    factor: float

    def expected(self, columns: pd.DataFrame, *, threads: int) -> Floats:
        """At least 0; columns are found by name."""
        rows = by_name(columns, self.trees.names).to_numpy(np.float32)
        return np.asarray(self.factor * np.exp(self.trees.raw_scores(rows, threads=threads)), np.float32)


@dataclass(frozen=True, eq=False)
class Volume:
    """The fitted model of totals. ``horizon`` in days; ``parts`` by name, only those of which anything came: ``products`` needs order lines."""

    config: VolumeConfig
    horizon: int
    parts: dict[str, Part]

    @classmethod
    def fit(cls, snapshots: Sequence[Snapshot], *, config: VolumeConfig, parts: Sequence[str] = PARTS) -> Self:
        """Learn ``parts`` from every customer of snapshots whose horizon has passed, by Poisson regression; nearer dates count more."""
        newest = max(snapshot.day for snapshot in snapshots)
        columns = pd.concat([customer_columns(snapshot) for snapshot in snapshots], ignore_index=True)
        came = pd.concat([snapshot.volume() for snapshot in snapshots], ignore_index=True)
        ages = [0.5 ** ((newest - snapshot.day) / config.half_life) for snapshot in snapshots]
        weight = np.repeat(np.asarray(ages, np.float32), [len(snapshot.codes) for snapshot in snapshots])
        known = [name for name in parts if came[name].any()]
        fitted = {name: _fitted(columns, came[name].to_numpy(np.float32), weight, config=config) for name in known}
        return cls(config, snapshots[0].horizon, fitted)

    def predict(self, snapshot: Snapshot) -> pd.DataFrame:
        """Columns ``expected_orders_<horizon>`` and ``expected_products_<horizon>`` (float32), index customer_id, for every customer of the snapshot.

        What never came on the training dates is unknown: products, where no order told what was bought.
        """
        columns = customer_columns(snapshot)
        table = pd.DataFrame(index=columns.index)
        for name in PARTS:
            part = self.parts.get(name)
            table[f"expected_{name}_{self.horizon}"] = np.float32(np.nan) if part is None else part.expected(columns, threads=self.config.threads)
        return table

    def save(self, folder: Path) -> None:
        """Write LightGBM's text models and JSON into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, part in self.parts.items():
            part.trees.save(folder / f"{name}.txt")
        factors = {name: part.factor for name, part in self.parts.items()}
        content = {"config": asdict(self.config), "horizon": self.horizon, "factors": factors}
        (folder / "volume.json").write_text(json.dumps(content, indent=1, sort_keys=True), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The inverse of ``save``."""
        content = json.loads((folder / "volume.json").read_text(encoding="utf-8"))
        parts = {name: Part(Trees.load(folder / f"{name}.txt"), factor) for name, factor in content["factors"].items()}
        return cls(TypeAdapter(VolumeConfig).validate_python(content["config"]), content["horizon"], parts)


def usual_volume(snapshot: Snapshot) -> pd.DataFrame:
    """What every customer's own past would come to in a horizon (orders, products; index customer_id): the mean rate since the first order, which a
    model has to beat. Somebody whose first order is nearer than a horizon is taken to be a horizon old; products are product lines bought."""
    facts = snapshot.customers()
    horizons = np.maximum(facts["age"], snapshot.horizon) / snapshot.horizon
    return pd.DataFrame({"orders": facts["frequency"] / horizons, "products": facts["lines"] / horizons})


def expected_products(snapshot: Snapshot, *, dates: int, config: VolumeConfig) -> Floats:
    """Products expected of every customer by a model that is fitted anew on up to ``dates`` dates before the snapshot's, one horizon apart.

    A shop too young for one such date, or of which nobody came back, has the ``usual_volume`` instead.
    """
    first, horizon = snapshot.shop.days[0], snapshot.horizon
    ages = [horizon * k for k in range(1, dates + 1) if snapshot.day - horizon * k - first >= horizon]
    past = [Snapshot(snapshot.shop, snapshot.as_of - timedelta(days=age), horizon) for age in ages]
    model = Volume.fit(past, config=config) if past else None
    if model is None or "products" not in model.parts:
        return usual_volume(snapshot)["products"].to_numpy(np.float32)
    return model.predict(snapshot)[f"expected_products_{horizon}"].to_numpy()


def _fitted(columns: pd.DataFrame, came: Floats, weight: Floats, *, config: VolumeConfig) -> Part:
    known = sometimes_unknown(columns, seed=config.seed)
    trees = boosted(known, came, weight, objective="poisson", config=config.trees, seed=config.seed, threads=config.threads)
    total = Part(trees, 1.0).expected(columns, threads=config.threads).sum(dtype=np.float64)
    return Part(trees, float(came.sum(dtype=np.float64) / total))
