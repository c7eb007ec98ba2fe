"""The back-test of an audience: what it compares, what it says of it, and that the past never knows what came."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from features.shop import Shop
from serving.audiences import Audience, parse_audience
from serving.audiences.check import EVERYBODY, Check, check, verdict
from serving.published import bundle_folder
from whobuys.cli import app

INTEREST = {"interested_in": {"category": "Climbing", "top": "10%"}}


def audience(*who: object, **words: object) -> Audience:
    return parse_audience({"audience": "x", "who": list(who), **words}, source="x")


def found(
    *dates: tuple[int, float, float, float, int], rules: Sequence[tuple[str, float, float, float]] = (), customers: int = 1000, buyers: int = 50
) -> Check:
    columns = ["size", "expected", "low", "high", "bought"]
    origins = pd.DataFrame(dates, columns=columns).assign(customers=customers, buyers=buyers)
    origins.insert(0, "origin", [f"2026-0{1 + place}-01" for place in range(len(dates))])
    rows = [(EVERYBODY, 5.0, 5.0, 40.0), *rules]
    table = pd.DataFrame(rows, columns=["rule", "bought", "alone", "ours_alone"])
    return Check(audience(INTEREST), "Climbing", 30, origins, table.assign(origin="2026-01-01"))


@pytest.mark.parametrize(
    "case, sentence",
    [
        (found((0, 0, 0, 0, 0)), "Nobody would have been in it on 1 past date: nothing can be said."),
        (found((100, 4.0, 1, 8, 5)), "Too few to tell: 5 members bought within 30 days, on 1 past date together."),
        (
            found((100, 38.0, 30, 46, 40)),
            "Members bought 8.0 times as often as customers taken at random (95 %: 6.2 to 10.0): 40 of 100, on 1 past date.",
        ),
        (found((100, 38.0, 30, 46, 40), (100, 30.0, 22, 37, 39)), "Expected 68 buyers, real 79; the 80 % interval held on 1 of 2."),
        (found((100, 20.0, 15, 25, 40)), "Do not trust its number of buyers: it was wrong by more than a quarter, outside the interval each time."),
        (
            found((100, 38.0, 30, 46, 40), rules=[("ordered last", 20.0, 10.0, 30.0), ("spent most", 38.0, 20.0, 22.0)]),
            "As large a group by a plain rule: 40 buyers are better than ordered last (20 buyers).",
        ),
        (
            found((100, 38.0, 30, 46, 40), rules=[("ordered last", 20.0, 10.0, 30.0), ("spent most", 38.0, 20.0, 22.0)]),
            "As large a group by a plain rule: 40 buyers are not surely better than spent most (38 buyers).",
        ),
        (
            found((100, 38.0, 30, 46, 40), rules=[("spent most", 70.0, 45.0, 15.0)]),
            "As large a group by a plain rule: 40 buyers are worse than spent most (70 buyers).",
        ),
        (
            found((100, 38.0, 30, 46, 40), rules=[("spent most", 38.0, 20.0, 22.0)]),
            "Nothing to gain over plain rules: use the simplest of them, or ask for something else.",
        ),
    ],
)
def test_the_verdict_is_plain(case: Check, sentence: str) -> None:
    assert sentence in list(verdict(case))


@pytest.fixture(scope="module")
def tested(trained_shop: Path) -> Check:
    return check(audience(INTEREST), Shop.open(trained_shop), bundle_folder(trained_shop), saved={})


def test_members_of_the_past_are_compared_with_what_came(tested: Check, trained_shop: Path) -> None:
    origin = tested.origins.iloc[0]
    shop = Shop.open(trained_shop)
    lines, products = shop.tables["order_lines"].to_pandas(), shop.tables["products"].to_pandas()
    orders = shop.tables["orders"].to_pandas()
    ahead = orders[(orders["ordered_at"] >= origin["origin"]) & (orders["status"] == "completed")]
    climbing = products.loc[products["category"].str.contains("Climbing", na=False), "product_id"]
    bought = lines[lines["product_id"].isin(climbing) & (lines["quantity"].fillna(1) > 0) & (lines["price"].fillna(1) > 0)]
    before = set(orders.loc[(orders["ordered_at"] < origin["origin"]) & (orders["status"] == "completed"), "customer_id"].dropna())
    real = set(ahead.loc[ahead["order_id"].isin(bought["order_id"]), "customer_id"].dropna()) & before
    assert origin["buyers"] == len(real) > 0
    assert origin["size"] == int(0.1 * origin["customers"]) and 0 < origin["bought"] <= len(real)
    assert origin["low"] <= origin["expected"] <= origin["high"]


def test_rules_have_as_many_customers(tested: Check) -> None:
    assert list(tested.rules["rule"]) == [EVERYBODY, "bought it last", "ordered last", "highest RFM", "spent most"]
    ours = float(tested.origins["bought"].sum())
    plain = tested.rules[tested.rules["rule"] != EVERYBODY]
    assert (plain["bought"] - plain["alone"] == ours - plain["ours_alone"]).all()  # those whom both have


def test_rules_take_only_whom_the_other_conditions_allow(trained_shop: Path) -> None:
    recent = {"bought": {"category": "Climbing", "within": "12 months"}}
    asked = audience({"interested_in": {"category": "Climbing", "top": "50%"}}, **{"except": [recent]})
    found = check(asked, Shop.open(trained_shop), bundle_folder(trained_shop), saved={})
    bought = {str(row["rule"]): float(row["bought"]) for row in found.rules.to_dict("records")}
    assert bought["bought it last"] <= bought[EVERYBODY] + 5  # the latest buyers are left out of it, too
    everybody = check(audience({"orders": {"at_least": 1}}), Shop.open(trained_shop), bundle_folder(trained_shop), saved={})
    rules = everybody.rules[everybody.rules["rule"] != EVERYBODY]
    assert (rules["alone"] == 0).all() and (rules["ours_alone"] == 0).all()


def test_what_fits_of_the_past_cannot_say_is_told(trained_shop: Path) -> None:
    asked = check(audience({"lifetime_value": {"at_least": 1}}), Shop.open(trained_shop), bundle_folder(trained_shop), saved={})
    assert any("it cannot be said; fits of past dates know the main horizon only" in each for each in verdict(asked))


def test_the_verb(shop: Path) -> None:
    (shop / "audiences.yaml").write_text("audience: climbers\nwho:\n  - interested_in: {category: Climbing, top: 10%}\n", encoding="utf-8")
    told = CliRunner().invoke(app, ["audience", "check", "climbers", "--shop", str(shop)])
    assert told.exit_code == 0 and "buyers, real" in told.stdout and "members bought within 30 days, on 1 past date together" in told.stdout
    missing = CliRunner().invoke(app, ["audience", "check", "long-tail", "--shop", str(shop)])
    assert missing.exit_code == 1
