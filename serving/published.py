"""A shop folder -> the bundle in use (or a named one), and one clear message when disk or memory give out while it is asked."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pandas as pd

from features.errors import DataError, did_you_mean
from features.files import read_current
from features.shop import Shop
from models.bundle import Bundle

BUNDLES = "bundles"


def load_bundle(shop: Path, bundle: str | None = None) -> Bundle:
    """The published bundle of a shop folder, or the one with the id ``bundle``.

    Raises DataError when nothing was trained yet, the id is unknown, or a file of the bundle does not fit its sha256.
    """
    if bundle is not None:
        known = [path.name for path in sorted((shop / BUNDLES).glob("[!.]*"))]
        if bundle not in known:
            raise DataError(f"{shop}: there is no bundle {bundle!r}{did_you_mean(bundle, known)}")
        return Bundle.load(shop / BUNDLES / bundle)
    published = read_current(shop).get("bundle")
    if published is None:
        raise DataError(f"{shop}: nothing was trained here yet; run: whobuys train --shop {shop}")
    return Bundle.load(shop / published)


def check_interest(shop: Shop, bundle: Bundle) -> None:
    """Raise DataError unless the shop and the bundle know what was bought."""
    if not shop.has_lines:
        raise DataError("the orders have no lines, so nothing is known of what was bought; import order lines, then train again")
    if not bundle.has_interest:
        raise DataError(f"the bundle {bundle.id} was trained without order lines; run: whobuys train --promote")


@contextmanager
def enough_room(shop: Path) -> Iterator[None]:
    """Turn what the query engine says about a full disk or too little memory into a DataError."""
    try:
        yield
    except (duckdb.OutOfMemoryException, duckdb.IOException) as error:
        first = str(error).splitlines()[0]
        raise DataError(f"{shop}: memory or disk gave out; what was published before is still whole ({first})") from None


def evaluation_tables(shop: Path, bundle: str | None = None) -> dict[str, pd.DataFrame]:
    """The backtest tables that were kept with a bundle, by name; empty when the shop was too young for a backtest."""
    loaded = load_bundle(shop, bundle)
    folder = shop / BUNDLES / loaded.id / "evaluation"
    return {path.stem: pd.read_parquet(path) for path in sorted(folder.glob("*.parquet"))}
