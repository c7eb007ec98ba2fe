"""What is known as of a date becomes the evidence that conditions look at, and their answers about every customer."""

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Any, TypeVar, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from features.errors import DataError
from features.products import Catalogue, ProductSet
from features.snapshot import Snapshot

T = TypeVar("T")
Floats = NDArray[np.float32]
Interest = Callable[[Sequence[ProductSet]], Floats]
"""Product sets -> probabilities, snapshot customers x sets."""
ANSWERS_KEPT = 64


@dataclass(frozen=True, eq=False)
class Answer:
    """What a condition says of each customer: ``yes``, ``no``, or neither, when it is unknown (three-valued logic, Kleene 1952)."""

    yes: NDArray[np.bool_]
    no: NDArray[np.bool_]

    @classmethod
    def known(cls, yes: NDArray[np.bool_]) -> "Answer":
        """An answer that is known of everybody."""
        return cls(yes, ~yes)

    def __and__(self, other: "Answer") -> "Answer":
        return Answer(self.yes & other.yes, self.no | other.no)

    def __or__(self, other: "Answer") -> "Answer":
        return Answer(self.yes | other.yes, self.no & other.no)

    def __invert__(self) -> "Answer":
        return Answer(self.no, self.yes)

    @classmethod
    def of(cls, yes: NDArray[np.bool_], known: NDArray[np.bool_]) -> "Answer":
        """An answer that is known only of some."""
        return cls(yes & known, ~yes & known)

    @property
    def unknown(self) -> NDArray[np.bool_]:
        """Of whom it cannot be said."""
        return ~(self.yes | self.no)


@dataclass(frozen=True, eq=False)
class Columns:
    """A table with a row per customer, of whose columns (``names``) each is ``read`` when it is first asked for."""

    names: tuple[str, ...]
    read: Callable[[str], pd.Series]

    @classmethod
    def of(cls, table: pd.DataFrame) -> "Columns":
        """Those of a frame (index customer_id), which come first."""
        return cls(("customer_id", *table.columns), lambda name: table.index.to_series() if name == "customer_id" else table[name])

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __getitem__(self, name: str) -> pd.Series:
        """The values of a column, a row each in order. Raises KeyError for a column that there is not."""
        if name not in self.names:
            raise KeyError(name)
        return self.read(name).reset_index(drop=True)

    def of_customers(self, customer_ids: NDArray[np.object_]) -> "Columns":
        """The same, without the column customer_id, with the rows of these customers in their order, empty for whom there is none."""
        place = pd.Index(self["customer_id"].to_numpy(object)).get_indexer(pd.Index(customer_ids))
        return Columns(tuple(name for name in self.names if name != "customer_id"), self.read).at(place)

    def at(self, place: NDArray[np.integer]) -> "Columns":
        """The same with the rows at these positions, empty where one is below 0; every column is read once."""
        known = bool((place >= 0).all())
        kept: dict[str, pd.Series] = {}

        def read(name: str) -> pd.Series:
            if name not in kept:
                values = self[name]
                kept[name] = values.take(place) if known else values.reindex(np.where(place >= 0, place, len(values)))
            return kept[name]

        return Columns(self.names, read)


