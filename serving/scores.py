"""A bundle and a shop as of a date -> one scoring run in the shop's folder: every customer's likelihood, the main interests; whole or not there."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from features.config import Config
from features.dates import parse_day
from features.errors import DataError, did_you_mean
from features.files import (
    BUNDLES,
    SCORES,
    check_seal,
    locked,
    publications,
    publish,
    read_current,
    remove_left_behind,
    remove_whole,
    seal,
    whole_folder,
)
from features.products import ProductSet
from features.shop import Shop
from features.snapshot import Snapshot
from models.bundle import Bundle
from models.customers.replenishment import replenishment
from models.pairs.training_sets import main_products
from serving.customers import Customers
from serving.exports import write_table
from serving.known import hold, keep_known
from serving.published import currency_of, enough_room, horizons_lacking, load_bundle, no_interest, open_as_of
from serving.ranks import BestCustomers, BestSets, no_interests
from serving.reused import MOST_KEPT, forget_probability, keep_probability, whose
from serving.scored_sets import CANDIDATE_PRODUCTS, is_narrow, sets_to_score
from serving.who import known_sets

Say = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Scores:
    """One scoring run, opened from a shop's folder. ``facts`` is its manifest: as_of, horizon, bundle, limits, ..."""

    shop_folder: Path
    folder: Path
    facts: dict[str, object]

    @classmethod
    def open(cls, shop: Path | str, name: str | None = None) -> Self:
        """The published scores of a shop folder, or those called ``name`` (``<as_of>-<bundle>``).

        Raises DataError when there are none or a file does not fit its sha256.
        """
        shop = Path(shop)
        published = read_current(shop).get("scores") if name is None else f"{SCORES}/{name}"
        if published is None:
            raise DataError(f"{shop}: nothing was scored here yet; run: whobuys score --shop {shop}")
        folder = shop / published
        if not folder.is_dir():
            known = [path.name for path in sorted((shop / SCORES).glob("[!.]*"))]
            raise DataError(f"{shop}: there are no scores {folder.name!r}{did_you_mean(folder.name, known)}")
        return cls(shop, folder, check_seal(folder))

    @property
    def as_of(self) -> date:
        """The day before which everything is known."""
        return parse_day(str(self.facts["as_of"]))

    @property
    def horizon(self) -> int:
        """Days from ``as_of`` on that the probabilities are about."""
        return int(str(self.facts["horizon"]))

    @cached_property
    def customers(self) -> pd.DataFrame:
        """A row per customer with an order before ``as_of`` (index customer_id, sorted), then those who only signed up (frequency 0).

        The columns and what they mean are listed in docs/customers.md and in ``serving.customers``. Days are datetime64; in the file they are dates.
        """
        table: pd.DataFrame = pq.read_table(self.folder / "customers.parquet").to_pandas(date_as_object=False).set_index("customer_id")
        return table

    @cached_property
    def interests(self) -> pd.DataFrame:
        """The top customers of each set: product_set_kind, product_set, customer_id, probability, rank, is_new."""
        return pd.read_parquet(self.folder / "interests.parquet")

    @cached_property
    def bests(self) -> pd.DataFrame:
        """The best categories and brands, then the best products, of each customer: columns as ``interests``, ``rank`` being the customer's own."""
        return pd.read_parquet(self.folder / "bests.parquet")

    @cached_property
    def product_sets(self) -> pd.DataFrame:
        """The sets that were scored: product_set_kind, product_set, products, expected_buyers, base_rate (the probability of any customer)."""
        return pd.read_parquet(self.folder / "product_sets.parquet")

    @cached_property
    def replenishment(self) -> pd.DataFrame:
        """Who buys regularly from a category and when it is due: as in ``customers.replenishment``, sorted by customer and category."""
        table: pd.DataFrame = pq.read_table(self.folder / "replenishment.parquet").to_pandas(date_as_object=False)
        return table

    @cached_property
    def shop(self) -> Shop:
        """The shop's tables, as they are now."""
        return Shop.open(self.shop_folder)

    @cached_property
    def bundle(self) -> Bundle:
        """The bundle that made these scores."""
        return load_bundle(self.shop_folder, str(self.facts["bundle"]))

    @cached_property
    def snapshot(self) -> Snapshot:
        """The shop as of the scores' date."""
        return Snapshot(self.shop, self.as_of, horizon=self.horizon)

    def interest(self, product_set: ProductSet) -> pd.Series:
        """The probability of every customer to buy from any product set, scored now with the same bundle and date; index customer_id."""
        values = self.bundle.interest(self.snapshot, [product_set])[:, 0]
        return pd.Series(values, index=pd.Index(self.snapshot.customer_ids, name="customer_id"), name="probability")


