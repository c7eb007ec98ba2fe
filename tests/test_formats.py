"""Named formats fit the header rows of real exports, and files in them need no mapping."""

import json
from datetime import date, datetime
from pathlib import Path

import pytest

from features.config import Config, check_canonical, with_import
from features.errors import UsageError
from features.formats import FORMATS, map_of
from features.imports import import_files
from features.shop import Shop

HEADERS = {
    "shopify": ("shopify_orders_export", "shopify_customers_export", "shopify_products_export"),
    "woocommerce": ("woocommerce_orders_export_plugin", "woocommerce_products_export"),
    "magento": ("magento2_sales_order_grid_export",),
    "bigcommerce": ("bigcommerce_orders_export",),
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_column_of_a_format_is_in_the_real_export(shared_data: Path, name: str) -> None:
    headers = json.loads((shared_data / "shop_export_headers.json").read_text(encoding="utf-8"))
    for export, columns in zip(HEADERS[name], FORMATS[name], strict=True):
        assert map_of(name, tuple(headers[export])) == columns


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_names_canonical_columns(name: str) -> None:
    for columns in FORMATS[name]:
        for canonical in columns:
            check_canonical(canonical)


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(UsageError, match="is no known format, got 'shopfy', did you mean 'shopify'"):
        with_import(Config(), format="shopfy")


def test_shopify_orders_and_customers(shared_data: Path, tmp_path: Path) -> None:
    headers = json.loads((shared_data / "shop_export_headers.json").read_text(encoding="utf-8"))

    def export(name: str, *rows: dict[str, str]) -> Path:
        path = tmp_path / f"{name}.csv"
        path.write_text("\n".join(",".join(f'"{row.get(column, "")}"' for column in headers[name]) for row in [{c: c for c in headers[name]}, *rows]))
        return path

    first = {"Name": "#1", "Email": "ann@x.dk", "Financial Status": "paid", "Accepts Marketing": "yes", "Subtotal": "25.00", "Billing Zip": "'0210"}
    second = {"Name": "#2", "Email": "bob@x.dk", "Financial Status": "refunded", "Accepts Marketing": "no", "Subtotal": "9.00", "Tags": "gift wrap"}
    line = {"Created at": "2024-01-02 10:00:00 +0100", "Lineitem quantity": "1", "Lineitem price": "9.00", "Lineitem sku": "rope", "Vendor": "Nord"}
    more = {
        "Name": "#1",
        "Lineitem quantity": "2",
        "Lineitem price": "8.00",
        "Lineitem sku": "tent",
        "Vendor": "Syd",
        "Created at": line["Created at"],
    }
    orders = export("shopify_orders_export", {**first, **line}, more, {**second, **line})
    customers = export("shopify_customers_export", {"Customer ID": "77", "Email": "ann@x.dk", "First Name": "Ann", "Accepts SMS Marketing": "no"})
    coverage = import_files(tmp_path / "shop", [orders, customers], config=with_import(Config(), format="shopify"), today=date(2024, 6, 1))
    assert (coverage.orders, coverage.customers, coverage.lines, coverage.cancelled_orders, coverage.revenue) == (2, 2, 3, 1, 25.0)
    shop = Shop.open(tmp_path / "shop")
    known = shop.tables["customers"].to_pandas().set_index("email")
    assert known.loc["ann@x.dk", ["first_name", "postal_code", "consent_email", "consent_sms", "Customer ID"]].to_list() == [
        "Ann",
        "0210",
        True,
        False,
        "77",
    ]
    assert shop.products["brand"].to_dict() == {"rope": "Nord", "tent": "Syd"}
    assert shop.products["tags"].isna().all()
    assert shop.tables["orders"].to_pandas()["ordered_at"].unique().tolist() == [datetime(2024, 1, 2, 9)]
