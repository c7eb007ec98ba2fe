"""Purchases of the last 90 days and of those before become what is rising: categories and brands that more customers buy, beyond the growth of the
whole shop, and beyond what the season brings where the shop is old enough to tell it."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.stats import beta, norm

from features.products import Catalogue, membership
from features.snapshot import Snapshot
from features.tables import PATH_SEPARATOR
from serving.suggestions.kinds import Ground, Kind, Suggested, nothing
from serving.suggestions.main_sets import every_set

WINDOW = 90
"""Days that are compared with as many before."""
YEAR = 365
LEAST_BUYERS = 20
"""Fewer buyers in the last 90 days than this are an anecdote."""
LEAST_GROWTH = 1.1
"""Less is no reason to act, however sure it is."""
CAUTION = 0.05
"""All risings that chance alone would let through, together, in this share of shops (two-sided, Bonferroni 1936)."""
RISING = "rising"
SEASONLESS = "with less than two years of orders the season cannot be told from a rise: what rises may be what this time of the year always brings"
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Windows:
    """Buyers of each set (rows) and of anything, in the last 90 days, in the 90 before, and in both windows a year earlier (columns); ``told`` is
    whether the shop had begun by then."""

    buyers: Floats
    anything: Floats
    told: bool


def windows(snapshot: Snapshot, matrix: csr_matrix) -> Windows:
    """Customers, each once a window, for the sets of ``membership``."""
    starts = [snapshot.day - days for days in (WINDOW, 2 * WINDOW, YEAR + WINDOW, YEAR + 2 * WINDOW)]
    counted = [_buyers(snapshot, matrix, start) for start in starts]
    first = snapshot.shop.lines.day.min().execute()
    told = first is not None and first <= starts[-1]
    return Windows(np.column_stack([each for each, _ in counted]), np.array([every for _, every in counted], np.float64), bool(told))


def _buyers(snapshot: Snapshot, matrix: csr_matrix, start: int) -> tuple[Floats, int]:
    lines = snapshot.shop.lines
    inside = lines.filter(lines.customer.notnull(), lines.day >= start, lines.day < start + WINDOW).select("customer", "product").distinct()
    found = inside.to_pandas()
    customers, rows = np.unique(found["customer"].to_numpy(), return_inverse=True)
    bought = csr_matrix((np.ones(len(rows), np.float32), (rows, found["product"].to_numpy())), shape=(len(customers), matrix.shape[0]))
    return np.asarray(((bought @ matrix) > 0).sum(axis=0), np.float64).ravel(), len(customers)


def measured(found: Windows) -> pd.DataFrame:
    """A row per set: buyers_now, buyers_before, rate_now, rate_before (of all who bought anything in that time), growth of the rate, growth_low and
    growth_high (95 %), beyond_season (growth over that of a year earlier; empty where it cannot be told) and ``sure``, the growth that is
    exceeded with all the caution that so many looks ask for.

    Of the buyers of both windows together, those of the last are a binomial share (Przyborowski and Wilenski 1940), with half a buyer on each side
    (Jeffreys); beyond the season, the ratio of two such ratios by its logarithm (Katz 1978). Customers who buy in both windows make the interval
    too wide rather than too narrow. Growth of the whole shop cancels out, as it is in both rates.
    """
    buyers, of_all = found.buyers + 0.5, np.maximum(found.anything, 1.0)
    looks = max(int((found.buyers[:, 0] >= LEAST_BUYERS).sum()), 1)
    scale = of_all[1] / of_all[0]
    low, high, sure = (_odds(np.asarray(beta.ppf(part, buyers[:, 0], buyers[:, 1]))) * scale for part in (0.025, 0.975, CAUTION / 2 / looks))
    growth, usual = buyers[:, 0] / buyers[:, 1] * scale, buyers[:, 2] / buyers[:, 3] * of_all[3] / of_all[2]
    told = found.told & (found.buyers[:, 2:] >= LEAST_BUYERS / 2).all(axis=1)
    noise = np.sqrt((1 / buyers).sum(axis=1))
    beyond = growth / usual * np.exp(-float(norm.ppf(1 - CAUTION / 2 / looks)) * noise)
    return pd.DataFrame(
        {
            "buyers_now": found.buyers[:, 0].astype(np.int64),
            "buyers_before": found.buyers[:, 1].astype(np.int64),
            "rate_now": found.buyers[:, 0] / of_all[0],
            "rate_before": found.buyers[:, 1] / of_all[1],
            "growth": growth,
            "growth_low": low,
            "growth_high": high,
            "beyond_season": np.where(told, growth / usual, np.nan),
            "sure": np.where(told, np.minimum(sure, beyond), sure),
        }
    )


def _odds(share: Floats) -> Floats:
    return np.asarray(share / np.maximum(1 - share, 1e-12))


def rising(snapshot: Snapshot, catalogue: Catalogue) -> tuple[pd.DataFrame, bool]:
    """What rises, the surest first: kind, products (a category's path or a brand) and the columns of ``measured``; and whether the season was told.

    A category that rises because one within it does, or the other way round, is told once, by the surer of the two.
    """
    sets = every_set(catalogue)
    if not sets:
        return pd.DataFrame(), False
    counted = windows(snapshot, membership(snapshot.shop, sets))
    names = pd.DataFrame({"kind": [one.kind for one in sets], "products": [one.label for one in sets]})
    table = names.join(measured(counted))
    held = table[(table["buyers_now"] >= LEAST_BUYERS) & (table["sure"] > 1) & (table["growth"] >= LEAST_GROWTH)]
    ranked = held.sort_values(["sure", "products"], ascending=[False, True], kind="stable")
    kept: list[int] = []
    for at, kind, path in ranked[["kind", "products"]].itertuples(name=None):
        if not any(kind == "category" == table["kind"][other] and _one_line(path, str(table["products"][other])) for other in kept):
            kept.append(at)
    return table.loc[kept].reset_index(drop=True), counted.told


def _one_line(one: str, other: str) -> bool:
    return f"{one}{PATH_SEPARATOR}".startswith(f"{other}{PATH_SEPARATOR}") or f"{other}{PATH_SEPARATOR}".startswith(f"{one}{PATH_SEPARATOR}")


def _find(ground: Ground) -> Suggested:
    table, told = rising(ground.snapshot, ground.catalogue)
    notes = () if told else (SEASONLESS,)
    if table.empty:
        return nothing("no category or brand is bought by surely more customers than in the 90 days before, beyond the growth of the shop", *notes)
    best = table.head(ground.top).drop(columns="sure")
    look_up = {"category": ground.catalogue.category, "brand": ground.catalogue.brand}
    fillings = tuple({"products": look_up[kind](name)} for kind, name in best[["kind", "products"]].itertuples(index=False, name=None))
    return Suggested(best, fillings, notes=notes)


RISES = Kind(RISING, "categories and brands that more customers buy than 90 days ago, beyond the growth of the shop and the season", _find)
