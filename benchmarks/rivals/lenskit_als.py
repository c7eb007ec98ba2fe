"""LensKit's implicit ALS in the audience direction: who stands nearest to the sum of a set's products.

python lenskit_als.py FOLDER
"""

import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from exchange import Past, Scores, counts, write
from lenskit.algorithms.als import ImplicitMF

FACTORS, ALPHA, HALF_LIFE, ITERATIONS = 64, 5.0, 180, 8


def scores(past: Past) -> Scores:
    """Customers x sets, from decayed orders; a customer without a factor has 0."""
    entries = counts(past.lines, past, half_life=HALF_LIFE).tocoo()
    ratings = pd.DataFrame({"user": entries.row, "item": entries.col, "rating": entries.data})
    model = ImplicitMF(FACTORS, iterations=ITERATIONS, reg=1.0, weight=ALPHA, use_ratings=True, rng_spec=past.seed)
    model.fit(ratings)
    people, products = np.zeros((len(past.customers), FACTORS), np.float32), np.zeros((len(past.products), FACTORS), np.float32)
    people[model.user_index_] = model.user_features_
    products[model.item_index_] = model.item_features_
    return np.asarray(people @ (past.membership.T @ products).T.astype(np.float32))


def main(folder: Path) -> None:
    warnings.filterwarnings("ignore")
    past = Past.read(folder)
    write(folder, past, scores(past), settings=f"{FACTORS} factors, weight {ALPHA:g}, half-life {HALF_LIFE} days, {ITERATIONS} iterations")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
