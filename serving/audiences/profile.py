"""Members become what they are like beside all customers: repeat or new, how dear they buy, and which facts set them apart."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.conditions import Evidence
from features.shop import MONEY, PIECES
from serving.audiences.members import Members, among, places
from serving.audiences.numbers import Number, bought_from, lines_of_a_year, members_by_code

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
    place = places(members, evidence)
    products = members.audience.about(evidence.catalogue)
    if products is not None and len(members) and len(products):
        repeat = float(bought_from(evidence, products)[place].mean())
        yield Number("share repeat", repeat, f"members who bought from {products.label} before")
    level = evidence.column("price_level")[place]
    if not np.isnan(level).all():
        yield Number("price level", float(np.nanmean(level)), "how dear they buy within the categories: standard deviations above the mean")
    price = _item_price(members, evidence)
    if not np.isnan(price):
        yield Number("price of an item", price, "median of what members bought in the last 365 days")


def _item_price(members: Members, evidence: Evidence) -> float:
    customer, price = evidence.once("prices of a year", lambda: _prices(evidence))
    paid = price[members_by_code(members, evidence)[customer]]
    return float(np.median(paid)) if len(paid) else float("nan")


def _prices(evidence: Evidence) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Customer (the shop's code) and price of an item, of every line of the last 365 days with a price."""
    past = lines_of_a_year(evidence)
    each = past.select("customer", price=past.amount / past.pieces.nullif(0) * PIECES / MONEY)
    found = each.filter(each.price.notnull()).to_pyarrow()
    return found["customer"].to_numpy(), found["price"].to_numpy()


def drivers(members: Members, evidence: Evidence) -> pd.DataFrame:
    """What sets members apart from all customers with orders, most first: fact, members (their mean, or the share of them), everybody (the same of
    all), apart (the difference in standard deviations of all customers, Cohen 1988). What differs by less than a tenth of one is left out."""
    if evidence.scored is None or not len(members):
        return _table([])
    known = np.isin(evidence.codes, evidence.snapshot.codes)
    chosen = among(members, evidence) & known
    rows = [(told, *_apart(evidence.column(name)[chosen], _usual(evidence, name, known))) for name, told in FACTS.items()]
    for name in WORDS:
        if name in evidence.customers:
            rows += _words_apart(name, chosen, known, evidence)
    return _table([row for row in rows if abs(row[3]) >= LEAST_APART])


def _usual(evidence: Evidence, name: str, known: NDArray[np.bool_]) -> tuple[float, float]:
    """Mean and standard deviation of a column over all customers with orders of whom it is known."""
    return evidence.once(("usual", name), lambda: _mean_and_spread(evidence.column(name)[known]))


def _mean_and_spread(values: NDArray[np.float32]) -> tuple[float, float]:
    known = values[~np.isnan(values)].astype(np.float64)
    return (float(known.mean()), float(known.std())) if len(known) else (float("nan"), 0.0)


def _apart(values: NDArray[np.float32], usual: tuple[float, float]) -> tuple[float, float, float]:
    mean, spread = usual
    mine = float(np.nanmean(values, dtype=np.float64)) if not np.isnan(values).all() else float("nan")
    return (mine, mean, (mine - mean) / spread) if spread > 0 and mine == mine else (float("nan"), float("nan"), 0.0)


def _words_apart(name: str, chosen: NDArray[np.bool_], known: NDArray[np.bool_], evidence: Evidence) -> Iterator[tuple[str, float, float, float]]:
    """The share of each word of a column among members and among everybody."""
    codes, words = evidence.once(("words", name), lambda: pd.factorize(evidence.customers[name].astype(object)))
    mine, all_of_them = (np.bincount(codes[of] + 1, minlength=len(words) + 1)[1:] / max(int(of.sum()), 1) for of in (chosen, known))
    for word, share, usual in zip(words, mine, all_of_them, strict=True):
        if 0 < usual < 1 and chosen.any():
            yield f"{name.replace('_', ' ')}: {word}", float(share), float(usual), float((share - usual) / np.sqrt(usual * (1 - usual)))


def _table(rows: list[tuple[str, float, float, float]]) -> pd.DataFrame:
    found = pd.DataFrame(rows, columns=["fact", "members", "everybody", "apart"])
    return found.sort_values("apart", key=lambda values: -values.abs(), kind="stable", ignore_index=True).head(STRONGEST)