def score(
    shop: Path,
    *,
    config: Config,
    as_of: date | None = None,
    bundle: str | None = None,
    sets_file: Path | None = None,
    memory_limit: str | None = None,
    threads: int | None = None,
    promote: bool = False,
    say: Say = lambda text: None,
) -> Scores:
    """Score every customer as of a date (the day after the last order) with the published bundle or the named one, and publish.

    ``sets_file`` names the product sets to score; by default those of the config, or else the shop's categories and brands. With ``promote`` the
    bundle is published in the same step as its scores, so that nobody ever sees one without the other.
    Until the new scores are whole, the published ones stay; of older ones, as many stay as the config says.
    Raises DataError before anything was trained, Refused when another run writes.
    """
    with locked(shop), enough_room(shop):
        engine = config.engine.name
        loaded, snapshot = open_as_of(
            shop, as_of, bundle=bundle, memory_limit=memory_limit, threads=threads, customers=config.customers, anew=True, engine=engine
        )
        if lacking := horizons_lacking(loaded, config.customers):
            say(f"note: {lacking}")
        folder = shop / SCORES / _free_name(shop, f"{snapshot.as_of}-{loaded.id}")
        remove_left_behind(shop / SCORES)
        with whole_folder(folder) as temporary:
            seal(temporary, **_written(loaded, snapshot, config=config, folder=temporary, sets_file=sets_file, say=say))
        publish(shop, scores=f"{SCORES}/{folder.name}", **({"bundle": f"{BUNDLES}/{loaded.id}"} if promote else {}))
        _remove_older(shop, keep=config.score.keep)
    say(f"published {SCORES}/{folder.name}")
    return Scores.open(shop, folder.name)


def _written(bundle: Bundle, snapshot: Snapshot, *, config: Config, folder: Path, sets_file: Path | None, say: Say) -> dict[str, object]:
    """Write the tables of a run; what the manifest says comes back."""
    if config.engine.name == "spark":
        from serving.parts import score_in_parts

        return score_in_parts(bundle, snapshot.shop, snapshot.as_of, config=config, folder=folder, sets_file=sets_file, say=say)
    run = Run(bundle, snapshot, config, folder, say)
    limits = run.write(run.sets(sets_file))
    keep_known(folder, bundle, snapshot)
    return run.facts(limits)


