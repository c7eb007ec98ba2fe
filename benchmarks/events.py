"""What events bring: the made-up shop, whose visits and carts run ahead of its orders, with its events table and without, on past dates.

    python benchmarks/events.py [--scale 0.3] [--origins 3] [--write]

Both fits of an origin are asked about the same customers and product sets. With --write the result replaces its section of docs/evaluation.md.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from _grounds import HORIZON, SCALE, SEED
from _page import figure, table_of, write_section

from features.config import Config
from features.made_up import END, made_up_shop
from features.products import Catalogue
from features.shop import Shop
from models import metrics, set_metrics
from models.customers.volume import PARTS
from models.pairs.training_sets import main_sets
from training.fits import Fits
from training.train import recipe_of

SETS = 200
WITH, WITHOUT = "with events", "without"


@dataclass(frozen=True)
class Figures:
    """One fit on one origin, before closed windows correct it: who orders, how much (mean absolute errors), and who buys from product sets."""

    auc: float
    log_loss: float
    orders_mae: float
    products_mae: float
    ap: float
    new_ap: float

    @classmethod
    def of(cls, fits: Fits, as_of: date) -> "Figures":
        """Fit on what was known before the date, and compare with what came."""
        bundle, snapshot = fits.bundle(as_of, name="events"), fits.snapshot(as_of)
        predicted, came, ordered = bundle.customers(snapshot), snapshot.volume(), snapshot.ordered()
        likelihood = predicted[f"likelihood_{HORIZON}"].to_numpy()
        orders_mae, products_mae = (metrics.mae(predicted[f"expected_{name}_{HORIZON}"], came[name]) for name in PARTS)
        sets = main_sets(snapshot, Catalogue.of(fits.shop), limit=SETS)
        by_set = set_metrics.by_set(bundle.interest(snapshot, sets), snapshot.outcome(sets), snapshot.pairs(sets).bought())
        found = set_metrics.summary(by_set)
        auc, log_loss = metrics.auc(likelihood, ordered), metrics.log_loss(likelihood, ordered)
        return cls(auc, log_loss, orders_mae, products_mae, found["ap"], found["new_ap"])


COLUMNS = {
    "auc": "AUC of who orders",
    "log_loss": "its log loss",
    "orders_mae": "MAE of orders",
    "products_mae": "MAE of products",
    "ap": "AP of who buys from a set",
    "new_ap": "AP among new buyers",
}


def measure(*, scale: float, origins: int) -> list[str]:
    """The lines of the table."""
    tables = made_up_shop(scale=scale, seed=SEED).tables
    shops = {WITHOUT: Shop.of({name: table for name, table in tables.items() if name != "events"}), WITH: Shop.of(tables)}
    fits = {name: Fits(shop, recipe_of(Config()), lambda text: None) for name, shop in shops.items()}
    found: dict[str, list[Figures]] = {name: [] for name in fits}
    dates = [END - timedelta(days=HORIZON * number) for number in range(1, origins + 1)]
    for as_of in dates:
        for name, each in fits.items():
            found[name].append(Figures.of(each, as_of))
            print(f"  {as_of} {name}: {found[name][-1]}", flush=True)
    return table_of(["origin", "", *COLUMNS.values()], list(rows(dates, found)))


def rows(dates: list[date], found: dict[str, list[Figures]]) -> Iterator[list[str]]:
    """Both fits of every origin, then their means."""
    for place, as_of in enumerate(dates):
        for name, figures in found.items():
            yield [str(as_of), name, *(figure(getattr(figures[place], column)) for column in COLUMNS)]
    for name, figures in found.items():
        yield ["mean", name, *(figure(float(np.mean([getattr(each, column) for each in figures]))) for column in COLUMNS)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=SCALE, help="of the made-up shop; 1 is 20,000 customers")
    parser.add_argument("--origins", type=int, default=3, help="past dates")
    parser.add_argument("--write", action="store_true", help="write the result into docs/evaluation.md")
    given = parser.parse_args()
    lines = measure(scale=given.scale, origins=given.origins)
    print("\n".join(lines), flush=True)
    if given.write:
        write_section("events", "\n".join([*lines, ""]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
