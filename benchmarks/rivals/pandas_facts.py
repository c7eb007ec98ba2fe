"""What was known before a day becomes the facts of customers, pairs and product sets: the features of whobuys, written a second time in pandas.

Every name means what it means in ``features/customers.py``, ``features/pairs.py`` and ``features/events.py``; a test compares the numbers.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas_tables import MONEY, PIECES, Known, decayed

WINDOWS = (30, 90, 180, 365)
KINDS = {
    "visits": (["viewed"], (7, 30, 90)),
    "carts": (["added_to_cart", "started_checkout"], (7, 30)),
    "opened": (["opened_email"], (90,)),
    "clicked": (["clicked_email"], (90,)),
}
SILENT, SET_WINDOW = 7, 30


def customer_facts(known: Known) -> pd.DataFrame:
    """A row per customer with an order, in the order of ``known.people``."""
    orders, place = known.orders, known.place[known.orders["customer"]]
    ago, revenue = orders["ago"].to_numpy(), orders["revenue"].to_numpy() / MONEY
    sums = {"frequency": np.ones(len(orders)), "spent": revenue, "discount": orders["discount"] / MONEY, "lines": orders["lines"]}
    for days in WINDOWS:
        sums |= {f"orders_{days}": ago <= days, f"spent_{days}": np.where(ago <= days, revenue, 0.0)}
    sums |= {f"orders_decayed_{half}": decayed(ago, half) for half in (60, 120)}
    sums |= {f"lines_decayed_{half}": decayed(ago, half) * orders["lines"] for half in (30, 90)}
    sums["orders_last_year"] = (ago >= 366 - known.horizon) & (ago <= 365)
    facts = pd.DataFrame({name: np.asarray(values, np.float64) for name, values in sums.items()}).groupby(place).sum()
    ages = orders["ago"].groupby(place).agg(["min", "max"]).astype(np.float64)
    facts = facts.join([_rhythm(known, place), _products(known)])
    facts["returned"] = (known.returns.groupby(known.place[known.returns["customer"]])["revenue"].sum() / MONEY).reindex(facts.index).fillna(0.0)
    facts[["products", "products_90"]] = facts[["products", "products_90"]].fillna(0)
    return facts.assign(
        recency=ages["min"],
        age=ages["max"],
        active_days=ages["max"] - ages["min"],
        monetary=facts["spent"] / facts["frequency"],
        lateness=ages["min"] / facts["rhythm"],
        basket=facts["lines"] / facts["frequency"],
        discount_share=facts["discount"] / np.maximum(facts["spent"] + facts["discount"], 1 / MONEY),
    ).drop(columns="discount")


def _rhythm(known: Known, place: NDArray[np.int64]) -> pd.DataFrame:
    width = int(known.orders["ago"].max()) + 1
    customer, ago = np.divmod(np.unique(place * width + known.orders["ago"].to_numpy()), width)
    gaps = np.where(np.diff(customer, prepend=-1) == 0, np.diff(ago, prepend=0), np.nan)
    by_customer = pd.Series(gaps).groupby(customer)
    return pd.DataFrame({"order_days": by_customer.size(), "rhythm": by_customer.median()})


def _products(known: Known) -> pd.DataFrame:
    bought = known.bought
    price = np.floor(bought["amount"] / bought["pieces"] * PIECES / MONEY * 100 + 0.5) / 100
    columns = pd.DataFrame({"products": 1, "products_90": (bought["ago"] <= 90).astype(int), "unit_price": price})
    sums = columns.groupby(bought["customer"]).sum()
    return sums.assign(unit_price=sums["unit_price"] / sums["products"])


def event_facts(known: Known, facts: pd.DataFrame) -> pd.DataFrame:
    """The same customers: days with visits, carts and mails; unknown where events do not reach back far enough."""
    did = known.events.assign(place=known.place[known.events["customer"]])
    did = did[did["place"] >= 0]
    reach = event_days(did)
    found: dict[str, pd.Series] = {"event_recency": did.groupby("place")["ago"].min()}
    for kind, (names, widths) in KINDS.items():
        days = did.loc[did["event"].isin(names), ["place", "ago"]].drop_duplicates()
        for width in widths:
            counts = days.loc[days["ago"] <= width, "place"].value_counts()
            found[f"{kind}_{width}"] = counts.reindex(facts.index).fillna(0) if reach >= width else pd.Series(np.nan, facts.index)
        if kind in ("visits", "carts"):
            found[f"{kind.removesuffix('s')}_recency"] = days.groupby("place")["ago"].min()
        if kind == "carts":
            left = days.loc[days["ago"].to_numpy() < facts["recency"].to_numpy()[days["place"]], "place"].value_counts()
            found["carts_since"] = left.reindex(facts.index).fillna((facts["recency"] <= reach).map({True: 0.0, False: np.nan}))
    left_mails = did.loc[did["event"] == "unsubscribed", "place"].unique()
    found["unsubscribed"] = pd.Series(facts.index.isin(left_mails).astype(float), facts.index)
    table = pd.DataFrame({name: each.reindex(facts.index) for name, each in found.items()})
    return table if reach else table * np.nan


def event_days(did: pd.DataFrame) -> int:
    """How far back the events of customers go; 0 when there are none, or they have stopped."""
    return int(did["ago"].max()) if len(did) and did["ago"].min() <= SILENT else 0


def pair_facts(known: Known, members: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Of product sets (``members``: product, set, codes from 0): what is known of pairs, index set * customers + customer, sorted; and of sets."""
    people, orders = len(known.people), known.purchases.all_orders
    joined = known.lines[["product", "order", "amount", "pieces"]].merge(members, on="product")
    visit = joined["set"].to_numpy(np.int64) * orders + joined["order"].to_numpy()
    visits = joined[["amount", "pieces"]].assign(lines=np.int32(1)).groupby(visit, sort=True).sum()
    product_set, order = np.divmod(visits.index.to_numpy(), orders)
    visits = visits.assign(set=product_set, customer=known.customer_of[order], ago=known.ago_of[order], after=known.orders_after[order])
    ours = visits[visits["customer"] >= 0]
    key = ours["set"].to_numpy() * people + ours["customer"].to_numpy()
    pairs = _history(known, ours, key)
    sold = known.bought[["customer", "product"]].merge(members, on="product")
    pairs["set_products"] = sold.groupby(sold["set"].to_numpy(np.int64) * people + sold["customer"].to_numpy()).size()
    return pairs, _set_facts(known, members, visits, pairs)


