"""Bad input gets one clear message and changes nothing; on request the lines to blame are left out and written aside."""

import csv
import errno
import os
import signal
import stat
import subprocess
import sys
import textwrap
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path

import duckdb
import pytest

from features.config import Config, parse_map, with_import
from features.coverage import Coverage
from features.errors import DataError, Refused
from features.files import check_seal, locked, read_current
from features.imports import import_files
from features.sections import ShopSection

TODAY = date(2024, 6, 1)
FLAT = "order_id,customer_id,ordered_at,product_id,quantity,price\n"
TWO = "1,ann,2024-01-02,tent,1,100\n2,bob,2024-01-03,rope,2,7.5\n"

Run = Callable[..., Coverage]


def state(shop: Path) -> dict[str, bytes]:
    """Every file of a shop folder but the exports."""
    files = [path for path in shop.rglob("*") if path.is_file() and "exports" not in path.parts]
    return {str(path.relative_to(shop)): path.read_bytes() for path in files}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Write files and import them into one shop."""

    def run(
        files: Mapping[str, str | bytes], *pairs: str, shop: Mapping[str, object] | None = None, skip_bad_lines: bool = False, **options: object
    ) -> Coverage:
        (tmp_path / "exports").mkdir(exist_ok=True)
        for name, content in files.items():
            (tmp_path / "exports" / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        config = with_import(Config(shop=ShopSection.model_validate(shop or {})), map=parse_map(pairs), skip_bad_lines=skip_bad_lines, **options)
        paths = [tmp_path / "exports" / name for name in files]
        return import_files(tmp_path, paths, config=config, today=TODAY)

    return run


ORDERS = "order_id,customer_id,ordered_at,revenue\n1,ann,2024-01-02,5\n2,bob,2024-01-03,6\n"
REFUSED: dict[str, tuple[Mapping[str, str | bytes], list[str], str]] = {
    "empty file": ({"o.csv": ""}, [], "o.csv: the file is empty"),
    "no rows": ({"o.csv": FLAT}, [], "o.csv: the file has columns but no rows"),
    "no names": ({"o.csv": ",,\n1,2,3\n"}, [], "o.csv: the first line must name the columns"),
    "no text": ({"o.csv": b"\x00\x01\x02\x00"}, [], "o.csv: this is no text file"),
    "spreadsheet": ({"o.xlsx": b"PK"}, [], "o.xlsx: this is a spreadsheet; save it as CSV"),
    "no Parquet": ({"o.parquet": b"PAR1 but no more"}, [], "o.parquet: this is no readable Parquet file"),
    "no JSON lines": (
        {"o.jsonl": '{"customer_id": "a", "ordered_at": "2024-01-01"}\n{"cust\n'},
        [],
        "o.jsonl, line 2: each line must be one JSON object",
    ),
    "JSON array": ({"o.json": '[{"customer_id": "a", "ordered_at": "2024-01-01"}]'}, [], "o.json, line 1: each line must be one JSON object"),
    "misspelt column": ({"o.csv": FLAT + TWO}, ["quantity=Quantty"], "quantity=Quantty: no file has a column 'Quantty', did you mean 'quantity'?"),
    "columns of two files": (
        {"o.csv": FLAT + TWO, "p.csv": "product_id,a\np,1\n", "q.csv": "product_id,b\np,2\n"},
        ["category=a,b"],
        "category=a,b: these columns are not all in one file",
    ),
    "several numbers": ({"o.csv": FLAT + TWO}, ["price=price,quantity"], "price=price,quantity: a number is made of one column"),
    "several attributes": ({"o.csv": FLAT + TWO}, ["order_lines.size=price,quantity"], "size=price,quantity: an attribute is made of one column"),
    "map nobody takes": ({"o.csv": FLAT + TWO}, ["event=price"], "event=price: no file takes 'event' (o.csv holds order lines with their orders)"),
    "created_at of whom": (
        {"o.csv": FLAT.strip() + ",c\n1,a,2024-01-01,p,1,1,2\n"},
        ["created_at=c"],
        "say whose, customers.created_at or products.created_at",
    ),
    "unknown file": ({"o.csv": "x,y\n1,2\n"}, [], "o.csv: no column is an order date (ordered_at), a product_id or a customer_id"),
    "no order date": (
        {"o.csv": "order_id,customer_id,when\n1,a,2\n"},
        [],
        "orders need 'ordered_at'; name its column, such as --map ordered_at=COLUMN",
    ),
    "no customer": ({"o.csv": "ordered_at,revenue\n2024-01-01,2\n"}, [], "orders need 'customer_id'"),
    "no orders": ({"c.csv": "customer_id\na\nb\n"}, [], "none of the files holds orders"),
    "order lines whose date has another name": (
        {"o.csv": FLAT.replace("ordered_at", "order_date") + TWO},
        [],
        "name their columns, such as --map ordered_at=order_date (o.csv was read as order lines and has: order_id, customer_id, order_date, ",
    ),
    "one customer": (
        {"o.csv": FLAT + TWO.replace("bob", "ann")},
        [],
        "all 2 orders belong to one customer; is customer_id mapped to the right column?",
    ),
    "nobody": ({"o.csv": FLAT + "1,,2024-01-01,p,1,1\n"}, [], "no order has a customer"),
    "same file twice": ({"a.csv": FLAT + TWO, "b.csv": FLAT + TWO}, [], "has the same content as"),
    "day or month": (
        {"o.csv": FLAT + TWO.replace("2024-01-0", "02.01.202")},
        [],
        "o.csv: the dates of 'ordered_at' do not tell whether the day or the month comes first: 0 can only be read day first, 0 only month first, "
        "2 both ways; say how they are written with --date-format %d.%m.%Y or --date-format %m.%d.%Y",
    ),
    "day and month": (
        {"o.csv": FLAT + "1,ann,13/02/2024,p,1,1\n2,bob,2/14/2024,p,1,1\n3,bob,1/1/2024,p,1,1\n"},
        [],
        "1 can only be read day first, 1 only month first, 0 both ways",
    ),
    "one odd date": (
        {"o.csv": FLAT + "".join(f"{order},c{order},{order % 12 + 1}/1/24,p,1,1\n" for order in range(300)) + "300,c1,2/13/24,p,1,1\n"},
        [],
        "0 can only be read day first, 1 only month first, 275 both ways; say how they are written with --date-format %d/%m/%y",
    ),
    "decimal sign": ({"o.csv": (FLAT + TWO).replace(",", ";").replace("7.5", "7,500")}, [], "is '1,234' one thousand or one and a bit?"),
    "currencies": (
        {"o.csv": ORDERS.replace("revenue", "revenue,currency").replace(",5", ",5,EUR").replace(",6", ",6,DKK")},
        [],
        "2 currencies (DKK 1, EUR 1)",
    ),
    "order totals": (
        {"o.csv": FLAT.replace("price", "revenue") + "1,ann,2024-01-02,p,1,5\n1,ann,2024-01-02,q,1,6\n2,bob,2024-01-02,q,1,6\n"},
        [],
        "revenue is the whole order's, but differs between the lines of order '1'; map what each line brought as line_total",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_one_message_and_nothing_changes(run: Run, tmp_path: Path, case: str) -> None:
    files, pairs, message = REFUSED[case]
    with pytest.raises(DataError) as error:
        run(files, *pairs)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert state(tmp_path) == {}


@pytest.mark.parametrize(("name", "message"), [("nowhere.csv", "there is no such file"), ("", "this is a folder; name the files in it, such as")])
def test_what_is_no_file_is_told_and_no_shop_is_made(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        import_files(tmp_path / "new" / "shop", [tmp_path / name], config=Config())
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_no_shop(tmp_path: Path) -> None:
    (tmp_path / "o.csv").write_text(FLAT + TWO)
    with pytest.raises(DataError, match=r"o.csv: this is a file; a shop is a folder"):
        import_files(tmp_path / "o.csv", [tmp_path / "o.csv"], config=Config())


ISO_DATE = "a date written year-month-day, such as 2024-12-31"
PROBLEMS: dict[str, tuple[Mapping[str, str], str]] = {
    "quantity": ({"o.csv": FLAT + TWO + "3,ann,2024-01-02,p,two,1\n"}, "o.csv, line 4: 'quantity' must be a number, got 'two'"),
    "endless price": ({"o.csv": FLAT + TWO + "3,ann,2024-01-02,p,1,inf\n"}, "o.csv, line 4: 'price' must be a number, got 'inf'"),
    "date": ({"o.csv": FLAT + TWO + "3,ann,2024-02-30,p,1,1\n"}, f"o.csv, line 4: 'ordered_at' must be {ISO_DATE}, got '2024-02-30'"),
    "date written otherwise": (
        {"o.csv": FLAT + TWO + "3,ann,03.02.2024,p,1,1\n"},
        f"o.csv, line 4: 'ordered_at' must be {ISO_DATE}, got '03.02.2024'",
    ),
    "month first among days first": (
        {"o.csv": FLAT + "1,ann,01/02/2024,p,1,1\n2,bob,13/02/2024,p,1,1\n3,ann,14/02/2024,p,1,1\n4,ann,2/13/2024,p,1,1\n"},
        "o.csv, line 5: 'ordered_at' must be a date written day/month/year, such as 31/12/2024, got '2/13/2024'",
    ),
    "day first among months first": (
        {"o.csv": FLAT + "1,ann,1/2/24 8:26,p,1,1\n2,bob,2/13/24,p,1,1\n3,ann,14/2/24 7:00,p,1,1\n4,ann,2/14/24 10:00 PM,p,1,1\n"},
        "o.csv, line 4: 'ordered_at' must be a date written month/day/year, such as 12/31/24, got '14/2/24 7:00'",
    ),
    "short year": ({"o.csv": FLAT + TWO + "3,ann,0024-02-03,p,1,1\n"}, f"o.csv, line 4: 'ordered_at' must be {ISO_DATE}, got '0024-02-03'"),
    "no date": ({"o.csv": FLAT + TWO + "3,ann,,p,1,1\n"}, "o.csv, line 4: 'ordered_at' must not be empty"),
    "no order": ({"o.csv": FLAT + TWO + ",ann,2024-01-02,p,1,1\n"}, "o.csv, line 4: 'order_id' must not be empty"),
    "future": ({"o.csv": FLAT + TWO + "3,ann,2024-06-03 00:00,p,1,1\n"}, "o.csv, line 4: 'ordered_at' is in the future, got '2024-06-03 00:00'"),
    "flag": (
        {"o.csv": FLAT + TWO, "c.csv": "customer_id,consent_email\nann,maybe\n"},
        "c.csv, line 2: 'consent_email' must be yes or no, got 'maybe'",
    ),
    "whole": (
        {"o.csv": FLAT.strip() + ",line_no\n" + "1,ann,2024-01-02,p,1,1,1.5\n2,ann,2024-01-02,p,1,1,1\n3,bob,2024-01-02,p,1,1,1\n"},
        "o.csv, line 2: 'line_no' must be a whole number, got '1.5'",
    ),
    "birth date": (
        {"o.csv": FLAT + TWO, "c.csv": "customer_id,birth_date\nann,secret\n"},
        f"c.csv, line 2: 'birth_date' must be {ISO_DATE}\n",
    ),
    "more cells": ({"o.csv": FLAT + TWO + "3,ann,2024-01-02,p,1,1,1\n"}, "o.csv, line 4: the line has more cells than the first line names"),
    "fewer cells": ({"o.csv": FLAT + TWO + "3,ann\n"}, "o.csv, line 4: the line has fewer cells than the first line names"),
    "open quote": ({"o.csv": FLAT + TWO + '3,ann,2024-01-02,"p,1,1\n'}, "o.csv, line 4: the line has a quote that does not end with its cell"),
    "line breaks in cells": (
        {"o.csv": FLAT + '0,ann,2024-01-02,"a\nb",1,1\n\n' + TWO + "3,ann,x,p,1,1\n"},
        "o.csv, line 7: 'ordered_at' must be a date",
    ),
    "unknown order": ({"o.csv": ORDERS, "l.csv": "order_id,product_id\n1,p\n9,p\n"}, "l.csv, line 3: no file holds the order '9'"),
    "line twice": (
        {"o.csv": ORDERS, "l.csv": "order_id,line_no,product_id\n1,1,p\n1,1,q\n"},
        "l.csv, line 3: 'line_no' '1' stands in this order a second time",
    ),
    "order twice": ({"o.csv": ORDERS + "1,bob,2024-01-02,5\n"}, "o.csv, line 4: the order '1' stands here a second time, with other values"),
    "two customers": (
        {"o.csv": FLAT + TWO + "1,bob,2024-01-02,rope,1,1\n"},
        "o.csv, line 4: 'customer_id' is another than on the first line of this",
    ),
    "overlap of rows without order ids": (
        {
            "a.csv": "customer_id,ordered_at,revenue\nann,2024-01-02,5\nbob,2024-01-02,5\n",
            "b.csv": "customer_id,ordered_at,revenue\nann,2024-01-02,5\n",
        },
        "b.csv, line 2: this row stands in an earlier",
    ),
    "overlap": (
        {"a.csv": FLAT + TWO, "b.csv": FLAT + "2,bob,2024-01-03,rope,2,7.5\n3,bob,2024-01-03,p,1,1\n"},
        "b.csv, line 2: this row stands in an earlier",
    ),
}


@pytest.mark.parametrize("case", PROBLEMS)
def test_a_line_to_blame_is_named_and_nothing_changes(run: Run, tmp_path: Path, case: str) -> None:
    files, message = PROBLEMS[case]
    with pytest.raises(DataError) as error:
        run(files)
    assert message in str(error.value)
    assert "1 problem (" in str(error.value)
    assert "nothing was imported" in str(error.value)
    assert state(tmp_path) == {}


@pytest.mark.parametrize("case", PROBLEMS)
def test_a_line_to_blame_is_left_out_on_request_and_written_aside(run: Run, tmp_path: Path, case: str) -> None:
    files, message = PROBLEMS[case]
    coverage = run(files, skip_bad_lines=True)
    aside = tmp_path / "imports" / f"{coverage.import_id}-skipped.csv"
    rows = list(csv.DictReader(aside.open(encoding="utf-8")))
    named, _, line = message.split(":")[0].partition(", line ")
    assert [(row["file"], row["line"]) for row in rows] == [(named, line)]
    assert stat.S_IMODE(aside.stat().st_mode) == 0o600
    assert coverage.skipped == 1
    assert "skipped lines" in coverage.text()


@pytest.mark.parametrize(
    ("date_format", "problems"),
    [
        ("%d/%m/%Y", {3: "day/month/year, such as 31/12/2024", 4: "day/month/year, such as 31/12/2024"}),
        ("%Y-%m-%d", {2: "year-month-day, such as 2024-12-31"}),
        (("%d/%m/%Y", "%Y-%d-%m"), {4: "day/month/year or year-day-month, such as 31/12/2024"}),
        ("%m/%d/%Y %H.%M", dict.fromkeys((2, 3, 4), "month/day/year hour.minute, such as 12/31/2024 23.59")),
    ],
)
def test_a_stated_date_format_rules(run: Run, date_format: object, problems: Mapping[int, str]) -> None:
    days = {2: "05/02/2024", 3: "2024-02-01", 4: "2024-01-31"}
    with pytest.raises(DataError) as error:
        run({"o.csv": ORDERS.splitlines()[0] + "\n" + "".join(f"{line},c{line},{day},1\n" for line, day in days.items())}, date_format=date_format)
    told = [f"o.csv, line {line}: 'ordered_at' must be a date written {written}, got '{days[line]}'" for line, written in problems.items()]
    assert str(error.value).splitlines()[: len(told)] == told
    assert str(error.value).splitlines()[len(told)].startswith(f"{len(told)} problem")


def test_all_problems_are_counted_and_ten_are_shown(run: Run) -> None:
    rows = "".join(f"{number},ann,2024-01-02,p,many,{'dear' if number % 2 else 1}\n" for number in range(10, 30))
    with pytest.raises(DataError) as error:
        run({"o.csv": FLAT + TWO + rows})
    lines = str(error.value).splitlines()
    assert len([line for line in lines if line.startswith("o.csv, line ")]) == 10
    assert lines[0] == "o.csv, line 4: 'quantity' must be a number, got 'many'"
    assert lines[10:12] == ["... and 20 more", "30 problems (o.csv: price 10, o.csv: quantity 20); nothing was imported."]


def test_a_mapped_column_is_named_as_in_the_file(run: Run) -> None:
    with pytest.raises(DataError, match=r"o.csv, line 4: 'Qty' \(quantity\) must be a number, got 'two'"):
        run({"o.csv": FLAT.replace("quantity", "Qty") + TWO + "3,ann,2024-01-02,p,two,1\n"}, "quantity=Qty")


def test_all_wrong_mappings_are_told_at_once(run: Run, tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        run({"o.csv": FLAT + TWO}, "quantity=Quantty", "price=price,quantity", "title=Nme", "order_id=order_id")
    assert str(error.value).splitlines() == [
        "quantity=Quantty: no file has a column 'Quantty', did you mean 'quantity'?",
        "price=price,quantity: a number is made of one column",
        "title=Nme: no file has a column 'Nme'; known are: customer_id, order_id, ordered_at, price, product_id, quantity",
    ]
    with pytest.raises(DataError, match=r"(?s)event=price: no file takes 'event'.*events.category=price: no file takes 'events.category'"):
        run({"o.csv": FLAT + TWO}, "event=price", "events.category=price")
    assert state(tmp_path) == {}


def test_no_message_shows_an_e_mail_address(run: Run) -> None:
    orders = ORDERS.replace("1,ann", "x@y.dk,ann")
    with pytest.raises(DataError) as error:
        run({"o.csv": orders + "x@y.dk,bob,2024-01-05,1\n3,bob,a@b.dk,1\n"})
    assert "@" not in str(error.value)


def test_lines_of_an_order_left_out_are_left_out_too(run: Run) -> None:
    files = {"o.csv": ORDERS + "3,bob,never,1\n", "l.csv": "order_id,product_id\n1,p\n3,p\n3,q\n"}
    with pytest.raises(DataError, match=r"1 problem \(o.csv: ordered_at 1\)"):
        run(files)
    coverage = run(files, skip_bad_lines=True)
    assert (coverage.orders, coverage.lines, coverage.skipped) == (2, 1, 3)


def test_another_currency_is_a_line_to_blame_once_the_shop_states_its_own(run: Run) -> None:
    orders = ORDERS.replace("revenue", "revenue,currency").replace(",5", ",5,EUR").replace(",6", ",6,eur") + "3,bob,2024-01-03,1,DKK\n"
    with pytest.raises(DataError, match=r"o.csv, line 4: 'currency' is not the shop's currency, got 'DKK'"):
        run({"o.csv": orders}, shop={"currency": "EUR"})
    assert run({"o.csv": orders}, shop={"currency": "EUR"}, skip_bad_lines=True).orders == 2


def test_the_same_order_twice_with_the_same_values_is_one_order(run: Run) -> None:
    assert run({"o.csv": ORDERS + "1,ann,2024-01-02,5\n"}).orders == 2


def test_a_refusal_leaves_the_published_state(run: Run, tmp_path: Path) -> None:
    run({"o.csv": FLAT + TWO})
    before = state(tmp_path)
    with pytest.raises(DataError):
        run({"o.csv": FLAT + TWO + "3,ann,2024-01-02,p,two,1\n"})
    assert state(tmp_path) == before


FULL = 'Could not write file ".import-x/staging.duckdb": No space left on device'
FULL_DISKS = {
    "no path": (OSError(errno.ENOSPC, "No space left on device"), "{shop}"),
    "a path": (OSError(errno.EDQUOT, "Disk quota exceeded", "exports/x.csv"), "{here}/exports/x.csv"),
    "of the database": (duckdb.IOException(f"IO Error: {FULL}"), "{here}/.import-x/staging.duckdb"),
    "in a transaction": (duckdb.TransactionException(f"TransactionContext Error: {FULL}"), "{here}/.import-x/staging.duckdb"),
    "after that": (duckdb.FatalException(f"FATAL Error: {FULL}"), "{here}/.import-x/staging.duckdb"),
}


@pytest.mark.parametrize("case", FULL_DISKS)
def test_a_full_disk_names_the_path_and_leaves_the_published_state(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    run({"o.csv": FLAT + TWO})
    before = state(tmp_path)
    raised, path = FULL_DISKS[case]

    def full(*_: object, **__: object) -> None:
        raise raised

    monkeypatch.setattr("features.imports.write_tables", full)
    with pytest.raises(DataError) as error:
        run({"o.csv": FLAT + TWO + "3,ann,2024-01-02,p,1,1\n"})
    assert str(error.value).startswith(f"{path.format(shop=tmp_path, here=Path.cwd())}: could not be written, is the disk full?")
    assert "nothing was changed" in str(error.value)
    assert state(tmp_path) == before


def test_one_import_at_a_time(run: Run, tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(Refused, match="another whobuys run is writing"):
        run({"o.csv": FLAT + TWO})


KILLED = """
    import os, signal, sys
    from pathlib import Path
    import features.imports as imports, features.files as files
    from features.config import Config
    shop, step = Path(sys.argv[1]), sys.argv[2]
    def die(*_, **__):
        os.kill(os.getpid(), signal.SIGKILL)
    setattr(files if step == "_sync" else imports, step, die)
    imports.import_files(shop, [shop / "more.csv"], config=Config())
