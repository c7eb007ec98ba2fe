"""A shop becomes what was known of its customers, product sets and pairs just before a date."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any, Literal, TypeVar

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa
from ibis.expr.types import Table
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from features.customers import CUSTOMER_FEATURES, customer_facts, season_facts
from features.dates import day_number, day_of
from features.engines import kept
from features.errors import DataError
from features.events import EVENT_FEATURES, SET_EVENT_NAMES, SET_WINDOW, event_facts, known_days, set_event_facts
from features.expressions import UNIT, before, decayed
from features.pairs import HISTORY_FEATURES, NO_HISTORY, SET_FEATURES, TOTALS, all_orders, history, later_orders, members, set_facts, set_visits
from features.products import ProductSet, membership
from features.shop import Shop

V = TypeVar("V")
Codes = NDArray[np.int32]
By = Literal["product", "category", "brand"]
KEPT_ENTRIES = 1_000_000
"""A matrix with at most so many entries is kept with its snapshot: many look at it, and asking again takes longer than what it is asked for."""

MISSING_HISTORY = {feature.name: np.nan if feature.name in NO_HISTORY else 0.0 for feature in HISTORY_FEATURES}
"""What is said of a pair without history."""


@dataclass(frozen=True, eq=False)
class PairFacts:
    """Facts of those pairs of which there are any: ``keys`` (sorted, set * customers + customer), ``values`` (float32, a row per key and a column
    per name), and ``missing``, what each name is for all other pairs."""

    keys: NDArray[np.int64]
    values: NDArray[np.float32]
    missing: Mapping[str, float]

    def of(self, asked: NDArray[np.int64]) -> dict[str, NDArray[np.float32]]:
        """An array per name, in the order of the keys that are asked about."""
        first, last = np.searchsorted(self.keys, (asked.min(initial=0), asked.max(initial=0) + 1))
        keys, values = self.keys[first:last], self.values[first:last]
        place = np.minimum(np.searchsorted(keys, asked), max(len(keys) - 1, 0))
        found = np.flatnonzero(keys[place] == asked) if len(keys) else np.empty(0, np.int64)
        columns = {}
        for number, (name, missing) in enumerate(self.missing.items()):
            columns[name] = np.full(len(asked), missing, np.float32)
            columns[name][found] = values[place[found], number]
        return columns


@dataclass(frozen=True, eq=False)
class Pairs:
    """What is known of pairs of a snapshot's customers and ``sets``.

    Customers and sets are positions (0-based) in ``snapshot.customer_ids`` and ``sets``.
    ``keys`` (sorted, set * customers + customer) are the pairs with history, ``values`` (float32, a row per key) their ``HISTORY_FEATURES``;
    ``set_facts`` is a frame with a row per set; ``events`` are the ``SET_EVENT_FEATURES``, None for a shop without events.
    """

    snapshot: "Snapshot"
    sets: tuple[ProductSet, ...]
    membership: csr_matrix
    keys: NDArray[np.int64]
    values: NDArray[np.float32]
    set_facts: pd.DataFrame
    events: PairFacts | None = None

    def history(self, customers: NDArray[np.int64], sets: NDArray[np.int64]) -> dict[str, NDArray[np.float32]]:
        """``HISTORY_FEATURES`` of the given pairs, an array each in their order; counts are 0 and ages unknown where there is no history."""
        return PairFacts(self.keys, self.values, MISSING_HISTORY).of(self._keys(customers, sets))

    def seen(self, customers: NDArray[np.int64], sets: NDArray[np.int64]) -> dict[str, NDArray[np.float32]]:
        """``SET_EVENT_FEATURES`` of the given pairs, as ``history``; none for a shop without events."""
        return {} if self.events is None else self.events.of(self._keys(customers, sets))

    def acquainted(self, first: int, last: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Customer and set positions of the pairs of which anything is known, history or events, of the sets ``first`` .. ``last`` (exclusive)."""
        people = len(self.snapshot.customer_ids)
        parts = [each[slice(*np.searchsorted(each, (first * people, last * people)))] for each in (self.keys, *self._seen_keys)]
        sets, customers = np.divmod(np.unique(np.concatenate(parts)) if len(parts) > 1 else parts[0], people)
        return customers, sets

    @property
    def _seen_keys(self) -> tuple[NDArray[np.int64], ...]:
        return () if self.events is None else (self.events.keys,)

    def _keys(self, customers: NDArray[np.int64], sets: NDArray[np.int64]) -> NDArray[np.int64]:
        return sets.astype(np.int64) * len(self.snapshot.customer_ids) + customers

    def with_history(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Customer and set positions of the pairs with history."""
        sets, customers = np.divmod(self.keys, len(self.snapshot.customer_ids))
        return customers, sets

    def bought(self) -> csr_matrix:
        """Who ever bought from what: bool matrix customers x sets."""
        customers, sets = self.with_history()
        shape = (len(self.snapshot.customer_ids), len(self.sets))
        return csr_matrix((np.ones(len(self.keys), dtype=bool), (customers, sets)), shape=shape)

    def frame(self) -> pd.DataFrame:
        """The pairs with history for people: customer_id, product_set and ``HISTORY_FEATURES``."""
        customers, sets = self.with_history()
        facts = pd.DataFrame(self.values, columns=[feature.name for feature in HISTORY_FEATURES])
        facts.insert(0, "product_set", np.asarray([one.label for one in self.sets], dtype=object)[sets])
        facts.insert(0, "customer_id", self.snapshot.customer_ids[customers])
        return facts


@dataclass(frozen=True, eq=False)
class Snapshot:
    """The shop as known just before ``as_of`` (exclusive). Customers are those with at least one order before it, sorted by id.

    ``horizon`` is the number of days after ``as_of`` that predictions are about; it says which days of last year are the same season.
    Raises DataError when nobody had ordered by then.
    """

    shop: Shop
    as_of: date
    horizon: int = 30

    @classmethod
    def shared(cls, shop: Shop, as_of: date, horizon: int) -> "Snapshot":
        """The snapshot of a date and horizon that is in use already, so that its facts are not asked for twice; else a new one."""
        key = (day_number(as_of), horizon)
        found = shop.in_use.get(key)
        if found is None:
            found = shop.in_use[key] = Snapshot(shop, as_of, horizon)
        return found

    def at(self, as_of: date) -> "Snapshot":
        """The same shop and horizon as of another date (``shared``)."""
        return Snapshot.shared(self.shop, as_of, self.horizon)

    def ahead(self, horizon: int) -> "Snapshot":
        """The same date with another horizon (``shared``): of its facts, only those that depend on the horizon are asked for."""
        other = Snapshot.shared(self.shop, self.as_of, horizon)
        if other is not self and "_facts" not in vars(other):
            season = _frame(season_facts(self.shop, self.day, horizon=horizon))["orders_last_year"]
            same = {"codes": self.codes, "customer_ids": self.customer_ids, "_index": self._index}
            vars(other).update(same, _facts=self._facts.assign(orders_last_year=season))
        return other

    @property
    def day(self) -> int:
        """The day number of ``as_of``."""
        return day_number(self.as_of)

    def known(self) -> dict[str, NDArray[Any]]:
        """What every question about the snapshot begins with, as arrays: for ``recall``."""
        later, totals = self._later_orders.order_by("order").to_pyarrow(), self._all_orders.to_pandas()
        of_orders = {name: later[name].to_numpy().astype(np.int32) for name in ("order", "place")}
        facts, numbers = self._facts.to_numpy().T, np.append(totals.to_numpy(np.float64)[0], self.event_days if self.shop.has_events else 0)
        return {"codes": self.codes, "facts": facts, "totals": numbers, **of_orders}

    def recall(self, known: Mapping[str, NDArray[Any]]) -> None:
        """Take what ``known`` said of the same shop, date and horizon, so that it is not worked out again. Raises ValueError for other columns."""
        names = [feature.name for feature in (*CUSTOMER_FEATURES, *(EVENT_FEATURES if self.shop.has_events else ()))]
        facts = pd.DataFrame(known["facts"].T, index=pd.Index(known["codes"], name="customer"), columns=names)
        later = pa.table({name: known[name] for name in ("order", "place")})
        *totals, event_days = known["totals"]
        of_orders = ibis.memtable(pa.table({name: [value] for name, value in zip(TOTALS, totals, strict=True)}))
        vars(self).update(codes=known["codes"], _facts=facts, event_days=int(event_days), _later_orders=ibis.memtable(later), _all_orders=of_orders)

    @cached_property
    def _facts(self) -> pd.DataFrame:
        facts = _frame(customer_facts(self.shop, self.day, horizon=self.horizon))
        if not self.shop.has_events:
            return facts
        return facts.join(_frame(event_facts(self.shop, self.day, known=self.event_days)))

    def of_all(self, name: str, work_out: Callable[[], V]) -> V:
        """What is true of all customers as of the date: of those at hand, unless it was told (``features.told``)."""
        return self.shop.of_all((name, self.day), work_out)

    def numbers_of_all(self, name: str, row: Table) -> Mapping[str, float]:
        """The same of the numbers in a table of one row."""
        return self.of_all(name, lambda: dict(row.to_pandas().iloc[0]))

    @cached_property
    def event_days(self) -> int:
        """How many days of events are known before ``as_of`` (``features.events.known_days``)."""
        return self.of_all("event days", lambda: known_days(self.shop, self.day))

    @cached_property
    def codes(self) -> Codes:
        """The shop's codes of this snapshot's customers, ascending."""
        found = before(self.shop.orders, self.day).group_by("customer").agg().order_by("customer").to_pyarrow()
        if not len(found):
            raise DataError(f"nobody had ordered before {self.as_of}; the first order is of {day_of(self.shop.days[0])}")
        return np.asarray(found["customer"].to_numpy(), np.int32)

    @cached_property
    def customer_ids(self) -> NDArray[np.object_]:
        """The ids of this snapshot's customers, ascending."""
        return self.shop.customer_ids[self.codes]

    @cached_property
    def _index(self) -> pd.Index:
        return pd.Index(self.customer_ids, name="customer_id")

    def customers(self) -> pd.DataFrame:
        """``CUSTOMER_FEATURES``, and ``EVENT_FEATURES`` where the shop has events, of every customer with an order before ``as_of``.

        Float64, index customer_id, sorted.
        """
        return self._facts.set_axis(self._index, axis=0)

    def pairs(self, sets: Sequence[ProductSet]) -> Pairs:
        """What is known of every pair with these product sets. Raises ValueError without sets."""
        if not sets:
            raise ValueError("there are no product sets")
        matrix = membership(self.shop, sets)
        listed = kept(self.shop.engine, "set_members", members(self.shop, matrix))
        visits = kept(self.shop.engine, "set_visits", set_visits(self.shop, listed, self.day))
        past = history(self.shop, listed, visits, self._later_orders, self.day, horizon=self.horizon)
        keys, values = self._keyed(past, [feature.name for feature in HISTORY_FEATURES])
        of_sets = self._set_facts(sets, listed, visits)
        return Pairs(self, tuple(sets), matrix, keys, values, of_sets, self._seen(listed) if self.shop.has_events else None)

    def set_facts(self, sets: Sequence[ProductSet]) -> pd.DataFrame:
        """``SET_FEATURES`` of product sets, a row each in order, float32: what ``pairs`` says of them, without looking at pairs."""
        listed = kept(self.shop.engine, "set_members", members(self.shop, membership(self.shop, sets)))
        return self._set_facts(sets, listed, kept(self.shop.engine, "set_visits", set_visits(self.shop, listed, self.day)))

    def _set_facts(self, sets: Sequence[ProductSet], listed: Table, visits: Table) -> pd.DataFrame:
        names = [feature.name for feature in SET_FEATURES]

        def asked() -> NDArray[np.floating]:
            found = set_facts(self.shop, listed, visits, self._all_orders, self.day, horizon=self.horizon, sets=len(sets))
            return np.asarray(found.to_pandas()[names].astype(np.float32).to_numpy())

        return pd.DataFrame(self.shop.of_all_sets(("set facts", self.day, self.horizon), sets, asked), columns=names)

    @cached_property
    def _all_orders(self) -> Table:
        return all_orders(self.shop, self.day, horizon=self.horizon).cache()

    @cached_property
    def _later_orders(self) -> Table:
        return later_orders(self.shop, self.day).cache()

    def _seen(self, members: Table) -> PairFacts:
        keys, values = self._keyed(set_event_facts(self.shop, members, self.day, known=self.event_days), SET_EVENT_NAMES)
        none = 0.0 if self.event_days >= SET_WINDOW else np.nan
        return PairFacts(keys, values, {name: np.nan if name.endswith("_recency") else none for name in SET_EVENT_NAMES})

    def _keyed(self, facts: Table, names: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Facts of pairs (set, customer, ...) as keys of pairs and a float32 column per name."""
        found = facts.to_pyarrow()
        positions = np.searchsorted(self.codes, found["customer"].to_numpy())
        keys = found["set"].to_numpy().astype(np.int64) * len(self.codes) + positions
        return keys, np.column_stack([found[name].to_numpy().astype(np.float32) for name in names])

    def matrix(self, by: By = "product", *, half_life: int | None = None) -> tuple[csr_matrix, pd.Index]:
        """Orders by customer and product / category path / brand: a csr_matrix (float32) customers x columns, and the names of the columns.

        With ``half_life`` each order is worth half after so many days. Columns are what was sold before ``as_of``, sorted. The matrix is shared:
        it is not to be written to.
        """
        return self.matrices(by, (half_life,))[0]

    def matrices(self, by: By, half_lives: Sequence[int | None]) -> list[tuple[csr_matrix, pd.Index]]:
        """``matrix`` for several half-lives, in order: what is not known yet is asked for at once."""
        missing = [each for each in dict.fromkeys(half_lives) if (by, each) not in self._kept]
        asked = dict(zip(missing, self._matrices(by, missing), strict=True)) if missing else {}
        self._kept.update({(by, each): found for each, found in asked.items() if found[0].nnz <= KEPT_ENTRIES})
        return [asked.get(each) or self._kept[by, each] for each in half_lives]

    @cached_property
    def _kept(self) -> dict[tuple[By, int | None], tuple[csr_matrix, pd.Index]]:
        return {}

    def _matrices(self, by: By, half_lives: Sequence[int | None]) -> list[tuple[csr_matrix, pd.Index]]:
        lines = before(self.shop.lines, self.day)
        known = lines.filter(lines.customer.notnull())
        labelled, label = self._labelled(known, by)
        per_order = labelled if by == "product" else labelled.group_by("customer", label, "order", "ago").agg()  # a line is an order's of a product
        weights = [per_order.ago.cast("int64") * 0 + UNIT if each is None else decayed(per_order.ago, each) for each in half_lives]
        sums = {f"weight_{place}": weight.sum() / UNIT for place, weight in enumerate(weights)}
        counts = per_order.group_by("customer", label).agg(**sums).order_by("customer", label).to_pyarrow()
        names, columns = _numbered(counts[label])
        rows = np.searchsorted(counts["customer"].to_numpy(), self.codes)
        starts: NDArray[Any] = np.append(rows, len(counts)).astype(np.int32 if len(counts) < 2**31 else np.int64)
        index = pd.Index(self.shop.product_ids[names] if by == "product" else names, name=by)
        shape = (len(self.codes), len(names))
        return [(csr_matrix((counts[each].to_numpy().astype(np.float32), columns, starts), shape=shape), index) for each in sums]

    def outcome(self, sets: Sequence[ProductSet], *, days: int | None = None) -> csr_matrix:
        """Who bought at least one product of each set in ``[as_of, as_of + days)``: bool matrix customers x sets."""
        lines = self.shop.lines
        return self._who_bought(lines.filter(lines.day >= self.day, lines.day < self.day + (days or self.horizon)), sets)

    def bought(self, sets: Sequence[ProductSet]) -> csr_matrix:
        """Who ever bought at least one product of each set before ``as_of``: bool matrix customers x sets."""
        return self._who_bought(before(self.shop.lines, self.day), sets)

    def _who_bought(self, lines: Table, sets: Sequence[ProductSet]) -> csr_matrix:
        known = lines.filter(lines.customer.notnull()).join(members(self.shop, membership(self.shop, sets)), "product")
        found = known.select("customer", "set").distinct().to_pyarrow()
        codes = found["customer"].to_numpy()
        place = np.minimum(np.searchsorted(self.codes, codes), len(self.codes) - 1)
        among = self.codes[place] == codes
        entries = (np.ones(int(among.sum()), dtype=bool), (place[among], found["set"].to_numpy()[among]))
        return csr_matrix(entries, shape=(len(self.codes), len(sets)))

    def ordered(self, *, days: int | None = None) -> NDArray[np.bool_]:
        """Which customers ordered anything in ``[as_of, as_of + days)``."""
        orders = self.shop.orders
        ahead = orders.filter(orders.day >= self.day, orders.day < self.day + (days or self.horizon)).select("customer").distinct()
        return np.isin(self.codes, ahead.to_pyarrow()["customer"].to_numpy())

    def volume(self, *, days: int | None = None) -> pd.DataFrame:
        """How many orders, and how many different products, every customer bought in ``[as_of, as_of + days)``: int64, index customer_id.

        Products are 0 where it is not known what was bought.
        """
        end = self.day + (days or self.horizon)
        orders, lines = (each.filter(each.day >= self.day, each.day < end) for each in (self.shop.orders, self.shop.lines))
        of_orders = orders.group_by("customer").agg(orders=orders.order.nunique())
        of_lines = lines.group_by("customer").agg(products=lines["product"].nunique())
        found: pd.DataFrame = of_orders.left_join(of_lines, "customer").select("customer", "orders", "products").to_pandas().set_index("customer")
        counts = found.reindex(self.codes).fillna(0).astype(np.int64)
        return counts.set_index(pd.Index(self.customer_ids, name="customer_id"))

    def _labelled(self, lines: Table, by: str) -> tuple[Table, str]:
        if by == "product":
            return lines, "product"
        products = self.shop.tables["products"].join(self.shop.product_codes, "product_id").select("product", by)
        return lines.join(products.filter(products[by].notnull()), "product"), by


def _numbered(labels: pa.ChunkedArray) -> tuple[NDArray[Any], NDArray[np.int32]]:
    """The different labels, sorted, and which of them each row has."""
    coded = labels.combine_chunks().dictionary_encode()
    names, place = np.unique(coded.dictionary.to_numpy(zero_copy_only=False), return_inverse=True)
    return names, place.astype(np.int32)[coded.indices.to_numpy()]


def _frame(facts: Table) -> pd.DataFrame:
    """Facts of customers as float64, index customer (code)."""
    found: pd.DataFrame = facts.to_pyarrow().to_pandas().set_index("customer")
    return found.astype(np.float64)