def _history(known: Known, visits: pd.DataFrame, key: NDArray[np.int64]) -> pd.DataFrame:
    ago, lines = visits["ago"].to_numpy(), visits["lines"].to_numpy()
    sums = {"set_orders": np.ones(len(visits)), "set_lines": lines, "set_spent": visits["amount"] / MONEY}
    sums |= {f"set_orders_{days}": ago <= days for days in WINDOWS}
    sums |= {f"set_decayed_{half}": decayed(ago, half) for half in (30, 120)}
    sums["set_lines_decayed_90"] = decayed(ago, 90) * lines
    sums["set_orders_last_year"] = (ago >= 366 - known.horizon) & (ago <= 365)
    found = pd.DataFrame({name: np.asarray(values, np.float64) for name, values in sums.items()}).groupby(key, sort=True).sum()
    ages = pd.DataFrame({"ago": ago, "after": visits["after"].to_numpy()}).groupby(key, sort=True)
    least = ages.min()
    return found.assign(set_recency=least["ago"], set_age=ages["ago"].max(), set_orders_since=least["after"])


def _set_facts(known: Known, members: pd.DataFrame, visits: pd.DataFrame, pairs: pd.DataFrame) -> pd.DataFrame:
    sets, horizon, ago = np.arange(members["set"].max() + 1), known.horizon, visits["ago"]
    lately = members[members["product"].isin(known.lines.loc[known.lines["ago"] <= 90, "product"].unique())]
    counts = pd.DataFrame({"orders": 1, "amount": visits["amount"], "pieces": visits["pieces"], "set": visits["set"]})
    counts = counts.assign(sold_30=ago <= 30, sold_90=ago <= 90, then=ago.between(366 - horizon, 365), year=ago <= 365 + horizon)
    sums = counts.groupby("set").sum().reindex(sets).astype(float)
    price = sums["amount"] / sums["pieces"] * PIECES / MONEY
    sums = sums.fillna(0)
    by_set = pairs.index.to_numpy() // len(known.people)
    first, last = pairs["set_age"].to_numpy(), pairs["set_recency"].to_numpy()
    people = {"buyers": np.ones(len(pairs)), "twice": pairs["set_orders"].to_numpy() >= 2, "earlier": first > horizon}
    people |= {"returned": (first > horizon) & (last <= horizon), "arrived": first <= horizon}
    buyers = pd.DataFrame(people).astype(float).groupby(by_set).sum().reindex(sets).fillna(0)
    once = known.lines.drop_duplicates("order")["ago"]
    total, total_30, total_90 = (max(int((once <= days).sum()), 1) for days in (10**6, 30, 90))
    share_30, share_90 = sums["sold_30"] / total_30, sums["sold_90"] / total_90
    before = known.orders.loc[known.orders["ago"] > horizon, "customer"].nunique()
    usual = sums["year"] * horizon / (365.0 + horizon)
    return pd.DataFrame(
        {
            "size": members["set"].value_counts().reindex(sets).fillna(0),
            "size_sold": lately["set"].value_counts().reindex(sets).fillna(0),
            "buyers": buyers["buyers"] / known.purchases.share,
            "popularity": sums["orders"] / total,
            "popularity_30": share_30,
            "popularity_90": share_90,
            "trend": (share_30 + 0.001) / (share_90 + 0.001),
            "season": (sums["then"] + 5) / (usual + 5) if once.max() >= 365 else np.nan,
            "price": price,
            "rebuyers": buyers["twice"] / buyers["buyers"].clip(lower=1),
            "return_rate": buyers["returned"] / buyers["earlier"].clip(lower=1),
            "arrival_rate": buyers["arrived"] / (before - buyers["earlier"]).clip(lower=1),
            "on_sale_days": visits.groupby("set")["ago"].max().reindex(sets).fillna(0),
        }
    )


def set_event_facts(known: Known, members: pd.DataFrame) -> pd.DataFrame:
    """Of pairs of which events are known, index as in ``pair_facts``: days with visits and carts of the last 30, and days since the last."""
    did = known.events.assign(place=known.place[known.events["customer"]])
    did = did[did["place"] >= 0]
    reach, names = event_days(did), KINDS["visits"][0] + KINDS["carts"][0]
    joined = did.loc[did["event"].isin(names) & (reach > 0), ["place", "product", "ago", "event"]].merge(members, on="product")
    key = joined["set"].to_numpy(np.int64) * len(known.people) + joined["place"].to_numpy()
    found = {"set_visit_recency": joined["ago"].groupby(key).min()}
    for name, kind in (("set_visits_30", "visits"), ("set_carts_30", "carts")):
        late = (joined["event"].isin(KINDS[kind][0]) & (joined["ago"] <= SET_WINDOW)).to_numpy()
        days = pd.DataFrame({"key": key[late], "ago": joined["ago"].to_numpy()[late]}).drop_duplicates()
        counts = days["key"].value_counts().reindex(found["set_visit_recency"].index).fillna(0)
        found[name] = counts if reach >= SET_WINDOW else counts * np.nan
    return pd.DataFrame(found)
