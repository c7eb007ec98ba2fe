"""What the machine can do, measured, and what a stage has to do at the least become its floor: the seconds that nobody goes below on this machine.

A floor counts only the work that cannot be left out, as if nothing else cost anything and all of it ran at the best rate of the machine:

* bytes that must be read or written once, over the bytes a second that memory copies;
* multiply-adds, over those of single precision matrix products on all threads;
* pairs that trees answer, over the fastest walk through as many trees of the same size: LightGBM's own, or the tables of ``models/tree_tables.py``.

How often a stage reads the orders, and each constant, is said where it is counted.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from _page import table_of
from threadpoolctl import threadpool_limits

from features.config import Config
from features.files import read_current
from models.pairs.affinity import AffinityConfig
from models.trees import TreesConfig, boosted
from serving.scored_sets import CANDIDATE_PRODUCTS, MOST_SETS

COLUMNS, WALKED = 88, 200_000
LINE, ORDER, EVENT = 36, 40, 13
"""Bytes of a row with integer codes: customer, product, order, day and three amounts; customer, order, day and four amounts; codes, day and kind."""
STEPS = 4
"""Of ALS by conjugate gradients: a start and three steps, each with two products over all factors for every entry."""


@dataclass(frozen=True)
class Machine:
    """Multiply-adds a second of one thread and of all, bytes copied a second, and rows a second that the usual trees answer on all threads."""

    one: float
    all: float
    bytes: float
    rows: float
    threads: int

    def __str__(self) -> str:
        return (
            f"{2 * self.one / 1e9:,.0f} GFLOP/s in single precision on one thread, {2 * self.all / 1e9:,.0f} on {self.threads}; "
            f"{self.bytes / 1e9:,.0f} GB/s copied; {self.rows / 1e6:,.1f} million rows a second through {TreesConfig().trees} trees"
        )


@dataclass(frozen=True)
class Work:
    """What a stage must do: bytes, multiply-adds, and rows through trees; ``counted`` says it in words."""

    counted: str
    bytes: float = 0.0
    multiplied: float = 0.0
    rows: float = 0.0

    def seconds(self, machine: Machine) -> float:
        """The floor."""
        return self.bytes / machine.bytes + self.multiplied / machine.all + self.rows / machine.rows


@dataclass(frozen=True)
class Sizes:
    """Of a shop: rows of its tables, pairs (customer, product) with an order (``entries``), bytes of its exports and of its tables."""

    customers: int
    products: int
    lines: int
    orders: int
    events: int
    entries: int
    exported: int
    kept: int

    @classmethod
    def of(cls, exports: Path, shop: Path) -> "Sizes":
        """Of an imported shop."""
        tables = shop / read_current(shop)["tables"]
        names = ("customers", "products", "order_lines", "orders", "events")
        customers, products, lines, orders, events = (pq.ParquetFile(tables / f"{name}.parquet").metadata.num_rows for name in names)
        files = next(tables.glob("coded-*/lines.parquet"))
        row = duckdb.sql(f"select count(*) from (select distinct customer, product from '{files}' where customer is not null)").fetchone()
        assert row is not None
        exported, kept = (sum(path.stat().st_size for path in folder.rglob(suffix)) for folder, suffix in ((exports, "*.csv"), (tables, "*.parquet")))
        return cls(customers, products, lines, orders, events, int(row[0]), exported, kept)


def measured(threads: int) -> Machine:
    """The best of five of each."""
    square, block = np.random.default_rng(1).random((2048, 2048), dtype=np.float32), np.zeros(2**28, np.uint8)
    rates = []
    for count in (1, threads):
        with threadpool_limits(count):
            rates.append(2048**3 / _fastest(lambda: square @ square))
    return Machine(rates[0], rates[1], 2 * block.nbytes / _fastest(block.copy), _walk(threads), threads)


def _walk(threads: int) -> float:
    """Rows a second through the usual trees."""
    rng = np.random.default_rng(1)
    rows = rng.random((WALKED, COLUMNS), dtype=np.float32)
    table, bought = pd.DataFrame(rows[:20_000], columns=[f"c{place}" for place in range(COLUMNS)]), rng.random(20_000) < rows[:20_000, 0]
    trees = boosted(table, bought, None, objective="binary", config=TreesConfig(), seed=1, threads=threads)
    ways = (lambda: trees.raw_scores(rows, threads=threads), lambda: trees.booster.predict(rows, raw_score=True, num_threads=threads))
    return WALKED / min(_fastest(way, times=2) for way in ways)


def _fastest(work: Callable[[], object], times: int = 5) -> float:
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def floors(sizes: Sizes, config: Config) -> dict[str, Work]:
    """What every stage must do, by its verb."""
    asked, als = MOST_SETS + CANDIDATE_PRODUCTS, AffinityConfig()
    read = sizes.lines * LINE + sizes.orders * ORDER + sizes.events * EVENT
    folded = sizes.entries * 2 * STEPS * als.factors
    dense = sizes.customers * als.factors
    score = Work(
        f"all orders and events read once; every customer folded in; {asked} sets times all customers, by {als.factors} factors and through trees",
        bytes=read,
        multiplied=folded + dense * asked,
        rows=sizes.customers * asked,
    )
    who = Work("all lines read once; one set times all customers, by factors and through trees", sizes.lines * LINE, dense, sizes.customers)
    return {
        "import": Work("exports read and tables written once", sizes.exported + sizes.kept),
        "train": _training(sizes, config, read),
        "score": score,
        "who": who,
        "audience": Work("five numbers of every customer read once", sizes.customers * 40),
    }


def _training(sizes: Sizes, config: Config, read: float) -> Work:
    """Of the customers drawn: every date that is learnt from, the bundle's and those of the backtest, has its facts and its affinities; every fit of
    the pair model trees; every date of the backtest answers."""
    share = min(1.0, config.train.customers / sizes.customers)
    fits = 1 + config.train.backtest_origins
    dates, als = config.train.origins + fits, AffinityConfig()
    ease = sum(min(size, sizes.products) ** 3 / 2 for size in (als.ease_products, als.ease_attributes))
    each = share * sizes.entries * als.iterations * 2 * 2 * STEPS * als.factors + ease
    trees = TreesConfig()
    learnt = fits * trees.trees * trees.row_share * config.train.origins * 100_000 * (COLUMNS * trees.column_share + 8)
    return Work(
        f"for {dates} dates: orders of {share:.0%} of the customers read once, {als.iterations} iterations of ALS, EASE inverted twice; "
        f"for {fits} fits: {trees.trees} trees that read their columns once; for {fits - 1} dates: {MOST_SETS} sets of those customers through trees",
        bytes=dates * share * read + learnt,
        multiplied=dates * each,
        rows=(fits - 1) * MOST_SETS * share * sizes.customers,
    )


def table(sizes: Sizes, config: Config, machine: Machine, took: pd.DataFrame) -> list[str]:
    """A row per stage: what it took, its floor, how many times that is, and what the floor counts."""
    rows = []
    for verb, work in floors(sizes, config).items():
        found = took.loc[took["stage"] == verb, "seconds"]
        if len(found):
            floor = work.seconds(machine)
            rows.append([verb, f"{found.iloc[0]:,.1f}", f"{floor:.2g}", f"{found.iloc[0] / floor:,.0f}", work.counted])
    return table_of(("stage", "seconds", "floor, seconds", "times the floor", "what the floor counts"), rows)
