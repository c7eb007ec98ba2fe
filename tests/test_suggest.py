"""Suggestions with evidence: each kind finds what was planted and nothing else, says how sure it is, and says plainly when the data are too few."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy.stats import beta
from sklearn.metrics import adjusted_rand_score
from typer.testing import CliRunner, Result

from features.conditions import Evidence
from features.config import Config
from features.errors import UsageError, WhobuysError
from features.made_up import END, made_up_shop
from features.products import Catalogue
from features.shop import Shop
from features.snapshot import Snapshot
from models.bundle import Bundle
from serving.audiences import build, build_all, evidence_of, parse_audience, parse_audiences
from serving.audiences.definitions import GOALS
from serving.published import open_as_of
from serving.suggestions import KINDS, Ground, Suggested
from serving.suggestions.groups import Traits, groups, in_order, merged, traits
from serving.suggestions.main_sets import main_sets
from serving.suggestions.micro_segments import BEHAVIOUR, segments
from serving.suggestions.potential import MOST_INSIDE, MOST_OVERLAP, Candidate, apart
from serving.suggestions.rising import SEASONLESS, Windows, measured, rising
from training.fits import Fits
from training.train import recipe_of
from whobuys import audience_verbs

SKEWED = [name for name, each in BEHAVIOUR.items() if each.skewed]


@pytest.fixture(scope="module")
def ground(trained_shop: Path) -> Ground:
    return ground_in(trained_shop)


def ground_in(folder: Path) -> Ground:
    bundle, snapshot = open_as_of(folder, None, bundle=None, memory_limit=None, threads=1)
    return Ground(bundle, evidence_of(bundle, snapshot, Catalogue.of(snapshot.shop)), top=10)


# the registry


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_has_evidence_and_audiences_that_can_be_built(name: str, ground: Ground) -> None:
    kind = KINDS[name]
    found = kind.ask(ground)
    assert kind.name == name and kind.says
    assert kind.ask(ground) is found, "a kind is asked once"
    audiences = kind.audiences(found, ground)
    if found.table.empty:
        assert found.notes
        return
    assert (1 <= len(found.table) <= 10 and not found.fillings) or len(found.fillings) == len(found.table)
    assert audiences and all(audience.goal in GOALS for audience in audiences)
    assert len({audience.audience for audience in audiences}) == len(audiences)
    assert sum(len(members) for members in build_all(audiences, ground.evidence)) > 0
    assert parse_audiences("---\n".join(each.yaml() for each in audiences), source="x").keys() == {each.audience for each in audiences}


def test_the_same_shop_gets_the_same_suggestions(ground: Ground, trained_shop: Path) -> None:
    again = ground_in(trained_shop)
    for kind in KINDS.values():
        one, other = kind.ask(ground), kind.ask(again)
        pd.testing.assert_frame_equal(one.table, other.table)
        assert one.notes == other.notes


# main categories and brands


def test_main_sets_are_distinct_and_sell_most(ground: Ground) -> None:
    sets, table = main_sets(ground.snapshot, ground.catalogue, top=10)
    assert 5 <= len(sets) == len(table) <= 10
    assert {one.kind for one in sets} == {"category", "brand"}
    for kind, rows in table.groupby("kind"):
        assert rows["revenue"].is_monotonic_decreasing, kind
    for at, one in enumerate(sets):
        for other in sets[:at]:
            assert len(set(one.product_ids) & set(other.product_ids)) <= 0.5 * min(len(one), len(other))
    lines = ground.snapshot.shop.lines.to_pandas()
    recent = lines[(lines["day"] >= ground.snapshot.day - 365) & lines["customer"].notna()]
    codes = np.searchsorted(ground.snapshot.shop.product_ids, list(sets[0].product_ids))
    mine = recent[recent["product"].isin(codes)]
    assert table["buyers"].iloc[0] == mine["customer"].nunique() >= 20
    assert table["revenue"].iloc[0] == pytest.approx(mine["amount"].sum() / 10_000)
    assert table["share_of_buyers"].iloc[0] == pytest.approx(mine["customer"].nunique() / recent["customer"].nunique())


def test_main_sets_are_as_wide_as_they_must_be(ground: Ground) -> None:
    """Where the narrowest categories are too small, the one above them is taken."""
    chosen = [one for one in main_sets(ground.snapshot, ground.catalogue, top=100)[0] if one.kind == "category"]
    names = [one.label for one in chosen]
    assert not any(other.startswith(f"{name} > ") for name in names for other in names)


# rising


DAYS = 1100
AS_OF = date(2026, 7, 1)


def shop_of(shares: dict[str, NDArray[np.float64]], *, days: int = DAYS, seed: int = 1, growth: float = 1.0) -> Shop:
    """A shop with 40 orders a day (times ``growth`` at the end), each of one product of a category, drawn by each day's shares."""
    rng = np.random.default_rng(seed)
    day = np.repeat(np.arange(days), np.round(40 * growth ** (np.arange(days) / days)).astype(int))
    weights = np.column_stack(list(shares.values()))[-days:][day]
    pick = (rng.random(len(day))[:, None] > np.cumsum(weights / weights.sum(axis=1, keepdims=True), axis=1)).sum(axis=1)
    number = np.arange(len(day)).astype(str)
    at = pd.Timestamp(AS_OF) - pd.to_timedelta(days - day, unit="D")
    orders = pd.DataFrame({"order_id": number, "customer_id": rng.integers(0, 4000, len(day)).astype(str), "ordered_at": at, "revenue": 10.0})
    lines = pd.DataFrame(
        {"order_id": number, "line_no": 1, "product_id": np.array([f"p-{name}" for name in shares])[pick], "quantity": 1.0, "price": 10.0}
    )
    products = pd.DataFrame({"product_id": [f"p-{name}" for name in shares], "title": list(shares), "category": [f"All > {name}" for name in shares]})
    customers = pd.DataFrame({"customer_id": sorted(orders["customer_id"].unique())})
    return Shop.of({"customers": customers, "products": products, "orders": orders.assign(status="completed"), "order_lines": lines})


