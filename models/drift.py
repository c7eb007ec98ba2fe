"""A snapshot becomes counts of what its customers are like and what they lately bought; two of them tell how far a shop drifted.

The distance is the population stability index (PSI): the sum over bins of the difference of two shares times the logarithm of their ratio. Below 0.1
is usually called stable, 0.25 and more a shift (Siddiqi, Credit Risk Scorecards, 2006). Of few customers much is chance, and some shops shift every
month: both raise the limit.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import chi2

from features.shop import MONEY, PIECES
from features.snapshot import Snapshot

BINS = "bins"
"""The name of the table that a bundle keeps."""
FACTS = {
    "days since the last order": "recency",
    "orders": "frequency",
    "revenue per order": "monetary",
    "days between orders": "rhythm",
    "product lines per order": "basket",
    "discount share": "discount_share",
}
"""Facts of customers that are kept of all of them, in words."""
CATEGORY, PRICE = "categories bought", "prices paid"
"""Of what was bought in the horizon's days before the date: customers by category, and units' prices."""
WORDS = 11
"""Names that are kept each by its own; the others are one bin."""
SHIFT, BEYOND_USUAL, SURE = 0.25, 1.5, 0.9999
Counts = NDArray[np.float64]


@dataclass(frozen=True)
class Drift:
    """How far one ``feature`` is from what it was: its PSI, the limit from which on that is no chance and not usual, and the bin that moved most."""

    feature: str
    psi: float
    limit: float
    moved: str

    @property
    def far(self) -> bool:
        """Whether it is beyond the limit."""
        return self.psi > self.limit


def binned(snapshot: Snapshot, earlier: Sequence[Snapshot] = ()) -> pd.DataFrame:
    """A row per feature and bin: ``feature``, ``low`` (lower end of a bin of numbers, NaN: not known) or ``name``, ``count``, and ``usual``: the
    largest PSI of ``earlier`` snapshots of the same shop (0 without any). Nobody is named in it."""
    parts = [_bins(name, values) for name, values in _values(snapshot).items()]
    table = pd.concat(parts, ignore_index=True).assign(usual=0.0)
    usual = pd.DataFrame([{each.feature: each.psi for each in drifts(table, one)} for one in earlier])
    return table.assign(usual=table["feature"].map(usual.max()).astype(np.float64).fillna(0.0)) if len(usual) else table


def drifts(table: pd.DataFrame, snapshot: Snapshot) -> list[Drift]:
    """How far a snapshot is from a table of ``binned``, for each of its features that both know."""
    return [_drift(name, table[table["feature"] == name], values) for name, values in _values(snapshot).items() if name in set(table["feature"])]


def compared(name: str, before: pd.Series, now: pd.Series) -> Drift:
    """How far numbers are from what they were before."""
    return _drift(name, _bins(name, before).assign(usual=0.0), now)


def psi(before: Counts, now: Counts) -> float:
    """The population stability index of two counts of the same bins; half a case is added to each, so that none is empty.

    >>> round(psi(np.array([50.0, 50.0]), np.array([50.0, 50.0])), 3), round(psi(np.array([50.0, 50.0]), np.array([80.0, 20.0])), 3)
    (0.0, 0.406)
    """
    then, later = ((counts + 0.5) / (counts + 0.5).sum() for counts in (before, now))
    return float(((later - then) * np.log(later / then)).sum())


def _values(snapshot: Snapshot) -> dict[str, pd.Series]:
    """The facts of all customers, and categories and prices of what was bought lately, as far as they are known."""
    facts = snapshot.customers()
    found = {words: facts[name].reset_index(drop=True) for words, name in FACTS.items()}
    if snapshot.shop.has_lines:
        found.update(_bought_lately(snapshot))
    return {name: values for name, values in found.items() if values.notna().any()}


def _bought_lately(snapshot: Snapshot) -> Mapping[str, pd.Series]:
    shop = snapshot.shop
    lines = shop.lines.filter(shop.lines.day < snapshot.day, shop.lines.day >= snapshot.day - snapshot.horizon, shop.lines.customer.notnull())
    sold = lines.group_by("product", "customer").agg(amount=lines.amount.sum(), pieces=lines.pieces.sum())
    named = shop.tables["products"].join(shop.product_codes, "product_id").select("product", "category")
    pairs = sold.join(named, "product").to_pandas()
    price = (pairs["amount"] / pairs["pieces"].where(pairs["pieces"] > 0) * PIECES / MONEY).astype(np.float64)
    return {CATEGORY: pairs.drop_duplicates(["customer", "category"])["category"].astype("str"), PRICE: price.where(price > 0)}


def _bins(name: str, values: pd.Series) -> pd.DataFrame:
    """Bins that hold about the same number each, and how many they hold."""
    if pd.api.types.is_numeric_dtype(values):
        known = values.dropna().to_numpy(np.float64)
        lows = [-np.inf, *np.unique(np.quantile(known, np.linspace(0.1, 0.9, 9)))] if len(known) else [-np.inf]
        bins = pd.DataFrame({"feature": name, "low": [*lows, np.nan], "name": ""})
    else:
        names = sorted(values.value_counts().sort_index(kind="stable").nlargest(WORDS).index)
        bins = pd.DataFrame({"feature": name, "low": np.nan, "name": pd.Series([*names, ""], dtype="str")})
    return bins.assign(count=_counts(bins, values))


def _counts(bins: pd.DataFrame, values: pd.Series) -> Counts:
    """How many of the values are in each bin; what is not known, or has a name of its own no longer, is in the last."""
    if pd.api.types.is_numeric_dtype(values):
        lows = bins["low"].to_numpy()[:-1]
        place = np.where(values.isna(), len(lows), np.searchsorted(lows, values.fillna(0.0).to_numpy(np.float64), side="right") - 1)
    else:
        found = pd.Index(bins["name"].to_numpy()[:-1]).get_indexer(values)
        place = np.where(found < 0, len(bins) - 1, found)
    return np.bincount(place, minlength=len(bins)).astype(np.float64)


def _drift(name: str, bins: pd.DataFrame, values: pd.Series) -> Drift:
    before, now = bins["count"].to_numpy(np.float64), _counts(bins, values)
    filled = (before + now) > 0
    chance = chi2.ppf(SURE, max(filled.sum() - 1, 1)) * (1 / max(before.sum(), 1) + 1 / max(now.sum(), 1))
    limit = max(SHIFT, BEYOND_USUAL * float(bins["usual"].iloc[0]), float(chance))
    return Drift(name, psi(before[filled], now[filled]), limit, _moved(bins, before, now))


def _moved(bins: pd.DataFrame, before: Counts, now: Counts) -> str:
    """The bin whose share changed most, in words."""
    then, later = before / max(before.sum(), 1), now / max(now.sum(), 1)
    most = int(np.argmax(np.abs(later - then)))
    return f"{list(_words(bins))[most]}: {then[most]:.0%} then, {later[most]:.0%} now"


def _words(bins: pd.DataFrame) -> Iterator[str]:
    if (bins["name"] != "").any():
        yield from (repr(name) if name else "all others" for name in bins["name"])
        return
    lows = bins["low"].to_numpy()[:-1]
    for low, high in zip(lows, [*lows[1:], np.inf], strict=True):
        under = f"below {high:,.4g}" if np.isfinite(high) else "all"
        yield under if np.isinf(low) else f"{low:,.4g} to {high:,.4g}" if np.isfinite(high) else f"{low:,.4g} or more"
    yield "not known"