@dataclass(frozen=True, eq=False)
class Evidence:
    """What conditions may look at: the shop as of a date, its catalogue, the interest of its customers in any product set, and the table of its
    customers (``scored``; a frame with index customer_id, or its columns), which is made when it is first asked for.

    It is about all customers known before the date: those with an order (about whom ``interest`` answers) and those who had signed up only.
    ``consented`` are the channels for which unknown consent means yes; ``members`` says who is in a saved audience.
    """

    snapshot: Snapshot
    catalogue: Catalogue
    interest: Interest
    scored: Callable[[], pd.DataFrame | Columns] | None = None
    consented: frozenset[str] = frozenset()
    members: Callable[[str], Answer] | None = None
    _kept: dict[ProductSet, Floats] = field(default_factory=dict, repr=False)
    _once: dict[Hashable, Any] = field(default_factory=dict, init=False, repr=False)
    _answers: dict[str, Answer] = field(default_factory=dict, init=False, repr=False)

    @property
    def as_of(self) -> date:
        """The date, exclusive."""
        return self.snapshot.as_of

    @cached_property
    def codes(self) -> NDArray[np.int32]:
        """The shop's codes of all these customers, ascending; answers are in their order."""
        people = self.snapshot.shop.tables["customers"]
        signed_up = people.select("customer_id", known=(people.created_at < self.as_of).fill_null(False)).order_by("customer_id").to_pyarrow()
        known = signed_up["known"].to_numpy().copy()
        known[self.snapshot.codes] = True
        return np.flatnonzero(known).astype(np.int32)

    @cached_property
    def customer_ids(self) -> NDArray[np.object_]:
        """The ids of all these customers, ascending."""
        return self.snapshot.shop.customer_ids[self.codes]

    @cached_property
    def purchases(self) -> tuple[csr_matrix, pd.Index]:
        """Orders by customer (of the snapshot) and product, each worth half after 180 days, and the ids of the products."""
        return self.snapshot.matrix("product", half_life=180)

    def among(self, codes: NDArray[np.integer]) -> Answer:
        """Yes for the customers with these codes, no for all others."""
        return Answer.known(np.isin(self.codes, codes))

    def probabilities(self, products: ProductSet) -> Floats:
        """The interest of each customer in the set; NaN for those without orders, of whom nothing is known."""
        self.prepare([products])
        return self._kept[products]

    def prepare(self, sets: Sequence[ProductSet]) -> None:
        """Ask for the interest in many sets at once, which takes less time than one after the other."""
        asked = [one for one in dict.fromkeys(sets) if one not in self._kept]
        wanted = [one for one in asked if len(one)]
        answers = self.interest(wanted) if wanted else None
        for at, one in enumerate(wanted):
            assert answers is not None
            self._kept[one] = self.spread(answers[:, at])
        for one in asked:
            self._kept.setdefault(one, self.spread(np.zeros(len(self.snapshot.codes), np.float32)))

    @cached_property
    def customers(self) -> Columns:
        """The table of customers in the order of ``codes``; empty values for whom nothing is known. Raises DataError without one."""
        if self.scored is None:
            raise DataError("nothing was predicted of customers here; run: whobuys train")
        table = self.scored()
        return (Columns.of(table) if isinstance(table, pd.DataFrame) else table).of_customers(self.customer_ids)

    def column(self, name: str) -> Floats:
        """A number of each customer from the table of customers; NaN where it is unknown, for everybody if there is no such column."""
        if name not in self.customers:
            return np.full(len(self.codes), np.nan, np.float32)
        return self.customers[name].to_numpy(np.float32, na_value=np.nan)

    @property
    def likelihood(self) -> Floats:
        """The probability of each customer to order anything within the horizon; NaN where it is unknown."""
        return self.column(f"likelihood_{self.snapshot.horizon}")

    @cached_property
    def people(self) -> Columns:
        """What the shop's customers table says of each customer, in the order of ``codes``."""
        people = self.snapshot.shop.tables["customers"].order_by("customer_id")
        return Columns(people.columns, lambda name: people.select(name).to_pandas()[name]).at(self.codes)

    def once(self, name: Hashable, work_out: Callable[[], T]) -> T:
        """What is the same for every audience, worked out when it is first asked for."""
        if name not in self._once:
            self._once[name] = work_out()
        return cast(T, self._once[name])

    def answered(self, words: str, hold: Callable[[], Answer]) -> Answer:
        """The answer to a condition of these words. The last ``ANSWERS_KEPT`` are kept: an audience asks each more than once, and so does its next
        version."""
        answer = self._answers.pop(words, None) or hold()
        self._answers[words] = answer
        for oldest in list(self._answers)[:-ANSWERS_KEPT]:
            self._answers.pop(oldest)
        return answer

    def per_customer(self, facts: pd.DataFrame) -> pd.DataFrame:
        """Facts with a row per ``customer`` code as a row for each of these customers, empty where there is none."""
        return facts.set_index("customer").reindex(self.codes)

    def spread(self, values: Floats) -> Floats:
        """A number for each customer with orders as a number for each customer, NaN for the others."""
        spread = np.full(len(self.codes), np.nan, np.float32)
        spread[np.searchsorted(self.codes, self.snapshot.codes)] = values
        return spread


def highest(values: Floats, count: int) -> NDArray[np.bool_]:
    """Which are the ``count`` highest values, the earlier ones of equals; NaN is below everything."""
    chosen = np.zeros(len(values), dtype=bool)
    chosen[np.argsort(-np.nan_to_num(values, nan=-np.inf), kind="stable")[:count]] = True
    return chosen & ~np.isnan(values)
