"""A scale and a seed become a whole made-up shop: the five canonical tables and the truth about what is planted in them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv

from features.files import whole_file
from features.made_up.assortment import TASTES
from features.made_up.baskets import made_up_baskets
from features.made_up.catalogue import made_up_catalogue
from features.made_up.events import events_table
from features.made_up.names import created_days, customer_ids, customers_table
from features.made_up.orders import Orders, made_up_orders
from features.made_up.people import IRREGULAR, REGULAR, People, made_up_people
from features.made_up.planted import (
    CROSS_SELL,
    DAYS,
    DECOYS,
    LONG_TAIL,
    NEW_CATEGORY,
    NEW_CATEGORY_OPENED,
    REPLENISHED,
    START,
    SUBSTITUTES,
    Truth,
)
from features.made_up.products_table import category_paths, product_ids, products_table
from features.made_up.sales import lines_table, made_up_sales, order_ids, orders_table

_RHYTHM_ORDERS = 5


@dataclass(frozen=True)
class MadeUpShop:
    """A made-up shop: ``tables`` by name, with the canonical columns and types and a few attributes, and the ``truth`` about them.

    Texts that repeat are dictionary-encoded.
    """

    tables: dict[str, pa.Table]
    truth: Truth


def made_up_shop(*, scale: float, seed: int) -> MadeUpShop:
    """A Nordic outdoor and sports shop over three years; scale 1 = 20,000 customers, 50 = 1 M customers and about 20 M lines.

    The same scale and seed give the same tables, byte for byte. Raises ValueError unless scale is above 0 and at most 100.
    """
    if not 0 < scale <= 100:
        raise ValueError(f"scale must be above 0 and at most 100, got {scale}")
    catalogue = made_up_catalogue(scale=scale, seed=seed)
    people = made_up_people(scale=scale, seed=seed, brands=catalogue.brands)
    baskets = made_up_baskets(people, made_up_orders(people, seed=seed), seed=seed)
    sales = made_up_sales(people, catalogue, baskets, seed=seed)
    truth = _truth(people, baskets.orders)
    del baskets
    customers, products = customer_ids(people), product_ids(catalogue, seed=seed)
    names = customers, products, *category_paths(catalogue, scale=scale)
    tables = {
        "customers": customers_table(people, seed=seed),
        "products": products_table(catalogue, scale=scale, seed=seed),
        "orders": orders_table(sales, customers),
        "order_lines": lines_table(sales, order_ids(sales), products),
        "events": events_table(people, catalogue, sales, created_days(people, seed=seed), seed=seed, names=names),
    }
    return MadeUpShop(tables, truth)


def _truth(people: People, orders: Orders) -> Truth:
    """What was planted, for the customers whom the shop knows."""
    known = people.known
    names = np.array(customer_ids(people).to_pylist())
    number = np.bincount(orders.person, minlength=len(people))[:known]
    kind, until = people.kind[:known], people.until[:known]
    regular = (kind == REGULAR) & (number >= _RHYTHM_ORDERS)
    stopped = (kind >= IRREGULAR) & (until < DAYS) & (number >= 2)
    index = pd.Index(names, name="customer_id")
    return Truth(
        cross_sell=CROSS_SELL,
        decoys=DECOYS,
        substitutes=SUBSTITUTES,
        replenished=dict(REPLENISHED),
        long_tail={path: names[people.loves[:known, column] & (number > 0)] for column, path in enumerate(LONG_TAIL)},
        rhythms=pd.Series(people.gap[:known][regular], index=index[regular], name="days"),
        lapsed=pd.Series(pd.Timestamp(START) + pd.to_timedelta(until[stopped], unit="D"), index=index[stopped], name="stopped"),
        tastes=pd.DataFrame(people.tastes[:known], index=index, columns=list(TASTES)),
        vips=names[people.vip[:known] & (number > 0)],
        gift_buyers=names[people.gift[:known] & (number > 0)],
        sale_buyers=names[people.sale[:known] & (number > 0)],
        new_category=NEW_CATEGORY,
        new_category_opened=NEW_CATEGORY_OPENED,
    )


def write_exports(shop: MadeUpShop, folder: Path) -> list[Path]:
    """Write the tables as a shop would export them: customers.csv, products.csv, orders.csv, order_lines.csv, events.csv. Returns the paths."""
    paths = []
    for name, table in shop.tables.items():
        path = folder / f"{name}.csv"
        with whole_file(path) as temporary:
            pyarrow.csv.write_csv(_as_exported(table), temporary)
        paths.append(path)
    return paths


def _as_exported(table: pa.Table) -> pa.Table:
    """Times to the second."""
    for at, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type):
            table = table.set_column(at, field.name, table.column(at).cast(pa.timestamp("s")))
    return table
