"""Members become what they are like beside all customers: repeat or new, how dear they buy, and which facts set them apart."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.conditions import Evidence
from features.shop import MONEY, PIECES
from serving.audiences.members import Members, among
from serving.audiences.numbers import YEAR, Number

FACTS = {
    "recency": "days since the last order",
    "frequency": "orders so far",
    "age": "days since the first order",
    "monetary": "revenue per order",
    "rhythm_days": "days between orders",
    "orders_per_year": "orders a year",
    "frequency_trend": "orders more often than before (above 1)",
    "price_level": "how dear within the categories",
    "discount_share": "share saved by discounts",
    "gift_share": "share of gifts",
    "high_season_share": "share in high seasons",
    "q4_share": "share from October to December",
    "return_rate": "share sent back",
}
WORDS = ("lifecycle", "importance", "rfm_group", "engagement")
STRONGEST = 6
LEAST_APART = 0.1


def profile_numbers(members: Members, evidence: Evidence) -> Iterator[Number]:
    """Share repeat, price level and price of an item, where they are known."""
    place = np.searchsorted(evidence.customer_ids, members.frame["customer_id"].to_numpy())
    products = members.audience.about(evidence.catalogue)
    if products is not None and len(members) and len(products):
        history = evidence.snapshot.pairs([products]).frame()
        repeat = float(members.frame["customer_id"].isin(history["customer_id"]).mean())
        yield Number("share repeat", repeat, f"members who bought from {products.label} before")
    level = evidence.column("price_level")[place]
    if not np.isnan(level).all():
        yield Number("price level", float(np.nanmean(level)), "how dear they buy within the categories: standard deviations above the mean")
    price = _item_price(members, evidence)
    if not np.isnan(price):
        yield Number("price of an item", price, "median of what members bought in the last 365 days")


def _item_price(members: Members, evidence: Evidence) -> float:
    snapshot = evidence.snapshot
    lines = snapshot.shop.lines
    past = lines.filter(lines.customer.notnull(), lines.day < snapshot.day, lines.day >= snapshot.day - YEAR)
    each = past.select("customer", price=past.amount / past.pieces.nullif(0) * PIECES / MONEY).to_pandas()
    codes = np.searchsorted(snapshot.shop.customer_ids, members.frame["customer_id"].to_numpy())
    return float(each.loc[each["customer"].isin(codes), "price"].median())


def drivers(members: Members, evidence: Evidence) -> pd.DataFrame:
    """What sets members apart from all customers with orders, most first: fact, members (their mean, or the share of them), everybody (the same of
    all), apart (the difference in standard deviations of all customers, Cohen 1988). What differs by less than a tenth of one is left out."""
    if evidence.scored is None or not len(members):
        return _table([])
    known = np.isin(evidence.codes, evidence.snapshot.codes)
    chosen = among(members, evidence)
    rows = [(told, *_apart(evidence.column(name), chosen & known, known)) for name, told in FACTS.items()]
    for name in WORDS:
        if name in evidence.customers:
            codes, words = pd.factorize(evidence.customers[name].astype(object))
            found = [_apart((codes == at).astype(np.float32), chosen & known, known) for at in range(len(words))]
            rows += [(f"{name.replace('_', ' ')}: {word}", *each) for word, each in zip(words, found, strict=True)]
    return _table([row for row in rows if abs(row[3]) >= LEAST_APART])


def _apart(values: NDArray[np.float32], chosen: NDArray[np.bool_], known: NDArray[np.bool_]) -> tuple[float, float, float]:
    mine, all_of_them = values[chosen & ~np.isnan(values)].astype(np.float64), values[known & ~np.isnan(values)].astype(np.float64)
    if not len(mine) or not all_of_them.std() > 0:
        return float("nan"), float("nan"), 0.0
    return float(mine.mean()), float(all_of_them.mean()), float((mine.mean() - all_of_them.mean()) / all_of_them.std())


def _table(rows: list[tuple[str, float, float, float]]) -> pd.DataFrame:
    found = pd.DataFrame(rows, columns=["fact", "members", "everybody", "apart"])
    return found.sort_values("apart", key=lambda values: -values.abs(), kind="stable", ignore_index=True).head(STRONGEST)
