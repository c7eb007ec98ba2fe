"""A shop too large for one machine becomes shops that are not: some customers drawn for learning, and parts of the customers for scoring.

Spark reads the canonical tables and writes those of the chosen customers, as folders of Parquet files; DuckDB reads these on whatever machine they
are asked about. Who is drawn depends on the id alone, as in ``features.drawn``; a part has all customers from one id up to another, so that parts
one after the other have them in the order of their ids.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from features import engines
from features.config import Config
from features.drawn import chances
from features.files import MANIFEST, read_json, remove_whole, whole_folder, write_json
from features.shop import Shop
from features.tables import TABLES
from features.told import Told

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

Batches = Iterator[pa.RecordBatch]
Ids = NDArray[Any]
PART = "part"
DRAWN = "drawn"


@dataclass(frozen=True, eq=False)
class Drawn:
    """Some customers of a shop in a ``folder`` of canonical tables: about a ``share`` of all ``customers``, and of the orders of nobody known."""

    folder: Path
    customers: int
    share: float

    @classmethod
    def of(cls, whole: Shop, *, customers: int) -> Self:
        """About so many customers of a shop in Spark, kept in ``drawn/`` of its folder until other orders are imported; all, if there are no more."""
        assert whole.folder is not None, "a shop in Spark has a folder"
        place = whole.folder / DRAWN / f"{whole.tables_id}-{customers}"
        if not (place / MANIFEST).is_file():
            with whole_folder(place) as temporary:
                write_json(temporary / MANIFEST, _draw(whole, temporary, customers=customers))
            remove_whole(each for each in place.parent.glob("[!.]*") if each != place)
        facts = read_json(place / MANIFEST)
        return cls(place, int(str(facts["customers"])), float(str(facts["share"])))

    def shop(self, whole: Shop, engine: engines.Engine) -> Shop:
        """Them as a shop, which goes by the folder and the tables of the ``whole`` one."""
        return replace(Shop.of_tables(self.folder, engine), folder=whole.folder, tables_id=whole.tables_id, share=self.share)


def shop_to_learn_from(folder: Path, *, config: Config, memory_limit: str | None, threads: int | None, say: Callable[[str], None]) -> Shop:
    """The shop that models are fitted on: the one in the folder, or with Spark those of its customers that are drawn for it."""
    if config.engine.name == "duckdb":
        return Shop.open(folder, memory_limit=memory_limit, threads=threads)
    whole = Shop.open(folder, engine=config.engine.name)
    drawn = Drawn.of(whole, customers=config.train.customers)
    say(f"engine spark: learning on this machine from {drawn.share:.2%} of the {drawn.customers:,} customers, drawn by Spark ([train] customers)")
    return drawn.shop(whole, engines.duckdb(memory_limit=memory_limit, threads=threads, spill=folder / ".spill"))


def _draw(shop: Shop, folder: Path, *, customers: int) -> dict[str, object]:
    """Write the canonical tables of about so many customers; how many there are, and the share of the drawn, come back."""
    count = int(shop.tables["customers"].count().execute())
    share = min(customers / max(count, 1), 1.0)
    frames = {name: engines.dataframe(shop.engine, table) for name, table in shop.tables.items()}
    ids = _chosen(frames["customers"].select("customer_id"), share)
    unknown = _chosen(frames["orders"].filter("customer_id is null").select("order_id"), share)
    orders = frames["orders"].join(ids, "customer_id", "left_semi").unionByName(frames["orders"].join(unknown, "order_id", "left_semi"))
    found = {
        "customers": frames["customers"].join(ids, "customer_id", "left_semi"),
        "products": frames["products"],
        "orders": orders,
        "order_lines": frames["order_lines"].join(orders.select("order_id"), "order_id", "left_semi"),
        "events": frames["events"].join(ids, "customer_id", "left_semi"),
    }
    for name in TABLES:
        found[name].select(frames[name].columns).write.parquet(str(folder / f"{name}.parquet"))
    return {"customers": count, "share": share}


def split(shop: Shop, folder: Path, *, ids: Ids, parts: int) -> None:
    """Write the canonical tables of all customers of a shop in Spark in so many parts of about the same size; orders of nobody are left out.

    ``ids`` are some customers' ids, sorted: a part begins with every so manieth of them.
    """
    begins = ids[[len(ids) * each // parts for each in range(1, parts)]]
    frames = {name: engines.dataframe(shop.engine, table) for name, table in shop.tables.items()}
    of_customers = _labelled(frames["customers"].select("customer_id"), lambda names: np.searchsorted(begins, names, side="right"), "int")
    of_orders = frames["orders"].select("order_id", "customer_id").join(of_customers, "customer_id").select("order_id", PART)
    for name, key in (("customers", "customer_id"), ("orders", "customer_id"), ("events", "customer_id"), ("order_lines", "order_id")):
        labels = of_orders if key == "order_id" else of_customers
        placed = frames[name].join(labels, key).select(*frames[name].columns, PART)
        placed.repartition(parts, PART).write.partitionBy(PART).parquet(str(folder / f"{name}.parquet"))


def part_of(folder: Path, number: int, *, drawn: Path, engine: engines.Engine, told: Told) -> Shop:
    """One of the parts that ``split`` wrote, as a shop that is ``told`` what is true of all customers; its products are those of the drawn."""
    tables = {}
    for name in TABLES:
        place, empty = folder / f"{name}.parquet" / f"{PART}={number}", engines.parquet(engine, drawn / f"{name}.parquet")
        own = empty if name == "products" else empty.limit(0)
        tables[name] = engines.parquet(engine, place) if place.is_dir() else own
    return Shop(engine, tables, told=told)


def parts_for(customers: int, *, most: int) -> int:
    """How many parts there are when each has at most about so many customers."""
    return max(ceil(customers / most), 1)


def _chosen(ids: "DataFrame", share: float) -> "DataFrame":
    """About a share of the rows of a column of ids, by the ids alone."""
    label = _labelled(ids, lambda names: chances(names) < share, "boolean")
    return label.filter(PART).drop(PART)


def _labelled(ids: "DataFrame", label: Callable[[Ids], Ids], kind: str) -> "DataFrame":
    """A column of ids, and beside it ``part``, what is said of each."""
    name = ids.columns[0]

    def labelled(batches: Batches) -> Batches:
        for batch in batches:
            names = np.asarray(batch.column(0).to_pylist(), dtype=object)
            values = pa.array(label(names)).cast(pa.bool_() if kind == "boolean" else pa.int32())
            yield pa.RecordBatch.from_arrays([batch.column(0), values], names=[name, PART])

    return ids.mapInArrow(labelled, f"{name} string, {PART} {kind}")
