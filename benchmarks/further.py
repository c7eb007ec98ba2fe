"""Three further proofs on real data: sets that the model never saw, products without any history, and a training on shuffled outcomes.

    python benchmarks/further.py [--data FOLDER] [--only unseen,new_products,shuffled] [--grounds online_retail,complete_journey] [--write]

Files are imported through the real command line; the models are fitted by ``training.fits``. What really happened is read from the raw files.
With --write each result replaces its section of docs/evaluation.md. Ends with 1 when a proof fails.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from _commands import names_among, whobuys
from _grounds import GROUNDS, HORIZON, SEED, Files, Ground, Truth, of_customers, there, truth_of
from _page import DATA, figure, ratio, table_of, write_section
from _watched import Shuffle, WatchedFits
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.stats import t
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import normalize

from features.config import Config
from features.products import ProductSet
from features.shop import Shop
from features.snapshot import Snapshot
from models import set_metrics
from models.bundle import Bundle
from models.pairs.baselines import BASELINES
from models.resampling import interval, resampled
from training.fits import Fits, Recipe
from training.train import recipe_of

SAMPLES = 500
OF_EACH_KIND, CANDIDATES, LARGEST = 60, 3000, 60
NEW_PRODUCTS, NEAREST = 200, 10
SHUFFLES = 5
RULE = "orders_from_set_then_orders"
LIFTS = {"ap": 1.1, "new_ap": 1.5}
"""How many times the rule's figure a set that was never seen must reach."""
WITHIN, OVER_ALL = "shuffled within sets", "shuffled over all pairs"
RANKED = {"pooled_lift_5": "lift at 5 % of all pairs", "lift_5": "lift at 5 % within sets", "auc": "AUC within sets"}
Scores = dict[str, NDArray[np.floating]]
Means = dict[str, dict[str, float]]
Ids = NDArray[np.object_]
Proof = Callable[[str, Ground, Path, Path], tuple[str, list[str]]]


@dataclass(frozen=True, eq=False)
class Bought:
    """Who bought what in the horizon, and had bought before: 0/1 matrices customers x products, of products that were sold before."""

    products: Ids
    outcome: csr_matrix
    before: csr_matrix

    @classmethod
    def of(cls, purchases: pd.DataFrame, as_of: date) -> "Bought":
        """From the lines of a ground."""
        start, end = pd.Timestamp(as_of), pd.Timestamp(as_of + timedelta(days=HORIZON))
        past = purchases[purchases["at"] < start]
        customers, products = (pd.Index(sorted(past[column].unique())) for column in ("customer", "product"))
        ahead = purchases[(purchases["at"] >= start) & (purchases["at"] < end)]
        ahead = ahead[ahead["customer"].isin(customers) & ahead["product"].isin(products)]
        shape = (len(customers), len(products))
        found = []
        for rows in (ahead, past):
            places = (customers.get_indexer(rows["customer"]), products.get_indexer(rows["product"]))
            found.append(csr_matrix((np.ones(len(rows)), places), shape=shape).astype(bool).astype(np.float64))
        return cls(products.to_numpy(object), found[0], found[1])

    def buyers(self, members: csr_matrix) -> NDArray[np.int64]:
        """How many customers bought from each set (0/1 matrix sets x products) in the horizon."""
        return np.asarray((self.outcome @ members.T > 0).sum(axis=0)).ravel()


def shop_of(ground: Ground, files: Files, folder: Path) -> Shop:
    """The files, imported."""
    whobuys("import", *files.values(), "--shop", folder, *ground.how())
    return Shop.open(folder, threads=2)


def recipe() -> Recipe:
    return recipe_of(Config(), horizon=HORIZON)


def fitted(fits: Fits, as_of: date) -> Bundle:
    return fits.bundle(as_of, name="benchmark")


def sizes(rng: np.random.Generator, count: int) -> NDArray[np.int64]:
    """How many products a set has: 2 to ``LARGEST``, small ones more often."""
    return np.exp(rng.uniform(np.log(2), np.log(LARGEST + 1), count)).astype(np.int64)


def _members(rows: Sequence[NDArray[np.int64]], products: int) -> csr_matrix:
    lengths = [len(row) for row in rows]
    places = (np.repeat(np.arange(len(rows)), lengths), np.concatenate(rows))
    return csr_matrix((np.ones(sum(lengths)), places), shape=(len(rows), products))


