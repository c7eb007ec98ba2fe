"""Each data set becomes a ground to measure on: the files to import, the product sets asked about, and what really happened, from the raw files."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.made_up import END, made_up_shop, write_exports
from features.products import ProductSet, read_sets
from models import set_metrics

HORIZON, SEED = 30, 1
SCALE = 0.3
"""Of the made-up shop: 6,000 customers."""
MADE_UP = "made_up"
Files = dict[str, Path]


@dataclass(frozen=True)
class Ground:
    """What a data set is and must come to, read from its raw files: customers, sets measured (and among new buyers), outcomes; floors of AP.

    ``files`` takes the folder of the raw files and one to write into; ``purchases`` has a row per line: customer, product, order, at, amount;
    ``times`` are those of all rows of the raw files that name a product at a time.
    """

    title: str
    as_of: date
    columns: tuple[str, ...]
    options: tuple[str, ...]
    files: Callable[[Path, Path], Files]
    purchases: Callable[[Files], pd.DataFrame]
    times: Callable[[Files], dict[str, pd.Series]]
    sets: Callable[[Path, Files], list[ProductSet]]
    facts: tuple[int, int, int, int]
    floor: tuple[float, float] = (0.0, 0.0)

    def how(self) -> tuple[str, ...]:
        """The options of ``whobuys import``."""
        return (*self.options, *(part for column in self.columns for part in ("--map", column)))

    def column(self, name: str) -> str:
        """What the raw file calls a canonical column."""
        return next((column.split("=")[1] for column in self.columns if column.startswith(f"{name}=")), name)

    def without_past(self, files: Files, products: Sequence[str], work: Path) -> Files:
        """The files without any row of the products before the date, as if they came in on that day; written into ``work``."""
        found = dict(files)
        for name, at in self.times(files).items():
            raw, found[name] = read_raw(files[name]), work / f"{name}.parquet"
            early = pd.to_datetime(at) < pd.Timestamp(self.as_of)
            raw[~(early & raw[self.column("product_id")].astype(str).isin(products))].to_parquet(found[name], index=False)
        return found


@dataclass(frozen=True)
class Truth:
    """The customers with an order before the date, sorted, and customers x sets: who bought in the horizon, who had bought before."""

    customers: pd.Index
    outcome: NDArray[np.bool_]
    bought: NDArray[np.bool_]


def truth_of(purchases: pd.DataFrame, sets: Sequence[ProductSet], as_of: date) -> Truth:
    """What happened, by the protocol: calendar days, everybody with an order before ``as_of``, and ``[as_of, as_of + HORIZON)``."""
    start, end = pd.Timestamp(as_of), pd.Timestamp(as_of + timedelta(days=HORIZON))
    customers = pd.Index(sorted(purchases.loc[purchases["at"] < start, "customer"].unique()))
    members = pd.DataFrame([(product, place) for place, one in enumerate(sets) for product in one.product_ids], columns=["product", "set"])
    joined = purchases[purchases["customer"].isin(customers)].merge(members, on="product")
    found = []
    for rows in (joined[(joined["at"] >= start) & (joined["at"] < end)], joined[joined["at"] < start]):
        matrix = np.zeros((len(customers), len(sets)), dtype=bool)
        matrix[customers.get_indexer(rows["customer"]), rows["set"].to_numpy()] = True
        found.append(matrix)
    return Truth(customers, found[0], found[1])


def of_customers(scores: NDArray[np.floating], known: NDArray[np.object_], customers: pd.Index) -> NDArray[np.floating]:
    """Scores of the ``known`` customers (rows, sorted by id) as those of ``customers``; one whom whobuys does not know is last."""
    place = pd.Index(known).get_indexer(customers)
    return np.where((place >= 0)[:, None], scores[place], scores.min() - 1)


def check_ground(ground: Ground, truth: Truth) -> None:
    """Print the ground that is measured on, and stop when it is not the stated one."""
    enough = truth.outcome.sum(axis=0) >= set_metrics.MIN_BUYERS
    new = (truth.outcome & ~truth.bought).sum(axis=0) >= set_metrics.MIN_NEW
    found = (len(truth.customers), int(enough.sum()), int((enough & new).sum()), int(truth.outcome.sum()))
    print(f"  ground: {found[0]:,} customers, {found[1]} sets measured ({found[2]} among new buyers), {found[3]:,} outcomes", flush=True)
    assert found == ground.facts, f"the ground must be {ground.facts}; the raw files are others"


def read_raw(path: Path) -> pd.DataFrame:
    """A raw file, whatever it is."""
    return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)


def _times_in(name: str, column: str) -> Callable[[Files], dict[str, pd.Series]]:
    return lambda files: {name: read_raw(files[name])[column]}


def _made_up_times(files: Files) -> dict[str, pd.Series]:
    orders = read_raw(files["orders"]).set_index("order_id")["ordered_at"]
    return {"order_lines": read_raw(files["order_lines"])["order_id"].map(orders), "events": read_raw(files["events"])["occurred_at"]}


def _where_they_are(*names: str) -> Callable[[Path, Path], Files]:
    return lambda data, work: {name: data / f"{name}.parquet" for name in names}


def _sets_of_file(data: Path, files: Files) -> list[ProductSet]:
    return read_sets(data / "product_sets.csv")


def _lines(raw: pd.DataFrame, *, customer: str, product: str, order: str, at: str, amount: pd.Series) -> pd.DataFrame:
    ids = {"customer": raw[customer], "product": raw[product], "order": raw[order]}
    return pd.DataFrame({name: values.astype(str) for name, values in ids.items()} | {"at": pd.to_datetime(raw[at]), "amount": amount})


def _sets_by(products: pd.DataFrame, label: str, product: str) -> list[ProductSet]:
    return [ProductSet.of(str(name), ids.astype(str)) for name, ids in products.groupby(label)[product]]


def _online_retail(files: Files) -> pd.DataFrame:
    """Lines of known customers that are no cancellation, with a quantity and a price above 0."""
    raw = pd.read_parquet(files["transactions"])
    kept = raw[raw["CustomerID"].notna() & ~raw["InvoiceNo"].str.startswith("C") & (raw["Quantity"] > 0) & (raw["UnitPrice"] > 0)]
    kept = kept.assign(CustomerID=kept["CustomerID"].astype(int))
    amount = kept["Quantity"] * kept["UnitPrice"]
    return _lines(kept, customer="CustomerID", product="StockCode", order="InvoiceNo", at="InvoiceDate", amount=amount)


def _complete_journey(files: Files) -> pd.DataFrame:
    """Every line, those that were free of charge too."""
    raw = pd.read_parquet(files["transactions"])
    names = {"customer": "household_id", "product": "product_id", "order": "basket_id", "at": "transaction_timestamp"}
    return _lines(raw, **names, amount=raw["sales_value"])


def _adventureworks_files(data: Path, work: Path) -> Files:
    """The sales, and the products with the names of their categories, which the raw files hold in tables of their own."""
    products = pd.read_parquet(data / "products.parquet").merge(pd.read_parquet(data / "product_subcategories.parquet"), on="ProductSubcategoryKey")
    named = products.merge(pd.read_parquet(data / "product_categories.parquet"), on="ProductCategoryKey")
    named.to_parquet(work / "products.parquet", index=False)
    return {"sales": data / "sales.parquet", "products": work / "products.parquet"}


def _adventureworks(files: Files) -> pd.DataFrame:
    """Every line at the product's price; sales carry none."""
    raw = pd.read_parquet(files["sales"]).merge(pd.read_parquet(files["products"])[["ProductKey", "ProductPrice"]], on="ProductKey", how="left")
    amount = raw["OrderQuantity"] * raw["ProductPrice"].fillna(0.0)
    return _lines(raw, customer="CustomerKey", product="ProductKey", order="OrderNumber", at="OrderDate", amount=amount)


