"""Tastes and behaviour become groups of customers who are alike: as many as come out the same when some customers are left out (k-means)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.util import hash_array
from scipy.spatial.distance import cdist
from scipy.stats import spearmanr
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from features.conditions import Evidence, Floats
from features.products import ProductSet, membership
from features.tables import PATH_SEPARATOR

MOST_TASTES = 30
"""Tastes are the shares of what was bought at the narrowest level with at most so many categories (of brands, where products have none)."""
LEAST_TASTE = 0.02
"""A category that a smaller share of the customers bought from is no taste."""
LINES = 3.0
"""Shares are drawn toward the shop's as if by so many further products: one purchase is no taste."""
SAME = 0.8
"""Of two behaviours that go together this much (Spearman), the first is enough."""
LEAST_KNOWN = 0.5
EXTREME = 3.0
"""Nobody is more than so many standard deviations apart in anything."""
COUNTS = range(3, 9)
TELLS = 0.04
"""One group more must explain this part of how customers differ (the sum of squares)."""
STABLE, LOOSE = 0.8, 0.6
"""Groups must agree (adjusted Rand index, Hubert and Arabie 1985) with those made without a fifth of the customers: so much to be taken, and the most
that agree so much where none are taken."""
LEFT_OUT = 5
STARTS = 10
"""k-means begins so often anew, and keeps the best."""
SAMPLE = 10_000
"""Customers that groups are made of; the others belong to the nearest."""
LEAST_SIZE, LEAST_SHARE = 50, 0.02
"""A group of fewer customers, or of a smaller share of all, is merged into the nearest."""
SEED = 1


@dataclass(frozen=True, eq=False)
class Traits:
    """What tells customers apart. ``values``: a row per customer with orders, in the order of the snapshot, and a column per trait, as the language
    has it, NaN where unknown; ``tastes`` are the product sets of those columns that are shares of purchases; ``scaled`` (float64, no NaN) are the
    same on one scale, tastes and behaviour weighing the same together."""

    values: pd.DataFrame
    tastes: Mapping[str, ProductSet]
    scaled: NDArray[np.float64]


def traits(evidence: Evidence, behaviour: Sequence[str], *, skewed: Sequence[str]) -> Traits:
    """Tastes, and the columns of ``behaviour`` that are known of half the customers and say something new; logarithms of those ``skewed``."""
    tastes, shares, counts = _tastes(evidence)
    known, ordered = evidence.customers, np.isin(evidence.codes, evidence.snapshot.codes)
    habits = pd.DataFrame({name: known[name].to_numpy(np.float64, na_value=np.nan)[ordered] for name in behaviour if name in known})
    habits = habits[_worth_knowing(habits)]
    blocks = [_weighted(np.sqrt(shares_toward(shares, counts))), _weighted(_logged(habits, skewed))]
    values = pd.concat([pd.DataFrame(shares, columns=list(tastes)), habits], axis=1).set_index(pd.Index(evidence.snapshot.customer_ids))
    return Traits(values, tastes, np.hstack(blocks))