"""


@pytest.mark.parametrize("step", ["plan_files", "write_tables", "coverage_of", "seal", "publish", "_sync"])
def test_a_kill_at_any_step_leaves_the_published_state_and_the_next_import_works(run: Run, tmp_path: Path, step: str) -> None:
    run({"o.csv": FLAT + TWO})
    current = read_current(tmp_path)
    (tmp_path / "more.csv").write_text(FLAT + TWO + "3,ann,2024-01-02,p,1,1\n")
    script = [sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path), step]
    assert subprocess.run(script, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, check=False).returncode == -signal.SIGKILL
    assert read_current(tmp_path) == current
    check_seal(tmp_path / current["tables"])
    assert run({"o.csv": FLAT + TWO + "3,ann,2024-01-02,p,1,1\n"}).orders == 3
    assert not list(tmp_path.glob(".import-*"))


def test_orders_whose_columns_were_not_found_are_not_taken_for_customers(tmp_path: Path) -> None:
    (tmp_path / "good.csv").write_text("order_id,customer_id,ordered_at,revenue\n1,a,2025-01-01,5\n2,b,2025-01-02,6\n")
    (tmp_path / "bad.csv").write_text("CustomerID,InvoiceDate,Sum\na,2025-13-05,1\na,2025-13-06,2\nb,2025-13-07,3\nb,2025-13-08,4\n")
    with pytest.raises(DataError, match=r"bad.csv: was read as customers, but its 4 rows hold only 2 different customer_id; if these are orders"):
        import_files(tmp_path / "shop", [tmp_path / "good.csv", tmp_path / "bad.csv"], config=Config())
    assert not (tmp_path / "shop" / "tables").exists()
