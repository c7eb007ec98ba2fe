"""RecTools' two stages (CandidateRankingModel): candidates of three models, then LightGBM on them, summed over the products of a set.

    python rectools_two_stage.py FOLDER

It ranks products for customers who ordered in the last horizon, as the library does; a customer without a candidate in a set has 0 there.
"""

import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from exchange import Past, Scores, write
from implicit.als import AlternatingLeastSquares
from implicit.nearest_neighbours import CosineRecommender
from lightgbm import LGBMClassifier
from rectools import Columns
from rectools.dataset import Dataset
from rectools.model_selection import TimeRangeSplitter
from rectools.models import ImplicitALSWrapperModel, ImplicitItemKNNWrapperModel, PopularModel
from rectools.models.ranking import (
    CandidateFeatureCollector,
    CandidateGenerator,
    CandidateRankingModel,
    PerUserNegativeSampler,
    Reranker,
)
from scipy.sparse import csr_matrix

CANDIDATES, POPULAR, NEGATIVES, ROUNDS = 300, 100, 30, 200
LAST = 1000
Fold = dict[str, object] | None


class History(CandidateFeatureCollector):  # type: ignore[misc]  # the library is in an environment of its own
    """Facts of customers, products and both together, of the interactions that the library hands over."""

    def _get_user_features(self, users: np.ndarray, dataset: Dataset, fold_info: Fold) -> pd.DataFrame:
        return _facts(dataset, [Columns.User], "user")

    def _get_item_features(self, items: np.ndarray, dataset: Dataset, fold_info: Fold) -> pd.DataFrame:
        return _facts(dataset, [Columns.Item], "item")

    def _get_user_item_features(self, useritem: pd.DataFrame, dataset: Dataset, fold_info: Fold) -> pd.DataFrame:
        return _facts(dataset, Columns.UserItem, "pair")


def _facts(dataset: Dataset, by: list[str], prefix: str) -> pd.DataFrame:
    """How many interactions, and the days since the first and the last."""
    raw = dataset.get_raw_interactions()
    ago: pd.Series = (raw[Columns.Datetime].max() - raw[Columns.Datetime]).dt.days
    found = ago.groupby([raw[column] for column in by]).agg(["size", "min", "max"])
    return found.add_prefix(f"{prefix}_").reset_index()


def _generator(model: object, count: int) -> CandidateGenerator:
    return CandidateGenerator(model, count, keep_ranks=True, keep_scores=True, scores_fillna_value=0.0, ranks_fillna_value=LAST)


def two_stages(past: Past) -> CandidateRankingModel:
    """The model, not fitted."""
    als = AlternatingLeastSquares(factors=64, alpha=10.0, random_state=past.seed, num_threads=past.threads)
    trees = LGBMClassifier(n_estimators=ROUNDS, num_leaves=15, learning_rate=0.05, n_jobs=past.threads, random_state=past.seed, verbosity=-1)
    return CandidateRankingModel(
        [
            _generator(ImplicitALSWrapperModel(als), CANDIDATES),
            _generator(ImplicitItemKNNWrapperModel(CosineRecommender(K=100, num_threads=past.threads)), CANDIDATES),
            _generator(PopularModel(), POPULAR),
        ],
        TimeRangeSplitter(f"{past.horizon}D", n_splits=1, filter_already_seen=False),
        Reranker(trees),
        PerUserNegativeSampler(NEGATIVES, random_state=past.seed),
        History(),
    )


def scores(past: Past) -> Scores:
    """The probabilities of the second stage, summed over a set's products: customers x sets."""
    each = past.lines.drop_duplicates(["order", "product"])
    days = pd.to_datetime(past.day - each["ago"], unit="D", origin="unix")
    names = {Columns.User: each["customer"], Columns.Item: each["product"], Columns.Weight: 1.0, Columns.Datetime: days}
    dataset = Dataset.construct(pd.DataFrame(names))
    model = two_stages(past).fit(dataset)
    everybody = np.arange(len(past.customers))
    found = model.recommend(everybody, dataset, k=2 * CANDIDATES + POPULAR, filter_viewed=False, add_rank_col=False)
    shape = (len(past.customers), len(past.products))
    by_product = csr_matrix((found[Columns.Score], (found[Columns.User], found[Columns.Item])), shape=shape)
    return np.asarray((by_product @ past.membership).toarray())


def main(folder: Path) -> None:
    warnings.filterwarnings("ignore")
    past = Past.read(folder)
    settings = f"ALS and item cosine, {CANDIDATES} candidates each, {POPULAR} popular ones; {ROUNDS} trees, {NEGATIVES} negatives a customer"
    write(folder, past, scores(past), settings=settings)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
