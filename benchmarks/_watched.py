"""Fits that note which product sets they learn from, and that can be shown outcomes of others."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from features.products import ProductSet
from features.snapshot import Snapshot
from training.fits import Fits


@dataclass(frozen=True)
class Shuffle:
    """By which seed outcomes are handed out anew: within every set for itself, or over all pairs, so that a set loses its number of buyers, too."""

    seed: int
    within: bool

    def of(self, outcome: csr_matrix, day: int) -> csr_matrix:
        """Another matrix customers x sets with as many purchases."""
        rng, found = np.random.default_rng([self.seed, day]), outcome.toarray()
        return csr_matrix(rng.permuted(found, axis=0) if self.within else rng.permuted(found))

    def ordered(self, ordered: NDArray[np.bool_], day: int) -> NDArray[np.bool_]:
        """As many customers who ordered, but others."""
        return np.random.default_rng([self.seed, day]).permuted(ordered)


@dataclass(frozen=True, eq=False)
class Watched(Snapshot):
    """A snapshot that notes the sets whose outcome is asked for, and with a ``shuffle`` hands out outcomes of others."""

    seen: set[tuple[str, ...]] = field(default_factory=set)
    shuffle: Shuffle | None = None

    def outcome(self, sets: Sequence[ProductSet], *, days: int | None = None) -> csr_matrix:
        """Who bought from each set, or others instead."""
        self.seen.update(one.product_ids for one in sets)
        found = super().outcome(sets, days=days)
        return self.shuffle.of(found, self.day) if self.shuffle else found

    def ordered(self, *, days: int | None = None) -> NDArray[np.bool_]:
        """Who ordered, or others instead."""
        found = super().ordered(days=days)
        return self.shuffle.ordered(found, self.day) if self.shuffle else found


@dataclass(eq=False)
class WatchedFits(Fits):
    """Fits on such snapshots: ``seen`` are all sets that were learnt from."""

    shuffle: Shuffle | None = None
    seen: set[tuple[str, ...]] = field(default_factory=set)

    def snapshot(self, as_of: date) -> Snapshot:
        """The watched snapshot of a date."""
        if as_of not in self._snapshots:
            self._snapshots[as_of] = Watched(self.shop, as_of, self.recipe.horizon, self.seen, self.shuffle)
        return self._snapshots[as_of]
