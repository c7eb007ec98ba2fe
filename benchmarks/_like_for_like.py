"""Our side of a comparison with a script: only the work that the script does too, through the functions that the commands call.

    python benchmarks/_like_for_like.py FOLDER SHOP features|whole

``features``: the facts of all customers, pairs and sets of one date, and the matrix that ALS reads. ``whole``: the pair model of that date (no
backtest, no models of customers), the answers for all customers, and the lists. ``FOLDER/ask.json`` says when; seconds by part go to
``ours-<what>.json``, the lists to ``ours.parquet``.
"""

import json
import sys
from datetime import date
from pathlib import Path

import numpy as np
from _clock import Clock

from features.config import load_config
from features.dates import day_of
from features.products import Catalogue, ProductSet
from features.shop import Shop
from features.snapshot import Snapshot
from models.pairs.interest import LOOKED_UP, Interest
from models.pairs.training_sets import main_products
from serving.exports import write_table
from serving.ranks import BestCustomers, BestSets
from serving.scored_sets import CANDIDATE_PRODUCTS, sets_to_score
from training.fits import Fits
from training.train import recipe_of


def asked(snapshot: Snapshot) -> tuple[list[ProductSet], list[ProductSet]]:
    """The sets and the products that a scoring run answers."""
    return sets_to_score(snapshot, names=(), sets_file=None), main_products(snapshot, limit=CANDIDATE_PRODUCTS)


def features(snapshot: Snapshot, clock: Clock) -> None:
    """The facts of one date."""
    with clock.part("customers"):
        snapshot.customers()
    with clock.part("choice of sets"):
        sets = [each for some in asked(snapshot) for each in some]
    with clock.part("pairs and sets"):
        width = max(1, LOOKED_UP // len(snapshot.customer_ids))
        for first in range(0, len(sets), width):
            snapshot.pairs(sets[first : first + width])
    with clock.part("matrix"):
        snapshot.matrix("product", half_life=180)


def whole(folder: Path, shop: Path, as_of: date, *, top: int, threads: int, clock: Clock) -> None:
    """Learn, answer and write."""
    with clock.part("learning"):
        opened = Shop.open(shop, threads=threads)
        model = learnt(opened, shop, as_of, threads=threads)
    snapshot = Snapshot(opened, as_of)
    sets, products = asked(snapshot)
    with clock.part("answering"):
        ever, ids = snapshot.bought(sets).tocsc(), snapshot.customer_ids
        of_sets, best_sets, best_products = BestCustomers(ids, ever, top), BestSets(len(ids), 5), BestSets(len(ids), 5)
        for first, last, block in model.blocks(snapshot, sets, Catalogue.of(opened)):
            for place in range(first, last):
                of_sets.add(sets[place], place, block[:, place - first])
            best_sets.add(np.arange(first, last, dtype=np.int32), block)
        for first, last, block in model.blocks(snapshot, products, Catalogue.of(opened)):
            best_products.add(np.arange(first, last, dtype=np.int32), block)
    with clock.part("writing"):
        write_table(folder / "ours.parquet", of_sets.table())
        for name, best, some in (("sets", best_sets, sets), ("products", best_products, products)):
            write_table(folder / f"ours-{name}.parquet", best.table(ids, some, snapshot.bought(some).tocsc()))


def learnt(opened: Shop, shop: Path, as_of: date, *, threads: int) -> Interest:
    """The pair model as of a date, without what a backtest teaches."""
    fits = Fits(opened, recipe_of(load_config(shop), threads=threads), lambda text: None)
    return Interest.fit([fits.sample(each) for each in fits.training_dates(as_of)], fits.affinity(as_of), config=fits.recipe.interest)


def main(folder: Path, shop: Path, what: str) -> None:
    ask, clock = json.loads((folder / "ask.json").read_text(encoding="utf-8")), Clock()
    as_of = day_of(ask["day"])
    if what == "features":
        features(Snapshot(Shop.open(shop, threads=ask["threads"]), as_of, ask["horizon"]), clock)
    else:
        whole(folder, shop, as_of, top=ask["top"], threads=ask["threads"], clock=clock)
    (folder / f"ours-{what}.json").write_text(json.dumps(clock.parts), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
