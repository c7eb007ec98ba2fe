"""What each group of features gives: the model is fitted without it, on dates before the reported one, and asked about the same product sets.

    python benchmarks/ablation.py [--data FOLDER] [--only online_retail,complete_journey] [--origins 3] [--write]

Origins are one horizon apart and end one horizon before the date of docs/evaluation.md, which plays no part. The difference to the full model is
paired over origins; below .002 of AP it is noise unless all origins agree. With --write the result replaces its section of docs/evaluation.md.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from _commands import names_among, whobuys
from _grounds import GROUNDS, HORIZON, Ground, there
from _page import DATA, figure, table_of, write_section
from numpy.typing import NDArray

from features.config import Config
from features.pairs import HISTORY_FEATURES, SET_FEATURES
from features.products import Catalogue, ProductSet
from features.shop import Shop
from models import metrics, set_metrics
from models.base import Floats
from models.pairs.affinity import AFFINITIES
from models.pairs.interest import Interest, PairSample
from models.pairs.pair_features import CROSS_FEATURES, CUSTOMER_COLUMNS, PairColumns
from training.fits import Fits
from training.train import recipe_of

GROUPS = {
    "counts and windows of the pair": [each.name for each in HISTORY_FEATURES if "recency" not in each.name and "age" not in each.name],
    "days since first and last purchase": ["set_recency", "set_age", "recency_ratio", "overdue", "gap", "set_orders_since"],
    "shares and habit": [each.name for each in CROSS_FEATURES if each.name not in ("recency_ratio", "overdue", "gap", "price_gap")],
    "price": ["price_gap", "unit_price", "of_set_price", "discount_share", "monetary"],
    "the customer": list(CUSTOMER_COLUMNS),
    "the set": [f"of_set_{each.name}" for each in SET_FEATURES],
    "season": ["of_set_season", "set_orders_last_year"],
    **{f"affinity: {name}": [name, f"{name}_share", f"{name}_lift", f"{name}_share_lift"] for name in AFFINITIES},
    "all affinities": [f"{name}{end}" for name in AFFINITIES for end in ("", "_share", "_lift", "_share_lift")],
}
EVERYTHING = "nothing left out"
BLOCK = 400_000
Row = tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class Origin:
    """A past date: samples to learn from, and the whole grid that is asked about: its columns, outcome and past, customers x sets."""

    samples: Sequence[PairSample]
    columns: Floats
    names: Sequence[str]
    outcome: NDArray[np.bool_]
    bought: NDArray[np.bool_]
    model: Interest

    @classmethod
    def of(cls, fits: Fits, as_of: date, sets: Sequence[ProductSet]) -> "Origin":
        """Everything but the model, whose ``affinity`` is all that is taken of a fit as of the date."""
        model = fits.bundle(as_of, name="ablation").pair_model
        assert isinstance(model, Interest)
        snapshot = fits.snapshot(as_of)
        pairs, people = snapshot.pairs(sets), len(snapshot.customer_ids)
        made, grid = PairColumns(pairs, model.affinity.of(snapshot, Catalogue.of(fits.shop))), np.arange(people * len(sets))
        columns = np.concatenate([made.of(part % people, part // people).to_numpy() for part in np.array_split(grid, -(-len(grid) // BLOCK))])
        samples = [fits.sample(each) for each in fits.training_dates(as_of)]
        return cls(samples, columns, made.names, snapshot.outcome(sets).toarray(), pairs.bought().toarray(), model)

    def without(self, names: Sequence[str]) -> Row:
        """AP, new AP, expected over real buyers and log loss of a model that never saw the named columns."""
        samples = [replace(each, columns=each.columns.drop(columns=list(names))) for each in self.samples]
        model = Interest.fit(samples, self.model.affinity, config=self.model.config) if names else self.model
        parts = np.array_split(self.columns, -(-len(self.columns) // BLOCK))
        given = np.concatenate([model.probability(pd.DataFrame(part, columns=list(self.names))) for part in parts])
        scores = given.reshape(self.outcome.T.shape).T
        found = set_metrics.summary(set_metrics.by_set(scores, self.outcome, self.bought))
        return found["ap"], found["new_ap"], metrics.level(scores, self.outcome), metrics.log_loss(scores, self.outcome)


def measure(ground: Ground, data: Path, *, origins: int) -> list[str]:
    """One data set: the lines of its table."""
    found: dict[str, list[Row]] = {name: [] for name in (EVERYTHING, *GROUPS)}
    with tempfile.TemporaryDirectory() as folder:
        files = ground.files(data, Path(folder))
        whobuys("import", *files.values(), "--shop", Path(folder) / "shop", *ground.how())
        sets = ground.sets(data, files)
        fits = Fits(Shop.open(Path(folder) / "shop"), recipe_of(Config()), lambda text: None)
        for number in range(1, origins + 1):
            origin = Origin.of(fits, ground.as_of - timedelta(days=HORIZON * number), sets)
            for name in found:
                found[name].append(origin.without(GROUPS.get(name, [])))
                print(f"  {number} {name}: {' '.join(f'{each:.4f}' for each in found[name][-1])}", flush=True)
    return table_of(["left out", "AP", "new AP", "AP, by origin", "expected / real", "log loss"], list(rows(found)))


def rows(found: dict[str, list[Row]]) -> Iterator[list[str]]:
    """The full model first, then the groups by what is lost without them."""
    means = {name: np.mean(each, axis=0) for name, each in found.items()}
    full = np.asarray(found[EVERYTHING])
    for name in sorted(means, key=lambda name: (name != EVERYTHING, means[name][0])):
        ap, new, level, loss = means[name]
        if name == EVERYTHING:
            yield [name, figure(ap), figure(new), ", ".join(map(figure, full[:, 0])), f"{level:.2f}", f"{loss:.5f}"]
        else:
            lost = np.asarray(found[name]) - full
            signs = ", ".join(f"{each:+.4f}" for each in lost[:, 0])
            yield [name, f"{lost[:, 0].mean():+.4f}", f"{lost[:, 1].mean():+.4f}", signs, f"{level:.2f}", f"{lost[:, 3].mean():+.5f}"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, help="the folder of the data sets")
    parser.add_argument("--only", type=names_among(GROUNDS), default="online_retail,complete_journey", help="names, separated by commas")
    parser.add_argument("--origins", type=int, default=3, help="past dates")
    parser.add_argument("--write", action="store_true", help="write the result into docs/evaluation.md")
    given = parser.parse_args()
    for name in there(given.only, given.data):
        print(name, flush=True)
        ground = GROUNDS[name]
        lines = [f"### {ground.title}", "", *measure(ground, given.data / name, origins=given.origins), ""]
        print("\n".join(lines), flush=True)
        if given.write:
            write_section(f"ablation {name}", "\n".join([*lines, ""]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
