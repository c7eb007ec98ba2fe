"""Exports of well-known shop systems: which of their columns is which."""

from collections.abc import Mapping

FileMap = Mapping[str, tuple[str, ...]]


def _named(**columns: str) -> FileMap:
    """``orders__discount`` stands for orders.discount."""
    return {name.replace("__", "."): (column,) for name, column in columns.items()}


FORMATS: dict[str, tuple[FileMap, ...]] = {
    "shopify": (
        _named(
            order_id="Name",
            customer_id="Email",
            ordered_at="Created at",
            currency="Currency",
            revenue="Subtotal",
            refunded="Refunded Amount",
            orders__discount="Discount Amount",
            coupon="Discount Code",
            channel="Source",
            status="Financial Status",
            product_id="Lineitem sku",
            title="Lineitem name",
            brand="Vendor",
            quantity="Lineitem quantity",
            price="Lineitem price",
            list_price="Lineitem compare at price",
            order_lines__discount="Lineitem discount",
            consent_email="Accepts Marketing",
            phone="Phone",
            country="Billing Country",
            region="Billing Province",
            city="Billing City",
            postal_code="Billing Zip",
        ),
        _named(
            customer_id="Email",
            first_name="First Name",
            last_name="Last Name",
            phone="Phone",
            consent_email="Accepts Email Marketing",
            consent_sms="Accepts SMS Marketing",
            country="Default Address Country Code",
            region="Default Address Province Code",
            city="Default Address City",
            postal_code="Default Address Zip",
        ),
        _named(
            product_id="Variant SKU",
            title="Title",
            brand="Vendor",
            category="Product Category",
            price="Variant Price",
            list_price="Variant Compare At Price",
            cost="Cost per item",
            image_url="Image Src",
            tags="Tags",
        ),
    ),
    "woocommerce": (
        _named(
            order_id="Order Number",
            line_no="Item #",
            customer_id="Email (Billing)",
            ordered_at="Order Date",
            status="Order Status",
            coupon="Coupon Code",
            refunded="Order Refund Amount",
            product_id="SKU",
            title="Name",
            quantity="Quantity",
            line_total="Order Line (w/o tax)",
            first_name="First Name (Billing)",
            last_name="Last Name (Billing)",
            phone="Phone (Billing)",
            country="Country Code (Billing)",
            region="State Code (Billing)",
            city="City (Billing)",
            postal_code="Postcode (Billing)",
        ),
        _named(
            product_id="SKU",
            title="Name",
            category="Categories",
            price="Sale price",
            list_price="Regular price",
            in_stock="In stock?",
            image_url="Images",
            tags="Tags",
        ),
    ),
    "magento": (
        _named(
            order_id="ID",
            customer_id="Customer Email",
            ordered_at="Purchase Date",
            revenue="Subtotal",
            refunded="Total Refunded",
            status="Status",
            channel="Purchase Point",
        ),
    ),
    "bigcommerce": (
        _named(
            order_id="Order ID",
            customer_id="Customer Email",
            ordered_at="Order Date",
            currency="Order Currency Code",
            revenue="Subtotal (ex tax)",
            refunded="Refund Amount",
            status="Order Status",
            phone="Customer Phone",
            first_name="Billing First Name",
            last_name="Billing Last Name",
            country="Billing Country",
            region="Billing State",
            city="Billing Suburb",
            postal_code="Billing Zip",
        ),
    ),
}
"""By name, the files that the system exports. Customers are known by e-mail address throughout: guests have no id, and not every file has ids."""


def map_of(name: str, columns: tuple[str, ...]) -> FileMap:
    """The mapping of a named format for a file with these columns: of the format's files the one most like it, as far as the columns are there.

    >>> map_of("magento", ("ID", "Subtotal"))
    {'order_id': ('ID',), 'revenue': ('Subtotal',)}
    >>> map_of("", ("ID",))
    {}
    """
    found = [{each: source for each, source in file.items() if set(source) <= set(columns)} for file in FORMATS.get(name, ())]
    return max(found, key=len, default={})
