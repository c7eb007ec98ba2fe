"""A snapshot becomes the behaviour of its customers: how, when, where and what they buy, in columns that audiences and reports can name."""

from collections.abc import Callable
from typing import Literal

import pandas as pd
from ibis.expr.types import Table

from features.behaviour.buying import BUYING, baskets, cheapness, pace, prices
from features.behaviour.contact import CONTACT, contact
from features.behaviour.gifts import GIFTS, gifts
from features.behaviour.habits import HABITS, channels, seasons, weekdays
from features.behaviour.tastes import PLACES, TASTES, places, tags
from features.snapshot import Snapshot

BEHAVIOUR = (*BUYING, *GIFTS, *HABITS, *CONTACT, *TASTES, *PLACES)
TEXTS = frozenset({"channel", "weekday", "engagement", "channel_preference", "tags", "country", "region", "city", "postal_area"})
"""The columns of words; those that begin with is_ or has_ are yes, no or unknown; all others are numbers."""

PARTS: tuple[Callable[[Snapshot], Table | pd.DataFrame], ...] = (
    pace,
    cheapness,
    prices,
    baskets,
    gifts,
    seasons,
    channels,
    weekdays,
    contact,
    tags,
    places,
)
"""What the columns are made by."""


def behaviour(snapshot: Snapshot) -> pd.DataFrame:
    """``BEHAVIOUR`` of every customer with an order before the date, index customer_id, sorted.

    Numbers are float64, words str, yes and no boolean; what the shop's data do not tell is empty. Money is in the shop's currency.
    Raises DataError when nobody had ordered by then.
    """
    codes = pd.Index(snapshot.codes, name="customer")
    found = [known_of(part, snapshot).reindex(codes) for part in PARTS]
    columns = {name: part[name] for part in found for name in part}
    frame = pd.DataFrame({feature.name: columns[feature.name] for feature in BEHAVIOUR})
    frame = frame.astype({feature.name: _type(feature.name) for feature in BEHAVIOUR})
    return frame.set_index(pd.Index(snapshot.customer_ids, name="customer_id"))


def known_of(part: Callable[[Snapshot], Table | pd.DataFrame], snapshot: Snapshot) -> pd.DataFrame:
    """The columns that one of ``PARTS`` makes, of the customers of whom it knows something: index customer (code)."""
    made = part(snapshot)
    frame: pd.DataFrame = made if isinstance(made, pd.DataFrame) else made.to_pandas()
    return frame.set_index("customer")


def _type(name: str) -> Literal["str", "boolean", "float64"]:
    if name in TEXTS:
        return "str"
    return "boolean" if name.startswith(("is_", "has_")) else "float64"