def steady(share: float) -> NDArray[np.float64]:
    return np.full(DAYS, share)


def lately(share: float, times: float, *, every_year: bool = False) -> NDArray[np.float64]:
    """A share that is so many times as high in the last 90 days (of every year)."""
    ago = DAYS - np.arange(DAYS)
    return share * np.where((ago % 365 if every_year else ago) <= 90, times, 1.0)


ASSORTMENT = {
    "Steady": steady(0.3),
    "Small": steady(0.05),
    "Rising": lately(0.1, 1.6),
    "Season": lately(0.2, 1.6, every_year=True),
    "Falling": lately(0.3, 0.5),
}


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("growth", [1.0, 3.0])
def test_what_rises_is_found_and_neither_what_is_steady_nor_the_season_nor_the_growth_of_the_shop(seed: int, growth: float) -> None:
    shop = shop_of(ASSORTMENT, seed=seed, growth=growth)
    found, told = rising(Snapshot(shop, AS_OF), Catalogue.of(shop))
    assert told
    assert list(found["products"]) == ["All > Rising"]
    (row,) = found.to_dict("records")
    assert 1 < row["growth_low"] < row["growth"] < row["growth_high"]
    assert row["buyers_now"] > row["buyers_before"] >= 20 and row["rate_now"] > row["rate_before"] > 0


def test_in_its_first_year_the_season_cannot_be_told_and_that_is_said(ground: Ground) -> None:
    shop = shop_of(ASSORTMENT, days=400)
    found, told = rising(Snapshot(shop, AS_OF), Catalogue.of(shop))
    assert not told and "All > Season" in set(found["products"]) and found["beyond_season"].isna().all()
    young = Ground(ground.bundle, Evidence(Snapshot(shop, AS_OF), Catalogue.of(shop), lambda sets: np.zeros((1, 1), np.float32)), top=3)
    assert SEASONLESS in KINDS["rising"].find(young).notes


def test_where_nothing_rises_nothing_is_found_by_chance() -> None:
    flat = {f"c{number}": steady(0.05) for number in range(40)}
    shops = [shop_of(flat, seed=seed, days=730) for seed in range(5)]
    assert sum(len(rising(Snapshot(shop, AS_OF), Catalogue.of(shop))[0]) for shop in shops) == 0


