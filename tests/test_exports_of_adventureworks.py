"""AdventureWorks, a shop with e-mail addresses, birth dates and gender: its exports hold nobody who did not consent."""

import hashlib
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from features.conditions import Evidence
from features.config import Config, parse_map, with_import
from features.imports import import_files
from features.products import Catalogue
from features.shop import Shop
from features.snapshot import Snapshot
from serving.audiences import build, parse_audience, save
from serving.destinations.files import Asked, export_audience
from serving.destinations.presets import PRESETS


def read(path: Path) -> pd.DataFrame:
    """An export as pandas opens it, all text."""
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    return pd.read_json(path, lines=True, dtype=False) if path.suffix == ".jsonl" else pd.read_csv(path, dtype=str)


@pytest.fixture(scope="module")
def bicycles(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pd.DataFrame]:
    """AdventureWorks with consents that a seed has drawn, an audience of its women, and the people in it as the raw file has them."""
    folder, source = tmp_path_factory.mktemp("bicycles"), shared_data / "adventureworks"
    people = pd.read_parquet(source / "customers.parquet")
    drawn = np.random.default_rng(11).integers(0, 3, (len(people), 2))
    consents = {name: pd.Series(drawn[:, at]).map({0: "no", 1: "yes"}).astype("str") for at, name in enumerate(("ConsentEmail", "ConsentAds"))}
    people.assign(**consents).to_parquet(folder / "customers.parquet", index=False)
    duckdb.sql(
        f"COPY (SELECT DISTINCT ON (OrderNumber, OrderLineItem) * FROM '{source}/sales.parquet' WHERE OrderDate >= '2017-05-01') "
        f"TO '{folder}/sales.parquet'"
    )
    pairs = "order_id=OrderNumber line_no=OrderLineItem product_id=ProductKey customer_id=CustomerKey ordered_at=OrderDate quantity=OrderQuantity "
    pairs += "products.price=ProductPrice title=ProductName first_name=FirstName last_name=LastName birth_date=BirthDate gender=Gender "
    pairs += "email=EmailAddress consent_email=ConsentEmail consent_ads=ConsentAds"
    files = [folder / "sales.parquet", source / "products.parquet", folder / "customers.parquet"]
    import_files(folder / "shop", files, config=with_import(Config(), map=parse_map(pairs.split())))
    return folder / "shop", people.assign(**consents).astype({"CustomerKey": "str"}).set_index("CustomerKey")


@pytest.fixture(scope="module")
def women(bicycles: tuple[Path, pd.DataFrame]) -> tuple[Path, pd.DataFrame]:
    """The shop with the members of an audience, which orders and attributes alone can tell; and these people."""
    folder, people = bicycles
    shop = Shop.open(folder)
    snapshot = Snapshot(shop, shop.default_as_of)
    evidence = Evidence(snapshot, Catalogue.of(shop), lambda sets: np.zeros((len(snapshot.codes), len(sets)), np.float32))
    audience = parse_audience(
        {"audience": "women", "name": "Women", "who": [{"attribute": {"gender": "F"}}, {"orders": {"at_least": 1}}]}, source="x"
    )
    members = build(audience, evidence)
    save(folder, members)
    return folder, people.loc[members.frame["customer_id"].to_numpy(object)]


@pytest.mark.parametrize("preset", PRESETS)
def test_adventureworks_has_no_customer_without_consent_in_any_export(women: tuple[Path, pd.DataFrame], preset: str) -> None:
    folder, people = women
    done = export_audience(folder, Asked("women", preset))
    table, consent = read(done.path), people["ConsentAds" if preset in ("google", "meta") else "ConsentEmail"]
    assert list(table) == [*PRESETS[preset].headers, *(["data_date"] if preset in ("csv", "jsonl") else [])]
    address = next(str(header) for header in table if str(header).lower() in ("email", "email address"))
    mails = people["EmailAddress"].str.lower()
    if preset in ("google", "meta"):
        mails = mails.map(lambda mail: hashlib.sha256(str(mail).encode()).hexdigest())
    assert set(people["Gender"]) == {"F"} and consent.isna().any() and len(people) > 1_000
    assert set(table[address].dropna()) == set(mails[consent == "yes"])
    assert not set(table[address].dropna()) & set(mails[consent != "yes"])
    assert done.left_out == {"consent refused": (consent == "no").sum(), "consent unknown": consent.isna().sum()}


def test_adventureworks_birth_dates_and_gender_are_hashed_for_meta(women: tuple[Path, pd.DataFrame]) -> None:
    folder, people = women
    table = read(export_audience(folder, Asked("women", "meta")).path).set_index("email")
    one = people[people["ConsentAds"] == "yes"].iloc[0]
    born = pd.to_datetime(one["BirthDate"], format="%m/%d/%Y")
    found = table.loc[hashlib.sha256(str(one["EmailAddress"]).lower().encode()).hexdigest()]
    texts = {"dob": f"{born:%Y%m%d}", "doby": f"{born:%Y}", "gen": "f", "fn": str(one["FirstName"]).lower(), "ln": str(one["LastName"]).lower()}
    assert {name: found[name] for name in texts} == {name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()}
