"""A bundle and the tables of its backtest become everything that MLflow keeps of a training."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from features.shop import Shop
from models.bundle import Bundle
from models.pairs.interest import Interest
from training.tracking.runs import Version, tracked


def log_training(shop_folder: Path, bundle_folder: Path, *, bundle: Bundle, tables: Mapping[str, pd.DataFrame], name: str = "") -> Version:
    """Open a run, log the training, and register its model as challenger.

    Parameters are the bundle's recipe, measures those of its facts; drawings are made from ``tables``. ``name`` is the shop's, empty: its folder's.
    Raises DataError naming the store when it does not answer or refuses.
    """
    from models.pairs.importance import importance
    from models.plots import drawings, save

    if isinstance(bundle.pair_model, Interest):
        tables = {**tables, "importance": importance(bundle.pair_model)}
    with tempfile.TemporaryDirectory() as folder, tracked(shop_folder, name) as run:
        figures = {title: save(figure, Path(folder) / f"{title}.png") for title, figure in drawings(tables).items()}
        return run.log_training(
            bundle_folder,
            bundle,
            Shop.open(shop_folder),
            params=params_of(bundle),
            metrics=measures_of(bundle),
            tables=tables,
            figures=figures,
        )


def params_of(bundle: Bundle) -> dict[str, object]:
    """What the bundle was made with: its recipe, settings inside settings as dotted names, and the dates learnt from and proved on."""
    dates = {name: ", ".join(bundle.facts.get(name, [])) for name in ("training_dates", "backtest_dates")}
    return {"as_of": bundle.as_of, "horizon": bundle.horizon, **flat(bundle.facts.get("recipe", {})), **dates}


def measures_of(bundle: Bundle) -> dict[str, float]:
    """What its backtest measured, and what it taught."""
    learnt = flat(bundle.facts.get("learnt", {}), "learnt.")
    return {name: float(value) for name, value in {**bundle.facts.get("measures", {}), **learnt}.items()}


def flat(settings: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """Settings inside settings as dotted names.

    >>> flat({"horizon": 30, "interest": {"trees": 300, "affinity": {"factors": 64}}})
    {'horizon': 30, 'interest.trees': 300, 'interest.affinity.factors': 64}
    """
    found: dict[str, object] = {}
    for name, value in settings.items():
        found |= flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return found