def test_the_interval_is_that_of_a_ratio_of_rates() -> None:
    """100 of 1,000 customers now, 50 of 500 before is no growth; the interval is that of a binomial share of 150, by hand."""
    table = measured(Windows(np.array([[100.0, 50.0, 50.0, 50.0]]), np.array([1000.0, 500.0, 1000.0, 1000.0]), told=True))
    low, high = (beta.ppf(part, 100.5, 50.5) for part in (0.025, 0.975))
    assert table["growth"].iloc[0] == pytest.approx(100.5 / 50.5 / 2)
    assert table["growth_low"].iloc[0] == pytest.approx(low / (1 - low) / 2)
    assert table["growth_high"].iloc[0] == pytest.approx(high / (1 - high) / 2)
    assert table["beyond_season"].iloc[0] == pytest.approx(100.5 / 50.5 / 2)
    assert table["sure"].iloc[0] < table["growth_low"].iloc[0]


def test_the_new_category_of_the_made_up_shop_rises() -> None:
    made = made_up_shop(scale=0.3, seed=1)
    shop = Shop.of(made.tables)
    found, told = rising(Snapshot(shop, END), Catalogue.of(shop))
    assert told and found["products"].iloc[0] == made.truth.new_category
    assert len(found) <= 2


# pairs


def test_pairs_tell_what_the_gap_is_worth_and_who_just_bought(ground: Ground) -> None:
    found = KINDS["cross-sell"].ask(ground)
    row, filling = found.table.iloc[0], found.fillings[0]
    assert 0 <= row["just_bought"] <= row["in_gap"]
    assert row["expected_low"] <= row["expected_buyers"] and row["expected_low"] <= row["expected_high"]
    first, then = ({"category": row[side]} for side in ("first", "then"))
    who = [{"bought": {**first, "within": "1 year"}}, {"not": {"bought": then}}]
    gap = build(parse_audience({"audience": "g", "who": who, "choose": {"by": {"interested_in": then}}}, source="x"), ground.evidence)
    assert len(gap) == pytest.approx(row["in_gap"], abs=1)
    assert gap.expected_buyers == pytest.approx(row["expected_buyers"], rel=0.01)
    assert str(filling["due"]) == f"{max(7, min(90, int(np.ceil(2 * row['usual_days']))))} days"
    audiences = KINDS["cross-sell"].audiences(found, ground)
    assert len(audiences) == 2 * len(found.table)


# the plan


def candidate(name: str, score: float, *members: int) -> Candidate:
    audience = parse_audience({"audience": name, "who": [{"orders": {"at_least": 1}}]}, source="x")
    return Candidate(audience, np.array(members, np.intp), {}, score)


def test_the_best_that_have_little_in_common_are_taken() -> None:
    ranked = [
        candidate("first", 9.0, 0, 1, 2, 3, 4, 5, 6, 7),
        candidate("inside", 8.0, 0, 1),
        candidate("alike", 7.0, 4, 5, 6, 7, 8, 9),
        candidate("apart", 6.0, 7, 10, 11, 12),
        candidate("last", 5.0, 13),
    ]
    chosen, overlaps = apart(ranked, customers=20, most=5)
    assert [each.audience.audience for each in chosen] == ["first", "apart", "last"]
    assert overlaps == [0.0, pytest.approx(1 / 11), 0.0]
    assert [each.audience.audience for each in apart(ranked, customers=20, most=1)[0]] == ["first"]


@pytest.mark.parametrize("goal", [None, *GOALS])
def test_the_plan_has_few_members_in_common_and_serves_the_goal(goal: str | None, ground: Ground) -> None:
    asked = replace(ground, goal=goal, told={})
    found = KINDS["potential"].ask(asked)
    if found.table.empty:
        assert found.notes
        return
    assert len(found.table) <= 5 and found.table["potential"].is_monotonic_decreasing
    assert goal is None or set(found.table["goal"]) == {goal}
    assert goal is not None or len(found.table) >= 3
    members = [set(each.frame["customer_id"]) for each in build_all(list(found.audiences), asked.evidence)]
    assert [len(each) for each in members] == list(found.table["size"])
    for at, one in enumerate(members):
        for other in members[:at]:
            assert len(one & other) <= MOST_OVERLAP * len(one | other) + 1e-9
            assert len(one & other) <= MOST_INSIDE * min(len(one), len(other)) + 1e-9
    if goal != "win-back":
        value = pd.Series(asked.evidence.column(f"expected_revenue_{ground.bundle.horizon}"), index=asked.evidence.customer_ids)
        assert found.table["potential"].iloc[0] == pytest.approx(value.loc[list(members[0])].sum(), rel=1e-4)


