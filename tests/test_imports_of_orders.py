"""Files in, canonical tables out: literal rows of exports and the literal rows that become of them."""

import json
import stat
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path

import duckdb
import pytest

from features.config import Config, parse_map, with_import
from features.coverage import Coverage
from features.errors import DataError
from features.files import check_seal, read_current
from features.imports import import_files
from features.imports.staging import keyed_hash_of
from features.sections import ShopSection
from features.tables import TABLES

TODAY = date(2024, 6, 1)
FLAT = "order_id,customer_id,ordered_at,product_id,quantity,price\n"
TWO = "1,ann,2024-01-02,tent,1,100\n2,bob,2024-01-03,rope,2,7.5\n"


class Imported:
    """A shop folder after an import, to be asked for columns of its tables."""

    def __init__(self, shop: Path, coverage: Coverage) -> None:
        self.shop, self.coverage = shop, coverage

    def rows(self, table: str, columns: str) -> list[tuple[object, ...]]:
        """Some columns of a table, in the order of the file."""
        path = self.shop / read_current(self.shop)["tables"] / f"{table}.parquet"
        return duckdb.sql(f"SELECT {columns} FROM '{path}'").fetchall()

    def columns(self, table: str) -> list[str]:
        """The names of a table's columns."""
        path = self.shop / read_current(self.shop)["tables"] / f"{table}.parquet"
        return list(duckdb.sql(f"SELECT * FROM '{path}'").columns)


