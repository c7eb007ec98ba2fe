"""The script that a good data scientist writes for the same answers as ``whobuys train`` and ``whobuys score``: pandas, implicit and LightGBM.

    python pandas_script.py FOLDER TABLES prepare|features|whole|everybody

It shares with whobuys: the columns of customers, pairs, sets and events; as many past dates, customers to learn from, pairs and sets of each date;
ALS (half-life, factors, iterations), EASE over products and over attributes, TF-IDF; the settings of the trees; the sets that are answered, and how
many customers of each and sets of each customer are kept. It scores by trees who has a history with a set, and as many others as a list is long, by
ALS; asked for ``everybody`` it scores all pairs, as whobuys does. It leaves out: the backtest and what it corrects, the regression beside the trees,
the purchases that follow others ("next"), likelihood, orders and value of customers, and every check.

``prepare`` codes ids once, as an import does; ``TABLES`` are the canonical Parquet tables of a shop. The folder holds ``ask.json`` and
``sets.parquet``; ``tops.parquet``, ``bests.parquet`` and ``parts-<what>.json``, seconds by part, are written.
"""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import lightgbm
import numpy as np
import pandas as pd
from exchange import limited
from numpy.typing import NDArray
from pandas_affinities import Affinity, Catalogue, Floats, Leanings, matrix
from pandas_facts import customer_facts, event_facts, pair_facts, set_event_facts
from pandas_tables import Known, Purchases, purchases_of
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression

ORIGINS, PAIRS, GRID, RARE, HALF_LIFE, TREES = 5, 100_000, 3_000_000, 0.3, 45.0, 160
SETTINGS = {"objective": "binary", "num_leaves": 7, "learning_rate": 0.1, "min_data_in_leaf": 600, "feature_fraction": 0.2, "bagging_fraction": 0.7}
SETTINGS |= {"bagging_freq": 1, "lambda_l2": 20.0, "deterministic": True, "force_col_wise": True, "verbose": -1}
ROWS, BLOCK, KEPT = 1_000_000, 40_000_000, 5
Model = tuple[lightgbm.Booster, LogisticRegression]
NOT_KNOWN = ("set_recency", "set_age", "set_visit_recency")


@dataclass(frozen=True)
class Clock:
    """Seconds by part."""

    parts: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Adds what is done within to a part."""
        began = time.perf_counter()
        yield
        self.parts[name] = self.parts.get(name, 0.0) + time.perf_counter() - began


@dataclass(frozen=True, eq=False)
class View:
    """What is known of some sets (``members``: product, set) on a day; keys are set * customers + customer."""

    known: Known
    people: pd.DataFrame
    members: pd.DataFrame
    leanings: Leanings

    @cached_property
    def facts(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Of pairs and of sets."""
        pairs, sets = pair_facts(self.known, self.members)
        return pairs.join(set_event_facts(self.known, self.members), how="outer").astype(np.float32), sets.astype(np.float32).add_prefix("of_set_")

    @cached_property
    def dense(self) -> dict[str, Floats]:
        """Affinities, customers x sets."""
        sets = int(self.members["set"].max()) + 1
        places = (self.members["product"], self.members["set"])
        membership = csr_matrix((np.ones(len(self.members), np.float32), places), shape=(self.known.purchases.products, sets))
        return self.leanings.of(membership)

    @cached_property
    def usual(self) -> dict[str, tuple[Floats, Floats]]:
        """What is usual of them."""
        return self.leanings.usual(self.dense)

    def columns(self, keys: NDArray[np.int64]) -> pd.DataFrame:
        """What the trees read of some pairs."""
        sets, customers = np.divmod(keys, len(self.known.people))
        pairs, kinds = self.facts[0].reindex(keys), self.facts[1].iloc[sets].reset_index(drop=True)
        zero = {name: 0.0 for name in pairs if name not in NOT_KNOWN}
        pairs, people = pairs.fillna(zero).reset_index(drop=True), self.people.iloc[customers].reset_index(drop=True)
        near = pd.DataFrame(self.leanings.columns(self.dense, self.usual, customers, sets))
        return pd.concat([pairs, crossed(pairs, people, kinds), near, people, kinds], axis=1).astype(np.float32)


