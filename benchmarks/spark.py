"""What learning from customers that Spark drew loses against learning from all, paired by product set, on the made-up shop.

    python benchmarks/spark.py [--customers 20000] [--drawn 8000] [--sets 100] [--folder FOLDER]

Both fits know what came before the day that lies a horizon before the end, and are asked about all customers and the shop's main sets; what came is
read from the orders. Draws of customers, of sets and of what came by chance move both alike: what counts is the difference, set by set, with its
interval. Ends with 1 when the mean AP of the drawn is more than .002 below that of all. Needs PySpark and Java.
"""

import argparse
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

import numpy as np
from _page import machine, table_of
from numpy.typing import NDArray
from scale import imported

from features import engines
from features.config import Config
from features.parts import shop_to_learn_from
from features.products import Catalogue
from features.sections import EngineSection, TrainSection
from features.shop import Shop
from features.snapshot import Snapshot
from models.metrics import average_precision, log_loss
from models.pairs.training_sets import main_sets
from training.fits import Fits
from training.train import recipe_of

Values = NDArray[np.floating]
MAY_LOSE = 0.002
DRAWS = 2000


def config_of(name: engines.EngineName, customers: int) -> Config:
    """Settings that learn from about so many customers."""
    return Config(engine=EngineSection(name=name), train=TrainSection(customers=customers))


def answers(folder: Path, *, whole: Snapshot, config: Config, sets: int) -> tuple[Values, float, int]:
    """AP of each main set with ten buyers or more, the log loss of all pairs, and the customers learnt from."""
    shop = shop_to_learn_from(folder, config=config, memory_limit=None, threads=2, say=print)
    fits = Fits(shop, recipe_of(config), print)
    bundle = fits.bundle(whole.as_of, name="fit")
    asked = main_sets(whole, Catalogue.of(whole.shop), limit=sets)
    found, came = bundle.interest(whole, asked), whole.outcome(asked).toarray()
    kept = np.flatnonzero(came.sum(axis=0) >= 10)
    scores = np.array([average_precision(found[:, place], came[:, place]) for place in kept])
    return scores, log_loss(found.ravel(), came.ravel()), len(fits.snapshot(whole.as_of).customer_ids)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=20_000, help="of the made-up shop, orders or not")
    parser.add_argument("--drawn", type=int, default=8_000, help="customers that Spark draws, about")
    parser.add_argument("--sets", type=int, default=100)
    parser.add_argument("--folder", type=Path, help="where the shop is kept")
    given = parser.parse_args()
    if reason := engines.missing():
        print(f"skipped: {reason}")
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = imported((given.folder or Path(temporary)) / f"made-up-{given.customers}", size=given.customers)
        shop = Shop.open(folder)
        whole = Snapshot(shop, shop.default_as_of - timedelta(days=30))
        every, drawn = (
            answers(folder, whole=whole, config=config, sets=given.sets) for config in (config_of("duckdb", 10**9), config_of("spark", given.drawn))
        )
    difference = drawn[0] - every[0]
    chosen = np.random.default_rng(1).integers(0, len(difference), (DRAWS, len(difference)))
    low, high = np.quantile(difference[chosen].mean(axis=1), [0.025, 0.975])
    rows = [[name, f"{count:,}", f"{ap.mean():.4f}", f"{loss:.6f}"] for name, (ap, loss, count) in (("all", every), ("drawn by Spark", drawn))]
    print("\n".join(table_of(("learnt from", "customers with orders", f"AP of {len(difference)} sets", "log loss"), rows)))
    print(f"\nAP of the drawn less that of all, set by set: {difference.mean():+.4f} ({low:+.4f} to {high:+.4f})\n\n{machine()}")
    return int(difference.mean() < -MAY_LOSE)


if __name__ == "__main__":
    sys.exit(main())