def shares_toward(shares: NDArray[np.float64], counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shares (customers x tastes) of ``counts`` products bought, drawn toward those of the whole shop as if by ``LINES`` further products."""
    bought = np.nan_to_num(shares) * counts[:, None]
    usual = bought.sum(axis=0) / max(float(counts.sum()), 1.0)
    return np.asarray((bought + LINES * usual) / (counts[:, None] + LINES))


def _tastes(evidence: Evidence) -> tuple[dict[str, ProductSet], NDArray[np.float64], NDArray[np.float64]]:
    """The sets, each customer's share of the products bought from each (NaN without any), and how many products that are."""
    snapshot = evidence.snapshot
    orders, names = snapshot.matrix("product")
    counts = np.asarray(orders.sum(axis=1), np.float64).ravel()
    rows = pd.Index(snapshot.shop.product_ids).get_indexer(names)
    for sets in _levels(evidence):
        bought = np.asarray((orders @ membership(snapshot.shop, sets)[rows]).todense(), np.float64)
        keep = np.flatnonzero((bought > 0).mean(axis=0) >= LEAST_TASTE)
        if 1 < len(keep) <= MOST_TASTES:
            shares = np.where(counts[:, None] > 0, bought[:, keep] / np.maximum(counts[:, None], 1), np.nan)
            return {f"{sets[at].kind}: {sets[at].label}": sets[at] for at in keep}, shares, counts
    return {}, np.empty((len(counts), 0)), counts


def _levels(evidence: Evidence) -> list[list[ProductSet]]:
    """Categories by level, the narrowest first, then brands."""
    catalogue, ids = evidence.catalogue, evidence.catalogue.products.index
    by_depth: dict[int, list[ProductSet]] = {}
    for path, places in catalogue.categories.items():
        by_depth.setdefault(path.count(PATH_SEPARATOR), []).append(ProductSet.of(path, ids[places], kind="category"))
    brands = [ProductSet.of(name, ids[places], kind="brand") for name, places in catalogue.brands.items()]
    return [*(by_depth[depth] for depth in sorted(by_depth, reverse=True)), *([brands] if brands else [])]


def _worth_knowing(habits: pd.DataFrame) -> list[str]:
    kept: list[str] = []
    for name in habits:
        column = habits[name]
        if column.notna().mean() < LEAST_KNOWN or column.nunique() < 2:
            continue
        if all(abs(spearmanr(column, habits[other], nan_policy="omit").statistic) < SAME for other in kept):
            kept.append(str(name))
    return kept


def _logged(habits: pd.DataFrame, skewed: Sequence[str]) -> NDArray[np.float64]:
    logged = habits.assign(**{name: np.log(habits[name].clip(lower=1e-6)) for name in skewed if name in habits})
    return logged.to_numpy(np.float64)


def _weighted(block: NDArray[np.float64]) -> NDArray[np.float64]:
    """In standard deviations, the unknown at the mean, nobody extreme; all columns together vary as much as one."""
    if not block.shape[1]:
        return block
    scale = np.nanstd(block, axis=0)
    scaled = np.clip((block - np.nanmean(block, axis=0)) / np.where(scale > 0, scale, 1.0), -EXTREME, EXTREME)
    return np.asarray(np.nan_to_num(scaled) / np.sqrt(block.shape[1]))


def groups(found: Traits) -> tuple[NDArray[np.intp], float] | None:
    """The group of each customer, the largest group first (0), and how well they agree when customers are left out; None where no groups hold.

    Taken are the most groups of which each step told enough (``TELLS``) and that agree as ``STABLE`` says, else those that agree best. The same
    customers give the same groups.
    """
    ids, points = found.values.index.to_numpy(object), found.scaled
    if len(ids) < LEAST_SIZE * min(COUNTS) or not points.shape[1]:
        return None
    draw = hash_array(ids, categorize=False)
    sample = np.sort(np.argsort(draw, kind="stable")[:SAMPLE])
    fold = (draw[sample] >> np.uint64(8)) % np.uint64(LEFT_OUT)
    fits = _fits_that_tell(points[sample])
    tried = {count: _agreement(points[sample], fold, fit) for count, fit in fits.items()}
    holds = [count for count, agrees in tried.items() if agrees >= STABLE]
    count = max(holds) if holds else max(tried, key=lambda each: (tried[each], -each))
    if tried[count] < LOOSE:
        return None
    return in_order(merged(fits[count].predict(points), points), points), tried[count]


def _fits_that_tell(points: NDArray[np.float64]) -> dict[int, KMeans]:
    """Groups by their count, from the fewest on for as long as one more tells enough; the fewest always."""
    whole = float(((points - points.mean(axis=0)) ** 2).sum())
    before, fits = float(_fit(points, min(COUNTS) - 1).inertia_), dict[int, KMeans]()
    for count in COUNTS:
        fit = _fit(points, count)
        if fits and before - fit.inertia_ < TELLS * whole:
            break
        fits[count], before = fit, float(fit.inertia_)
    return fits


def _fit(points: NDArray[np.float64], count: int) -> KMeans:
    return KMeans(n_clusters=count, n_init=STARTS, random_state=SEED).fit(points)


def _agreement(points: NDArray[np.float64], fold: NDArray[np.uint64], whole: KMeans) -> float:
    """The least agreement of groups of all with as many made without a fold, about all of them."""
    parts = (_fit(points[fold != left], whole.n_clusters).predict(points) for left in range(2))
    return min(float(adjusted_rand_score(whole.labels_, part)) for part in parts)


def merged(labels: NDArray[np.integer], points: NDArray[np.float64]) -> NDArray[np.intp]:
    """The same with every group that is too small in the nearest (by the distance of their means), the smallest first."""
    labels, least = labels.astype(np.intp).copy(), max(LEAST_SIZE, LEAST_SHARE * len(labels))
    while True:
        names, sizes = np.unique(labels, return_counts=True)
        if len(names) == 1 or sizes.min() >= least:
            return labels
        smallest = names[np.argmin(sizes)]
        others = names[names != smallest]
        means = np.array([points[labels == name].mean(axis=0) for name in others])
        nearest = np.argmin(cdist(points[labels == smallest].mean(axis=0, keepdims=True), means)[0])
        labels[labels == smallest] = others[nearest]


def in_order(labels: NDArray[np.integer], points: NDArray[np.float64]) -> NDArray[np.intp]:
    """The same groups numbered by size, the largest first, equals by their means: numbers do not depend on how they were found."""
    names, sizes = np.unique(labels, return_counts=True)
    means = [tuple(points[labels == name].mean(axis=0).round(9)) for name in names]
    ranked = sorted(range(len(names)), key=lambda at: (-sizes[at], means[at]))
    place = np.empty(len(names), np.intp)
    place[ranked] = np.arange(len(names))
    return place[np.searchsorted(names, labels)]


def rounded_limits(values: Floats | NDArray[np.float64], *, share: bool) -> NDArray[np.float64]:
    """Limits that people can read: tenths of a share, or the deciles with two digits.

    >>> rounded_limits(np.array([0.0, 1.0]), share=True)[:3].tolist()
    [0.1, 0.2, 0.3]
    """
    if share:
        return np.round(np.arange(1, 10) / 10, 1)
    deciles = np.nanquantile(values.astype(np.float64), np.arange(1, 10) / 10)
    return np.unique([float(f"{each:.2g}") for each in deciles])
