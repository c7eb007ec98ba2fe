"""A bundle and a shop in Spark -> one scoring run, made in parts of the customers on as many machines as there are.

What is true of all customers is told by a run over the drawn ones on this machine, but for the facts of product sets, which Spark knows of everybody.
Every part is then a shop of its own, scored as any shop is, and its files go into those of the whole run: a folder of files for each table. The best
customers of each set are the best of the parts' best. The shop's folder must be one that all machines see under the same path.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import ibis
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features import engines
from features.config import Config
from features.errors import DataError
from features.parts import Drawn, part_of, parts_for, split
from features.products import ProductSet
from features.shop import Shop
from features.snapshot import Snapshot
from features.told import Told
from models.bundle import Bundle
from serving.exports import write_table
from serving.published import bundle_folder
from serving.reused import PROBABILITIES
from serving.scores import Run, Say

TABLES = ("customers", "bests", "replenishment")
"""What is kept as it comes from the parts, one file each."""


@dataclass(frozen=True, eq=False)
class Task:
    """What scores any of the parts in ``work``: everything that a machine must know, and nothing that is open."""

    bundle: Path
    valued: dict[str, Any]
    drawn: Path
    work: Path
    folder: Path
    as_of: date
    config: Config
    sets: list[ProductSet] | None
    told: Told
    schemas: dict[str, pa.Schema]

    def score(self, number: int) -> int:
        """Score one part and put its files in their places; doing it again changes nothing. How many customers with orders it has comes back."""
        bundle = Bundle.load(self.bundle).valued(**self.valued)
        own = self.work / f"scored-{number:05d}-{os.getpid()}"
        engine = engines.duckdb(spill=own / "spill")
        shop = part_of(self.work / "parts", number, drawn=self.drawn, engine=engine, told=self.told)
        snapshot = Snapshot(shop, self.as_of, horizon=bundle.horizon)
        if not bool(shop.orders.filter(shop.orders.day < snapshot.day).count().execute()):
            return 0
        own.mkdir()
        Run(bundle, snapshot, self.config, own, _nothing).write(self.sets)
        self._place(own, f"{number:05d}.parquet")
        shutil.rmtree(own)
        return len(snapshot.customer_ids)

    def _place(self, own: Path, name: str) -> None:
        for table in TABLES:
            rows = pq.read_table(own / f"{table}.parquet").cast(self.schemas[table])
            signed_up = pc.equal(rows["frequency"], 0) if table == "customers" else pa.scalar(False)
            ordered = rows.filter(pc.invert(signed_up)) if table == "customers" else rows
            _put(ordered, self.folder / f"{table}.parquet" / f"0-{name}")
            if table == "customers":  # those who only signed up come after all who ordered, as in a run of one part
                _put(rows.filter(signed_up), self.folder / f"{table}.parquet" / f"1-{name}")
        for each in (own / PROBABILITIES).glob("*.parquet"):
            _put(pq.read_table(each), self.folder / PROBABILITIES / each.name / name)
        for table in ("interests", "product_sets"):
            _put(pq.read_table(own / f"{table}.parquet"), self.work / table / name)


def score_in_parts(bundle: Bundle, shop: Shop, as_of: date, *, config: Config, folder: Path, sets_file: Path | None, say: Say) -> dict[str, object]:
    """Score all customers of a shop in Spark into ``folder``; what the manifest says comes back.

    Raises DataError for a bundle that answers by a rule, which ranks all customers against each other.
    """
    if bundle.rule is not None:
        raise DataError(f'the bundle {bundle.id} answers by a rule, which ranks all customers at once; score it with engine = "duckdb"')
    with _workplace(folder.parent) as work:
        drawn = Drawn.of(shop, customers=config.train.customers)
        sample = replace(drawn.shop(shop, engines.duckdb(spill=work / "spill")), told=Told())
        snapshot = Snapshot(sample, as_of, horizon=bundle.horizon)
        parts = parts_for(drawn.customers, most=config.engine.part)
        number = f"{parts} part{'s' * (parts != 1)}"
        say(f"engine spark: {drawn.customers:,} customers in {number}; what is true of all is told by {drawn.share:.2%} of them")
        facts, task = _told(bundle, snapshot, drawn.folder, config=config, folder=folder, work=work, sets_file=sets_file, say=say)
        if drawn.share < 1 and task.sets:
            _set_facts_of_all(task, Snapshot(shop, as_of, horizon=bundle.horizon))
        split(shop, work / "parts", ids=snapshot.customer_ids, parts=parts)
        customers = _run(task, shop.engine, parts)
        say("putting the best customers of all parts together")
        _merge(task, customers, top=config.score.top_per_set)
    return {**facts, "customers": customers, "engine": {"name": "spark", "parts": parts, "told_by": round(drawn.share, 6)}}


def _told(
    bundle: Bundle, snapshot: Snapshot, drawn: Path, *, config: Config, folder: Path, work: Path, sets_file: Path | None, say: Say
) -> tuple[dict[str, object], Task]:
    """A run over the drawn customers, which tells what is true of all; the manifest's facts, and what scores the parts."""
    trial = work / "told"
    trial.mkdir()
    run = Run(bundle, snapshot, config, trial, say)
    sets = run.sets(sets_file)
    facts = run.facts(run.write(sets))
    schemas = {table: pq.read_schema(trial / f"{table}.parquet") for table in TABLES}
    assert snapshot.shop.told is not None and snapshot.shop.folder is not None
    told = Told(snapshot.shop.told.facts, gathering=False)
    valued = {name: getattr(config.customers, name) for name in ("lifetime_days", "discount_rate", "margin")}
    place = bundle_folder(snapshot.shop.folder, bundle.id)
    return facts, Task(place, valued, drawn, work, folder, snapshot.as_of, config, sets, told, schemas)