@dataclass(frozen=True, eq=False)
class Run:
    """One scoring run, writing into ``folder``: of all customers, or of a part of them where the shop is one (``features.told``)."""

    bundle: Bundle
    snapshot: Snapshot
    config: Config
    folder: Path
    say: Say

    def write(self, sets: list[ProductSet] | None) -> dict[str, object]:
        """Write all tables; the limits of the RFM scores and of importance come back."""
        hold(self.bundle, self.snapshot)
        limits = self.write_customers()
        self.write_interests(sets)
        self.write_replenishment()
        return limits

    def facts(self, limits: dict[str, object]) -> dict[str, object]:
        """What the manifest says."""
        snapshot, settings = self.snapshot, self.config.score.model_dump(exclude={"product_sets", "keep"})
        return {**whose(self.bundle, snapshot), "customers": len(snapshot.customer_ids), "limits": limits, "settings": settings}

    def write_customers(self) -> dict[str, object]:
        """Write customers.parquet; the limits of the RFM scores and of importance come back."""
        self.say(f"scoring {len(self.snapshot.customer_ids):,} customers as of {self.snapshot.as_of}")
        found = Customers.of(self.bundle, self.snapshot)
        write_table(self.folder / "customers.parquet", found.table.rename_axis("customer_id").reset_index())
        for sentence in found.sentences(horizon=self.bundle.horizon, currency=currency_of(self.snapshot.shop, self.config)):
            self.say(sentence)
        return found.facts()

    def sets(self, sets_file: Path | None) -> list[ProductSet] | None:
        """The product sets to score; None when nothing is known of what was bought."""
        if no_interest(self.snapshot.shop, self.bundle):
            return None
        found = sets_to_score(self.snapshot, names=self.config.score.product_sets, sets_file=sets_file)
        sets, notes = known_sets(self.snapshot.shop, found)
        for note in notes:
            self.say(f"note: {note}")
        return sets

    def write_interests(self, sets: list[ProductSet] | None) -> None:
        """Write interests.parquet, bests.parquet and product_sets.parquet; empty ones when nothing is known of what was bought."""
        if sets is None:
            self.say(f"no interests: {no_interest(self.snapshot.shop, self.bundle)}")
            self._write(no_interests(), no_interests(), _sets_table([], np.zeros(0), 1))
            return
        interests, best_sets, totals = self._score_sets(sets)
        best_products = self._score_products()
        bests = pd.concat([best_sets, best_products], ignore_index=True)
        bests = bests.sort_values("customer_id", ignore_index=True, kind="stable")
        self._write(interests, bests, _sets_table(sets, totals, len(self.snapshot.customer_ids)))

    def write_replenishment(self) -> None:
        """Write replenishment.parquet: customers and categories where the history allows, empty where nothing is known of what was bought."""
        found = replenishment(self.snapshot)
        self.say(f"{found['customer_id'].nunique():,} customers buy regularly from {found['product_set'].nunique():,} categories")
        write_table(self.folder / "replenishment.parquet", found)

    def _score_sets(self, sets: list[ProductSet]) -> tuple[pd.DataFrame, pd.DataFrame, np.ndarray]:
        if not sets:
            self.say("no interests by category or brand: the products have neither")
            return no_interests(), no_interests(), np.zeros(0)
        self.say(f"scoring {len(sets)} product set{'s' * (len(sets) != 1)}")
        ids, ever = self.snapshot.customer_ids, self.snapshot.bought(sets).tocsc()
        of_sets = BestCustomers(ids, ever, self.config.score.top_per_set)
        of_customers = BestSets(len(ids), self.config.score.top_per_customer)
        narrow, totals = np.array([is_narrow(each, sets) for each in sets]), np.zeros(len(sets))
        for start, stop, block in self.bundle.interest_blocks(self.snapshot, sets):
            totals[start:stop] = block.sum(axis=0, dtype=np.float64)
            for position in range(start, stop):
                of_sets.add(sets[position], position, block[:, position - start])
                keep_probability(self.folder, sets[position], block[:, position - start])
            kept = np.flatnonzero(narrow[start:stop])
            of_customers.add((kept + start).astype(np.int32), block[:, kept])
        for position in self.snapshot.of_all("least bought", lambda: np.argsort(-totals, kind="stable")[MOST_KEPT:]):
            forget_probability(self.folder, sets[position])
        return of_sets.table(), of_customers.table(ids, sets, ever), totals

    def _score_products(self) -> pd.DataFrame:
        products = self.snapshot.of_all("main products", lambda: main_products(self.snapshot, limit=CANDIDATE_PRODUCTS))
        self.say(f"scoring {len(products)} product{'s' * (len(products) != 1)}")
        ids, of_customers = self.snapshot.customer_ids, BestSets(len(self.snapshot.customer_ids), self.config.score.top_per_customer)
        for start, stop, block in self.bundle.interest_blocks(self.snapshot, products):
            of_customers.add(np.arange(start, stop, dtype=np.int32), block)
        return of_customers.table(ids, products, self.snapshot.bought(products).tocsc())

    def _write(self, interests: pd.DataFrame, bests: pd.DataFrame, product_sets: pd.DataFrame) -> None:
        self.say("writing")
        for name, table in (("interests", interests), ("bests", bests), ("product_sets", product_sets)):
            write_table(self.folder / f"{name}.parquet", table)


def _sets_table(sets: Sequence[ProductSet], totals: np.ndarray, customers: int) -> pd.DataFrame:
    cells = {
        "product_set_kind": pd.Series([each.kind for each in sets], dtype="str"),
        "product_set": pd.Series([each.label for each in sets], dtype="str"),
        "products": pd.Series([len(each) for each in sets], dtype="int32"),
    }
    return pd.DataFrame({**cells, "expected_buyers": totals, "base_rate": totals / customers})


def _free_name(shop: Path, name: str) -> str:
    """``name``, or ``name-2``, ... when that is the published one: readers of it are not disturbed, and a kill cannot take it away."""
    published = Path(read_current(shop).get("scores", "")).name
    names = (name, *(f"{name}-{number}" for number in (2, 3)))
    return next(each for each in names if each != published)


def _remove_older(shop: Path, *, keep: int) -> None:
    """Remove all but the ``keep`` scoring runs made last, never the published one nor the one that a rollback would publish."""
    in_use = {Path(each.scores or "").name for each in publications(shop)[-2:]} | {Path(read_current(shop).get("scores", "")).name}
    made = sorted((shop / SCORES).glob("[!.]*"), key=lambda path: (path.name in in_use, path.stat().st_mtime_ns, path.name))
    remove_whole(path for path in made[:-keep] if path.name not in in_use)
