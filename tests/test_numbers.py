"""The numbers of an audience: each against the tables that it comes from."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from features.conditions import Evidence
from features.errors import DataError
from features.products import Catalogue
from models.pairs.intervals import Spread
from serving.audiences import Members, build, evidence_of, parse_audience
from serving.audiences.costs import Costs
from serving.audiences.numbers import Number, breakdown, numbers, parts, top_products
from serving.audiences.payoff import payoff_numbers
from serving.audiences.profile import drivers, profile_numbers
from serving.published import open_as_of
from whobuys.cli import app

WHO = [{"interested_in": {"category": "Camping", "top": "20%"}}, {"orders": {"at_least": 2}}]


@pytest.fixture(scope="module")
def evidence(trained_shop: Path) -> Evidence:
    bundle, snapshot = open_as_of(trained_shop, None, bundle=None, memory_limit=None, threads=1)
    return evidence_of(bundle, snapshot, Catalogue.of(snapshot.shop))


@pytest.fixture(scope="module")
def members(evidence: Evidence) -> Members:
    return build(parse_audience({"audience": "x", "who": WHO, "control_group": "10%"}, source="x"), evidence)


@pytest.fixture(scope="module")
def found(members: Members, evidence: Evidence) -> dict[str, Number]:
    return {each.name: each for each in numbers(members, evidence, Spread(0.1, 0.1, 5), Costs({"email": 0.5}, margin=0.4))}


def test_sizes_and_reach(found: dict[str, Number], members: Members, evidence: Evidence) -> None:
    people = evidence.snapshot.shop.tables["customers"].to_pandas().set_index("customer_id").loc[list(members.frame["customer_id"])]
    assert found["size"].value == len(members) > 20
    mailable = people["consent_email"].fillna(False).astype(bool) & people["email"].notna()
    assert found["reachable by email"].value == mailable.sum() > 0
    assert found["control group"].value == (members.frame["group"] == "control").sum() > 0
    assert 0 < found["share new"].value < 1


def test_buyers_have_a_range_a_base_rate_and_sizes_that_catch_them(found: dict[str, Number], members: Members) -> None:
    buyers = found["expected buyers"]
    assert buyers.value == pytest.approx(members.frame["probability"].sum(), rel=1e-5)
    assert buyers.low is not None and buyers.high is not None and buyers.low < buyers.value < buyers.high
    assert found["lift"].value == pytest.approx(members.lift)
    sizes = [found[f"size for {share} %"].value for share in (50, 70, 90)]
    assert sizes == sorted(sizes) and sizes[-1] <= len(members)
    best = np.sort(members.frame["probability"].to_numpy(np.float64))[::-1]
    assert best[: int(sizes[0])].sum() >= 0.5 * best.sum() > best[: int(sizes[0]) - 1].sum()


def test_worth_is_of_the_members(found: dict[str, Number], members: Members, evidence: Evidence) -> None:
    orders = evidence.snapshot.shop.tables["orders"].to_pandas()
    mine = orders[orders["customer_id"].isin(members.frame["customer_id"]) & (orders["status"] == "completed") & (orders["revenue"] > 0)]
    assert found["revenue ever"].value == pytest.approx(mine["revenue"].sum(), rel=0.02)
    assert 0 < found["revenue of 12 months"].value <= found["revenue ever"].value
    assert found["expected revenue per member"].value == pytest.approx(found["expected revenue"].value / len(members))
    share = found["reachable by email"].value / len(members)
    gain = found["expected revenue"].value * share * 0.4
    assert found["return on cost, email"].value == pytest.approx(gain / (0.5 * found["reachable by email"].value))


def test_parts_stand_beside_the_whole(members: Members, evidence: Evidence) -> None:
    table = parts(members, evidence).set_index("condition")
    assert list(table.index) == ["interested in category Camping, top 20%", "orders at least 2", "all together"]
    assert table.loc["all together", "size"] == len(members) <= table["size"].min()
    assert table["lift"].iloc[0] > 1


def test_breakdown_and_products(members: Members, evidence: Evidence) -> None:
    table = breakdown(members, evidence, "country")
    assert table["size"].sum() == len(members) and table["share"].sum() == pytest.approx(1)
    assert table["expected_buyers"].sum() == pytest.approx(members.expected_buyers, rel=1e-5)
    products = top_products(members, evidence)
    assert len(products) == 10 and products["members"].is_monotonic_decreasing and (products["lift"] > 0).all()
    with pytest.raises(DataError, match=r"contry: is no column of the customers, did you mean 'country'\?"):
        breakdown(members, evidence, "contry")
    with pytest.raises(DataError, match="email: is personal"):
        breakdown(members, evidence, "email")


def test_an_empty_audience_has_numbers(evidence: Evidence) -> None:
    nobody = build(parse_audience({"audience": "x", "who": [{"orders": {"at_least": 10_000}}]}, source="x"), evidence)
    found = {each.name: each.value for each in numbers(nobody, evidence, Spread(), Costs())}
    assert found["size"] == found["expected buyers"] == found["revenue ever"] == 0 and "lift" not in found
    assert len(top_products(nobody, evidence)) == 0 and len(breakdown(nobody, evidence, "country")) == 0
    assert isinstance(parts(nobody, evidence), pd.DataFrame)


def test_the_verb(shop: Path) -> None:
    (shop / "audiences.yaml").write_text("audience: campers\nwho:\n  - interested_in: {category: Camping, top: 20%}\n", encoding="utf-8")
    told = CliRunner().invoke(app, ["audience", "preview", "campers", "--shop", str(shop), "--threads", "1"])
    assert told.exit_code == 0 and "expected buyers" in told.stdout and "all together" in told.stdout
    assert not list((shop / "members").glob("*")) if (shop / "members").exists() else True
    by = CliRunner().invoke(app, ["audience", "preview", "campers", "--by", "country", "--csv", "--shop", str(shop), "--threads", "1"])
    assert by.stdout.startswith("country,size,share,expected_buyers")


def test_what_sets_members_apart_and_what_contacts_pay(members: Members, evidence: Evidence) -> None:
    table = drivers(members, evidence)
    assert 0 < len(table) <= 6 and table["apart"].abs().is_monotonic_decreasing and (table["apart"].abs() >= 0.1).all()
    assert "orders so far" in set(table["fact"])  # the audience asks for two orders or more
    frequent = table.set_index("fact").loc["orders so far"]
    facts = evidence.snapshot.customers()["frequency"]
    assert frequent["everybody"] == pytest.approx(facts.mean(), rel=1e-5)
    assert frequent["members"] == pytest.approx(facts.loc[members.frame["customer_id"]].mean(), rel=1e-5)
    found = {
        each.name: each.value for each in [*profile_numbers(members, evidence), *payoff_numbers(members, evidence, Costs({"email": 0.5}, margin=0.4))]
    }
    assert found["share repeat"] == pytest.approx(1 - {each.name: each.value for each in numbers(members, evidence, Spread(), Costs())}["share new"])
    assert found["expected revenue per contact, email"] > 0 and found["price of an item"] > 0
    assert 0 < found["smallest size that pays, email"] <= found["largest size that pays, email"] <= len(members)


def test_nobody_has_no_profile(evidence: Evidence) -> None:
    nobody = build(parse_audience({"audience": "x", "who": [{"orders": {"at_least": 10_000}}]}, source="x"), evidence)
    assert drivers(nobody, evidence).empty and list(profile_numbers(nobody, evidence)) == []
    assert {each.name for each in payoff_numbers(nobody, evidence, Costs({"email": 1.0}))} <= {
        "profit, email",
        "smallest size that pays, email",
        "largest size that pays, email",
    }