def _adventureworks_sets(data: Path, files: Files) -> list[ProductSet]:
    return _sets_by(pd.read_parquet(files["products"]), "SubcategoryName", "ProductKey")


def _made_up_files(data: Path, work: Path) -> Files:
    exports = write_exports(made_up_shop(scale=SCALE, seed=SEED), work)
    return {path.stem: path for path in exports}


def _made_up(files: Files) -> pd.DataFrame:
    """Lines with a quantity above 0 of completed orders of known customers."""
    orders = read_raw(files["orders"])[["order_id", "customer_id", "ordered_at", "status"]]
    raw = read_raw(files["order_lines"])[["order_id", "product_id", "quantity", "price"]].merge(orders, on="order_id")
    kept = raw[(raw["status"] == "completed") & raw["customer_id"].notna() & (raw["quantity"] > 0)]
    amount = kept["quantity"] * kept["price"]
    return _lines(kept, customer="customer_id", product="product_id", order="order_id", at="ordered_at", amount=amount)


def _made_up_sets(data: Path, files: Files) -> list[ProductSet]:
    return _sets_by(pd.read_csv(files["products"], usecols=["category", "product_id"]), "category", "product_id")


GROUNDS = {
    "online_retail": Ground(
        "UCI Online Retail, a British gift shop and wholesaler: 400 keyword sets",
        date(2011, 11, 10),
        (
            *("order_id=InvoiceNo", "customer_id=CustomerID", "ordered_at=InvoiceDate", "product_id=StockCode"),
            *("title=Description", "quantity=Quantity", "price=UnitPrice", "country=Country"),
        ),
        ("--cancelled-prefix", "C"),
        _where_they_are("transactions"),
        _online_retail,
        _times_in("transactions", "InvoiceDate"),
        _sets_of_file,
        (4086, 373, 372, 63684),
        (0.282, 0.058),
    ),
    "complete_journey": Ground(
        "Complete Journey, a sample of a grocer's year: 150 categories and 100 manufacturers",
        date(2017, 12, 3),
        (
            *("order_id=basket_id", "customer_id=household_id", "ordered_at=transaction_timestamp", "product_id=product_id"),
            *("quantity=quantity", "line_total=sales_value", "category=department,product_category,product_type", "brand=manufacturer_id"),
        ),
        (),
        _where_they_are("transactions", "products"),
        _complete_journey,
        _times_in("transactions", "transaction_timestamp"),
        _sets_of_file,
        (1434, 158, 154, 5324),
        (0.098, 0.047),
    ),
    "adventureworks": Ground(
        "AdventureWorks, an invented bicycle shop: 37 subcategories",
        date(2017, 6, 1),
        (
            *("order_id=OrderNumber", "line_no=OrderLineItem", "product_id=ProductKey", "customer_id=CustomerKey", "ordered_at=OrderDate"),
            *("quantity=OrderQuantity", "products.price=ProductPrice", "title=ProductName", "brand=ModelName"),
            "category=CategoryName,SubcategoryName",
        ),
        ("--skip-bad-lines",),
        _adventureworks_files,
        _adventureworks,
        _times_in("sales", "OrderDate"),
        _adventureworks_sets,
        (16181, 16, 16, 1890),
    ),
    MADE_UP: Ground(
        f"The made-up outdoor shop of the demo (scale {SCALE}, seed {SEED}): its 97 categories",
        END - timedelta(days=HORIZON),
        (),
        (),
        _made_up_files,
        _made_up,
        _made_up_times,
        _made_up_sets,
        (5011, 51, 47, 2169),
    ),
}
"""All of them. The sets of the last two are the shop's own categories; those of the first two come from a file that whobuys never reads."""


def there(names: Sequence[str], data: Path) -> list[str]:
    """Those of the named data sets whose folder is below ``data``, and the made-up one, which needs none; the others are told."""
    found = [name for name in names if name == MADE_UP or (data / name).is_dir()]
    for name in names:
        if name not in found:
            print(f"{data / name}: the data set is not there, nothing is measured on it; name the folder that holds it with --data", flush=True)
    return found
