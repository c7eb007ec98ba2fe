"""What customers buy and where they live become words: their strongest tags, and the levels of their address."""

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from ibis.expr.types import Table
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from features.expressions import Feature, before, stripped
from features.shop import Shop
from features.snapshot import Snapshot
from features.tables import TABLES

TASTES = (
    Feature(
        "tags",
        "up to three tags, separated by commas, that stand out among the products the customer bought: on at least two product lines, at least 1.5 "
        "times their share of all lines (five average lines added) and two standard errors above it; the strongest first. Tags are those of the "
        "products, and `attribute: value` of every further product column with 2 to 20 values; empty where none stands out",
    ),
)
PLACES = (
    Feature("country", "country of the customer, as the shop writes it"),
    Feature("region", "region or state of the customer"),
    Feature("city", "city of the customer"),
    Feature("postal_area", "country and the first two characters of the postal code: a part of the country wider than a city"),
)
VALUES = 20
"""A product column with more values than this is no attribute but a name or a number."""
MORE_LINES = 5.0
TAG_LIFT = 1.5
TAG_SURE = 2.0
TAGS = 3
ROWS = 100_000
"""Customers whose tags are counted at once."""


def tags(snapshot: Snapshot) -> pd.DataFrame:
    """One row per customer with a tag that stands out: ``customer`` (code) and ``tags``."""
    lines, (of_products, names) = _bought(snapshot), snapshot.of_all("tags", lambda: _coded(snapshot))
    share = snapshot.of_all("shares of tags", lambda: (np.asarray(lines.sum(axis=0)).ravel() @ of_products) / max(lines.sum(), 1))
    starts = range(0, lines.shape[0], ROWS)
    best = np.vstack([_strongest(lines[first : first + ROWS], of_products, share) for first in starts])
    told = np.flatnonzero(best[:, 0] < len(names))
    words = pa.array([*names, None], pa.string())
    joined = pc.binary_join_element_wise(*(words.take(pa.array(best[told, place])) for place in range(TAGS)), ",", null_handling="skip")
    return pd.DataFrame({"customer": told, "tags": joined.to_pandas()})


def _bought(snapshot: Snapshot) -> csr_matrix:
    """How many lines of each product each customer bought: customers x products of the shop."""
    shop, lines = snapshot.shop, before(snapshot.shop.lines, snapshot.day)
    found = lines.filter(lines.customer.notnull()).select("customer", "product").to_pyarrow()
    places = (found["customer"].to_numpy(), found["product"].to_numpy())
    return csr_matrix((np.ones(found.num_rows, np.int32), places), shape=(len(shop.customer_ids), len(shop.product_ids)))


def _strongest(lines: csr_matrix, of_products: csr_matrix, share: NDArray[np.float64]) -> NDArray[np.int64]:
    """The tags that stand out for each customer, the strongest first: customers x ``TAGS``; where there are fewer, the number of all tags."""
    counts = (lines @ of_products).tocoo()
    twice = counts.data >= 2
    customer, tag, own = counts.row[twice], counts.col[twice], counts.data[twice]
    all_own, usual_share = np.asarray(lines.sum(axis=1)).ravel()[customer], share[tag]
    usual = all_own * usual_share
    lift = (own + MORE_LINES * usual_share) / (all_own + MORE_LINES) / usual_share
    sure = own - usual >= TAG_SURE * np.sqrt(usual * (1 - usual_share))
    out = np.flatnonzero((lift >= TAG_LIFT) & sure)
    out = out[np.lexsort((tag[out], -lift[out], customer[out]))]
    new = np.diff(customer[out], prepend=-1) != 0
    place = np.arange(len(out)) - np.flatnonzero(new)[np.cumsum(new) - 1]
    best = np.full((lines.shape[0], TAGS), of_products.shape[1])
    first = place < TAGS
    best[customer[out][first], place[first]] = tag[out][first]
    return best


def _coded(snapshot: Snapshot) -> tuple[csr_matrix, list[str]]:
    """Which product has which tag (products of the shop x tags), and the tags, sorted."""
    found: pd.DataFrame = product_tags(snapshot.shop, snapshot.day).to_pandas()
    codes, names = pd.factorize(found["tag"].to_numpy(dtype=object), sort=True)
    shape = (len(snapshot.shop.product_ids), len(names))
    return csr_matrix((np.ones(len(found), np.int32), (found["product"].to_numpy(), codes)), shape=shape), list(names)


def product_tags(shop: Shop, day: int) -> Table:
    """Every product sold before ``day`` with each of its tags, in lower case: ``product``, ``tag``."""
    products = shop.tables["products"].join(shop.product_codes, "product_id").drop("product_id")
    sold = products.semi_join(before(shop.lines, day), "product")
    words = sold.filter(sold.tags.notnull()).select("product", tag=sold.tags.split(",").unnest())
    parts = [words]
    for name in _attributes(sold):
        value = stripped(sold[name].cast("string")).nullif("")
        parts.append(sold.filter(value.notnull()).select("product", tag=ibis.literal(f"{name}: ") + value.replace(",", " ")))
    every = ibis.union(*parts) if len(parts) > 1 else words
    plain = every.select("product", tag=stripped(every.tag).lower())
    return plain.filter(plain.tag != "").distinct()


def _attributes(sold: Table) -> list[str]:
    """The further columns of the products with few values."""
    names = [name for name in sold.columns if name not in (*TABLES["products"].names, "product")]
    if not names:
        return []
    counts = sold.agg(**{name: sold[name].nunique() for name in names}).to_pandas().iloc[0]
    return sorted(name for name in names if 2 <= counts[name] <= VALUES)


def places(snapshot: Snapshot) -> Table:
    """One row per customer of the customers table: ``country``, ``region``, ``city``, ``postal_area``."""
    shop = snapshot.shop
    customers = shop.tables["customers"].join(shop.customer_codes, "customer_id")
    country, region, city, code = (stripped(customers[name]).nullif("") for name in ("country", "region", "city", "postal_code"))
    start = code.replace(" ", "").upper().left(2)
    area = ibis.coalesce(country + " ", "") + start
    return customers.select("customer", country=country, region=region, city=city, postal_area=area)
