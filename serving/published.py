"""A shop folder -> the bundle in use (or a named one) and the shop as of a date, and one clear message when disk or memory give out meanwhile."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import duckdb
import pandas as pd

from features.errors import DataError, did_you_mean
from features.files import read_current
from features.shop import Shop
from features.snapshot import Snapshot
from models.bundle import EVALUATION, Bundle

BUNDLES = "bundles"


def bundle_folder(shop: Path, bundle: str | None = None) -> Path:
    """Where the published bundle of a shop folder is kept, or the one with the id ``bundle``.

    Raises DataError when nothing was trained yet or the id is unknown.
    """
    if bundle is not None:
        known = [path.name for path in sorted((shop / BUNDLES).glob("[!.]*"))]
        if bundle not in known:
            raise DataError(f"{shop}: there is no bundle {bundle!r}{did_you_mean(bundle, known)}")
        return shop / BUNDLES / bundle
    published = read_current(shop).get("bundle")
    if published is None:
        raise DataError(f"{shop}: nothing was trained here yet; run: whobuys train --shop {shop}")
    return shop / published


def load_bundle(shop: Path, bundle: str | None = None) -> Bundle:
    """The bundle in ``bundle_folder``. Raises DataError as that does, and when a file of it does not fit its sha256."""
    return Bundle.load(bundle_folder(shop, bundle))


def open_as_of(shop: Path, as_of: date | None, *, bundle: str | None, memory_limit: str | None, threads: int | None) -> tuple[Bundle, Snapshot]:
    """The bundle of ``load_bundle`` and the shop as of a date, None being the day after the last order.

    Raises DataError as ``load_bundle`` does, when nothing was imported yet, and for a date of which nothing can be known.
    """
    opened = Shop.open(shop, memory_limit=memory_limit, threads=threads)
    loaded = load_bundle(shop, bundle)
    as_of = as_of or opened.default_as_of
    opened.check_date(as_of)
    return loaded, Snapshot(opened, as_of, horizon=loaded.horizon)


def no_interest(shop: Shop, bundle: Bundle) -> str | None:
    """Why nothing can be said of who buys what, and what would mend it; None when it can."""
    if not shop.has_lines:
        return "the orders have no lines, so nothing is known of what was bought; import order lines, then: whobuys train --promote"
    if bundle.has_interest:
        return None
    return str(bundle.facts.get("missing") or f"the bundle {bundle.id} was trained without order lines; run: whobuys train --promote")


def check_interest(shop: Shop, bundle: Bundle) -> None:
    """Raise DataError unless the shop and the bundle know what was bought."""
    if reason := no_interest(shop, bundle):
        raise DataError(reason)


@contextmanager
def enough_room(shop: Path) -> Iterator[None]:
    """Turn what the query engine says about a full disk or too little memory into a DataError."""
    try:
        yield
    except (duckdb.OutOfMemoryException, duckdb.IOException) as error:
        first = str(error).splitlines()[0]
        raise DataError(f"{shop}: memory or disk gave out; what was published before is still whole ({first})") from None


def evaluation_tables(shop: Path, bundle: Bundle) -> dict[str, pd.DataFrame]:
    """The backtest tables that were kept with a bundle, by name; empty when the shop was too young for a backtest."""
    folder = shop / BUNDLES / bundle.id / EVALUATION
    return {path.stem: pd.read_parquet(path) for path in sorted(folder.glob("*.parquet"))}