def candidates(bought: Bought) -> dict[str, csr_matrix]:
    """Sets drawn by the seed, by kind: 0/1 matrices sets x products."""
    rng = np.random.default_rng(SEED)
    products = len(bought.products)
    singles = rng.permutation(products)[:, None]
    heads, wide = rng.integers(0, products, CANDIDATES), sizes(rng, CANDIDATES)
    columns = normalize(bought.before.T.tocsr())
    alike = (columns[heads] @ columns.T).toarray()
    together = [np.argsort(-row, kind="stable")[:size] for row, size in zip(alike, wide, strict=True)]
    random = [rng.choice(products, min(size, products), replace=False) for size in sizes(rng, CANDIDATES)]
    kinds = {"single products": list(singles), "bought together": together, "random": random}
    return {kind: _members(rows, products) for kind, rows in kinds.items()}


def unseen_sets(bought: Bought, seen: set[tuple[str, ...]]) -> dict[str, list[ProductSet]]:
    """Sets of every kind with enough buyers that were not learnt from, ``OF_EACH_KIND`` of each or as many as there are."""
    found = {}
    for kind, members in candidates(bought).items():
        places = np.flatnonzero(bought.buyers(members) >= set_metrics.MIN_BUYERS)
        rows = [bought.products[members.indices[members.indptr[i] : members.indptr[i + 1]]] for i in places]
        sets = [ProductSet.of(f"{kind} {place}", ids) for place, ids in zip(places, rows, strict=True)]
        found[kind] = list({one.product_ids: one for one in sets if one.product_ids not in seen}.values())[:OF_EACH_KIND]
    return found


def compared(scores: Scores, truth: Truth, chosen: NDArray[np.intp], *, least: int = set_metrics.MIN_BUYERS) -> tuple[Means, pd.DataFrame]:
    """The means over some of the sets by method, and draws of their AP."""
    outcome, past = truth.outcome[:, chosen], truth.bought[:, chosen]
    part = {name: values[:, chosen] for name, values in scores.items()}
    means = {name: set_metrics.summary(set_metrics.by_set(values, outcome, past, min_buyers=least)) for name, values in part.items()}
    return means, resampled(part, outcome, past, samples=SAMPLES, seed=SEED, min_buyers=least)


def unseen(name: str, ground: Ground, data: Path, work: Path) -> tuple[str, list[str]]:
    """Sets drawn at random that the model never saw, against orders from the set with ties by the number of orders."""
    files = ground.files(data, work)
    purchases = ground.purchases(files)
    fits = WatchedFits(shop_of(ground, files, work / name), recipe(), print)
    bundle = fitted(fits, ground.as_of)
    groups = unseen_sets(Bought.of(purchases, ground.as_of), fits.seen)
    sets = [one for group in groups.values() for one in group]
    truth, snapshot = truth_of(purchases, sets, ground.as_of), fits.snapshot(ground.as_of)
    by_rule = BASELINES[RULE].scores(snapshot, snapshot.pairs(sets))
    given = {"ours": bundle.interest(snapshot, sets), "rule": by_rule}
    scores = {method: of_customers(values, snapshot.customer_ids, truth.customers) for method, values in given.items()}
    ends = np.cumsum([len(group) for group in groups.values()])
    parts = dict(zip(groups, np.split(np.arange(len(sets)), ends[:-1]), strict=True)) | {"all": np.arange(len(sets))}
    rows, problems = [], []
    for kind, chosen in parts.items():
        means, draws = compared(scores, truth, chosen)
        cells = [cell for column in LIFTS for cell in _three(means, draws, column, "rule")]
        rows.append([kind, str(len(chosen)), *cells])
    for column, floor in LIFTS.items():
        found = means["ours"][column] / means["rule"][column]
        if not found >= floor:
            problems.append(f"{column} of sets never seen is {found:.3f} times that of the rule: must be at least {floor}")
    heads = ("sets", "number", "AP", "of the rule", "ratio", "new AP", "of the rule", "ratio")
    return "\n".join([*table_of(heads, rows), ""]), problems


def _three(means: Means, draws: pd.DataFrame, column: str, other: str) -> list[str]:
    """Ours, another's and their ratio."""
    ours, theirs = means["ours"][column], means[other][column]
    return [figure(ours), figure(theirs), ratio(ours / theirs, draws["ours", column] / draws[other, column])]


