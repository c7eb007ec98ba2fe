"""Canonical tables in, what they cover out: the figures, and the report for people word by word."""

from datetime import date
from pathlib import Path

import pytest

from features.config import Config, parse_map, with_import
from features.coverage import Coverage, FileRead, Gap
from features.imports import import_files
from features.shop import Shop

SALES = """order_id,customer_id,ordered_at,product_id,quantity,price,brand,status
1,ann,2024-01-01,tent,1,1000,Nord,paid
1,ann,2024-01-01,rope,2,5,,paid
2,bob,2024-01-02 23:59,rope,1,5,,paid
3,bob,2024-01-10,rope,1,5,,paid
4,,2024-01-12,rope,1,5,,paid
C5,ann,2024-02-12,tent,-1,1000,Nord,cancelled
"""

REPORT = """\
lines                           6
orders                          5
customers                       2
products                        2
revenue                     25.00  net of returns
cancelled orders                1
returned lines                  1
lines without customer      16.7%  count for products only
orders without customer     20.0%
products without category  100.0%  ask by keyword
products without brand      50.0%
lines without category     100.0%
lines without brand         66.7%
customers with one order    50.0%
dates                      2024-01-01 to 2024-02-12 (43 days)
no orders                  2024-01-13 to 2024-02-11 (30 days)
no orders                  2024-01-03 to 2024-01-09 (7 days)
no orders                  2024-01-11 to 2024-01-11 (1 day)
sales.csv                  6 rows read into order_lines, orders, products, customers; decimal point
  ordered_at               dates read as year-month-day, such as 2024-12-31"""


def test_how_files_were_read(tmp_path: Path) -> None:
    (tmp_path / "sales.csv").write_text("Kunde;Dato;Beloeb\n1.0;13/01/2024;1,50\n2.0;02/01/2024;2,00\n3.0;03/01/2024;2,00\n")
    (tmp_path / "people.csv").write_text("customer_id,created_at,birth_date\n1,2024-01-01T10:00:00Z,\n")
    (tmp_path / "p.csv").write_text("product_id,title\nrope,Rope\n")
    files = [tmp_path / name for name in ("sales.csv", "people.csv", "p.csv")]
    config = with_import(Config(), map=parse_map(["customer_id=Kunde", "ordered_at=Dato", "revenue=Beloeb"]))
    coverage = import_files(tmp_path, files, config=config)
    assert coverage.text().splitlines()[-8:] == [
        "no orders                  2024-01-04 to 2024-01-12 (9 days)",
        "sales.csv                  3 rows read into orders, customers; decimal comma",
        "  Kunde                    ids such as 17850.0 read as 17850",
        "  Dato                     dates read as day/month/year, such as 31/12/2024 (1 of 3 can only be read so)",
        "people.csv                 1 row read into customers",
        "  birth_date               dates read as year-month-day, such as 2024-12-31",
        "  created_at               dates read as year-month-day, such as 2024-12-31, times with a zone turned into UTC",
        "p.csv                      1 row read into products",
    ]


@pytest.mark.parametrize(
    ("date_format", "told"),
    [
        ("", "dates read as day-month-year, such as 31-12-2024 (month first would give the same; --date-format sets it)"),
        ("%m-%d-%Y", "dates read as month-day-year, such as 12-31-2024 (as stated)"),
    ],
)
def test_how_dates_were_read_that_tell_nothing(tmp_path: Path, date_format: str, told: str) -> None:
    (tmp_path / "o.csv").write_text("customer_id,ordered_at,revenue\n1,05-05-2024,1\n2,04-04-2024,2\n")
    coverage = import_files(tmp_path, [tmp_path / "o.csv"], config=with_import(Config(), date_format=date_format))
    assert coverage.files[0].columns == {"ordered_at": told}


def test_what_an_import_covers(tmp_path: Path) -> None:
    (tmp_path / "sales.csv").write_text(SALES)
    coverage = import_files(tmp_path, [tmp_path / "sales.csv"], config=with_import(Config(), cancelled_prefix="C"))
    assert coverage.text() == REPORT
    assert coverage.gaps[0] == Gap(date(2024, 1, 13), date(2024, 2, 11), 30)
    assert coverage.one_time_share == 0.5


