"""Facts of customers, and what a buy-till-you-die model says of them, become the columns that likelihood and volume read."""

from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd

from features.expressions import Feature
from features.shop import Shop
from features.snapshot import Snapshot
from models.customers.btyd import BuyTillYouDie, fitted, said_by

MODEL = "mbg_nbd"
"""Unlike by BG/NBD, who ordered once may have left; and unlike Pareto/NBD it is fitted within a second."""
STEADY_FEATURES = (
    Feature("mbg_p_alive", "probability to be a customer still"),
    Feature("mbg_expected_orders", "order days expected within the horizon"),
    Feature("mbg_p_order", "probability to order within the horizon"),
)
_KEPT: WeakKeyDictionary[Snapshot, pd.DataFrame] = WeakKeyDictionary()
_FITTED: WeakKeyDictionary[Shop, dict[int, BuyTillYouDie]] = WeakKeyDictionary()
"""By day: the fit does not depend on the horizon."""


def customer_columns(snapshot: Snapshot) -> pd.DataFrame:
    """``Snapshot.customers`` and ``STEADY_FEATURES`` of every customer with an order before the date: float32, index customer_id, sorted.

    The model is fitted on all of these customers, so on nothing that came later. What it says is kept as long as the snapshot is: likelihood, volume
    and reasons ask for it.
    """
    return pd.concat([snapshot.customers(), _steady(snapshot)], axis=1).astype(np.float32)


def _steady(snapshot: Snapshot) -> pd.DataFrame:
    found = _KEPT.get(snapshot)
    if found is None:
        said = said_by(_model(snapshot), snapshot, snapshot.horizon).astype(np.float32)
        found = _KEPT[snapshot] = said.rename(columns={feature.name.removeprefix("mbg_"): feature.name for feature in STEADY_FEATURES})
    return found


def _model(snapshot: Snapshot) -> BuyTillYouDie:
    models = _FITTED.setdefault(snapshot.shop, {})
    if snapshot.day not in models:
        models[snapshot.day] = snapshot.of_all(MODEL, lambda: fitted(MODEL, snapshot))
    return models[snapshot.day]