# micro-segments


def test_groups_stay_when_one_order_in_a_hundred_is_gone() -> None:
    made = made_up_shop(scale=0.2, seed=1).tables
    orders = made["orders"].to_pandas()
    kept = orders.sample(frac=0.99, random_state=1).sort_index()
    before, after = (grouped(Shop.of({**made, "orders": rows})) for rows in (orders, kept))
    both = before.index.intersection(after.index)
    assert len(both) > 0.99 * len(before)
    assert adjusted_rand_score(before.loc[both], after.loc[both]) >= 0.8
    assert grouped(Shop.of({**made, "orders": orders.sample(frac=1, random_state=2)})).equals(before), "the order of the rows says nothing"


def grouped(shop: Shop) -> "pd.Series[int]":
    evidence = plain_evidence(shop)
    found = groups(traits(evidence, list(BEHAVIOUR), skewed=SKEWED))
    assert found is not None
    return pd.Series(found[0], index=evidence.snapshot.customer_ids)


def plain_evidence(shop: Shop) -> Evidence:
    """With the behaviour of customers, and nothing predicted."""
    from features.behaviour import behaviour

    snapshot = Snapshot(shop, END)
    table = behaviour(snapshot).join(snapshot.customers()[["monetary"]])
    return Evidence(snapshot, Catalogue.of(shop), lambda sets: np.zeros((len(snapshot.codes), len(sets)), np.float32), lambda: table)


