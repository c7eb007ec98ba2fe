"""The exports and the shop of one size become what methods are told, and what they gave becomes how good it is.

Everything here runs in a process of its own: what this process held would count as theirs.
"""

import json
from datetime import timedelta
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
from _grounds import HORIZON, SEED
from scipy.sparse import csc_matrix

from features.dates import day_number
from features.made_up import END
from features.shop import Shop
from features.snapshot import Snapshot
from models import set_metrics
from models.pairs.training_sets import main_products
from serving.scored_sets import CANDIDATE_PRODUCTS, sets_to_score

AS_OF = END - timedelta(days=HORIZON)
CODED = """
    create view customers as select customer_id, row_number() over (order by customer_id) - 1 as code
        from read_csv('{exports}/customers.csv', all_varchar = true);
    create view products as select product_id, row_number() over (order by product_id) - 1 as code
        from read_csv('{exports}/products.csv', all_varchar = true);
    create view orders as select order_id, customer_id, row_number() over (order by order_id) - 1 as code, status,
            (ordered_at::timestamp::date - date '1970-01-01')::integer as day
        from read_csv('{exports}/orders.csv', all_varchar = true);
    create table purchases as
        select c.code::integer as customer, p.code::integer as product, o.code::integer as "order", o.day, quantity::double * price::double as amount
        from read_csv('{exports}/order_lines.csv', all_varchar = true) l
            join orders o using (order_id) join customers c using (customer_id) join products p using (product_id)
        where status = 'completed' and quantity::double > 0;
    copy (select * from purchases where day < {day}) to '{told}/purchases.parquet';
    copy (select distinct customer, product from purchases where day < {day}) to '{folder}/before.parquet';
    copy (select distinct customer, product from purchases where day >= {day} and day < {day} + {horizon}) to '{folder}/after.parquet';
"""


def tell(exports: Path, shop: Path, folder: Path, ask: dict[str, int]) -> None:
    """Write what all are told: to rivals purchases before the date and the sets that a scoring run answers (``told``), to the script single products
    besides (``script``); and apart from both what happened. Ids are told as their places among all, sorted."""
    told, script, day = folder / "told", folder / "script", day_number(AS_OF)
    for each in (told, script):
        each.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as engine:
        engine.execute(CODED.format(exports=exports, told=told, folder=folder, day=day, horizon=HORIZON))
    opened = Shop.open(shop)
    snapshot = Snapshot(opened, AS_OF, HORIZON)
    sets, products = sets_to_score(snapshot, names=(), sets_file=None), main_products(snapshot, limit=CANDIDATE_PRODUCTS)
    rows = [(place, product, each.kind, each.label) for place, each in enumerate([*sets, *products]) for product in each.product_ids]
    table = pd.DataFrame(rows, columns=["product_set", "product", "kind", "label"])
    table["product"] = pd.Index(opened.product_ids).get_indexer(pd.Index(table["product"]))
    table.to_parquet(script / "sets.parquet", index=False)
    table[table["product_set"] < len(sets)].to_parquet(told / "sets.parquet", index=False)
    pd.Series(opened.customer_ids, dtype="str").to_frame("customer_id").to_parquet(folder / "customers.parquet", index=False)
    for each in (told, script):
        (each / "ask.json").write_text(json.dumps({"day": day, "horizon": HORIZON, "seed": SEED, **ask}), encoding="utf-8")


def quality(folder: Path, lists: dict[str, Path]) -> dict[str, tuple[float, float]]:
    """AP and new AP of every method, the means over sets as in ``accuracy.py``; a customer who is not on a list stands behind all who are."""
    sets = pd.read_parquet(folder / "told" / "sets.parquet")
    before, after = (pd.read_parquet(folder / f"{name}.parquet") for name in ("before", "after"))
    people = np.sort(before["customer"].unique())
    given = {name: _scores(path, folder, sets, people) for name, path in lists.items()}
    outcome, bought = _who(after, sets, people), _who(before, sets, people)
    tables: dict[str, list[pd.DataFrame]] = {name: [] for name in lists}
    for first in range(0, outcome.shape[1], 10):
        block = slice(first, first + 10)
        for name, scores in given.items():
            tables[name].append(set_metrics.by_set(scores[:, block].toarray(), outcome[:, block].toarray(), bought[:, block].toarray()))
    found = {name: set_metrics.summary(pd.concat(parts)) for name, parts in tables.items()}
    return {name: (each["ap"], each["new_ap"]) for name, each in found.items()}


def _who(purchases: pd.DataFrame, sets: pd.DataFrame, people: np.ndarray) -> csc_matrix:
    """Who bought from which set: bool, people x sets."""
    known = purchases[np.isin(purchases["customer"], people)]
    joined = known.merge(sets[["product", "product_set"]], on="product").drop_duplicates(["customer", "product_set"])
    places = (np.searchsorted(people, joined["customer"]), joined["product_set"])
    return csc_matrix((np.ones(len(joined), bool), places), shape=(len(people), sets["product_set"].max() + 1))


def _scores(path: Path, folder: Path, sets: pd.DataFrame, people: np.ndarray) -> csc_matrix:
    """A list as people x sets: 1 and more for who is on it, so that 0 is behind all."""
    found = pd.read_parquet(path)
    if "customer_id" in found:  # ours, by names
        ids = pd.Index(pd.read_parquet(folder / "customers.parquet")["customer_id"])
        place = sets.drop_duplicates("product_set").set_index(["kind", "label"])["product_set"]
        found = pd.DataFrame(
            {
                "customer": ids.get_indexer(found["customer_id"]),
                "set": place.reindex(pd.MultiIndex.from_frame(found[["product_set_kind", "product_set"]])).to_numpy(),
                "score": found["probability"],
            }
        )
    found = found[found["set"].isin(sets["product_set"]) & found["customer"].isin(people)]
    rank = found.groupby("set")["score"].rank(method="max")
    places = (np.searchsorted(people, found["customer"]), found["set"].astype(np.int64))
    return csc_matrix((rank.to_numpy(np.float64), places), shape=(len(people), sets["product_set"].max() + 1))
