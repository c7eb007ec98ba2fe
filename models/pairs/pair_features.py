"""Facts and affinities of pairs become the columns that the interest model reads."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.events import EVENT_NAMES, SET_EVENT_NAMES
from features.expressions import Feature
from features.pairs import HISTORY_FEATURES, SET_FEATURES
from features.products import ProductSet
from features.snapshot import MISSING_HISTORY, Pairs
from models.base import Floats
from models.pairs.affinity import AFFINITIES, Leanings

CUSTOMER_COLUMNS = (
    "frequency",
    "recency",
    "age",
    "lateness",
    "rhythm",
    "orders_30",
    "orders_90",
    "orders_365",
    "orders_decayed_60",
    "orders_decayed_120",
    "lines",
    "lines_decayed_30",
    "lines_decayed_90",
    "basket",
    "products",
    "products_90",
    "unit_price",
    "monetary",
    "discount_share",
)
CROSS_FEATURES = (
    Feature("share", "share of the customer's orders that contain the set"),
    Feature("share_decayed", "the same with orders that are worth half after 120 days"),
    Feature("share_shrunk", "the same, drawn toward the set's popularity as if by five further orders"),
    Feature("gap", "mean days between the customer's orders from the set; unknown with fewer than two"),
    Feature("overdue", "days since the last order from the set over that gap"),
    Feature("recency_ratio", "days since the last order from the set over days since the last order"),
    Feature("price_gap", "log of the customer's usual unit price over the set's"),
    Feature("set_volume", "decayed orders from the set (120 days) times decayed product lines (90 days)"),
    Feature("expected_by_share", "decayed share of the set times decayed orders (60 days)"),
    Feature("expected_by_popularity", "the set's popularity of the last 90 days times decayed product lines (90 days)"),
)
AFFINITY_FEATURES = tuple(
    feature
    for name, meaning in AFFINITIES.items()
    for feature in (
        Feature(name, meaning),
        Feature(f"{name}_share", f"{meaning}, over that to the whole catalogue"),
        Feature(f"{name}_lift", f"{meaning}, over that of the mean customer"),
        Feature(f"{name}_share_lift", f"{meaning}, its share over that of the mean customer"),
    )
)
OF_BOTH = ("share_shrunk", "price_gap", "expected_by_popularity")
"""The crossed features that tell customers and sets apart where a customer never bought from the set."""
SMALL = 1e-6


@dataclass(frozen=True, eq=False)
class PairColumns:
    """Makes the columns of any pairs of a snapshot. Sets are taken in order and in blocks, because affinities are dense customers x sets."""

    pairs: Pairs
    leanings: Leanings

    @cached_property
    def names(self) -> list[str]:
        """The columns in the order of ``of``."""
        history = [feature.name for feature in (*HISTORY_FEATURES, *CROSS_FEATURES, *AFFINITY_FEATURES)]
        seen = SET_EVENT_NAMES if self.pairs.events is not None else ()
        return [*history, *seen, *self._people, *(f"of_set_{feature.name}" for feature in SET_FEATURES)]

    def of(self, customers: NDArray[np.int64], sets: NDArray[np.int64]) -> pd.DataFrame:
        """The columns of the given pairs (positions of customers and sets, one per row): float32, unknown is NaN."""
        people = {name: values[customers] for name, values in self._people.items()}
        kinds = {name: values[sets] for name, values in self._kinds.items()}
        columns = self.pairs.history(customers, sets)
        columns |= self.pairs.seen(customers, sets)
        columns |= _crossed(columns, people, kinds)
        columns |= self._affinities(customers, sets)
        columns |= people
        columns |= {f"of_set_{name}": values for name, values in kinds.items()}
        rows = np.empty((len(self.names), len(customers)), np.float32)
        for place, name in enumerate(self.names):
            rows[place] = columns.pop(name)
        return pd.DataFrame(rows.T, columns=self.names, copy=False)

    @cached_property
    def strangers(self) -> dict[str, Floats]:
        """The columns of all customers that do not depend on the set, where a customer never bought from it."""
        everybody = len(self.pairs.snapshot.customer_ids)
        crossed = _crossed(self._nothing, self._people, dict.fromkeys(self._kinds, np.asarray(np.nan, np.float32)))
        own = {name: np.broadcast_to(values, everybody) for name, values in crossed.items() if name not in OF_BOTH}
        return self._people | own

    def of_strangers(self, first: int, last: int) -> Iterator[tuple[dict[str, Floats], dict[str, Floats]]]:
        """The further columns of all customers and each of the sets ``first`` .. ``last`` (exclusive), as if nobody had bought from it nor looked at
        it: those that are the same for all customers (one number each), and those that vary."""
        leanings, everybody = self._leanings_to(first, last), slice(None)
        for place in range(last - first):
            kind = {name: np.asarray(values[first + place]) for name, values in self._kinds.items()}
            crossed = _crossed(self._nothing, self._people, kind)
            affinities = _related({name: each.of(place, everybody) for name, each in leanings.items()})
            varying = {name: crossed[name] for name in OF_BOTH} | affinities
            yield self._nothing | {f"of_set_{name}": value for name, value in kind.items()}, varying

    @cached_property
    def _nothing(self) -> dict[str, Floats]:
        """What is known of a pair of which nothing is known."""
        seen = {} if self.pairs.events is None else self.pairs.events.missing
        return {name: np.asarray(value, np.float32) for name, value in (*MISSING_HISTORY.items(), *seen.items())}

    def _affinities(self, customers: NDArray[np.int64], sets: NDArray[np.int64]) -> dict[str, Floats]:
        first, last = int(sets.min()), int(sets.max()) + 1
        known = self._latest.get("sets", (last, first))
        first, last = known if known[0] <= first and last <= known[1] else (first, last)
        return _related({name: each.of(sets - first, customers) for name, each in self._leanings_to(first, last).items()})

    def _leanings_to(self, first: int, last: int) -> dict[str, "Leaning"]:
        """Each affinity of all customers to some sets."""
        if self._latest.get("sets") != (first, last):
            scores, found = self.leanings.scores(self.pairs.membership[:, first:last]), {}
            for name in list(scores):
                values, totals = scores.pop(name), self.leanings.totals[name]
                usual = self._usual(name, self.pairs.sets[first:last], values, totals)
                found[name] = Leaning(np.ascontiguousarray(values.T), totals, *usual)
            self._latest.update(sets=(first, last), leanings=found)
        leanings: dict[str, Leaning] = self._latest["leanings"]
        return leanings

    def _usual(self, name: str, sets: Sequence[ProductSet], values: Floats, totals: Floats) -> tuple[Floats, Floats]:
        """The mean affinity of all customers to each set, and their mean share, neither of them 0."""

        def means() -> Floats:
            return np.column_stack([values.mean(axis=0), (1 / totals) @ values / len(values)]).astype(np.float32) + SMALL

        snapshot = self.pairs.snapshot
        usual, usual_share = np.asarray(snapshot.shop.of_all_sets((name, snapshot.day), sets, means), np.float32).T
        return usual, usual_share

    @cached_property
    def _latest(self) -> dict[str, Any]:
        """What was asked for last: strangers and others of the same sets need the same."""
        return {}

    @cached_property
    def _people(self) -> dict[str, Floats]:
        facts = self.pairs.snapshot.customers()
        return {name: facts[name].to_numpy(np.float32) for name in (*CUSTOMER_COLUMNS, *EVENT_NAMES) if name in facts}

    @cached_property
    def _kinds(self) -> dict[str, Floats]:
        return {feature.name: self.pairs.set_facts[feature.name].to_numpy(np.float32) for feature in SET_FEATURES}


@dataclass(frozen=True, eq=False)
class Leaning:
    """One affinity of customers to sets: ``own`` (sets x customers), its total of each customer, and of each set the mean and the usual share."""

    own: Floats
    totals: Floats
    usual: Floats
    usual_share: Floats

    def of(self, sets: int | NDArray[np.int64], customers: slice | NDArray[np.int64]) -> tuple[Floats, Floats, Floats, Floats]:
        """Of pairs of some sets and customers: own, share, lift, and lift of the share."""
        own = self.own[sets, customers]
        share = own / self.totals[customers]
        return own, share, own / self.usual[sets], share / self.usual_share[sets]


def _related(columns: dict[str, tuple[Floats, Floats, Floats, Floats]]) -> dict[str, Floats]:
    """The same by the names of ``AFFINITY_FEATURES``."""
    parts = ("", "_share", "_lift", "_share_lift")
    return {f"{name}{part}": values for name, each in columns.items() for part, values in zip(parts, each, strict=True)}


def _crossed(pair: dict[str, Floats], person: dict[str, Floats], kind: dict[str, Floats]) -> dict[str, Floats]:
    orders = pair["set_orders"]
    span = pair["set_age"] - pair["set_recency"]
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = np.where(orders > 1, span / np.maximum(orders - 1, 1), np.nan).astype(np.float32)
        share_decayed = pair["set_decayed_120"] / person["orders_decayed_120"]
        return {
            "share": orders / person["frequency"],
            "share_decayed": share_decayed,
            "share_shrunk": (orders + 5 * kind["popularity"]) / (person["frequency"] + 5),
            "gap": gap,
            "overdue": pair["set_recency"] / np.maximum(gap, 1),
            "recency_ratio": pair["set_recency"] / np.maximum(person["recency"], 1),
            "price_gap": np.log(np.maximum(person["unit_price"], 0.01) / np.maximum(kind["price"], 0.01)),
            "set_volume": pair["set_decayed_120"] * person["lines_decayed_90"],
            "expected_by_share": share_decayed * person["orders_decayed_60"],
            "expected_by_popularity": kind["popularity_90"] * person["lines_decayed_90"],
        }