UNCLEAR = """order_id,customer_id,ordered_at,product_id,quantity,price,colour
1,ann,2024-01-01,tent,1,1000,red
2,bob,2024-01-01,rope,1,5,
3,bob,2024-01-01,rope,1,0,
4,bob,2024-01-01,rope,0,5,
5,bob,2024-01-01,rope,-1,5,
6,bob,2024-01-01,rope,-1,5,
6,bob,2024-01-01,tent,1,1000,
"""
EMPTY = """order_id,customer_id,ordered_at,revenue
7,ann,2024-01-02,0
8,ann,2024-01-02,
9,ann,2024-01-02,-3
10,ann,2024-01-02,3
"""


def test_orders_that_are_no_purchases_and_columns_that_are_not_used_are_told(tmp_path: Path) -> None:
    for name, text in (("lines.csv", UNCLEAR), ("orders.csv", EMPTY)):
        (tmp_path / name).write_text(text)
    coverage = import_files(tmp_path, [tmp_path / "lines.csv", tmp_path / "orders.csv"], config=Config())
    assert (coverage.returning_orders, coverage.free_orders, coverage.empty_orders) == (2, 2, 2)
    told = " ".join(coverage.text().split())
    assert "orders of returns only 2 no purchases; taken off revenue orders free of charge 2 no purchases" in told
    assert "orders without anything 2 neither lines nor revenue: no purchases" in told
    assert "colour not mapped: kept as attributes, which no model reads" in told
    bought = Shop.open(tmp_path).orders.count().execute()
    assert bought == coverage.orders - 6


def test_without_lines_an_order_of_revenue_0_is_a_purchase(tmp_path: Path) -> None:
    text = "customer_id,ordered_at,revenue,quantity\nann,2024-01-02,0,1\nbob,2024-01-02,2,1\ncid,2024-01-02,-2,1\n"
    (tmp_path / "orders.csv").write_text(text)
    coverage = import_files(tmp_path, [tmp_path / "orders.csv"], config=Config())
    assert (coverage.returning_orders, coverage.free_orders, coverage.empty_orders) == (1, 0, 0)
    assert coverage.files[0].columns["quantity"] == "not mapped: kept as attributes, which no model reads"
    assert Shop.open(tmp_path).orders.count().execute() == 2


def test_the_report_as_json() -> None:
    coverage = Coverage(
        import_id="abc",
        lines=1234,
        orders=2,
        customers=2,
        products=1,
        events=7,
        first_day=date(2024, 1, 1),
        last_day=date(2024, 1, 1),
        gaps=(Gap(date(2024, 1, 2), date(2024, 1, 3), 2),),
        revenue=-1.5,
        cancelled_orders=0,
        returned_lines=0,
        lines_without_quantity=2,
        lines_without_price=0,
        orders_without_revenue=1,
        returning_orders=6,
        free_orders=0,
        empty_orders=1,
        lines_without_customer=0.0001,
        orders_without_customer=None,
        products_without_category=0.0,
        products_without_brand=0.0,
        lines_without_category=0.0,
        lines_without_brand=0.0,
        one_time_share=0.25,
        identical_lines=3,
        repeated_customers=5,
        repeated_products=0,
        merged_rows=0,
        skipped=4,
        files=(FileRead("o.csv", 1, ("orders", "customers"), ",", {"Dato": "dates read as day/month/year, such as 31/12/2024"}),),
    )
    described = coverage.as_dict()
    assert described["first_day"] == "2024-01-01"
    assert described["gaps"] == [{"first_day": "2024-01-02", "last_day": "2024-01-03", "days": 2}]
    assert described["files"] == [
        {
            "file": "o.csv",
            "rows": 1,
            "tables": ["orders", "customers"],
            "decimal": ",",
            "columns": {"Dato": "dates read as day/month/year, such as 31/12/2024"},
        }
    ]
    for line in (
        "1,234",
        "under 0.1%",
        "-1.50",
        "see imports/abc-skipped.csv",
        "identical lines (kept)",
        "(1 day)",
        "events",
        "orders without revenue",
    ):
        assert line in coverage.text()
