"""A fitted interest model becomes what it looks at most, each column with its meaning."""

import pandas as pd

from features.customers import CUSTOMER_FEATURES
from features.events import EVENT_FEATURES, SET_EVENT_FEATURES
from features.pairs import HISTORY_FEATURES, SET_FEATURES
from models.customers.customer_features import STEADY_FEATURES
from models.pairs.interest import Interest
from models.pairs.pair_features import AFFINITY_FEATURES, CROSS_FEATURES

_OWN = (*CUSTOMER_FEATURES, *STEADY_FEATURES, *EVENT_FEATURES, *SET_EVENT_FEATURES, *HISTORY_FEATURES, *CROSS_FEATURES, *AFFINITY_FEATURES)
MEANINGS = {**{f"of_set_{each.name}": f"of the set: {each.meaning}" for each in SET_FEATURES}, **{each.name: each.meaning for each in _OWN}}


def importance(model: Interest) -> pd.DataFrame:
    """A row per column that the trees use: ``feature``, ``meaning``, ``share`` (0 to 1) of all that their splits gained (LightGBM's gain), the
    highest first. The regression beside the trees is not in it."""
    names, gains = model.blend.trees.names, model.blend.trees.booster.feature_importance("gain")
    table = pd.DataFrame({"feature": names, "meaning": [MEANINGS.get(name, name) for name in names], "share": gains / max(float(gains.sum()), 1e-12)})
    return table[table["share"] > 0].sort_values(["share", "feature"], ascending=[False, True], ignore_index=True)
