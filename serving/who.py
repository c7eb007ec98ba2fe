"""A bundle, a snapshot and product sets become answers: who will buy these products, how probably, and how many buyers are expected."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.errors import DataError, listed
from features.products import ProductSet
from features.shop import Shop
from features.snapshot import Snapshot
from models.bundle import Bundle
from models.pairs.intervals import Spread

Floats = NDArray[np.float32]
Positions = NDArray[np.intp]

BLOCK_ROWS = 200_000
EVERYBODY = ("customer_id", "probability", "rank")
"""Columns of a long table of every customer for every set, which is large."""
MOST_PROBABLE = (*EVERYBODY, "is_new")
"""Columns of a long table of each set's most probable customers."""


Range = tuple[float, float]
UNKNOWN = (float("nan"), float("nan"))


@dataclass(frozen=True)
class Expected:
    """What is expected of ``pairs`` of a customer and a product set: ``buyers`` among all of them, ``of_listed`` among those ``listed``.

    ``range`` and ``range_listed`` are the fewest and the most buyers that come in 8 of 10 cases; unknown (NaN) where they were not worked out.
    ``alone`` is the variance that is this set's alone, of all its customers and of those listed.
    """

    pairs: int = 0
    buyers: float = 0.0
    listed: int = 0
    of_listed: float = 0.0
    range: Range = UNKNOWN
    range_listed: Range = UNKNOWN
    alone: tuple[float, float] = (0.0, 0.0)

    @property
    def base_rate(self) -> float:
        """The probability of a pair taken at random."""
        return self.buyers / self.pairs

    @property
    def lift(self) -> float:
        """How much more probably a listed one buys than one taken at random, as the model has it; NaN when nobody is listed or expected."""
        return self.of_listed / self.listed / self.base_rate if self.listed and self.buyers else float("nan")

    @property
    def share(self) -> float:
        """The share of all expected buyers that is expected among those listed."""
        return self.of_listed / self.buyers if self.buyers else 0.0


@dataclass(frozen=True, eq=False)
class Answer:
    """Who will buy from a product set within ``horizon`` days from ``as_of`` on.

    ``rows``: rank (from 1), customer_id, probability, is_new (never bought from the set before), the most probable first.
    ``expected_buyers`` is the sum of the probabilities of all ``customers``, shown or not, ``sampling`` that of p (1 - p); ``spread`` says how far
    the buyers that come may stray from what is expected; ``sold`` is whether anybody ever bought from the set.
    """

    product_set: ProductSet
    as_of: date
    horizon: int
    customers: int
    expected_buyers: float
    sampling: float
    spread: Spread
    rows: pd.DataFrame
    sold: bool = True

    @property
    def expected(self) -> Expected:
        """Buyers expected among all customers and among those in ``rows``, with their ranges; base rate and lift."""
        listed = self.rows["probability"].to_numpy(np.float64)
        of_listed, sampling = float(listed.sum()), float((listed * (1 - listed)).sum())
        low, high = self.spread.of_sets([self.expected_buyers, of_listed], [self.sampling, sampling], sold=self.sold)
        ranges = [(float(low[place]), float(high[place])) for place in (0, 1)]
        both = ((self.expected_buyers, self.sampling), (of_listed, sampling))
        of_all, of_those = (self.spread.variance_alone(*each, sold=self.sold) for each in both)
        return Expected(self.customers, self.expected_buyers, len(self.rows), of_listed, ranges[0], ranges[1], (of_all, of_those))


@dataclass
class Tally:
    """Keeps what is expected of each set while the answers pass by."""

    sets: list[ProductSet] = field(default_factory=list)
    expected: list[Expected] = field(default_factory=list)
    spread: Spread = field(default_factory=Spread)

    def counted(self, found: Iterable[Answer]) -> Iterator[Answer]:
        """The same answers."""
        for answer in found:
            self.sets.append(answer.product_set)
            self.expected.append(answer.expected)
            self.spread = answer.spread
            yield answer

    @property
    def total(self) -> Expected:
        """All sets together; a customer counts once for each set. The more sets, the more their own deviations even out."""
        pairs, buyers, listed, of_listed = (sum(getattr(each, name) for each in self.expected) for name in ("pairs", "buyers", "listed", "of_listed"))
        low, high = self.spread.of_shop([buyers, of_listed], [sum(each.alone[part] for each in self.expected) for part in (0, 1)])
        return Expected(pairs, buyers, listed, of_listed, (float(low[0]), float(high[0])), (float(low[1]), float(high[1])))

    def table(self) -> pd.DataFrame:
        """A row per set: product_set, products, listed, expected_of_listed, expected_buyers with low and high, base_rate, lift."""
        rows = [
            (one.label, len(one), each.listed, each.of_listed, each.buyers, *each.range, each.base_rate, each.lift)
            for one, each in zip(self.sets, self.expected, strict=True)
        ]
        names = ["product_set", "products", "listed", "expected_of_listed", "expected_buyers", "low", "high", "base_rate", "lift"]
        return pd.DataFrame(rows, columns=names)