Run = Callable[..., Imported]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Write files, import them into one shop and open the result."""

    def run(
        files: Mapping[str, str | bytes], *pairs: str, shop: Mapping[str, object] | None = None, skip_bad_lines: bool = False, **options: object
    ) -> Imported:
        (tmp_path / "exports").mkdir(exist_ok=True)
        paths = []
        for name, content in files.items():
            path = tmp_path / "exports" / name
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
            paths.append(path)
        config = with_import(Config(shop=ShopSection.model_validate(shop or {})), map=parse_map(pairs), **options)
        return Imported(tmp_path, import_files(tmp_path, paths, config=config, today=TODAY, skip_bad_lines=skip_bad_lines))

    return run


def test_a_flat_file_becomes_all_five_tables(run: Run) -> None:
    shop = run({"sales.csv": FLAT + TWO})
    assert shop.rows("orders", "order_id, customer_id, ordered_at, revenue, status") == [
        ("1", "ann", datetime(2024, 1, 2), 100.0, "completed"),
        ("2", "bob", datetime(2024, 1, 3), 15.0, "completed"),
    ]
    assert shop.rows("order_lines", "order_id, line_no, product_id, quantity, price") == [("1", 1, "tent", 1.0, 100.0), ("2", 1, "rope", 2.0, 7.5)]
    assert shop.rows("customers", "customer_id, email, consent_email") == [("ann", None, None), ("bob", None, None)]
    assert shop.rows("products", "product_id, title, category") == [("rope", None, None), ("tent", None, None)]
    assert shop.rows("events", "*") == []


def test_every_table_has_all_canonical_columns_in_order(run: Run) -> None:
    shop = run({"sales.csv": FLAT + TWO})
    for name, table in TABLES.items():
        assert shop.columns(name) == table.names


def test_the_folder_is_sealed_and_named_by_its_content(run: Run) -> None:
    first = run({"sales.csv": FLAT + TWO})
    folder = first.shop / read_current(first.shop)["tables"]
    assert check_seal(folder)["coverage"] == first.coverage.as_dict()
    inode = (folder / "orders.parquet").stat().st_ino
    again = run({"sales.csv": FLAT + TWO})
    assert again.coverage == first.coverage
    assert (folder / "orders.parquet").stat().st_ino == inode  # nothing was written a second time


def test_a_damaged_folder_of_the_same_content_is_made_anew(run: Run) -> None:
    first = run({"sales.csv": FLAT + TWO})
    folder = first.shop / read_current(first.shop)["tables"]
    (folder / "orders.parquet").write_bytes(b"damaged")
    run({"sales.csv": FLAT + TWO})
    assert check_seal(folder)


def test_only_the_tables_in_use_and_the_ones_before_stay(run: Run) -> None:
    names = [run({"sales.csv": FLAT + TWO + f"3,cy,2024-02-0{day},rope,1,1\n"}).coverage.import_id for day in (1, 2, 3)]
    shop = run({"sales.csv": FLAT + TWO}).shop
    kept = {path.name for path in (shop / "tables").iterdir()}
    assert kept == {names[-1], Path(read_current(shop)["tables"]).name}
    assert not list(shop.glob(".import-*"))


LINES = "InvoiceNo;StockCode;Description;Qty;InvoiceDate;UnitPrice;CustomerID;Country\n"


def test_mapped_columns_with_decimal_comma_latin_1_and_semicolons(run: Run) -> None:
    rows = "536365;085123A;T\xe6ppe, r\xf8d;6;1/12/2010 8:26;1.234,50;17850.0;Danmark\n536366;10;;1;13/12/2010 9:00;0,50;;Norge\n"
    pairs = "order_id=InvoiceNo product_id=StockCode title=Description quantity=Qty ordered_at=InvoiceDate price=UnitPrice customer_id=CustomerID"
    other = "536367;10;Rope;1;14/12/2010 9:00;0,50;13047.0;Norge\n"
    shop = run({"sales.csv": (LINES + rows + other).encode("latin-1")}, *pairs.split(), "country=Country")
    assert shop.rows("orders", "order_id, customer_id, ordered_at, revenue") == [
        ("536365", "17850", datetime(2010, 12, 1, 8, 26), 7407.0),
        ("536366", None, datetime(2010, 12, 13, 9), 0.5),
        ("536367", "13047", datetime(2010, 12, 14, 9), 0.5),
    ]
    assert shop.rows("products", "product_id, title") == [("085123A", "T\xe6ppe, r\xf8d"), ("10", "Rope")]
    assert shop.rows("customers", "customer_id, country") == [("13047", "Norge"), ("17850", "Danmark")]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["007", "0042"], ["0042", "007"]),
        (["17850.0", "2.0"], ["17850", "2"]),
        (["17850.0", "A2.0"], ["17850.0", "A2.0"]),
        (["17850", "17850.0", "0.0", "-1.0", "0123"], ["-1", "0", "0123", "17850"]),
        (["17850.0", "A12", "x.dk"], ["17850", "A12", "x.dk"]),
        (["1", "1.0", "1.5"], ["1", "1.0", "1.5"]),
        (["1.0", "1.0.2"], ["1.0", "1.0.2"]),
        (["1.0", "007.0"], ["007.0", "1.0"]),
        (["'0123", "'9"], ["0123", "9"]),
        (["  a ", "B"], ["B", "a"]),
    ],
)
def test_ids_stay_as_they_are_written_but_for_the_traces_of_spreadsheets(run: Run, cells: Sequence[str], expected: Sequence[str]) -> None:
    rows = "".join(f"{number},{cell},2024-01-02,p,1,1\n" for number, cell in enumerate(cells))
    assert run({"sales.csv": FLAT + rows}).rows("customers", "customer_id") == [(each,) for each in expected]


@pytest.mark.parametrize(("customers", "expected"), [("ann\n2.0\n", [("2",), ("ann",)]), ("2.5\n2.0\n", [("2.0",), ("2.5",), ("ann",)])])
def test_an_id_is_the_same_in_all_files(run: Run, customers: str, expected: Sequence[tuple[str]]) -> None:
    orders = "order_id,customer_id,ordered_at,revenue\n1,ann,2024-01-02,1\n2,2.0,2024-01-02,1\n"
    assert run({"o.csv": orders, "c.csv": "customer_id\n" + customers}).rows("customers", "customer_id") == expected


PRICES = {
    "2": 2.0,
    "-2.50": -2.5,
    '"1,234.50"': 1234.5,
    "£3.10": 3.1,
    "12.50 kr.": 12.5,
    "USD 4": 4.0,
    "(2.50)": -2.5,
    "1e2": 100.0,
    ".5": 0.5,
    "": None,
    "NULL": None,
    "nan": None,
}


def test_prices_as_exports_write_them(run: Run) -> None:
    rows = "".join(f"{number:02},c{number},2024-01-02,p,1,{cell}\n" for number, cell in enumerate(PRICES))
    assert run({"sales.csv": FLAT + rows}).rows("order_lines", "price") == [(number,) for number in PRICES.values()]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["2024-01-02", "2024-03-04 10:20"], [datetime(2024, 1, 2), datetime(2024, 3, 4, 10, 20)]),
        (["2024-01-02T10:00:00Z", "2024-05-02T10:00:00+00:00"], [datetime(2024, 1, 2, 11), datetime(2024, 5, 2, 12)]),
        (["2024-01-02 10:00:00 +0200", "2024-01-02 10:00:00 UTC"], [datetime(2024, 1, 2, 9), datetime(2024, 1, 2, 11)]),
        (["2024-01-02 10:00:00-05", "2024-01-02 10:00"], [datetime(2024, 1, 2, 16), datetime(2024, 1, 2, 10)]),
        (["1/2/2024 8:26", "13/2/2024 18:26:05"], [datetime(2024, 2, 1, 8, 26), datetime(2024, 2, 13, 18, 26, 5)]),
        (["1/2/2024 8:26 PM", "1/13/2024 12:00 AM"], [datetime(2024, 1, 2, 20, 26), datetime(2024, 1, 13)]),
        (["01.02.24", "13.02.24"], [datetime(2024, 2, 1), datetime(2024, 2, 13)]),
        (["12/5/23", "1/12/24", "12/13/23"], [datetime(2023, 12, 5), datetime(2024, 1, 12), datetime(2023, 12, 13)]),
        (
            ["1/2/2024", "3/4/2024", "2/1/2024", "13/5/2024"],
            [datetime(2024, 2, 1), datetime(2024, 4, 3), datetime(2024, 1, 2), datetime(2024, 5, 13)],
        ),
        (["1/2/2024", "13.2.2024", "2024-03-04"], [datetime(2024, 2, 1), datetime(2024, 2, 13), datetime(2024, 3, 4)]),
        (["5-5-2024", "4-4-2024"], [datetime(2024, 5, 5), datetime(2024, 4, 4)]),
        (["21-Sep-2021", "1-Oct-2021"], [datetime(2021, 9, 21), datetime(2021, 10, 1)]),
        (['"Oct 5, 2023"', '"October 6, 2023"'], [datetime(2023, 10, 5), datetime(2023, 10, 6)]),
        (["20240105", "20240106"], [datetime(2024, 1, 5), datetime(2024, 1, 6)]),
    ],
)
def test_dates_as_exports_write_them(run: Run, cells: Sequence[str], expected: Sequence[datetime]) -> None:
    rows = "".join(f"{number},c{number},{cell},p,1,1\n" for number, cell in enumerate(cells))
    shop = run({"sales.csv": FLAT + rows}, shop={"timezone": "Europe/Copenhagen"})
    assert shop.rows("orders", "ordered_at") == [(each,) for each in expected]


def test_a_stated_date_format_settles_what_values_cannot(run: Run) -> None:
    rows = "1,ann,01/02/2024,p,1,1\n2,bob,03/04/2024 10:00,p,1,1\n"
    shop = run({"sales.csv": FLAT + rows}, date_format="%m/%d/%Y")
    assert shop.rows("orders", "ordered_at") == [(datetime(2024, 1, 2),), (datetime(2024, 3, 4, 10),)]


def test_a_stated_date_format_may_look_like_another(run: Run) -> None:
    rows = "1,ann,2024-01-02,p,1,1\n2,bob,2024-31-01 10:00,p,1,1\n"
    shop = run({"sales.csv": FLAT + rows}, date_format="%Y-%d-%m")
    assert shop.rows("orders", "ordered_at") == [(datetime(2024, 2, 1),), (datetime(2024, 1, 31, 10),)]


def test_several_stated_date_formats_are_tried_in_turn(run: Run) -> None:
    files = {"o.csv": "customer_id,ordered_at,revenue\na,1/2/2024 9:30,1\nb,2/2/2024,1\n", "c.csv": "customer_id,birth_date\na,1980-12-31\n"}
    shop = run(files, date_format=("%d/%m/%Y", "%Y-%m-%d"))
    assert shop.rows("orders", "ordered_at") == [(datetime(2024, 2, 1, 9, 30),), (datetime(2024, 2, 2),)]
    assert shop.rows("customers", "birth_date") == [(date(1980, 12, 31),), (None,)]


def test_cancellations_and_returns_are_kept_apart_from_purchases_and_netted(run: Run) -> None:
    rows = (
        "1,ann,2024-01-02,tent,1,100,paid\n1,ann,2024-01-02,rope,2,5,paid\n"
        "C1,ann,2024-01-05,rope,-1,5,paid\n"
        "2,bob,2024-01-02,tent,1,100,Cancelled\n"
        "3,bob,2024-01-03,tent,1,100,wc-refunded\n3,bob,2024-01-03,rope,-2,5,wc-refunded\n"
        "4,bob,2024-01-04,tent,1,100,paid\n4,bob,2024-01-04,rope,1,5,returned\n"
    )
    shop = run({"sales.csv": FLAT.strip() + ",status\n" + rows}, cancelled_prefix="C")
    assert shop.rows("orders", "order_id, status, revenue") == [
        ("1", "completed", 110.0),
        ("2", "cancelled", 0.0),
        ("3", "cancelled", -10.0),
        ("4", "completed", 100.0),
        ("C1", "cancelled", -5.0),
    ]
    assert ("4", "rope", 0.0) in shop.rows("order_lines", "order_id, product_id, quantity")
    assert (shop.coverage.cancelled_orders, shop.coverage.returned_lines, shop.coverage.revenue) == (3, 2, 195.0)


@pytest.mark.parametrize(
    ("quantity", "total", "is_return", "expected"),
    [
        ("2", "5", "", (2.0, 2.5)),
        ("", "5", "", (None, 5.0)),
        ("0", "5", "", (0.0, None)),
        ("-2", "5", "", (-2.0, 2.5)),
        ("-2", "-5", "", (-2.0, 2.5)),
        ("2", "5", "yes", (-2.0, 2.5)),
        ("", "5", "true", (-1.0, 5.0)),
        ("1", "-5", "no", (1.0, -5.0)),
        ("2", "0", "", (2.0, 0.0)),
    ],
)
def test_unit_prices_come_from_line_totals(run: Run, quantity: str, total: str, is_return: str, expected: tuple[float | None, float | None]) -> None:
    header = "order_id,customer_id,ordered_at,product_id,quantity,line_total,is_return\n"
    shop = run({"sales.csv": header + f"1,ann,2024-01-02,p,{quantity},{total},{is_return}\n2,bob,2024-01-02,p,1,1,no\n"})
    assert shop.rows("order_lines", "quantity, price")[0] == expected
    brought = -5.0 if (expected[0] or 0) < 0 else float(total)
    assert shop.rows("orders", "revenue")[0] == (brought,)


@pytest.mark.parametrize("sign", ["", "-"])
def test_a_return_brings_nothing_in_whatever_sign_its_price_has(run: Run, sign: str) -> None:
    rows = f"1,ann,2024-01-02,p,3,5,no\n1,ann,2024-01-02,p,-2,{sign}5,no\n2,bob,2024-01-02,p,2,{sign}5,yes\n"
    shop = run({"sales.csv": FLAT.strip() + ",is_return\n" + rows})
    assert shop.rows("order_lines", "quantity, price") == [(3.0, 5.0), (-2.0, 5.0), (-2.0, 5.0)]
    assert shop.rows("orders", "revenue") == [(5.0,), (-10.0,)]
    assert shop.coverage.returned_lines == 2


def test_lines_without_quantity_or_price_are_counted(run: Run) -> None:
    rows = "1,ann,2024-01-02,p,,5\n2,bob,2024-01-02,p,NaN,\n3,bob,2024-01-03,p,0,\n4,bob,2024-01-04,p,1,0\n5,bob,2024-01-05,p,2,3\n"
    shop = run({"sales.csv": FLAT + rows})
    assert (shop.coverage.lines_without_quantity, shop.coverage.lines_without_price, shop.coverage.revenue) == (2, 1, 11.0)
    text = " ".join(shop.coverage.text().split())
    assert "lines without quantity 2 counted as 1 lines without price 1 add nothing to revenue" in text


def test_a_price_of_nought_is_kept(run: Run) -> None:
    shop = run({"sales.csv": FLAT + "1,ann,2024-01-02,gift,1,0\n2,bob,2024-01-02,p,1,\n"})
    assert shop.rows("order_lines", "price") == [(0.0,), (None,)]
    assert shop.rows("orders", "revenue") == [(0.0,), (None,)]


def test_lines_without_any_price_take_it_from_the_products(run: Run) -> None:
    files = {
        "sales.csv": "order_id,customer_id,ordered_at,product_id,quantity\n1,ann,2024-01-02,p,3\n2,bob,2024-01-02,q,1\n",
        "products.csv": "product_id,price\np,2\n",
    }
    assert run(files).rows("orders", "order_id, revenue") == [("1", 6.0), ("2", None)]


def test_orders_alone_suffice_and_without_ids_a_day_is_an_order(run: Run) -> None:
    shop = run(
        {"o.csv": "Kunde,Dato,Omsætning\nann,2024-01-02,5\nann,2024-01-02,7\nann,2024-01-03,1\nbob,2024-01-02,2\n"},
        "customer_id=Kunde",
        "ordered_at=Dato",
        "revenue=Omsætning",
    )
    assert shop.rows("orders", "order_id, customer_id, revenue") == [
        ("ann-2024-01-02", "ann", 12.0),
        ("ann-2024-01-03", "ann", 1.0),
        ("bob-2024-01-02", "bob", 2.0),
    ]
    assert shop.rows("order_lines", "*") == []
    assert "no interest in products without lines" in shop.coverage.text()
    assert shop.coverage.merged_rows == 1
    assert "without order ids, a customer's rows of a day are one order and are added up, equal ones too" in shop.coverage.text()


def test_cells_of_the_order_may_stand_on_its_first_line_only(run: Run) -> None:
    header = "Name,Email,Created at,Subtotal,Lineitem quantity,Lineitem sku,Lineitem price,Vendor,Refunded Amount\n"
    rows = "#1,a@x.dk,2024-01-02 10:00:00 +0100,25,1,p,20,Nord,5\n#1,,,,2,q,2.5,Syd,\n#2,b@x.dk,2024-01-03 10:00:00 +0100,1,1,q,1,Syd,0\n"
    pairs = "order_id=Name;email=Email;ordered_at=Created at;revenue=Subtotal;refunded=Refunded Amount;"
    pairs += "quantity=Lineitem quantity;product_id=Lineitem sku;price=Lineitem price;brand=Vendor"
    shop = run({"orders_export.csv": header + rows}, *pairs.split(";"))
    assert shop.rows("orders", "order_id, ordered_at, revenue") == [("#1", datetime(2024, 1, 2, 9), 20.0), ("#2", datetime(2024, 1, 3, 9), 1.0)]
    assert shop.rows("order_lines", "order_id, line_no, product_id") == [("#1", 1, "p"), ("#1", 2, "q"), ("#2", 1, "q")]
    assert shop.rows("products", "product_id, brand") == [("p", "Nord"), ("q", "Syd")]


SEPARATE = {
    "orders.csv": "order_id,customer_id,ordered_at,channel\n1,ann,2024-01-02,store\n2,bob,2024-01-03,web\n",
    "order_lines.csv": "order_id,line_no,product_id,quantity,price,colour\n2,2,rope,1,5,red\n2,1,tent,1,50,\n1,1,rope,2,5,blue\n",
    "products.csv": "product_id,title,brand,department,kind,Weight\nrope,Rope,Nord,Camping,Ropes,2\ntent,Tent,,Camping,,7\nlamp,Lamp,Syd,,Lamps,1\n",
    "customers.csv": "customer_id,email,consent_email,zip,Income\nann,ann@x.dk,yes,'0210,5\nzoe,,no,2100,6\n",
    "events.csv": "occurred_at,customer_id,event,product_id\n2024-01-05 10:00,kim,Viewed,rope\n2024-01-04,ann,viewed,tent\n",
}


def test_separate_files(run: Run) -> None:
    shop = run(SEPARATE, "category=department,kind", "postal_code=zip")
    assert shop.rows("orders", "order_id, channel, revenue") == [("1", "store", 10.0), ("2", "web", 55.0)]
    assert shop.rows("order_lines", "order_id, line_no, product_id, colour") == [
        ("1", 1, "rope", "blue"),
        ("2", 1, "tent", None),
        ("2", 2, "rope", "red"),
    ]
    assert shop.rows("products", "product_id, title, category, Weight") == [
        ("lamp", "Lamp", None, "1"),
        ("rope", "Rope", "Camping > Ropes", "2"),
        ("tent", "Tent", "Camping", "7"),
    ]
    assert shop.rows("customers", "customer_id, email, consent_email, postal_code, Income") == [
        ("ann", "ann@x.dk", True, "0210", "5"),
        ("bob", None, None, None, None),
        ("kim", None, None, None, None),
        ("zoe", None, False, "2100", "6"),
    ]
    assert shop.rows("events", "customer_id, event") == [("ann", "viewed"), ("kim", "viewed")]


def test_currencies_are_written_in_capitals_and_may_come_from_the_config(run: Run) -> None:
    orders = "order_id,customer_id,ordered_at,revenue,currency\n1,ann,2024-01-01,2,eur\n2,bob,2024-01-01,2,\n"
    assert run({"o.csv": orders}, shop={"currency": "EUR"}).rows("orders", "currency") == [("EUR",), ("EUR",)]
    assert run({"o.csv": orders}).rows("orders", "currency") == [("EUR",), (None,)]


@pytest.mark.parametrize(
    ("cells", "path"),
    [("A > B > C", "A > B > C"), ("A>B", "A > B"), (" A  >B > ", "A > B"), ("A", "A"), ("", None)],
)
def test_paths_of_categories_are_written_one_way(run: Run, cells: str, path: str | None) -> None:
    shop = run({"sales.csv": FLAT.strip() + ",category\n" + f"1,ann,2024-01-02,p,1,1,{cells}\n2,bob,2024-01-02,q,1,1,Z\n"})
    assert shop.rows("products", "product_id, category") == [("p", path), ("q", "Z")]


def test_a_path_ends_where_a_level_is_missing(run: Run) -> None:
    rows = "1,ann,2024-01-02,p,1,1,A,,C\n2,bob,2024-01-02,q,1,1,A,B,C\n3,bob,2024-01-02,r,1,1,,B,C\n"
    shop = run({"sales.csv": FLAT.strip() + ",one,two,three\n" + rows}, "category=one,two,three")
    assert shop.rows("products", "product_id, category") == [("p", "A"), ("q", "A > B > C"), ("r", None)]


def test_titles_of_a_flat_file_are_the_most_frequent_ones(run: Run) -> None:
    titles = ["Rope", "Rope", "rope?", "", "", "", "Tent B", "Tent A"]
    rows = "".join(f"{number},c{number},2024-01-02,{'rope' if number < 6 else 'tent'},1,1,{title}\n" for number, title in enumerate(titles))
    assert run({"sales.csv": FLAT.strip() + ",title\n" + rows}).rows("products", "product_id, title") == [("rope", "Rope"), ("tent", "Tent A")]


def test_what_a_customer_said_last_counts(run: Run) -> None:
    rows = "1,ann,2024-03-02,p,1,1,DK\n2,ann,2024-01-02,p,1,1,NO\n3,ann,2024-04-02,p,1,1,\n4,bob,2024-01-02,p,1,1,SE\n"
    assert run({"sales.csv": FLAT.strip() + ",country\n" + rows}).rows("customers", "customer_id, country") == [("ann", "DK"), ("bob", "SE")]


def test_the_last_row_of_a_customer_or_product_wins(run: Run) -> None:
    files = {
        "sales.csv": FLAT + TWO,
        "customers.csv": "customer_id,country\nann,DK\nann,NO\n",
        "products.csv": "product_id,title\nrope,Old\nrope,New\n",
    }
    shop = run(files)
    assert shop.rows("customers", "customer_id, country") == [("ann", "NO"), ("bob", None)]
    assert shop.rows("products", "product_id, title") == [("rope", "New"), ("tent", None)]
    assert (shop.coverage.repeated_customers, shop.coverage.repeated_products) == (1, 1)


def test_an_attribute_never_takes_a_canonical_name(run: Run) -> None:
    files = {"sales.csv": FLAT + TWO, "products.csv": "product_id,brand,maker\nrope,National,Nord\n"}
    shop = run(files, "brand=maker")
    assert shop.rows("products", "product_id, brand, original_brand") == [("rope", "Nord", "National"), ("tent", None, None)]


def test_a_column_can_be_mapped_for_one_table(run: Run) -> None:
    files = {"sales.csv": FLAT + TWO, "products.csv": "product_id,UVP,Farbe\nrope,9,red\n"}
    shop = run(files, "products.price=UVP", "products.colour=Farbe")
    assert shop.rows("products", "product_id, price, colour")[0] == ("rope", 9.0, "red")
    assert shop.rows("order_lines", "price") == [(100.0,), (7.5,)]


def test_names_are_known_whatever_their_case_and_blanks(run: Run) -> None:
    shop = run({"sales.csv": "Order ID,CustomerID,Ordered-At,PRODUCT_ID,Quantity,Price\n" + TWO})
    assert shop.rows("orders", "order_id, customer_id") == [("1", "ann"), ("2", "bob")]


def test_an_e_mail_address_as_customer_id_becomes_a_keyed_hash(run: Run) -> None:
    shop = run({"sales.csv": FLAT + TWO + "3,Ann@X.dk,2024-01-04,p,1,1\n4,ann@x.dk,2024-01-05,p,1,1\n"})
    path = shop.shop / "customer_ids.key"
    key = bytes.fromhex(path.read_text().strip())
    hashed = keyed_hash_of("ann@x.dk", key)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert shop.rows("orders", "customer_id")[2:] == [(hashed,), (hashed,)]
    assert (hashed, "ann@x.dk") in shop.rows("customers", "customer_id, email")
    assert hashed not in (keyed_hash_of("ann@x.dk", b"another key"), "")


def test_customers_without_an_id_are_known_by_their_e_mail(run: Run) -> None:
    shop = run({"o.csv": "order_id,email,ordered_at,revenue\n1,A@x.dk,2024-01-01,2\n2,b@x.dk,2024-01-01,2\n3,,2024-01-01,2\n"})
    ids = [each for (each,) in shop.rows("orders", "customer_id")]
    assert ids[2] is None
    assert len(str(ids[0])) == 32
    assert sorted(str(email) for (email,) in shop.rows("customers", "email")) == ["A@x.dk", "b@x.dk"]


def test_json_lines_and_parquet_give_the_same_tables(run: Run, tmp_path: Path) -> None:
    of_csv = run({"sales.csv": FLAT + TWO}).coverage.import_id
    rows = [dict(zip(FLAT.strip().split(","), line.split(","), strict=True)) for line in TWO.splitlines()]
    of_json = run({"sales.jsonl": "\n".join(json.dumps(row) for row in rows)}).coverage.import_id
    duckdb.sql(f"COPY (SELECT * FROM read_csv('{tmp_path}/exports/sales.csv')) TO '{tmp_path}/sales.parquet'")
    of_parquet = import_files(tmp_path, [tmp_path / "sales.parquet"], config=Config()).import_id
    assert of_csv == of_json == of_parquet


def test_identical_lines_are_kept_and_counted(run: Run) -> None:
    shop = run({"sales.csv": FLAT + TWO + TWO})
    assert (shop.coverage.lines, shop.coverage.identical_lines) == (4, 2)
    assert "identical lines (kept)" in shop.coverage.text()


def test_lines_without_a_customer_count_for_products_only(run: Run) -> None:
    shop = run({"sales.csv": FLAT + TWO + "3,,2024-01-04,lamp,1,1\n4,,2024-01-04,lamp,1,1\n"})
    assert (shop.coverage.lines_without_customer, shop.coverage.customers, shop.coverage.products) == (0.5, 2, 3)


def test_files_of_the_config_are_read_when_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "sales.csv").write_text(FLAT + TWO)
    assert import_files(tmp_path, [], config=with_import(Config(), files=["sales.csv"])).orders == 2
    with pytest.raises(DataError, match="no files to import"):
        import_files(tmp_path, [], config=Config())


OR_MAP = "order_id=InvoiceNo product_id=StockCode customer_id=CustomerID ordered_at=InvoiceDate price=UnitPrice title=Description"


def test_online_retail(shared_data: Path, tmp_path: Path) -> None:
    config = with_import(Config(), map=parse_map(OR_MAP.split()), cancelled_prefix="C")
    coverage = import_files(tmp_path, [shared_data / "online_retail/transactions.parquet"], config=config)
    assert (coverage.lines, coverage.orders, coverage.customers, coverage.products) == (541_909, 25_900, 4_372, 4_070)
    assert (coverage.first_day, coverage.last_day) == (date(2010, 12, 1), date(2011, 12, 9))
    assert (coverage.cancelled_orders, coverage.returned_lines, coverage.identical_lines) == (3_836, 10_624, 5_268)
    assert coverage.lines_without_customer == pytest.approx(135_080 / 541_909)
    assert coverage.revenue == pytest.approx(9_747_747.934)


def test_complete_journey(shared_data: Path, tmp_path: Path) -> None:
    pairs = "order_id=basket_id customer_id=household_id ordered_at=transaction_timestamp line_total=sales_value brand=manufacturer_id"
    config = with_import(Config(), map=parse_map([*pairs.split(), "category=department,product_category,product_type"]))
    files = [shared_data / "complete_journey" / f"{name}.parquet" for name in ("transactions", "products", "demographics")]
    shop = Imported(tmp_path, import_files(tmp_path, files, config=config))
    assert (shop.coverage.lines, shop.coverage.products) == (46_024, 92_335)
    assert shop.columns("products")[len(TABLES["products"].names) :] == ["original_brand", "package_size"]
    assert shop.rows("products", "product_id, brand, category, original_brand")[2] == (
        "1000050",
        "1046",
        "GROCERY > COLD CEREAL > KIDS CEREAL",
        "National",
    )
    (paid,) = duckdb.sql(f"SELECT sum(sales_value) FROM '{files[0]}'").fetchone() or (0,)
    assert shop.coverage.revenue == pytest.approx(paid)


def test_adventureworks(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "adventureworks"
    duckdb.sql(
        f"COPY (SELECT * FROM '{folder}/products.parquet' LEFT JOIN '{folder}/product_subcategories.parquet' USING (ProductSubcategoryKey) "
        f"LEFT JOIN '{folder}/product_categories.parquet' USING (ProductCategoryKey)) TO '{tmp_path}/products.parquet'"
    )
    pairs = "order_id=OrderNumber line_no=OrderLineItem product_id=ProductKey customer_id=CustomerKey ordered_at=OrderDate quantity=OrderQuantity "
    pairs += "products.price=ProductPrice cost=ProductCost title=ProductName brand=ModelName category=CategoryName,SubcategoryName "
    pairs += "first_name=FirstName last_name=LastName birth_date=BirthDate gender=Gender email=EmailAddress"
    files = [folder / "sales.parquet", tmp_path / "products.parquet", folder / "customers.parquet"]
    config = with_import(Config(), map=parse_map(pairs.split()))
    with pytest.raises(DataError, match=r"sales.parquet, row 56047: 'OrderLineItem' \(line_no\) '1' stands in this order a second time"):
        import_files(tmp_path, files, config=config)
    shop = Imported(tmp_path, import_files(tmp_path, files, config=config, skip_bad_lines=True))
    assert (shop.coverage.skipped, shop.coverage.lines, shop.coverage.customers, shop.coverage.products) == (1, 56_046, 18_148, 293)
    assert shop.coverage.orders_without_revenue == 0


def test_cdnow(shared_data: Path, tmp_path: Path) -> None:
    config = with_import(Config(), map=parse_map(["ordered_at=date", "revenue=amount"]))
    coverage = import_files(tmp_path, [shared_data / "cdnow/transactions.parquet"], config=config)
    assert (coverage.orders, coverage.customers, coverage.lines, coverage.merged_rows) == (67_591, 23_570, 0, 2_068)
    assert coverage.revenue == pytest.approx(2_500_315.63)
