"""A shop folder's published scores, audiences and days become flat tables for dashboards: a folder of Parquet files, or one DuckDB file."""

from collections.abc import Callable, Mapping
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa

from features.errors import Refused, UsageError
from features.files import MANIFEST, read_json, seal, whole_file, whole_folder
from features.shop import MONEY
from features.tables import PRODUCTS
from serving.audiences.facts import FACTS
from serving.audiences.kept import kept_members
from serving.audiences.listing import built_audiences
from serving.audiences.members import MEMBERS
from serving.audiences.showing import SHOWN
from serving.exports import with_days, write_table
from serving.scores import Scores

DATABASE = ".duckdb"
KIND = "tables for dashboards"
NEAR_A_PERSON = ("city", "postal_area")
"""Columns of the scores that stay out: together with others they could tell who somebody is."""
KNOWN_OF_PEOPLE = ("language", "gender")
"""What is added of the customers table; nothing else of it is."""
ANSWER = ("audience", "name", "data_date", "horizon", "ranked_by", "size", "expected_buyers", "base_rate", "lift", "unknown", "bundle")


def write_tables(folder: Path, path: Path) -> dict[str, int]:
    """Write the tables whole: into the file when the path ends with .duckdb, else into the folder, with a manifest. Returns the rows of each.

    Raises DataError before anything was scored, UsageError for a path with another ending, Refused when something else than such tables is there.
    """
    if path.suffix not in ("", DATABASE):
        raise UsageError(f"{path}: name a folder, or a file that ends with {DATABASE}")
    _check_place(path)
    scores = Scores.open(folder)
    made = {name: _dated(make(scores)).reset_index(drop=True) for name, make in TABLES.items()}
    (_write_database if path.suffix == DATABASE else _write_folder)(path, made, scores)
    return {name: len(table) for name, table in made.items()}


def _dated(frame: pd.DataFrame) -> pd.DataFrame:
    """With its days as dates: pandas reads the dates of stored scores as times in milliseconds. What has a time of day is finer, and stays."""
    return with_days(frame.astype({name: "datetime64[s]" for name, kind in frame.dtypes.items() if kind == "datetime64[ms]"}))


def _write_folder(path: Path, made: Mapping[str, pd.DataFrame], scores: Scores) -> None:
    with whole_folder(path) as temporary:
        for name, table in made.items():
            write_table(temporary / f"{name}.parquet", table)
        seal(temporary, kind=KIND, rows={name: len(table) for name, table in made.items()}, **_facts(scores))


def _write_database(path: Path, made: Mapping[str, pd.DataFrame], scores: Scores) -> None:
    with whole_file(path) as temporary, duckdb.connect(str(temporary)) as connection:
        for name, table in made.items():
            connection.register("given", pa.Table.from_pandas(table, preserve_index=False))
            connection.execute(f"CREATE TABLE {name} AS SELECT * FROM given")
            connection.unregister("given")


def _check_place(path: Path) -> None:
    """Refuse to replace what is not such tables: a folder that holds something else, or another database."""
    if not path.exists() or (path.is_dir() and path.suffix == "" and not any(path.iterdir())):
        return
    if path.is_dir() != (path.suffix == ""):
        raise UsageError(f"{path}: is a {'folder' if path.is_dir() else 'file'} already; name another path")
    if not (_is_our_database(path) if path.suffix else (path / MANIFEST).is_file() and read_json(path / MANIFEST).get("kind") == KIND):
        raise Refused(f"{path}: holds something else than these tables, which would be lost; name a new place with -o")


def _is_our_database(path: Path) -> bool:
    try:
        with duckdb.connect(str(path), read_only=True) as connection:
            return {name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()} == set(TABLES)
    except duckdb.Error:
        return False


def _facts(scores: Scores) -> dict[str, object]:
    """The date of the data, the horizon, the bundle, the imported tables, and the scores."""
    return {**{name: scores.facts[name] for name in ("as_of", "horizon", "bundle", "tables")}, "scores": scores.folder.name}


def _customers(scores: Scores) -> pd.DataFrame:
    """The scores' table of customers, with language and gender, without what is near a person."""
    table = scores.customers.drop(columns=list(NEAR_A_PERSON), errors="ignore")
    people = scores.shop.tables["customers"].select("customer_id", *KNOWN_OF_PEOPLE).to_pandas().set_index("customer_id")
    return table.join(people[[name for name in KNOWN_OF_PEOPLE if name not in table]]).reset_index(names="customer_id")


def _products(scores: Scores) -> pd.DataFrame:
    """The canonical columns of the products."""
    table: pd.DataFrame = scores.shop.products.reset_index()[PRODUCTS.names]
    return table


def _audiences(scores: Scores) -> pd.DataFrame:
    """A row for every answer to an audience that was kept."""
    rows = [
        {name: answer.get(name) for name in ANSWER}
        for audience in built_audiences(scores.shop_folder)
        for answer in map(read_json, sorted((scores.shop_folder / MEMBERS / audience).glob("[0-9]*.json")))
    ]
    return pd.DataFrame(rows, columns=list(ANSWER)).astype({"bundle": "str", "lift": "float64"})


def _members(scores: Scores) -> pd.DataFrame:
    """The members of the latest answer to every audience, by customer_id; empty what was not kept by an older version."""
    found = [kept.members for name in built_audiences(scores.shop_folder) if (kept := kept_members(scores.shop_folder, name))]
    parts = [each.frame.assign(audience=each.audience.audience, data_date=each.as_of.isoformat()) for each in found]
    names = ("audience", "data_date", "customer_id", "probability", "rank", "group", *SHOWN, *FACTS, "since")
    kinds = {name: MEMBER.get(name, "str") for name in names}
    return pd.concat([pd.DataFrame(columns=list(kinds)), *parts], ignore_index=True)[list(kinds)].astype(kinds)


MEMBER = {"probability": "float64", "rank": "int64", "expected_revenue": "float64", "is_vip": "boolean"}
"""The columns of members that are no texts."""


def _dates(scores: Scores) -> pd.DataFrame:
    """Every day from the first order to the date of the data: its place in the calendar, orders, customers who ordered, and revenue."""
    shop, end = scores.shop, pd.Timestamp(scores.as_of)
    orders = shop.orders
    by_day = orders.group_by("day").agg(orders=orders.count(), customers=orders.customer.nunique(), revenue=orders.revenue.sum() / MONEY).to_pandas()
    by_day = by_day.set_index(pd.to_datetime(by_day.pop("day"), unit="D"))
    days = pd.date_range(by_day.index.min(), end, inclusive="left")
    table = by_day.reindex(days).fillna(0).astype({"orders": "int64", "customers": "int64", "revenue": "float64"})
    calendar = pd.DataFrame(
        {
            "day": days.astype("datetime64[s]"),
            "year": days.year,
            "quarter": days.quarter,
            "month": days.month,
            "week": days.isocalendar().week.to_numpy("int64"),
            "weekday": days.day_name(locale=None).str[:3],
        }
    )
    both: pd.DataFrame = pd.concat([calendar, table.reset_index(drop=True)], axis=1)
    return both


TABLES: Mapping[str, Callable[[Scores], pd.DataFrame]] = {
    "about": lambda scores: pd.DataFrame([_facts(scores)]),
    "customers": _customers,
    "products": _products,
    "product_sets": lambda scores: scores.product_sets,
    "interests": lambda scores: scores.interests,
    "bests": lambda scores: scores.bests,
    "replenishment": lambda scores: scores.replenishment,
    "audiences": _audiences,
    "members": _members,
    "dates": _dates,
}
"""What each table is made of, by name."""
