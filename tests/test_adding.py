"""Adding exports to a shop: an order that comes again replaces the one before, and many small imports make the tables of one large one."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path

import duckdb
import pytest

from features.config import Config
from features.errors import DataError, Refused
from features.files import read_current
from features.imports import import_files
from features.made_up import made_up_shop, weeks_of, write_exports
from features.tables import TABLES

TODAY = date(2027, 1, 1)
ORDERS = "order_id,customer_id,ordered_at,revenue,status\n"
LINES = "order_id,line_no,product_id,quantity,price\n"
PEOPLE = "customer_id,email,consent_email,city\n"
FIRST = {
    "orders.csv": ORDERS + "1,ann,2024-01-02,100,completed\n2,bob,2024-01-03,15,completed\n",
    "order_lines.csv": LINES + "1,1,tent,1,100\n2,1,rope,2,7.5\n",
    "customers.csv": PEOPLE + "ann,ann@shop.test,yes,Aarhus\nbob,bob@shop.test,yes,Odense\n",
    "products.csv": "product_id,title,price\ntent,Tent,100\nrope,Rope,7.5\n",
}


def added(shop: Path, files: Mapping[str, str], **options: object) -> Path:
    """The files written and added to a shop; the folder of its tables."""
    exports = shop / "exports"
    exports.mkdir(exist_ok=True)
    paths = [exports / name for name in files]
    for path, text in zip(paths, files.values(), strict=True):
        path.write_text(text, encoding="utf-8")
    import_files(shop, paths, config=Config(), today=TODAY, add=True, **options)  # type: ignore[arg-type]  # options of the function
    return shop / read_current(shop)["tables"]


def rows(tables: Path, table: str, columns: str) -> list[tuple[object, ...]]:
    return duckdb.sql(f"SELECT {columns} FROM '{tables / table}.parquet'").fetchall()


CASES: dict[str, tuple[Mapping[str, str], str, str, list[tuple[object, ...]]]] = {
    "a new order": (
        {"orders.csv": ORDERS + "3,ann,2024-02-01,7.5,completed\n", "order_lines.csv": LINES + "3,1,rope,1,7.5\n"},
        "orders",
        "order_id, revenue",
        [("1", 100.0), ("2", 15.0), ("3", 7.5)],
    ),
    "a changed order replaces its lines, too": (
        {"orders.csv": ORDERS + "2,bob,2024-01-03,7.5,completed\n", "order_lines.csv": LINES + "2,1,rope,1,7.5\n"},
        "order_lines",
        "order_id, line_no, quantity",
        [("1", 1, 1.0), ("2", 1, 1.0)],
    ),
    "a line less": (
        {"orders.csv": ORDERS + "1,ann,2024-01-02,7.5,completed\n", "order_lines.csv": LINES + "1,2,rope,1,7.5\n"},
        "order_lines",
        "order_id, line_no, product_id",
        [("1", 2, "rope"), ("2", 1, "rope")],
    ),
    "a late state keeps lines and revenue": (
        {"orders.csv": "order_id,customer_id,ordered_at,status\n2,bob,2024-01-03,completed\n"},
        "orders",
        "order_id, revenue, status",
        [("1", 100.0, "completed"), ("2", 15.0, "completed")],
    ),
    "a late cancellation": (
        {"orders.csv": "order_id,customer_id,ordered_at,status\n2,bob,2024-01-03,cancelled\n"},
        "orders",
        "order_id, revenue, status",
        [("1", 100.0, "completed"), ("2", 0.0, "cancelled")],
    ),
    "a return as an order of its own": (
        {"orders.csv": ORDERS + "4,bob,2024-02-09,-7.5,completed\n", "order_lines.csv": LINES + "4,1,rope,-1,7.5\n"},
        "order_lines",
        "order_id, quantity",
        [("1", 1.0), ("2", 2.0), ("4", -1.0)],
    ),
    "consent taken back by an empty cell": (
        {"customers.csv": "customer_id,consent_email\nann,\n"},
        "customers",
        "customer_id, consent_email, city, email",
        [("ann", None, "Aarhus", "ann@shop.test"), ("bob", True, "Odense", "bob@shop.test")],
    ),
    "a new column of customers": (
        {"customers.csv": "customer_id,club\nbob,gold\n"},
        "customers",
        "customer_id, city, club",
        [("ann", "Aarhus", None), ("bob", "Odense", "gold")],
    ),
    "a new price of a product": (
        {"products.csv": "product_id,price\ntent,90\n"},
        "products",
        "product_id, title, price",
        [("rope", "Rope", 7.5), ("tent", "Tent", 90.0)],
    ),
    "products told by lines only stay as they are listed": (
        {"sold.csv": "order_id,customer_id,ordered_at,product_id,quantity,price,title\n9,cat,2024-03-01,tent,1,100,TENT!\n"},
        "products",
        "product_id, title, price",
        [("rope", "Rope", 7.5), ("tent", "TENT!", 100.0)],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_comes_again_replaces_what_was_there(case: str, tmp_path: Path) -> None:
    files, table, columns, expected = CASES[case]
    added(tmp_path, FIRST)
    assert rows(added(tmp_path, files), table, columns) == expected


def test_adding_the_same_files_again_changes_nothing(tmp_path: Path) -> None:
    assert added(tmp_path, FIRST) == added(tmp_path, FIRST)


def test_events_are_added_once(tmp_path: Path) -> None:
    added(tmp_path, FIRST)
    events = "occurred_at,customer_id,event\n2024-01-05 10:00:00,ann,viewed\n2024-01-05 10:00:00,ann,viewed\n"
    added(tmp_path, {"events.csv": events})
    tables = added(tmp_path, {"events.csv": events + "2024-01-06 10:00:00,bob,viewed\n"})
    assert rows(tables, "events", "customer_id") == [("ann",), ("ann",), ("bob",)]


def test_another_currency_is_refused(tmp_path: Path) -> None:
    head = "order_id,customer_id,ordered_at,revenue,currency\n"
    before = added(tmp_path, {"orders.csv": head + "1,ann,2024-01-02,100,EUR\n2,bob,2024-01-02,10,EUR\n"})
    with pytest.raises(DataError, match="in EUR, those to add in USD; convert them to EUR"):
        added(tmp_path, {"orders.csv": head + "3,ann,2024-02-02,100,USD\n"})
    assert tmp_path / read_current(tmp_path)["tables"] == before


def test_what_is_not_approved_is_not_published(tmp_path: Path) -> None:
    before = added(tmp_path, FIRST)

    def never(tables: Path) -> None:
        assert (tables / "orders.parquet").is_file()
        raise Refused("no")

    with pytest.raises(Refused, match="no"):
        added(tmp_path, {"orders.csv": ORDERS + "3,ann,2024-02-01,7.5,completed\n"}, approve=never)
    assert tmp_path / read_current(tmp_path)["tables"] == before


def test_weeks_make_the_same_bytes_as_one_import(tmp_path: Path) -> None:
    exports = write_exports(made_up_shop(scale=0.01, seed=1), tmp_path / "exports")
    for shop in ("once", "weekly"):
        (tmp_path / shop).mkdir()
    import_files(tmp_path / "once", exports, config=Config(), today=TODAY)
    for files in weeks_of(exports, tmp_path / "weeks", ("2026-05-01", "2026-05-08", "2026-05-15", "9999")):
        import_files(tmp_path / "weekly", files, config=Config(), today=TODAY, add=True)
    once, weekly = (tmp_path / shop / read_current(tmp_path / shop)["tables"] for shop in ("once", "weekly"))
    for name in TABLES:
        assert (once / f"{name}.parquet").read_bytes() == (weekly / f"{name}.parquet").read_bytes(), name
    assert once.name == weekly.name
