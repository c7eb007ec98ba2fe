"""How long all columns of customers.parquet take for a large shop, and the most memory they need, step by step.

    python benchmarks/scale.py [--customers 1000000] [--memory-limit 2GB] [--folder FOLDER]

A made-up shop is imported, and models are trained on a small one of the same kind, by the command line, in processes of their own. What is measured
is this process, from opening the imported shop to the written file: likelihoods, orders, revenue, lifetime value, dates, stages of life, importance,
RFM, behaviour and reasons of every customer; interests in product sets are no part of it. Memory is that of the process, the query engine included,
which ``--memory-limit`` holds down by spilling to the disk. ``--folder`` keeps both shops, and takes them from there the next time.
Ends with 1 when a million customers take 60 seconds or 4 GB, or more.
"""

import argparse
import functools
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import ParamSpec, TypeVar

from _commands import whobuys
from _page import machine, table_of

from features.files import read_current
from features.made_up import made_up_shop, write_exports
from features.shop import Shop
from features.snapshot import Snapshot
from models.bundle import Bundle
from serving import customers
from serving.exports import write_table
from serving.published import load_bundle

P = ParamSpec("P")
V = TypeVar("V")
SEED, SMALL = 1, 6_000
OF_SCALE = 20_000
"""Customers of the made-up shop of scale 1."""
MILLION, SECONDS, MEGABYTES = 1_000_000, 60.0, 4096.0
"""What a million customers may take."""
ALL = "all"
STEPS = {
    (Bundle, "customers"): "likelihood, orders, revenue, value",
    (customers, "_lives"): "behaviour beside rhythm and reasons",
    (customers, "_with_sign_ups"): "sign-ups",
}


@dataclass
class Watch:
    """Of every step: seconds by the clock, seconds of all processors, and the most memory of the process so far, in MB."""

    rows: dict[str, tuple[float, float, float]] = field(default_factory=dict)

    def timed(self, name: str, step: Callable[P, V]) -> Callable[P, V]:
        """The same step, noted under a name whenever it is done."""

        @functools.wraps(step)
        def noted(*arguments: P.args, **named: P.kwargs) -> V:
            clock, used = time.perf_counter(), time.process_time()
            found = step(*arguments, **named)
            most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            self.rows[name] = (time.perf_counter() - clock, time.process_time() - used, most)
            return found

        return noted

    def table(self) -> list[str]:
        """The lines of the table; the last row is the whole, and the one before what is in no other row."""
        rest = [2 * self.rows[ALL][place] - sum(row[place] for row in self.rows.values()) for place in range(2)]
        rows = {name: row for name, row in self.rows.items() if name != ALL} | {"the rest": (*rest, self.rows[ALL][2]), ALL: self.rows[ALL]}
        heads = ("step", "seconds", "processor seconds", "most memory so far, MB")
        return table_of(heads, [[name, *(f"{value:,.1f}" for value in row[:2]), f"{row[2]:,.0f}"] for name, row in rows.items()])


def imported(folder: Path, *, size: int) -> Path:
    """The folder of a made-up shop of about so many customers, imported unless it was before."""
    if "tables" not in read_current(folder):
        with tempfile.TemporaryDirectory() as exports, ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as apart:
            files = apart.submit(exported, Path(exports), size / OF_SCALE).result()
            whobuys("import", *files, "--shop", folder)
    return folder


def exported(folder: Path, scale: float) -> list[Path]:
    """The exports of a made-up shop."""
    return write_exports(made_up_shop(scale=scale, seed=SEED), folder)


def measure(shop: Path, models: Path, *, memory_limit: str | None, threads: int) -> Watch:
    """Make the customers' columns once, with models of another shop."""
    watch = Watch()
    for (owner, name), step in STEPS.items():
        setattr(owner, name, watch.timed(step, getattr(owner, name)))

    def opened() -> tuple[Bundle, Snapshot]:
        bundle, tables = load_bundle(models), Shop.open(shop, memory_limit=memory_limit, threads=threads)
        return bundle, Snapshot(tables, tables.default_as_of, bundle.horizon)

    def whole(target: Path) -> int:
        bundle, snapshot = watch.timed("opening: orders and lines", opened)()
        watch.timed("facts of customers", snapshot.customers)()
        found = customers.Customers.of(bundle, snapshot).table
        watch.timed("writing", write_table)(target, found.rename_axis("customer_id").reset_index())
        return len(found)

    with tempfile.TemporaryDirectory() as folder:
        count = watch.timed(ALL, whole)(Path(folder) / "customers.parquet")
    print(f"{count:,} customers", flush=True)
    return watch


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=MILLION, help="of the made-up shop, orders or not")
    parser.add_argument("--memory-limit", help="of the query engine, such as 2GB; it spills to the disk")
    parser.add_argument("--threads", type=int, default=2, help="of the query engine")
    parser.add_argument("--folder", type=Path, help="where the shops are kept")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        models, shop = imported(folder / f"made-up-{SMALL}", size=SMALL), imported(folder / f"made-up-{given.customers}", size=given.customers)
        if "bundle" not in read_current(models):
            whobuys("train", "--shop", models)
        watch = measure(shop, models, memory_limit=given.memory_limit, threads=given.threads)
    print("\n".join([*watch.table(), "", machine()]))
    seconds, _, megabytes = watch.rows[ALL]
    return int(given.customers >= MILLION and (seconds >= SECONDS or megabytes >= MEGABYTES))


if __name__ == "__main__":
    sys.exit(main())