def crossed(pair: pd.DataFrame, person: pd.DataFrame, kind: pd.DataFrame) -> pd.DataFrame:
    """Columns of pairs from those of the pair, the customer and the set."""
    orders = pair["set_orders"]
    gap = ((pair["set_age"] - pair["set_recency"]) / (orders - 1)).where(orders > 1)
    share = pair["set_decayed_120"] / person["orders_decayed_120"]
    return pd.DataFrame(
        {
            "share": orders / person["frequency"],
            "share_decayed": share,
            "share_shrunk": (orders + 5 * kind["of_set_popularity"]) / (person["frequency"] + 5),
            "gap": gap,
            "overdue": pair["set_recency"] / gap.clip(lower=1),
            "recency_ratio": pair["set_recency"] / person["recency"].clip(lower=1),
            "price_gap": np.log(person["unit_price"].clip(lower=0.01) / kind["of_set_price"].clip(lower=0.01)),
            "set_volume": pair["set_decayed_120"] * person["lines_decayed_90"],
            "expected_by_share": share * person["orders_decayed_60"],
            "expected_by_popularity": kind["of_set_popularity_90"] * person["lines_decayed_90"],
        }
    )


def people_of(known: Known) -> pd.DataFrame:
    """The facts of all customers, those of events too."""
    facts = customer_facts(known)
    return facts.join(event_facts(known, facts)).astype(np.float32)


def training_members(known: Known, catalogue: Catalogue, rng: np.random.Generator) -> pd.DataFrame:
    """Categories and brands, single products and random groups that sold lately: product, set."""
    weight = np.zeros(known.purchases.products)
    sold = known.bought.groupby("product")["decayed_90"].sum()
    weight[sold.index] = sold
    share = np.clip(GRID / (len(known.people) * 420), 0.5, 1.0)
    named = catalogue.named.assign(weight=weight[catalogue.named["product"]])
    labels = named.groupby("label")["weight"].sum()
    drawn = rng.permutation(labels.index[labels >= 5])[: int(300 * share)]
    groups = [named.loc[named["label"].isin(drawn), ["label", "product"]]]
    good = np.flatnonzero(weight >= 5)
    singles = rng.choice(good, min(len(good), int(80 * share)), replace=False, p=0.5 / len(good) + 0.5 * weight[good] / weight[good].sum())
    groups.append(pd.DataFrame({"label": [f"product {each}" for each in singles], "product": singles}))
    for number in range(int(40 * share)):
        size = int(np.exp(rng.uniform(np.log(2), np.log(min(60, len(good))))))
        groups.append(pd.DataFrame({"label": f"random {number}", "product": rng.choice(good, size, replace=False)}))
    found = pd.concat(groups, ignore_index=True)
    return pd.DataFrame({"product": found["product"], "set": found["label"].astype("category").cat.codes})