def blobs(sizes: Sequence[int]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    rng = np.random.default_rng(1)
    labels = np.repeat(np.arange(len(sizes)), sizes)
    return labels.astype(np.intp), np.array([0.0, 8.0, 20.0, 30.0])[labels][:, None] + rng.normal(0, 0.1, (len(labels), 2))


def test_groups_are_numbered_by_size_and_small_ones_join_the_nearest() -> None:
    labels, points = blobs([300, 10, 500, 400])
    assert set(np.bincount(merged(labels, points)).tolist()) - {0} == {310, 500, 400}
    mixed = np.array([7, 3, 9, 5])[labels]
    assert np.bincount(in_order(mixed, points)).tolist() == [500, 400, 300, 10]
    assert (in_order(mixed, points) == in_order(labels, points)).all()


def test_groups_that_are_there_are_found_and_told_by_what_sets_them_apart() -> None:
    rng = np.random.default_rng(2)
    kinds = np.repeat([0, 1, 2], 400)
    often = np.array([2.0, 2.0, 12.0])[kinds] * rng.lognormal(0, 0.1, 1200)
    price = np.array([0.9, 0.1, 0.9])[kinds] + rng.normal(0, 0.03, 1200)
    values = pd.DataFrame({"orders_per_year": often, "full_price_share": price.clip(0, 1)}, index=[f"c{number:04}" for number in range(1200)])
    scaled = (np.log(values) - np.log(values).mean()) / np.log(values).std()
    found = Traits(values, {}, scaled.to_numpy())
    grouping = groups(found)
    assert grouping is not None
    labels, agreement = grouping
    assert agreement > 0.9 and adjusted_rand_score(labels, kinds) > 0.9
    told = segments(found, labels)
    assert all(segment.fit > 0.9 for segment in told)
    traits_told = [{(fact.trait, fact.above) for fact in segment.facts} for segment in told]
    assert {("orders_per_year", True)} in [each & {("orders_per_year", True)} for each in traits_told]
    assert any(("full_price_share", False) in each for each in traits_told)


def test_noise_has_no_groups() -> None:
    rng = np.random.default_rng(3)
    ids = [f"c{number:04}" for number in range(2000)]
    found = groups(Traits(pd.DataFrame(index=ids), {}, rng.normal(size=(2000, 12))))
    assert found is None or found[1] < 0.9
    assert groups(Traits(pd.DataFrame(index=ids[:100]), {}, rng.normal(size=(100, 12)))) is None


def test_shares_are_those_of_the_language(ground: Ground) -> None:
    """A fact about taste means the same in the audience that it becomes."""
    found = traits(ground.evidence, list(BEHAVIOUR), skewed=SKEWED)
    name, products = next(iter(found.tastes.items()))
    asked = parse_audience({"audience": "a", "who": [{"share_bought": {"category": products.label, "at_least": "30%"}}]}, source="x")
    expected = set(found.values.index[found.values[name] >= 0.3])
    assert set(build(asked, ground.evidence).frame["customer_id"]) == expected != set()


def test_segments_become_audiences_of_those_who_meet_the_facts(ground: Ground) -> None:
    found = KINDS["micro-segments"].ask(ground)
    assert len(found.table) > 1
    assert found.table["size"].sum() <= len(ground.snapshot.codes) and found.table["size"].is_monotonic_decreasing
    rows = found.table[found.table["audience"] != ""].set_index("audience")
    for members in build_all(list(found.audiences), ground.evidence):
        assert len(members) == rows.loc[members.audience.audience, "meet_the_facts"]


# shops with few data


def test_a_tiny_shop_is_told_that_its_data_are_too_few() -> None:
    shop = Shop.of(made_up_shop(scale=0.02, seed=1).tables)
    keep = shop.customer_ids[:100]
    tables = {name: table.to_pandas() for name, table in shop.tables.items()}
    for name in ("customers", "orders", "events"):
        tables[name] = tables[name][tables[name]["customer_id"].isin(keep)]
    tables["order_lines"] = tables["order_lines"][tables["order_lines"]["order_id"].isin(tables["orders"]["order_id"])]
    tiny = Shop.of(tables)
    config = Config.model_validate({"train": {"origins": 1}, "customers": {"horizons": [30]}, "model": {"trees": 5}})
    bundle = Fits(tiny, recipe_of(config, threads=1), lambda _: None).bundle(END, name="tiny")
    found = answers(bundle, Snapshot(tiny, END))
    for name in ("main", "cross-sell", "rising", "micro-segments"):
        assert found[name].table.empty, name
        assert "too few to tell a suggestion from chance" in found[name].notes[-1], found[name].notes


def answers(bundle: Bundle, snapshot: Snapshot) -> dict[str, Suggested]:
    ground = Ground(bundle, evidence_of(bundle, snapshot, Catalogue.of(snapshot.shop)), top=10)
    return {name: kind.ask(ground) for name, kind in KINDS.items()}


# the verb


@pytest.fixture(scope="module")
def folder(trained_shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(trained_shop, tmp_path_factory.mktemp("suggest") / "shop"))


def invoke(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(audience_verbs.app, ["suggest", *arguments], env={"WHOBUYS_SHOP": str(folder), "WHOBUYS_TODAY": "2026-07-01"})


def test_suggestions_are_tables_or_definitions(folder: Path) -> None:
    everything = invoke(folder, "--top", "2")
    assert everything.exit_code == 0
    for name, kind in KINDS.items():
        assert f"{name}: {kind.says}" in everything.stdout or f"note: {name}: " in everything.stderr
    pairs = json.loads(invoke(folder, "cross-sell", "--top", "3", "--json").stdout)
    assert len(pairs) == 3 and pairs[0]["lift_low"] > 1.5
    assert len(parse_audiences(invoke(folder, "cross-sell", "--top", "5", "--yaml").stdout, source="x")) == 10
    assert "whobuys audience build cross-sell" in invoke(folder, "cross-sell", "--top", "1").stderr


def test_a_goal_is_asked_first(folder: Path) -> None:
    rows = json.loads(invoke(folder, "--goal", "win-back", "--json").stdout)
    assert rows and {row["goal"] for row in rows} == {"win-back"}
    told = invoke(folder, "cross-sell", "--goal", "win-back", "--top", "2")
    assert "none of this is for win-back" in told.stderr
    assert invoke(folder, "cross-sell", "--goal", "win-back", "--top", "2", "--yaml").stdout == ""


@pytest.mark.parametrize(
    "arguments, message",
    [
        ("nothing", "there is no kind of suggestion 'nothing'; known are: cross-sell, long-tail, main"),
        ("cross-sel", "there is no kind of suggestion 'cross-sel', did you mean 'cross-sell'?"),
        ("--csv", "--csv prints one table; name its kind: potential, main, cross-sell"),
        ("--goal winback", "--goal: there is no goal 'winback', did you mean 'win-back'?"),
        ("main --json --csv", "--json and --csv exclude each other"),
    ],
)
def test_a_call_that_makes_no_sense(folder: Path, arguments: str, message: str) -> None:
    result = invoke(folder, *arguments.split())
    assert isinstance(result.exception, UsageError) and isinstance(result.exception, WhobuysError)
    assert message in str(result.exception)
