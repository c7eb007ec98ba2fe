"""A rule without learning becomes a model: the answer for a shop whose past does not show that a learnt model is better, or is too short to learn.

A set of which nothing was ever sold has no history that a rule could read: its nearest products by words, categories and brands stand in for it.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from features.products import Catalogue, ProductSet, membership
from features.snapshot import Pairs, Snapshot
from models.base import Floats
from models.pairs.baselines import BASELINES
from models.pairs.calibrated import LiftCurve, usual_shares
from models.pairs.intervals import Spread

NEAREST = 10
"""Products that stand in for a set without sales."""
BLOCK = 2_000_000
"""Pairs that are held at once."""
SHARES, LIFTS = (0.0, 0.01, 0.05, 0.2, 1.0), (15.0, 12.0, 6.0, 1.5, 0.4)
"""How many times more often than usual customers buy by their place in a rule's ranking, where a shop's own past does not tell.
About what the shops of the benchmarks have."""


@dataclass(frozen=True, eq=False)
class Ruled:
    """One of ``BASELINES`` by its name, and the curve that makes its scores probabilities."""

    rule: str
    curve: LiftCurve

    @classmethod
    def untaught(cls, rule: str, *, level: float) -> Self:
        """A rule with the curve of other shops; ``level`` is how many times as often as of late customers are expected to buy."""
        lifts = np.asarray(LIFTS) / np.trapezoid(LIFTS, SHARES)
        return cls(rule, LiftCurve(np.asarray(SHARES), lifts * level))

    @property
    def meaning(self) -> str:
        """The rule in words."""
        return BASELINES[self.rule].meaning

    def predict(self, pairs: Pairs, *, share: float = 1.0) -> Floats:
        """Probabilities, customers x sets, float32; within a set they fall as the rule's scores do. ``share`` of the usual buyers are expected."""
        return self.curve.probability(BASELINES[self.rule].scores(pairs.snapshot, pairs), usual_shares(pairs) * share)

    def answer(self, snapshot: Snapshot, sets: Sequence[ProductSet], catalogue: Catalogue) -> Floats:
        """The same for any sets: one that was never sold is asked of its ``stand_ins``, of which one product's share of buyers is expected."""
        pairs = snapshot.pairs(sets)
        found = self.predict(pairs)
        for place, nearest in stand_ins(pairs, catalogue).items():
            found[:, place] = self.predict(snapshot.pairs([nearest]), share=1 / len(nearest))[:, 0]
        return found

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"rule": self.rule, "curve": self.curve.as_dict()}

    @classmethod
    def of_dict(cls, content: Mapping[str, Any]) -> Self:
        """The inverse of ``as_dict``."""
        return cls(content["rule"], LiftCurve.of_dict(content["curve"]))


@dataclass(frozen=True, eq=False)
class RuleAlone:
    """What answers for product sets in a shop that is too young, or has too few customers who came back, for a pair model to be learnt."""

    rule: Ruled
    spread: Spread = field(default_factory=Spread)

    def blocks(self, snapshot: Snapshot, sets: Sequence[ProductSet], catalogue: Catalogue) -> Iterator[tuple[int, int, Floats]]:
        """Interest in blocks of sets, in order: (first, one past the last, customers x sets of the block)."""
        width = max(1, BLOCK // len(snapshot.customer_ids))
        for first in range(0, len(sets), width):
            chosen = sets[first : first + width]
            yield first, first + len(chosen), self.rule.answer(snapshot, chosen, catalogue)

    def save(self, folder: Path) -> None:
        """Write JSON into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / RULE).write_text(json.dumps(self.rule.as_dict(), indent=1, sort_keys=True), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The inverse of ``save``."""
        return cls(Ruled.of_dict(json.loads((folder / RULE).read_text(encoding="utf-8"))))


RULE = "rule.json"


def stand_ins(pairs: Pairs, catalogue: Catalogue) -> dict[int, ProductSet]:
    """For each set that nobody ever bought from, by its place: the ``NEAREST`` sold products by TF-IDF of words, categories and brands.

    Sets that share nothing with any sold product have none.
    """
    snapshot = pairs.snapshot
    unsold = np.flatnonzero(pairs.set_facts["buyers"].to_numpy() == 0)
    if not len(unsold):
        return {}
    ids = snapshot.shop.product_ids
    sold = np.flatnonzero(np.isin(ids, snapshot.matrix("product")[1]))
    from sklearn.feature_extraction.text import TfidfTransformer

    attributes: csr_matrix = TfidfTransformer().fit_transform(catalogue.attributes[1][catalogue.products.index.get_indexer(pd.Index(ids))])
    asked = membership(snapshot.shop, [pairs.sets[place] for place in unsold])
    likeness = ((attributes[sold] @ attributes.T) @ asked).toarray()
    found = {}
    for column, place in enumerate(unsold):
        order = np.argsort(-likeness[:, column], kind="stable")[:NEAREST]
        near = sold[order[likeness[order, column] > 0]]
        if len(near):
            found[int(place)] = ProductSet.of(pairs.sets[place].label, ids[near])
    return found