def _set_facts_of_all(task: Task, snapshot: Snapshot) -> None:
    """Facts of product sets need no draw: they are counted over all orders."""
    products: list[ProductSet] = task.told.fact(("main products", snapshot.day), list)
    for sets in (task.sets or [], products):
        task.told.tell(("set facts", snapshot.day, snapshot.horizon), sets, snapshot.set_facts(sets).to_numpy())


def _run(task: Task, engine: engines.Engine, parts: int) -> int:
    """Score all parts, each a task of Spark; how many customers with orders they have comes back."""

    def scored(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            counts = [task.score(number) for number in batch.column(0).to_pylist()]
            yield pa.RecordBatch.from_arrays([pa.array(counts, pa.int64())], names=["customers"])

    numbers = engines.session(engine).range(0, parts, 1, parts)
    return sum(row["customers"] for row in numbers.mapInArrow(scored, "customers long").collect())


def _merge(task: Task, customers: int, *, top: int) -> None:
    """The best customers of each set are among the best of its parts; expected buyers add up."""
    engine = engines.duckdb(spill=task.work / "spill")
    found = engines.parquet(engine, task.work / "interests")
    place = ibis.row_number().over(group_by=["product_set_kind", "product_set"], order_by=[found.probability.desc(), found.customer_id])
    best = found.mutate(rank=(place + 1).cast("int32")).filter(lambda each: each["rank"] <= top)
    write_table(task.folder / "interests.parquet", best.order_by("product_set_kind", "product_set", "rank").to_pandas())
    sets = engines.parquet(engine, task.work / "product_sets")
    sums = sets.group_by("product_set_kind", "product_set").agg(products=sets.products.max(), expected_buyers=sets.expected_buyers.sum())
    table = sums.mutate(base_rate=sums.expected_buyers / customers).to_pandas()
    order = {(each.kind, each.label): at for at, each in enumerate(task.sets or [])}
    table["at"] = [order[kind, label] for kind, label in zip(table["product_set_kind"], table["product_set"], strict=True)]
    write_table(task.folder / "product_sets.parquet", table.sort_values("at").drop(columns="at"))


@contextmanager
def _workplace(beside: Path) -> Iterator[Path]:
    """A folder for what is gone afterwards; what a kill leaves, the next run removes."""
    place = Path(tempfile.mkdtemp(prefix=".parts.", suffix=".part", dir=beside))
    place.chmod(0o755)
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _put(rows: pa.Table, path: Path) -> None:
    """Write a file whole; another try of the same task may have done it already."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    pq.write_table(rows, temporary, compression="zstd")
    os.replace(temporary, path)


def _nothing(text: str) -> None:
    """What a part would say, the run over the drawn customers has said."""
