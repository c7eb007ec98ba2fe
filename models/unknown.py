"""Columns of events, which no shop has at all times: models learn from a share of rows without them, so that they can be asked without them."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from features.events import EVENT_NAMES, SET_EVENT_NAMES

NAMES = (*EVENT_NAMES, *SET_EVENT_NAMES)
SHARE = 0.1
"""The share of rows that are learnt from as if nothing were known of events."""


def sometimes_unknown(columns: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """The columns with those of events unknown in a ``SHARE`` of the rows, the same ones for the same seed; unchanged without columns of events.

    So a model has an answer for a shop whose events have stopped, or that imported none this time, and takes no silence for a lack of interest.
    """
    names = [name for name in NAMES if name in columns]
    if not names:
        return columns
    seen = np.random.default_rng(seed).random(len(columns)) >= SHARE
    return columns.assign(**{name: columns[name].where(seen) for name in names})


def by_name(columns: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """The named columns in that order; those of events that are not there are unknown. Raises KeyError for any other that is not there."""
    absent = [name for name in names if name in NAMES and name not in columns]
    return columns.assign(**dict.fromkeys(absent, np.float32(np.nan)))[list(names)]
