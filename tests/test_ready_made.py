"""The ready-made audiences: each is valid on any shop, finds whom it says, and says why when it is empty."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from features.conditions import Evidence
from features.config import Config
from features.errors import DataError
from features.made_up import END, MadeUpShop, made_up_shop
from features.products import Catalogue
from features.shop import Shop
from features.snapshot import Snapshot
from serving.audiences import Members, build, build_all, evidence_of, parse_audience
from serving.audiences.definitions import GOALS
from serving.customers import horizons_of
from serving.published import open_as_of
from serving.ready_made import Filling, as_they_stand, definitions, ready_made
from serving.ready_made.page import page
from serving.suggestions import KINDS, Ground
from training.fits import Fits
from training.train import recipe_of
from whobuys.cli import app

sys.path.append(str(Path(__file__).resolve().parent.parent / "benchmarks"))

ASKED_FOR = {
    *("all-customers", "top-customers", "one-time", "loyal", "frequent", "vip", "active", "slipping-away", "lost", "lost-vips", "just-ordered"),
    *("sale-buyers", "full-price-buyers", "gift-buyers", "category-buyers", "high-season", "q4", "unengaged", "likely-to-buy", "likely-high-aov"),
    *("new-sign-ups", "cart-abandoners", "look-alike-base", "win-back", "priority", "interested-in", "cross-sell", "just-bought", "long-tail"),
}
Tables = dict[str, pd.DataFrame]


@pytest.fixture(scope="module")
def evidence(trained_shop: Path) -> Evidence:
    return evidence_in(trained_shop)


def evidence_in(folder: Path) -> Evidence:
    bundle, snapshot = open_as_of(folder, None, bundle=None, memory_limit=None, threads=1)
    return evidence_of(bundle, snapshot, Catalogue.of(snapshot.shop))


@pytest.fixture(scope="module")
def found(evidence: Evidence) -> dict[str, Members]:
    return {members.audience.audience: members for members in build_all(list(as_they_stand().values()), evidence)}


def ids(members: Members) -> set[str]:
    return set(members.frame["customer_id"])


# what is written


def test_all_that_were_asked_for_are_there() -> None:
    assert definitions().keys() >= ASKED_FOR
    for name, made in definitions().items():
        assert made.text.startswith("# ") and made.says.endswith(".") and made.text.count("\n# ") == 0, name
        assert made.definition["goal"] in GOALS, name
        assert (made.filled_in_by in KINDS) != (made.audience is not None), name
        assert made.audience is None or made.audience.audience == name
    with pytest.raises(DataError, match="there is no ready-made audience 'lost-vip', did you mean 'lost-vips'"):
        ready_made("lost-vip")


def test_every_one_is_on_its_page() -> None:
    """Mend it with: python -m serving.ready_made.page > docs/ready-made.md"""
    assert page() == (Path(__file__).resolve().parent.parent / "docs" / "ready-made.md").read_text(encoding="utf-8")


def test_definitions_are_filled_in(evidence: Evidence) -> None:
    catalogue = evidence.catalogue
    tents, repellent = catalogue.category("Tents"), catalogue.category("Mosquito repellent")
    product = catalogue.product(catalogue.products.index[0])
    filling: Filling = {"first": tents, "then": repellent, "category": tents, "products": product, "due": "9 days"}
    for name, made in definitions().items():
        if not made.filled_in_by:
            continue
        audiences = made.filled([filling, {"nothing": tents}, filling], catalogue=catalogue)
        assert [audience.audience.endswith("-2") for audience in audiences] == [False, True], name
        assert "suggested" not in audiences[0].yaml() and "{products}" not in audiences[0].yaml()
        assert len(build(audiences[0], evidence)) > 0 or name == "just-bought"
    (cross,) = definitions()["cross-sell"].filled([filling], catalogue=catalogue)
    (just,) = definitions()["just-bought"].filled([filling], catalogue=catalogue)
    (tail,) = definitions()["long-tail"].filled([filling], catalogue=catalogue)
    assert cross.audience == "tents-no-mosquito-repellent"
    assert just.words()["who"] == [
        {"bought": {"category": "Outdoor > Camping > Tents", "within": "9 days"}},
        {"not": {"bought": {"category": "Outdoor > Camping > Mosquito repellent"}}},
    ]
    assert str(catalogue.products["title"].iloc[0]) in tail.name


# who they are, on the made-up shop


def test_every_one_has_members_or_says_why(found: dict[str, Members]) -> None:
    assert len(found) == len(as_they_stand())
    for name, members in found.items():
        assert len(members) or members.notes, name
        assert all(re.match(r"(who|except|nothing)", note) or "lift" in note for note in members.notes), members.notes
    seldom = {"cart-abandoners", "new-sign-ups", "lost-vips"}
    assert {name for name, members in found.items() if len(members)} >= (ASKED_FOR & found.keys()) - seldom


def whole(evidence: Evidence) -> pd.DataFrame:
    table = evidence.customers
    return pd.DataFrame({name: table[name] for name in table}).set_axis(evidence.customer_ids, axis=0)


def test_they_are_whom_they_say(found: dict[str, Members], evidence: Evidence) -> None:
    table = whole(evidence)
    assert ids(found["all-customers"]) == set(evidence.snapshot.customer_ids)
    for name, importance in (("one-time", "one-time"), ("loyal", "loyal"), ("frequent", "frequent"), ("exclusive", "exclusive"), ("vip", "VIP")):
        assert ids(found[name]) == set(table.index[table["importance"] == importance]), name
    for name, stage in (("active", "active"), ("slipping-away", "slipping away"), ("lost", "lost"), ("just-ordered", "just ordered")):
        assert ids(found[name]) == set(table.index[table["lifecycle"] == stage]), name
    assert ids(found["lost-vips"]) <= ids(found["lost"])
    assert ids(found["new-sign-ups"]).isdisjoint(ids(found["all-customers"]))
    assert not ids(found["full-price-buyers"]) & ids(found["sale-buyers"])


def test_planted_gift_and_sale_buyers_are_found(found: dict[str, Members], evidence: Evidence) -> None:
    truth = made_up_shop(scale=0.05, seed=1).truth
    everybody = ids(found["all-customers"])
    for name, planted in (("sale-buyers", truth.sale_buyers), ("gift-buyers", truth.gift_buyers)):
        share = len(ids(found[name]) & set(planted)) / len(found[name])
        assert share > 2.5 * len(set(planted)) / len(everybody), (name, share)


def test_those_of_value_come_first_with_their_value(found: dict[str, Members], evidence: Evidence) -> None:
    for name, column in (("look-alike-base", "lifetime_value"), ("likely-high-aov", "expected_order_value")):
        frame = found[name].frame
        assert frame["value"].is_monotonic_decreasing
        assert np.allclose(frame["value"], whole(evidence).loc[list(frame["customer_id"]), column], rtol=1e-5)
    assert "value" not in found["active"].frame and list(found["vip"].frame)[:3] == ["customer_id", "probability", "rank"]


def test_what_can_be_recovered_and_what_has_priority(found: dict[str, Members], evidence: Evidence) -> None:
    table = whole(evidence).loc[list(found["win-back"].frame["customer_id"])]
    assert table["lifecycle"].isin(["slipping away", "lost"]).all()
    year = max(days for days in horizons_of(table) if days <= 365)
    pace = table["expected_order_value"] * 365 / table["rhythm_days"] * year / 365
    missing = (pace - table[f"expected_revenue_{year}"]).clip(lower=0) * table[f"likelihood_{year}"]
    assert np.allclose(found["win-back"].frame["value"], missing, rtol=1e-3)
    first = found["priority"].frame
    assert first["value"].between(0, 100).all() and first["value"].is_monotonic_decreasing
    chance = whole(evidence).loc[list(first["customer_id"]), f"likelihood_{year}"]
    assert chance.between(0.02, 0.98).all() and len(ids(found["priority"]) - ids(found["lost"]))


# shops that lack something


def _bare(made: MadeUpShop, **tables: Callable[[pd.DataFrame], pd.DataFrame]) -> Shop:
    """The made-up shop with some tables changed."""
    frames = {name: table.to_pandas() for name, table in made.tables.items()}
    return Shop.of(frames | {name: change(frames[name]) for name, change in tables.items()})


def _nothing(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.iloc[:0]


def _without(*columns: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return lambda frame: frame.drop(columns=[each for each in columns if each in frame])


def _recent(frame: pd.DataFrame) -> pd.DataFrame:
    """Orders of the last two months: a shop younger than a quarter."""
    return frame[frame["ordered_at"] >= pd.Timestamp(END) - pd.Timedelta(days=60)]


LACKS: dict[str, tuple[dict[str, Callable[[pd.DataFrame], pd.DataFrame]], dict[str, str]]] = {
    "no events": ({"events": _nothing}, {"cart-abandoners": "the shop has no events", "unengaged": "the shop has no events of the last 90 days"}),
    "no consent": (
        {"customers": _without("consent_email", "consent_sms", "consent_ads")},
        {"unengaged": "no customer's consent is known (consent_ads)"},
    ),
    "no lines": ({"order_lines": _nothing, "products": _nothing}, {}),
    "no sign-ups": ({"customers": _without("created_at"), "events": _nothing}, {"new-sign-ups": "it is not known when customers signed up"}),
    "young": ({"orders": _recent}, {"q4": "no order of the shop is from October to December", "high-season": "in its first year"}),
}


@pytest.mark.parametrize("lacks", LACKS)
def test_a_shop_that_lacks_something_is_told_what(lacks: str) -> None:
    changes, told = LACKS[lacks]
    shop = _bare(made_up_shop(scale=0.02, seed=3), **changes)
    config = Config.model_validate({"train": {"origins": 1}, "customers": {"horizons": [30]}, "model": {"trees": 10}})
    bundle = Fits(shop, recipe_of(config, threads=1), lambda _: None).bundle(END, name="lacking")
    evidence = evidence_of(bundle, Snapshot(shop, END), Catalogue.of(shop))
    found = {members.audience.audience: members for members in build_all(list(as_they_stand().values()), evidence)}
    assert all(len(members) or members.notes for members in found.values())
    for name, words in told.items():
        assert not len(found[name]) and words in " ".join(found[name].notes), found[name].notes
    ground = Ground(bundle, evidence, top=5)
    for kind in KINDS.values():
        answer = kind.ask(ground)
        assert len(answer.table) or answer.notes, kind.name


def test_why_nobody_is_there(evidence: Evidence) -> None:
    def why(**words: object) -> str:
        members = build(parse_audience({"audience": "a", **words}, source="x"), evidence)
        assert not len(members)
        return " | ".join(members.notes)

    assert why(who=[{"orders": {"at_least": 1000}}]) == "who.0.orders is true of nobody"
    nobody = {"did": {"event": "clicked_email", "within": "1 day"}}
    assert why(who=[{"any": [{"orders": {"at_least": 1000}}, {"spent": {"more_than": 1e9}}]}]) == (
        "who.0.any.0.orders is true of nobody | who.0.any.1.spent is true of nobody"
    )
    assert why(who=[{"orders": {"at_least": 1}}, {"orders": {"at_most": 0}}]).startswith("who.1.orders is true of ")
    assert "but of none whom the others above leave" in why(who=[{"orders": {"at_least": 1}}, {"orders": {"at_most": 0}}])
    assert "except leaves out all" in why(who=[{"orders": {"at_least": 1}}], **{"except": [{"orders": {"at_least": 1}}]})
    assert "is true of nobody" in why(who=[nobody, {"orders": {"at_least": 1000}}])
    assert "nothing ranks the" in why(who=[{"orders": {"at_most": 0}}], choose={"by": "lifetime_value"})


# the verbs


def invoke(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["audience", *arguments], env={"WHOBUYS_SHOP": str(folder), "WHOBUYS_TODAY": "2026-07-01"})


def test_they_are_listed_shown_previewed_checked_and_built(shop: Path, tmp_path: Path) -> None:
    listed = {row["audience"]: row for row in json.loads(invoke(shop, "list", "--json").stdout)}
    assert all(listed[name]["kind"] == "ready-made" for name in definitions())
    assert (listed["vip"]["name"], listed["interested-in"]["name"]) == ("VIPs", "Interested in ...")
    shown = invoke(shop, "show", "lost-vips")
    assert shown.stdout == ready_made("lost-vips").text and "never built" in shown.stderr
    assert "whobuys audience suggest main" in invoke(shop, "show", "category-buyers").stderr
    assert "expected buyers" in invoke(shop, "preview", "likely-to-buy").stdout
    assert "random" in invoke(shop, "check", "active").stdout
    (row,) = json.loads(invoke(shop, "build", "win-back", "-o", str(tmp_path / "a.csv"), "--json").stdout)
    assert row["size"] > 0 and "value" in pd.read_csv(tmp_path / "a.csv")
    assert {each["audience"]: each for each in json.loads(invoke(shop, "list", "--json").stdout)}["win-back"]["size"] == row["size"]
    rows = json.loads(invoke(shop, "build", "category-buyers", "-o", str(tmp_path / "buyers"), "--json").stdout)
    assert 1 <= len(rows) <= 10 and all(each["audience"].endswith("-buyers") for each in rows)
    result = invoke(shop, "preview", "category-buyers")
    assert result.exit_code == 1 and "its products are found when it is built" in result.stderr


def test_a_saved_audience_of_the_same_name_is_meant(shop: Path) -> None:
    (shop / "audiences.yaml").write_text("audience: vip\nname: Mine\nwho: [{spent: {more_than: 1}}]\n", encoding="utf-8")
    listed = [row for row in json.loads(invoke(shop, "list", "--json").stdout) if row["audience"] == "vip"]
    assert [(row["kind"], row["name"]) for row in listed] == [("saved", "Mine")]
    assert "Mine" in invoke(shop, "show", "vip").stdout


def test_without_order_lines_customers_can_still_be_asked_for(tmp_path: Path) -> None:
    orders = made_up_shop(scale=0.05, seed=1).tables["orders"].to_pandas()[["customer_id", "ordered_at", "revenue"]].dropna()
    orders.to_csv(tmp_path / "orders.csv", index=False)
    folder = tmp_path / "plain"
    env = {"WHOBUYS_SHOP": str(folder), "WHOBUYS_TODAY": "2026-07-01"}
    for words in (["import", str(tmp_path / "orders.csv")], ["train", "--threads", "1"]):
        result = CliRunner().invoke(app, words, env=env)
        assert result.exit_code == 0, result.output
    (row,) = json.loads(invoke(folder, "build", "slipping-away", "--json").stdout)
    assert row["size"] > 0
    buyers = invoke(folder, "preview", "full-price-buyers")
    assert buyers.exit_code == 0
    assert "who.1.full_price_share cannot be said of anybody: no order or line of the shop has a discount" in buyers.stderr
    refused = invoke(folder, "build", "interested-in")
    assert refused.exit_code == 4 and "no lines" in refused.stderr


# real shops


@pytest.mark.proof
@pytest.mark.parametrize("name", ["online_retail", "complete_journey", "adventureworks"])
def test_every_one_is_valid_on_a_real_shop(name: str, shared_data: Path, tmp_path: Path) -> None:
    from _grounds import GROUNDS

    ground = GROUNDS[name]
    files = ground.files(shared_data / name, tmp_path)
    folder = tmp_path / "shop"
    words = ["import", *map(str, files.values()), *ground.how(), "--shop", str(folder)]
    imported = CliRunner().invoke(app, words)
    assert imported.exit_code in (0, 3), imported.output
    shop = Shop.open(folder)
    config = Config.model_validate({"train": {"origins": 2}, "customers": {"horizons": [30, 90, 365]}, "model": {"trees": 40}})
    as_of = shop.default_as_of
    bundle = Fits(shop, recipe_of(config, threads=2), lambda _: None).bundle(as_of, name="proof")
    evidence = evidence_of(bundle, Snapshot(shop, as_of), Catalogue.of(shop))
    for members in build_all(list(as_they_stand().values()), evidence):
        assert len(members) or members.notes, members.audience.audience
    asked = Ground(bundle, evidence, top=10)
    for made in definitions().values():
        if made.filled_in_by:
            told = KINDS[made.filled_in_by].ask(asked)
            audiences = made.filled(told.fillings, catalogue=asked.catalogue)
            assert audiences or told.notes or not told.table.empty, made.name
            assert all(len(members) or members.notes for members in build_all(audiences, evidence)), made.name
    for kind in KINDS.values():
        answer = kind.ask(asked)
        assert len(answer.table) or answer.notes, kind.name