def drawn_products(bought: Bought) -> tuple[Ids, int]:
    """``NEW_PRODUCTS`` products, but at most a third of those that were bought, drawn from those with at least so many buyers in the horizon (10, or
    as many as leave enough), and that number."""
    buyers = np.asarray(bought.outcome.sum(axis=0)).ravel()
    count = min(NEW_PRODUCTS, int((buyers > 0).sum()) // 3)
    least = int(min(set_metrics.MIN_BUYERS, np.sort(buyers)[-count]))
    chosen = np.random.default_rng(SEED).choice(np.flatnonzero(buyers >= least), count, replace=False)
    return bought.products[np.sort(chosen)], least


def relatives(shop: Shop, products: Ids) -> list[ProductSet]:
    """For each product those of its category, or without categories the ten others with a past whose words are nearest (TF-IDF)."""
    table = shop.products
    if table["category"].notna().any():
        by_category = {path: list(ids) for path, ids in table.groupby("category").groups.items()}
        return [ProductSet.of(product, by_category[table.at[product, "category"]]) for product in products]
    words = TfidfVectorizer().fit_transform(table["title"].fillna("").astype(str))
    places = table.index.get_indexer(pd.Index(products))
    alike = (words[places] @ words.T).toarray()
    alike[:, places] = -1
    nearest = np.argsort(-alike, axis=1, kind="stable")[:, :NEAREST]
    return [ProductSet.of(product, table.index[row]) for product, row in zip(products, nearest, strict=True)]


def new_products(name: str, ground: Ground, data: Path, work: Path) -> tuple[str, list[str]]:
    """Products whose every line before the date was dropped from the raw file, against orders from their relatives."""
    files = ground.files(data, work)
    products, least = drawn_products(Bought.of(ground.purchases(files), ground.as_of))
    files = ground.without_past(files, list(products), work)
    shop = shop_of(ground, files, work / name)
    fits = Fits(shop, recipe(), print)
    snapshot = fits.snapshot(ground.as_of)
    sets = [ProductSet(product, (product,), "product") for product in products]
    pairs = snapshot.pairs(relatives(shop, products))
    given = {"ours": fitted(fits, ground.as_of).interest(snapshot, sets)}
    given |= {rule: BASELINES[rule].scores(snapshot, pairs) for rule in ("orders_from_set", RULE, "orders")}
    truth = truth_of(ground.purchases(files), sets, ground.as_of)
    scores = {method: of_customers(values, snapshot.customer_ids, truth.customers) for method, values in given.items()}
    means, draws = compared(scores, truth, np.arange(len(sets)), least=least)
    related = "its category" if shop.products["category"].notna().any() else f"the {NEAREST} nearest products by TF-IDF of words"
    names = {"orders_from_set": f"orders from {related}", RULE: f"orders from {related}, ties by number of orders", "orders": "number of orders"}
    rows = [[names[rule], *_three(means, draws, "ap", rule)[1:]] for rule in names]
    heads = (f"{len(sets)} products with at least {least} buyers", "AP", "our AP over it")
    text = "\n".join([*table_of(heads, [*rows, ["**whobuys**", figure(means["ours"]["ap"]), ""]]), ""])
    low, _ = interval(draws["ours", "ap"] / draws["orders_from_set", "ap"])
    return text, [] if low > 1 else [f"products without a past: AP over that of {names['orders_from_set']} may be as low as {low:.3f}"]


def shuffled(name: str, ground: Ground, data: Path, work: Path) -> tuple[str, list[str]]:
    """Fits on the true outcomes and on shuffled ones, measured on the true outcomes of the date, beside ranking pairs by the set's popularity alone.

    Shuffled within sets, outcomes only say which sets sell: the first 5 % of all pairs must hold no more buyers than popularity puts there. A fact
    of a pair that also tells popular sets from others can still be learnt and rank the customers of a set; shuffled over all pairs not even that
    is left, so AUC within sets should be .5: a fit that passes that knows nothing that it must not.
    """
    files = ground.files(data, work)
    sets = ground.sets(data, files)
    truth = truth_of(ground.purchases(files), sets, ground.as_of)
    ranked = partial(_ranked, shop_of(ground, files, work / name), ground, sets, truth)
    popular = _by_popularity(shop_of(ground, files, work / name), ground, sets, truth)
    true = ranked(None)
    shuffles = {kind: pd.DataFrame([ranked(Shuffle(seed, kind == WITHIN)) for seed in range(1, SHUFFLES + 1)]) for kind in (WITHIN, OVER_ALL)}
    middles = {kind: {column: _middle(table[column]) for column in table} for kind, table in shuffles.items()}
    rows = [
        ["true", *(f"{true[column]:.3f}" for column in RANKED)],
        ["none: the set's popularity alone", _with_interval(popular), "1.000", ".500"],
        *([f"{kind}, {SHUFFLES} fits", *(_with_interval(found[column]) for column in RANKED)] for kind, found in middles.items()),
    ]
    problems = []
    if middles[WITHIN]["pooled_lift_5"][1] > popular[2]:
        problems.append(f"{WITHIN}: pooled lift at 5 % is {rows[2][1]}; popularity alone gives {rows[1][1]}")
    if not middles[OVER_ALL]["auc"][1] <= 0.5 <= middles[OVER_ALL]["auc"][2]:
        problems.append(f"{OVER_ALL}: AUC is {rows[3][3]}; .5 must be within its interval")
    return "\n".join([*table_of(("outcomes learnt from", *RANKED.values()), rows), ""]), problems


def _with_interval(found: tuple[float, float, float]) -> str:
    return "{:.3f} ({:.3f} to {:.3f})".format(*found)


def _middle(values: pd.Series) -> tuple[float, float, float]:
    """The mean and its 95 % interval (Student's t)."""
    middle, width = values.mean(), t.ppf(0.975, len(values) - 1) * values.std() / np.sqrt(len(values))
    return float(middle), float(middle - width), float(middle + width)


def pooled_lift(scores: NDArray[np.floating], outcome: NDArray[np.bool_], share: float = 0.05) -> float:
    """How many times more purchases than by chance the first ``share`` of all pairs holds; equals at the edge count in part."""
    flat, bought = scores.ravel(), outcome.ravel()
    size = int(share * len(flat))
    edge = np.partition(flat, len(flat) - size)[len(flat) - size]
    above, tied = flat > edge, flat == edge
    found = bought[above].sum() + bought[tied].mean() * (size - above.sum())
    return float(found / size / bought.mean())


def _by_popularity(shop: Shop, ground: Ground, sets: Sequence[ProductSet], truth: Truth) -> tuple[float, float, float]:
    """The pooled lift of ranking pairs by the set's share of the last 90 days' orders, with its 95 % interval over customers."""
    popularity = Snapshot(shop, ground.as_of, HORIZON).pairs(sets).set_facts["popularity_90"].to_numpy(np.float32)
    rng, people = np.random.default_rng(SEED), len(truth.customers)
    scores = np.broadcast_to(popularity, truth.outcome.shape)
    drawn = [pooled_lift(scores, truth.outcome[rng.integers(0, people, people)]) for _ in range(SAMPLES // 5)]
    low, high = np.quantile(drawn, (0.025, 0.975))
    return pooled_lift(scores, truth.outcome), float(low), float(high)


def _ranked(shop: Shop, ground: Ground, sets: Sequence[ProductSet], truth: Truth, shuffle: Shuffle | None) -> dict[str, float]:
    fits = WatchedFits(shop, recipe(), lambda words: None, shuffle=shuffle)
    snapshot = fits.snapshot(ground.as_of)
    given = of_customers(fitted(fits, ground.as_of).interest(snapshot, sets), snapshot.customer_ids, truth.customers)
    found = set_metrics.summary(set_metrics.by_set(given, truth.outcome, truth.bought)) | {"pooled_lift_5": pooled_lift(given, truth.outcome)}
    print(f"  {shuffle or 'true outcomes'}: {', '.join(f'{words} {found[column]:.3f}' for column, words in RANKED.items())}", flush=True)
    return {column: found[column] for column in RANKED}


REAL = ("online_retail", "complete_journey")
PROOFS: dict[str, tuple[str, Proof, Sequence[str]]] = {
    "unseen": ("Sets that the model never saw", unseen, REAL),
    "new_products": ("Products without any history", new_products, tuple(GROUNDS)),
    "shuffled": ("Learnt from shuffled outcomes", shuffled, REAL),
}
"""Each with its title and the data sets that it is made for."""


def prove(proof: str, name: str, data: Path, *, write: bool) -> list[str]:
    """One proof on one data set; gives back what fails."""
    print(f"{proof}, {name}", flush=True)
    title, check, _ = PROOFS[proof]
    ground = GROUNDS[name]
    with tempfile.TemporaryDirectory() as work:
        table, problems = check(name, ground, data / name, Path(work))
    text = f"**{title}: {ground.title.split(',')[0]}, as of {ground.as_of}**\n\n{table}"
    print(f"\n{text}", flush=True)
    if write:
        write_section(f"{proof} {name}", text)
    return [f"{proof}, {name}: {each}" for each in problems]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, help="the folder of the data sets")
    parser.add_argument("--only", type=names_among(PROOFS), default=",".join(PROOFS), help="proofs, separated by commas")
    parser.add_argument("--grounds", type=names_among(GROUNDS), default=",".join(GROUNDS), help="data sets, separated by commas")
    parser.add_argument("--write", action="store_true", help="write the results into docs/evaluation.md")
    given = parser.parse_args()
    grounds = there(given.grounds, given.data)
    pairs = [(proof, name) for proof in given.only for name in grounds if name in PROOFS[proof][2]]
    problems = [each for proof, name in pairs for each in prove(proof, name, given.data, write=given.write)]
    print("\n".join(f"fails: {each}" for each in problems) or ("every proof holds" if pairs else "nothing is proved"))
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
