"""A shop folder -> the bundle in use (or a named one) and the shop as of a date, and one clear message when disk or memory give out meanwhile."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pandas as pd

from features.config import Config, load_config
from features.engines import EngineName
from features.errors import DataError, did_you_mean
from features.files import BUNDLES, read_current
from features.sections import CustomersSection
from features.shop import Shop
from features.snapshot import Snapshot
from models.bundle import EVALUATION, ORIGINS, Bundle
from serving.known import recall


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


def load_bundle(shop: Path, bundle: str | None = None, *, customers: CustomersSection | None = None) -> Bundle:
    """The bundle in ``bundle_folder``, with the lifetime value as the shop's whobuys.toml has it now, or as ``customers`` say.

    Raises DataError as that does, and when a file of it does not fit its sha256.
    """
    stated = customers or load_config(shop).customers
    loaded = Bundle.load(bundle_folder(shop, bundle))
    return loaded.valued(lifetime_days=stated.lifetime_days, discount_rate=stated.discount_rate, margin=stated.margin)


def currency_of(shop: Shop, config: Config) -> str:
    """The shop's currency: as whobuys.toml has it, else that of its orders; empty where neither tells."""
    orders = shop.tables["orders"]
    found = config.shop.currency or orders.agg(currency=orders.currency.max()).to_pandas()["currency"].iloc[0]
    return found if isinstance(found, str) else ""


def horizons_lacking(bundle: Bundle, customers: CustomersSection) -> str | None:
    """Which of the configured horizons the bundle does not predict, and what would mend it; None when it has all of them."""
    has = bundle.bases()
    lacking = [str(days) for days in customers.horizons if days not in has]
    if not lacking:
        return None
    return f"[customers] horizons has {', '.join(lacking)}, the bundle has {', '.join(map(str, has))} days; run: whobuys train --promote"


def past_fit(shop: Path, bundle: Bundle, as_of: date) -> Bundle | None:
    """The newest fit of a past date kept with a bundle whose horizon has passed by ``as_of``; None where there is none."""
    last = (as_of - timedelta(days=bundle.horizon)).isoformat()
    folders = sorted(each for each in (shop / BUNDLES / bundle.id / ORIGINS).glob("[0-9]*") if each.name <= last)
    return Bundle.load(folders[-1]) if folders else None


def open_as_of(
    shop: Path,
    as_of: date | None,
    *,
    bundle: str | None,
    memory_limit: str | None,
    threads: int | None,
    customers: CustomersSection | None = None,
    anew: bool = False,
    engine: EngineName = "duckdb",
) -> tuple[Bundle, Snapshot]:
    """The bundle of ``load_bundle`` and the shop as of a date, None being the day after the last order; both know what the published scores kept of
    them, unless all is to be worked out ``anew``.

    Raises DataError as ``load_bundle`` does, when nothing was imported yet, and for a date of which nothing can be known.
    """
    opened = Shop.open(shop, memory_limit=memory_limit, threads=threads, engine=engine)
    loaded = load_bundle(shop, bundle, customers=customers)
    as_of = as_of or opened.default_as_of
    opened.check_date(as_of)
    snapshot = Snapshot(opened, as_of, horizon=loaded.horizon)
    if not anew:
        recall(loaded, snapshot)
    return loaded, snapshot


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
