"""What customers buy and where they live become words: their strongest tags, and the levels of their address."""

import ibis
import pandas as pd
import pyarrow as pa
from ibis.expr.types import Table

from features.expressions import Feature, before
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


def tags(snapshot: Snapshot) -> Table:
    """One row per customer with a tag that stands out: ``tags``."""
    lines = before(snapshot.shop.lines, snapshot.day)
    known = lines.filter(lines.customer.notnull())
    of_products, names = _coded(product_tags(snapshot.shop, snapshot.day))
    tagged = known.join(of_products, "product").group_by("customer", "tag").agg(own=lambda each: each.count())
    totals = known.group_by("customer").agg(lines=known.count())
    shares = tagged.group_by("tag").agg(all_own=tagged.own.sum()).cross_join(known.agg(all_lines=known.count()))
    joined = tagged.filter(tagged.own >= 2).join(totals, "customer").join(shares, "tag")
    share = joined.all_own / joined.all_lines
    usual = joined.lines * share
    lift = (joined.own + MORE_LINES * share) / (joined.lines + MORE_LINES) / share
    sure = (joined.own - usual) >= TAG_SURE * (usual * (1 - share)).sqrt()
    out = joined.filter(lift >= TAG_LIFT, sure).select("customer", "tag", lift=lift)
    best = out.mutate(place=ibis.row_number().over(group_by=out.customer, order_by=[out["lift"].desc(), out.tag]))
    named = best.filter(best.place < TAGS).join(names, "tag")
    return named.group_by("customer").agg(tags=named.name.group_concat(",", order_by=named.place))


def _coded(tagged: Table) -> tuple[Table, Table]:
    """The tags of products as numbers that sort like the words (``product``, ``tag``), and their words (``tag``, ``name``)."""
    found: pd.DataFrame = tagged.to_pandas()
    codes, names = pd.factorize(found["tag"].to_numpy(dtype=object), sort=True)
    products = pa.array(found["product"].to_numpy(), pa.int32())
    of_products = ibis.memtable(pa.table({"product": products, "tag": pa.array(codes, pa.int32())}))
    numbers = pa.array(range(len(names)), pa.int32())
    return of_products, ibis.memtable(pa.table({"tag": numbers, "name": pa.array(list(names), pa.string())}))


def product_tags(shop: Shop, day: int) -> Table:
    """Every product sold before ``day`` with each of its tags, in lower case: ``product``, ``tag``."""
    products = shop.tables["products"].join(shop.product_codes, "product_id").drop("product_id")
    sold = products.semi_join(before(shop.lines, day), "product")
    words = sold.filter(sold.tags.notnull()).select("product", tag=sold.tags.split(",").unnest())
    parts = [words]
    for name in _attributes(sold):
        value = sold[name].cast("string").strip().nullif("")
        parts.append(sold.filter(value.notnull()).select("product", tag=ibis.literal(f"{name}: ") + value.replace(",", " ")))
    every = ibis.union(*parts) if len(parts) > 1 else words
    plain = every.select("product", tag=every.tag.strip().lower())
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
    country, region, city, code = (customers[name].strip().nullif("") for name in ("country", "region", "city", "postal_code"))
    start = code.replace(" ", "").upper().left(2)
    area = ibis.coalesce(country + " ", "") + start
    return customers.select("customer", country=country, region=region, city=city, postal_area=area)