def best_first(probability: Floats, count: int | None = None) -> Positions:
    """The positions of the highest ``count`` values (all by default), highest first; ties by position, which is by id.

    >>> best_first(np.array([0.1, 0.3, 0.3, 0.2], np.float32), 3).tolist()
    [1, 2, 3]
    """
    candidates = np.arange(len(probability))
    if count is not None and 0 < count < len(probability):
        place = len(probability) - count
        candidates = np.flatnonzero(probability >= np.partition(probability, place)[place])
    order = candidates[np.argsort(-probability[candidates], kind="stable")]
    return order[:count]


def known_sets(shop: Shop, sets: Sequence[ProductSet]) -> tuple[list[ProductSet], list[str]]:
    """The sets with only those products that the shop knows, and without sets of which it knows none; and sentences about what was left out.

    Raises DataError when no set is left of some.
    """
    known = set(shop.product_ids)
    found = [replace(each, product_ids=tuple(product_id for product_id in each.product_ids if product_id in known)) for each in sets]
    nothing = [repr(each.label) for each in found if not len(each)]
    if nothing and len(nothing) == len(sets):
        raise DataError(f"no product of {listed(nothing)} is known to the shop; check the product ids")
    partly = [f"{each.label!r} ({len(each) - len(left)} of {len(each)})" for each, left in zip(sets, found, strict=True) if 0 < len(left) < len(each)]
    unknown = f"{len(nothing):,} of {len(sets):,} product sets are left out, as the shop knows none of their products: {listed(nothing)}"
    notes = [unknown] * bool(nothing) + [f"products that the shop does not know are left out of {listed(partly)}"] * bool(partly)
    return [each for each in found if len(each)], notes


def answers(bundle: Bundle, snapshot: Snapshot, sets: Sequence[ProductSet], *, top: int | None) -> Iterator[Answer]:
    """An answer for each set, in order, with the ``top`` customers (None: all of them)."""
    ever = snapshot.bought(sets).tocsc()
    ids = pd.Series(snapshot.customer_ids, dtype="str").array
    for start, stop, block in bundle.interest_blocks(snapshot, sets):
        for column in range(stop - start):
            probability = block[:, column]
            order = best_first(probability, top)
            has_bought = np.zeros(len(ids), dtype=bool)
            has_bought[ever.indices[ever.indptr[start + column] : ever.indptr[start + column + 1]]] = True
            rank = np.arange(1, len(order) + 1, dtype=np.int32)
            rows = {"rank": rank, "customer_id": ids.take(order), "probability": probability[order], "is_new": ~has_bought[order]}
            total = float(probability.sum(dtype=np.float64))
            sampling = total - float(np.square(probability, dtype=np.float64).sum())
            facts = (sets[start + column], snapshot.as_of, bundle.horizon, len(ids), total, sampling, bundle.spread)
            yield Answer(*facts, pd.DataFrame(rows), sold=bool(has_bought.any()))


def long_table(found: Iterable[Answer], columns: Sequence[str]) -> Iterator[pd.DataFrame]:
    """The rows of many answers below each other, in frames of many rows: product_set and the named columns of ``Answer.rows``."""
    kept: list[pd.DataFrame] = []
    for answer in found:
        frame = answer.rows[list(columns)].copy()
        frame.insert(0, "product_set", pd.Series(answer.product_set.label, index=frame.index, dtype="str"))
        kept.append(frame)
        if sum(map(len, kept)) >= BLOCK_ROWS:
            yield pd.concat(kept, ignore_index=True)
            kept = []
    if kept:
        yield pd.concat(kept, ignore_index=True)