def sample(purchases: Purchases, catalogue: Catalogue, day: int, ask: dict[str, int], clock: Clock) -> pd.DataFrame:
    """Pairs of a past day with what came of them (``bought``), the ``weight`` that restores the base rate, and the ``emphasis`` of rare sets."""
    rng, known = np.random.default_rng([ask["seed"], day]), purchases.before(day, horizon=ask["horizon"])
    with clock.part("features of past dates"):
        members = training_members(known, catalogue, rng)
        people = people_of(known)
    with clock.part("affinities of past dates"):
        affinity = Affinity.fit(known, catalogue, seed=ask["seed"], threads=ask["threads"])
        view = View(known, people, members, Leanings(affinity, affinity.left(known)))
    with clock.part("features of past dates"):
        had, sets, width = view.facts[0].index.to_numpy(), int(members["set"].max()) + 1, len(known.people)
        came = purchases.lines[(purchases.lines["day"] >= day) & (purchases.lines["day"] < day + ask["horizon"])]
        buyers = came.assign(place=known.place[came["customer"]])[["place", "product"]].merge(members, on="product").query("place >= 0")
        chance, bought = np.zeros(width * sets, np.float32), np.zeros(width * sets, bool)
        bought[buyers["set"].to_numpy(np.int64) * width + buyers["place"].to_numpy()] = True
        history = np.zeros(width * sets, bool)
        history[had] = True
        rest = PAIRS - min(bought.sum(), PAIRS // 2)
        chance[history & ~bought] = min(1, rest / 2 / max((history & ~bought).sum(), 1))
        chance[~history & ~bought] = min(1, rest / 2 / max((~history & ~bought).sum(), 1))
        chance[bought] = min(1, PAIRS / 2 / max(bought.sum(), 1))
        keys = np.flatnonzero(rng.random(len(chance)) < chance)
        of_set = np.bincount(keys[bought[keys]] // width, minlength=sets)
        rare = np.clip((of_set.mean() / np.maximum(of_set, 2)) ** RARE, 0.3, 3)
    with clock.part("columns of pairs"):
        return view.columns(keys).assign(bought=bought[keys], weight=1 / chance[keys], emphasis=rare[keys // width], day=day)


def learnt(samples: list[pd.DataFrame], ask: dict[str, int]) -> Model:
    """The trees, and the line that makes their log-odds true."""
    rows = pd.concat(samples, ignore_index=True)
    told = rows[["bought", "weight", "emphasis", "day"]]
    columns = rows.drop(columns=list(told))
    fitting = told["weight"] * told["emphasis"] * 0.5 ** ((told["day"].max() - told["day"]) / HALF_LIFE)
    settings = SETTINGS | {"seed": ask["seed"], "num_threads": ask["threads"]}
    trees = lightgbm.train(settings, lightgbm.Dataset(columns, told["bought"], weight=fitting / fitting.mean()), TREES)
    some = slice(None, None, max(1, len(rows) // 200_000))
    raw = np.asarray(trees.predict(columns[some], raw_score=True))
    return trees, LogisticRegression(C=np.inf).fit(raw[:, None], told["bought"][some], sample_weight=told["weight"][some])


def scored(view: View, model: Model, ask: dict[str, int], clock: Clock) -> pd.DataFrame:
    """The probability of the pairs that are looked at: set, customer (position), probability."""
    trees, line = model
    with clock.part("features of the date"):
        pairs = view.facts[0].index.to_numpy()
    with clock.part("affinities of the date"):
        people, near = len(view.known.people), view.dense["als"]
        count = min(ask["candidates"], people)
        best = np.argpartition(-near, count - 1, axis=0)[:count] if count else None
        keys = np.arange(near.size) if best is None else np.union1d(pairs, (best + np.arange(near.shape[1]) * people).ravel())
    found = []
    for first in range(0, len(keys), ROWS):
        with clock.part("columns of pairs"):
            rows = view.columns(keys[first : first + ROWS])[trees.feature_name()]
        with clock.part("trees"):
            raw = trees.predict(rows, raw_score=True, num_threads=ask["threads"])
            found.append((1 / (1 + np.exp(-(line.coef_[0, 0] * raw + line.intercept_[0])))).astype(np.float32))
    sets, customers = np.divmod(keys, people)
    return pd.DataFrame({"set": sets.astype(np.int32), "customer": customers.astype(np.int32), "probability": np.concatenate(found)})


def blocks(members: pd.DataFrame, people: int) -> Iterator[tuple[int, pd.DataFrame]]:
    """The members of as many sets as are looked at together, with the number of the first."""
    sets, width = int(members["set"].max()) + 1, max(1, BLOCK // people)
    for first in range(0, sets, width):
        block = members[members["set"].between(first, first + width - 1)]
        yield first, block.assign(set=block["set"] - first)


def likeliest(answers: pd.DataFrame, people: int, count: int, *, axis: int) -> pd.DataFrame:
    """Of all pairs of so many people, set by set, the likeliest of every set (axis 1) or customer (axis 0), unordered; others as they are."""
    if not people or not len(answers):
        return answers
    grid = answers["probability"].to_numpy().reshape(-1, people)
    if grid.shape[axis] <= count:
        return answers
    best = np.argpartition(-grid, count - 1, axis=axis).take(range(count), axis=axis)
    rows = best + np.arange(len(grid))[:, None] * people if axis else best * people + np.arange(people)
    return answers.iloc[rows.ravel()]


def members_of(folder: Path) -> pd.DataFrame:
    """The sets that are asked for: product, set, kind."""
    return pd.read_parquet(folder / "sets.parquet").rename(columns={"product_set": "set"})


def best_of(answers: pd.DataFrame, by: str, count: int) -> pd.DataFrame:
    """The ``count`` likeliest of each, likeliest first, with their rank."""
    ordered = answers.iloc[np.lexsort((-answers["probability"].to_numpy(), answers[by].to_numpy()))]
    rank = ordered.groupby(by).cumcount() + 1
    return ordered.assign(rank=rank)[rank <= count]


def whole(folder: Path, ask: dict[str, int], tables: Path, clock: Clock) -> None:
    """Train, score, and write who is likeliest to buy from every set, and what every customer is likeliest to buy."""
    with clock.part("reading"):
        purchases, catalogue, members = Purchases.load(folder / "coded"), Catalogue.read(tables), members_of(folder)
    affinity, model = trained(purchases, catalogue, ask, clock)
    known = purchases.before(ask["day"], horizon=ask["horizon"])
    with clock.part("features of the date"):
        people = people_of(known)
    with clock.part("affinities of the date"):
        leanings = Leanings(affinity, affinity.left(known))
    views = ((first, View(known, people, block, leanings)) for first, block in blocks(members, len(known.people)))
    lists = listed(views, members, model, ask, clock)
    with clock.part("ranking and writing"):
        for name, each in zip(("tops", "bests"), lists, strict=True):
            each.assign(customer=known.people[each["customer"]]).to_parquet(folder / f"{name}.parquet", index=False)


def trained(purchases: Purchases, catalogue: Catalogue, ask: dict[str, int], clock: Clock) -> tuple[Affinity, Model]:
    """What is learnt from some of the customers."""
    some = purchases.drawn(ask["customers"], seed=ask["seed"])
    samples = [sample(some, catalogue, ask["day"] - ask["horizon"] * (back + 1), ask, clock) for back in range(ORIGINS)]
    with clock.part("affinities of the date"):
        affinity = Affinity.fit(some.before(ask["day"], horizon=ask["horizon"]), catalogue, seed=ask["seed"], threads=ask["threads"])
    with clock.part("training of trees"):
        return affinity, learnt(samples, ask)


def listed(
    views: Iterator[tuple[int, View]], members: pd.DataFrame, model: Model, ask: dict[str, int], clock: Clock
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The likeliest customers of every set, and the likeliest sets and single products of every customer."""
    single = members.drop_duplicates("set").set_index("set")["kind"].eq("product").sort_index().to_numpy()
    tops: list[pd.DataFrame] = []
    bests = {False: pd.DataFrame(), True: pd.DataFrame()}
    for first, view in views:
        found = scored(view, model, ask, clock)
        with clock.part("ranking and writing"):
            grid = 0 if ask["candidates"] else len(view.known.people)
            longest = best_of(likeliest(found, grid, ask["top"], axis=1), "set", ask["top"])
            tops.append(longest.assign(set=longest["set"] + first))
            for kind, before in bests.items():
                new = likeliest(found[single[found["set"] + first] == kind], grid, KEPT, axis=0)
                bests[kind] = best_of(pd.concat([before, new.assign(set=new["set"] + first)]), "customer", KEPT)
    with clock.part("ranking and writing"):
        return pd.concat(tops, ignore_index=True).rename(columns={"probability": "score"}), pd.concat(bests.values(), ignore_index=True)


def features(folder: Path, ask: dict[str, int], clock: Clock) -> None:
    """The facts of all customers, pairs and sets of the date, and the matrix that ALS reads."""
    with clock.part("reading"):
        purchases, members = Purchases.load(folder / "coded"), members_of(folder)
        known = purchases.before(ask["day"], horizon=ask["horizon"])
    with clock.part("customers"):
        people_of(known)
    with clock.part("pairs and sets"):
        for _, block in blocks(members, len(known.people)):
            pair_facts(known, block)
            set_event_facts(known, block)
    with clock.part("matrix"):
        matrix(known, "decayed_180")


def main(folder: Path, tables: Path, what: str) -> None:
    told, clock = limited(folder), Clock()
    if what == "prepare":
        with clock.part("reading"):
            purchases_of(tables).save(folder / "coded")
    elif what == "features":
        features(folder, told, clock)
    else:
        whole(folder, told | ({"candidates": 0} if what == "everybody" else {}), tables, clock)
    (folder / f"parts-{what}.json").write_text(json.dumps(clock.parts), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
