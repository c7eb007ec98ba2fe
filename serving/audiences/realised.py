"""Builds whose horizon has passed become what was expected of them beside what came."""

from collections.abc import Collection
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from features.dates import day_number
from features.files import read_json
from features.products import Catalogue
from features.shop import Shop
from models.pairs.intervals import Spread
from serving.audiences.check import bought_within, compared
from serving.audiences.kept import kept_as_of
from serving.audiences.members import MEMBERS

REALISED = ("origin", "size", "expected", "low", "high", "bought", "customers", "buyers")


def realised(folder: Path, name: str, shop: Shop, spread: Spread, *, days: Collection[str] | None = None) -> pd.DataFrame:
    """A row per build of an audience that is over, oldest first: the columns of ``Check.origins``. Empty when there is none. ``days`` are the builds
    that are looked at (None: all).

    A build is over when the orders reach beyond its horizon. Members of the control group count, too: they are members who were not written to.
    """
    rows = []
    for path in sorted((folder / MEMBERS / name).glob("[0-9]*.json")):
        day, horizon = date.fromisoformat(path.stem), int(str(read_json(path)["horizon"]))
        if day + timedelta(days=horizon) > shop.default_as_of or (days is not None and path.stem not in days):
            continue
        members = kept_as_of(folder, name, path.stem).members
        bought = bought_within(members.audience, Catalogue.of(shop), shop, day_number(day), horizon)
        orders = shop.orders
        known = orders.filter(orders.customer.notnull(), orders.day < day_number(day)).select("customer").distinct().to_pyarrow()["customer"]
        rows.append({"origin": path.stem, **compared(members, bought, known.to_numpy().astype(np.int32), shop, spread)})
    return pd.DataFrame(rows, columns=list(REALISED))
