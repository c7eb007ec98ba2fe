"""What every kind of suggestions is: asked of a shop and its bundle as of a date, it answers with a table of evidence, and with what audiences
are made of."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.conditions import Evidence, Floats
from features.errors import DataError
from features.products import Catalogue, ProductSet
from features.snapshot import Snapshot
from models.bundle import Bundle
from serving.audiences.definitions import Audience
from serving.published import no_interest
from serving.ready_made import Filling, definitions

FEW_CUSTOMERS = 500
"""Where nothing is found among fewer customers than this, it is said that they are few."""


@dataclass(frozen=True, eq=False)
class Ground:
    """What suggestions are made of: predictions of ``bundle`` about the ``evidence``; at most ``top`` are wanted, for ``goal`` if one is named."""

    bundle: Bundle
    evidence: Evidence
    top: int
    goal: str | None = None
    told: dict[str, "Suggested"] = field(default_factory=dict, repr=False)
    """What kinds have answered, so that one may build on another."""

    @property
    def snapshot(self) -> Snapshot:
        """The shop as of a date."""
        return self.evidence.snapshot

    @property
    def catalogue(self) -> Catalogue:
        """The shop's products."""
        return self.evidence.catalogue

    def interest_blocks(self, sets: Sequence[ProductSet]) -> Iterator[tuple[int, int, Floats]]:
        """The probabilities of the snapshot's customers to buy from each set, in blocks (``Bundle.interest_blocks``)."""
        return self.bundle.interest_blocks(self.snapshot, sets)

    def expected_buyers(self, products: ProductSet, among: NDArray[np.bool_] | None = None) -> tuple[float, float, float]:
        """How many customers (of the evidence, or those ``among`` them) will buy from the set within the horizon, and the range of 80 % of cases."""
        probability = np.nan_to_num(self.evidence.probabilities(products)).astype(np.float64)
        probability = probability if among is None else probability[among]
        expected = float(probability.sum())
        low, high = self.bundle.spread.of_sets(expected, float((probability * (1 - probability)).sum()))
        return expected, float(low), float(high)


@dataclass(frozen=True, eq=False)
class Suggested:
    """What was found. ``table``: a row per suggestion with its evidence, the best first; ``fillings`` (a row each) are what the ready-made
    definitions of this kind are filled in with, ``audiences`` those that are proposed as they stand; ``notes`` are sentences: what was not found,
    and why."""

    table: pd.DataFrame
    fillings: tuple[Filling, ...] = ()
    audiences: tuple[Audience, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Kind:
    """A kind of suggestions: its ``name`` on the command line, what it ``says``, and what finds them. One ``of_products`` needs to know what was
    bought."""

    name: str
    says: str
    find: Callable[[Ground], Suggested]
    of_products: bool = True

    def ask(self, ground: Ground) -> Suggested:
        """The suggestions for this shop, asked once; none, with the reason, where its data do not allow any."""
        if self.name not in ground.told:
            ground.told[self.name] = self._asked(ground)
        return ground.told[self.name]

    def _asked(self, ground: Ground) -> Suggested:
        reason = no_interest(ground.snapshot.shop, ground.bundle) if self.of_products else None
        if reason:
            return nothing(reason)
        try:
            found = self.find(ground)
        except DataError as error:
            return nothing(str(error))
        customers = len(ground.snapshot.codes)
        if len(found.table) or customers >= FEW_CUSTOMERS:
            return found
        few = f"only {customers:,} customers have ordered: too few to tell a suggestion from chance"
        return replace(found, notes=(*found.notes, few))

    def audiences(self, found: Suggested, ground: Ground) -> list[Audience]:
        """The audiences that the suggestions propose: of the ready-made definitions that this kind fills in, and its own; if a goal is asked, those
        of that goal."""
        made = [each for each in definitions().values() if each.filled_in_by == self.name]
        filled = [audience for each in made for audience in each.filled(found.fillings, catalogue=ground.catalogue)]
        return [each for each in (*filled, *found.audiences) if ground.goal in (None, each.goal)]


def nothing(*notes: str) -> Suggested:
    """No suggestion, and why."""
    return Suggested(pd.DataFrame(), notes=notes)
