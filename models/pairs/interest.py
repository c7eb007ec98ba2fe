"""Pairs (customer, product set) become interest: the probability to buy at least one product of the set within the horizon.

A blend of two learners over the columns of pairs; it never sees the name of a set.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Self
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import TypeAdapter
from scipy.special import expit

from features.errors import DataError
from features.products import Catalogue, ProductSet
from features.snapshot import Snapshot
from models.base import Floats, load_arrays, save_arrays
from models.blend import Begun, Blend, BlendConfig
from models.pairs.affinity import Affinity, AffinityConfig, Leanings
from models.pairs.intervals import Spread
from models.pairs.pair_features import PairColumns
from models.pairs.ruled import RuleAlone, Ruled
from models.pairs.training_sets import SetMixture, training_sets

LINE_ROWS = 200_000
"""Pairs that the two numbers of the level are fitted on."""
BLOCK = 500_000
"""Pairs whose columns are held in memory at once when scoring."""
Strangers = tuple[dict[str, Floats], dict[str, Floats]]
Block = tuple[int, int, Callable[[], Floats]]
"""The first set, one past the last, and what works out the probabilities, customers x sets."""
LOOKED_UP = 40_000_000
"""Pairs whose history is asked for at once: each question looks at all orders, however few pairs it is about."""


@dataclass(frozen=True)
class InterestConfig:
    """Settings of the pair model.

    ``pairs`` is how many pairs of each snapshot are learnt from; ``rare`` raises the weight of sets with few buyers:
    (mean buyers / buyers) ** rare; a snapshot counts half as much as one that is ``half_life`` days later.
    """

    seed: int = 1
    pairs: int = 100_000
    rare: float = 0.3
    half_life: float = 45.0
    threads: int = 2
    blend: BlendConfig = field(default_factory=BlendConfig)
    affinity: AffinityConfig = field(default_factory=AffinityConfig)
    mixture: SetMixture = field(default_factory=SetMixture)


@dataclass(frozen=True)
class Correction:
    """What closed windows taught: log-odds become ``slope`` times themselves, plus ``repeat`` for pairs with history, plus ``level``."""

    slope: float = 1.0
    repeat: float = 0.0
    level: float = 0.0

    def of(self, log_odds: Floats, had: NDArray[np.bool_]) -> Floats:
        """The corrected log-odds of pairs, of which some ``had`` been bought before."""
        return np.asarray(self.slope * log_odds + self.repeat * had + self.level, np.float32)


@dataclass(frozen=True, eq=False)
class PairSample:
    """Pairs of the snapshot of ``day`` with known outcome: ``columns`` (a row per pair), ``bought``, ``weight`` that restores the base rate,
    and ``emphasis`` that makes sets with few buyers count more while fitting (but not in the level)."""

    day: int
    columns: pd.DataFrame
    bought: NDArray[np.bool_]
    weight: Floats
    emphasis: Floats


@dataclass(frozen=True, eq=False)
class Interest:
    """The fitted pair model with the affinities of its newest date.

    Log-odds are ``slope`` times the blend's plus ``intercept``, which make the totals of the training windows right (all dates alike: the last
    month alone says little about the next), and then corrected by what backtests proved. ``spread`` says how far sums of probabilities stray.
    Where past dates did not show that the model is better, a ``rule`` answers in its place.
    """

    config: InterestConfig
    affinity: Affinity
    blend: Blend
    slope: float = 1.0
    intercept: float = 0.0
    correction: Correction = Correction()
    spread: Spread = field(default_factory=Spread)
    rule: Ruled | None = None

    @classmethod
    def fit(cls, samples: Sequence[PairSample], affinity: Affinity, *, config: InterestConfig) -> Self:
        """Learn from samples of several snapshots; ``affinity`` is what serving will use. Raises DataError when nobody ever bought."""
        columns = pd.concat([sample.columns for sample in samples], ignore_index=True)
        bought = np.concatenate([sample.bought for sample in samples])
        newest = max(sample.day for sample in samples)
        weight = np.concatenate([sample.weight * np.float32(0.5 ** ((newest - sample.day) / config.half_life)) for sample in samples])
        emphasis = np.concatenate([sample.emphasis for sample in samples])
        if not bought.any() or bought.all():
            raise DataError("the training dates have no buyers to learn from; import more orders or train with a longer --horizon")
        fitting = weight * emphasis / (weight * emphasis).mean()
        raw = cls(config, affinity, Blend.fit(columns, bought, fitting, config=config.blend, seed=config.seed, threads=config.threads))
        every = -(-len(columns) // LINE_ROWS)
        all_dates = np.concatenate([sample.weight for sample in samples])
        slope, intercept = _line(raw.blend.log_odds(columns.iloc[::every]), bought[::every], all_dates[::every])
        return replace(raw, slope=slope, intercept=intercept)

    def predict(self, snapshot: Snapshot, sets: Sequence[ProductSet], catalogue: Catalogue) -> Floats:
        """Interest of every customer of the snapshot in every set: float32 customers x sets."""
        parts = [probabilities for _, _, probabilities in self.blocks(snapshot, sets, catalogue)]
        return np.hstack(parts)

    def blocks(self, snapshot: Snapshot, sets: Sequence[ProductSet], catalogue: Catalogue) -> Iterator[tuple[int, int, Floats]]:
        """``predict`` in blocks of sets, in order: (first, one past the last, customers x sets of the block).

        Most customers never bought from most sets: of them a customer's columns are looked at once, and not for every set again. The columns of a
        block are made while the probabilities of the one before it are worked out.
        """
        if self.rule is not None:
            yield from RuleAlone(self.rule).blocks(snapshot, sets, catalogue)
            return
        columns_of = self._by_strangers if self.blend.trees.tables is not None else self._by_rows
        with ThreadPoolExecutor(max_workers=1) as ahead:
            waiting: tuple[int, int, Future[Floats]] | None = None
            for first, last, work in columns_of(snapshot, sets, self.leanings(snapshot, catalogue)):
                told, waiting = waiting, (first, last, ahead.submit(work))
                if told is not None:
                    yield told[0], told[1], told[2].result()
            if waiting is not None:
                yield waiting[0], waiting[1], waiting[2].result()

    def leanings(self, snapshot: Snapshot, catalogue: Catalogue) -> Leanings:
        """The affinities of the snapshot's customers: worked out, unless they are ``remembered``."""
        found = self.remembered.get(snapshot)
        return found() if found is not None else self.affinity.of(snapshot, catalogue)

    @cached_property
    def remembered(self) -> WeakKeyDictionary[Snapshot, Callable[[], Leanings]]:
        """The affinities of snapshots that need not be worked out, by what reads them."""
        return WeakKeyDictionary()

    def _by_strangers(self, snapshot: Snapshot, sets: Sequence[ProductSet], leanings: Leanings) -> Iterator[Block]:
        """Everybody as if a stranger to each set, then those who are none."""
        begun: Begun | None = None
        for start, first, last, columns in _stretches_of(snapshot, sets, leanings):
            begun = begun or self.blend.begun(columns.strangers)
            strangers = list(columns.of_strangers(first, last))
            customers, places = columns.pairs.acquainted(first, last)
            acquainted = columns.of(customers, places) if len(customers) else None
            yield start + first, start + last, partial(self._block, begun, strangers, acquainted, (customers, places - first))

    def _block(
        self, begun: Begun, strangers: Sequence[Strangers], acquainted: pd.DataFrame | None, at: tuple[NDArray[np.int64], NDArray[np.int64]]
    ) -> Floats:
        found = np.empty((len(begun.told), len(strangers)), np.float32, order="F")
        for place, (same, varying) in enumerate(strangers):
            log_odds = np.asarray(self.slope * begun.log_odds(same, varying) + self.intercept, np.float32)
            found[:, place] = expit(self.correction.of(log_odds, np.zeros(len(log_odds), dtype=bool)))
        if acquainted is not None:
            found[at] = self.probability(acquainted)
        return found

    def _by_rows(self, snapshot: Snapshot, sets: Sequence[ProductSet], leanings: Leanings) -> Iterator[Block]:
        """Pair by pair, for trees that cannot be looked up."""
        for start, first, last, columns in _stretches_of(snapshot, sets, leanings):
            people = len(snapshot.customer_ids)
            places, customers = np.divmod(np.arange(people * (last - first), dtype=np.int64), people)
            made = columns.of(customers, places + first)
            yield start + first, start + last, partial(self._grid, made, people)

    def _grid(self, columns: pd.DataFrame, people: int) -> Floats:
        return self.probability(columns).reshape(-1, people).T

    def proven(self, *, correction: Correction, spread: Spread, rule: Ruled | None) -> Self:
        """The same model with what a backtest learnt."""
        return replace(self, correction=correction, spread=spread, rule=rule)

    def save(self, folder: Path) -> None:
        """Write the blend, arrays and JSON into a folder."""
        self.blend.save(folder)
        save_arrays(folder / "affinity.npz", self.affinity.arrays())
        learnt = {"correction": asdict(self.correction), "spread": asdict(self.spread), "rule": self.rule and self.rule.as_dict()}
        content = {"config": asdict(self.config), "slope": self.slope, "intercept": self.intercept, **learnt}
        (folder / "interest.json").write_text(json.dumps(content, indent=1, sort_keys=True), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The inverse of ``save``."""
        content = json.loads((folder / "interest.json").read_text(encoding="utf-8"))
        config = TypeAdapter(InterestConfig).validate_python(content["config"])
        arrays = load_arrays(folder / "affinity.npz")
        blend, spread = Blend.load(folder, threads=config.threads), Spread(**content["spread"])
        line, correction = (float(content["slope"]), float(content["intercept"])), Correction(**content["correction"])
        rule = Ruled.of_dict(content["rule"]) if content["rule"] else None
        return cls(config, Affinity.of_arrays(arrays, config.affinity), blend, *line, correction, spread, rule)

    def probability(self, columns: pd.DataFrame) -> Floats:
        """The interest of pairs from their columns."""
        return expit(self.correction.of(self.log_odds(columns), had(columns)))

    def log_odds(self, columns: pd.DataFrame) -> Floats:
        """The log-odds of pairs before they are corrected."""
        return np.asarray(self.slope * self.blend.log_odds(columns) + self.intercept, np.float32)


def _stretches_of(snapshot: Snapshot, sets: Sequence[ProductSet], leanings: Leanings) -> Iterator[tuple[int, int, int, PairColumns]]:
    """Columns of as many sets as are asked about at once: (place of their first among ``sets``, first, one past the last of a block among them)."""
    people = len(snapshot.customer_ids)
    for start, stop in _stretches(len(sets), width=max(1, LOOKED_UP // people)):
        columns = PairColumns(snapshot.pairs(sets[start:stop]), leanings)
        for first, last in _stretches(stop - start, width=max(1, BLOCK // people)):
            yield start, first, last, columns


def _stretches(count: int, *, width: int) -> Iterator[tuple[int, int]]:
    return ((first, min(first + width, count)) for first in range(0, count, width))


def had(columns: pd.DataFrame) -> NDArray[np.bool_]:
    """Which pairs have a history: the customer bought from the set before."""
    return columns["set_orders"].to_numpy() > 0


def pair_sample(snapshot: Snapshot, catalogue: Catalogue, affinity: Affinity, *, config: InterestConfig) -> PairSample:
    """Draw pairs of a snapshot whose horizon has passed, over sets of many kinds, with the ``affinity`` that was fitted on what came before it.

    All pairs of buyers (or half of ``config.pairs``, if they are more), then pairs with history, then the rest; each weighted by one over its chance.
    """
    rng = np.random.default_rng([config.seed, snapshot.day, 7])
    sets = training_sets(snapshot, catalogue, mixture=config.mixture, seed=config.seed)
    pairs = snapshot.pairs(sets)
    outcome = snapshot.outcome(sets).tocoo()
    people = len(snapshot.customer_ids)
    bought = np.zeros(people * len(sets), dtype=bool)
    bought[outcome.col.astype(np.int64) * people + outcome.row] = True
    chance = _chances(bought, pairs.keys, config.pairs)
    chosen = np.flatnonzero(rng.random(len(bought)) < chance)
    buyers = np.bincount(chosen[bought[chosen]] // people, minlength=len(sets))
    rare = np.clip((buyers.mean() / np.maximum(buyers, 2)) ** config.rare, 0.3, 3)
    columns = PairColumns(pairs, affinity.of(snapshot, catalogue)).of(chosen % people, chosen // people)
    return PairSample(snapshot.day, columns, bought[chosen], (1 / chance[chosen]).astype(np.float32), rare[chosen // people].astype(np.float32))


def _chances(bought: NDArray[np.bool_], with_history: NDArray[np.int64], budget: int) -> Floats:
    rest = budget - min(int(bought.sum()), budget // 2)
    chance = np.zeros(len(bought), np.float32)
    history = np.zeros(len(bought), dtype=bool)
    history[with_history] = True
    known, unknown = history & ~bought, ~history & ~bought
    chance[known] = min(1.0, rest / 2 / max(known.sum(), 1))
    chance[unknown] = min(1.0, (rest - chance[known].sum()) / max(unknown.sum(), 1))
    chance[bought] = min(1.0, budget / 2 / max(bought.sum(), 1))
    return chance


def _line(log_odds: Floats, bought: NDArray[np.bool_], weight: Floats) -> tuple[float, float]:
    """Slope and intercept that make log-odds true on average (Platt 1999), with weights that stand for all pairs."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=np.inf, max_iter=300).fit(log_odds[:, None], bought, sample_weight=weight / weight.mean())
    return float(model.coef_[0, 0]), float(model.intercept_[0])
