"""Audiences: what is written, what is safely read, who the members are, what is shown to them, and what leaves the shop."""

import csv
import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from features.conditions import CONDITIONS, Evidence, Floats
from features.config import Config
from features.errors import DataError, Refused, UsageError, WhobuysError
from features.made_up import CANARY_EMAIL, END, made_up_shop
from features.products import Catalogue, ProductSet
from features.shop import Shop
from features.snapshot import Snapshot
from serving.audiences import (
    AUDIENCES,
    Audience,
    Members,
    build,
    build_all,
    export,
    export_frame,
    parse_audience,
    parse_audiences,
    save,
    saved_audiences,
)
from serving.audiences.page import page
from serving.audiences.reading import parse_documents
from serving.audiences.showing import best_products
from serving.destinations.gate import Gate
from serving.ready_made import identifier
from serving.ready_made.campaigns import pair_audience, save_definition
from whobuys import audience_verbs
from whobuys.templates import AUDIENCES as TEMPLATE

ROOT = Path(__file__).resolve().parent.parent
PLAIN = {"audience": "tents", "who": [{"interested_in": {"category": "Tents", "top": 10}}]}
TENT_NO_REPELLENT = """\
audience: tent-no-repellent
name: Tent buyers without mosquito repellent
who:
  - bought: {category: Tents, within: 12 months}
  - not: {bought: {category: Mosquito repellent}}
choose: {by: {interested_in: {category: Mosquito repellent}}, top: 5000}
"""


# what is written


def test_a_definition_is_written_as_it_was_read() -> None:
    (audience,) = parse_audiences(TENT_NO_REPELLENT, source="x").values()
    assert audience.yaml() == TENT_NO_REPELLENT
    assert parse_audiences(audience.yaml(), source="x") == {"tent-no-repellent": audience}


@pytest.mark.parametrize(
    "change, message",
    [
        ({"audience": "Ice Axes"}, "x, Ice Axes: audience: is made of small letters, digits and hyphens"),
        ({"audience": "../tents"}, "x, ../tents: audience: is made of small letters"),
        ({"audience": None}, "x: audience: "),
        ({"who": []}, "x, tents: who: needs at least one condition"),
        ({"who": None}, "x, tents: who: "),
        ({"whom": []}, "x, tents: 'whom' is no key of an audience, did you mean 'who'?"),
        ({"but_not": []}, "x, tents: 'but_not' is no key of an audience"),
        ({"minimum_size": 0}, "x, tents: minimum_size: "),
        ({"who": [{"bought": {"category": "Tents", "within": "soon"}}]}, "x, tents: who.0.bought.within: a time is written"),
        ({"who": [{"not": {"any": [{"bougt": 1}]}}]}, "x, tents: who.0.not.any.0: there is no condition 'bougt', did you mean 'bought'?"),
        ({"except": {"bought": {}}}, "x, tents: except.0.bought: needs either products"),
        ({"who": [{"interested_in": {"category": "Tents"}}]}, "x, tents: who.0.interested_in: needs either likelihood"),
        (
            {"who": [{"interested_in": {"category": "Tents", "top": 5, "likelihood": "low"}}]},
            "x, tents: who.0.interested_in: needs either likelihood",
        ),
        ({"who": [{"not": {"interested_in": {"top": 5}}}]}, "x, tents: who.0.not.interested_in: needs products"),
        ({"choose": {"by": {"interested_in": {"category": "Tents", "top": 5}}}}, "x, tents: choose.by.interested_in: takes no top here"),
        ({"choose": {"by": {"bought": {"category": "Tents"}}}}, "x, tents: choose.by: customers cannot be ranked by 'bought', but by: orders, spent"),
        ({"choose": {"by": {"lifetime_value": {"top": 5}}}}, "x, tents: choose.by.lifetime_value: takes no limits and no top here"),
        ({"who": [{"lifetime_value": {}}]}, "x, tents: who.0.lifetime_value: needs at_least"),
        ({"who": [{"orders": {"within": "3 months"}}]}, "x, tents: who.0.orders: needs at_least"),
        ({"who": [{"orders": {"at_least": "many"}}]}, "x, tents: who.0.orders.at_least: is a number such as 100, or a share"),
        ({"who": [{"last_order": {}}]}, "x, tents: who.0.last_order: needs within, longer_ago or both"),
        ({"who": [{"importance": "vips"}]}, "x, tents: who.0.importance: there is no 'vips', did you mean 'VIP'?"),
        ({"who": [{"lifecycle": ["lost", "gone"]}]}, "x, tents: who.0.lifecycle: there is no 'gone'"),
        ({"who": [{"rfm": {"recency": 6}}]}, "x, tents: who.0.rfm.recency"),
        ({"who": [{"rfm": {}}]}, "x, tents: who.0.rfm: needs recency, frequency, monetary or group"),
        ({"who": [{"attribute": {}}]}, "x, tents: who.0.attribute: needs at least one column"),
        ({"who": [{"reachable_by": "fax"}]}, "x, tents: who.0.reachable_by: there is no channel 'fax'"),
        ({"who": [{"did": {"within": "3 days"}}]}, "x, tents: who.0.did.event: is missing"),
        ({"who": [{"bought": {"anything": True, "quarter": "Q5"}}]}, "x, tents: who.0.bought.quarter: there is no 'Q5'; there are: Q1, Q2"),
        ({"control_group": "110%"}, "x, tents: control_group: is a share between 0 and 1"),
        ({"goal": "world peace"}, "x, tents: goal: "),
    ],
)
def test_a_definition_that_makes_no_sense_is_told_with_its_place(change: dict[str, object], message: str) -> None:
    with pytest.raises(DataError) as error:
        parse_audience({key: value for key, value in {**PLAIN, **change}.items() if value is not None}, source="x")
    assert str(error.value).startswith(message)
    assert len(str(error.value).splitlines()) == 1


def test_every_problem_is_told() -> None:
    with pytest.raises(DataError) as error:
        parse_audience({"audience": "a", "who": [{"bougt": 1}, {"bought": {"anything": True, "within": 3}}], "goal": "x"}, source="x")
    assert len(str(error.value).splitlines()) == 3


@pytest.mark.parametrize("top", [3, 5000])
def test_with_top_keeps_the_best_by_the_same_ranking(top: int) -> None:
    assert parse_audience(PLAIN, source="x").with_top(top).words() == {
        **PLAIN,
        "choose": {"by": {"interested_in": {"category": "Tents"}}, "top": top},
    }
    with pytest.raises(DataError, match="nothing ranks its members"):
        parse_audience({"audience": "a", "who": [{"bought": {"anything": True}}]}, source="x").with_top(top)


# what is safely read


@pytest.mark.parametrize(
    "text, values",
    [
        ("country: NO", [{"country": "NO"}]),
        ("a: [yes, on, off, y, True, true, false]", [{"a": ["yes", "on", "off", "y", "True", True, False]}]),
        ("a: [007, 0, 12, 1_000, 0x1F, 1e3, 2.50, -3, 2026-07-01, 12:30, null, ~]",
         [{"a": ["007", 0, 12, "1_000", "0x1F", "1e3", 2.5, -3, "2026-07-01", "12:30", None, None]}]),
        ("# nothing\n", []),
        ("# nothing\n---\na: 1\n---\na: 2\n", [{"a": 1}, {"a": 2}]),
        ("a: <<", [{"a": "<<"}]),
    ],
)  # fmt: skip
def test_words_stay_words(text: str, values: list[object]) -> None:
    assert parse_documents(text, source="x") == values


@pytest.mark.parametrize(
    "text, message",
    [
        ("a: &b 1\nc: *b\n", "x, line 1: anchors"),
        ("a: 1\nc: *b\n", "x, line 2: anchors"),
        ("a: !!python/object/apply:os.system [ls]", "x, line 1: tags"),
        ("a: !!str 1", "x, line 1: tags"),
        ("a: 1\na: 2", "x, line 2: this is not valid YAML: the key 'a' stands here twice"),
        ("a: [1\nb: 2", "x, line 2: this is not valid YAML"),
        ("? [a, b]\n: 1", "x, line 1: this is not valid YAML"),
        ("a: " + "[" * 50 + "]" * 50, "x, line 1: conditions are nested more than 30 deep"),
        ("a: '" + "x" * 1_000_001 + "'", "x: is larger than 1,000,000 bytes"),
        ("a: \x00", "x: this is not valid YAML"),
    ],
)
def test_nothing_runs_repeats_itself_or_grows_beyond_measure(text: str, message: str) -> None:
    with pytest.raises(DataError) as error:
        parse_documents(text, source="x")
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    "text, message",
    [
        (TENT_NO_REPELLENT + "---\n" + TENT_NO_REPELLENT, "'tent-no-repellent' is there twice"),
        ("- a\n- b", "an audience is a mapping with audience, who, ..., got list"),
    ],
)
def test_a_file_of_audiences(text: str, message: str) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        parse_audiences(text, source="x")


def test_the_file_of_a_new_shop_is_valid_and_so_is_what_its_comments_say() -> None:
    assert parse_audiences(TEMPLATE, source="x") == {}
    begin = TEMPLATE.index("# audience:")
    without = "".join(line.removeprefix("# ").removeprefix("#") for line in TEMPLATE[begin:].splitlines(keepends=True))
    assert len(parse_audiences(without, source="x")) >= 2


# who the members are


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    """A made-up shop with a stand-in for the bundle: the k-th customer is k times as probable as the first; 0.1 more likely to order anything."""
    shop = Shop.of(made_up_shop(scale=0.05, seed=1).tables)
    snapshot = Snapshot(shop, END)
    rising = np.linspace(0.001, 0.101, len(snapshot.customer_ids), dtype=np.float32)
    table = pd.DataFrame({"likelihood_30": rising + np.float32(0.1)}, index=snapshot.customer_ids)
    return Evidence(snapshot, Catalogue.of(shop), lambda sets: np.tile(rising[:, None], (1, len(sets))), lambda: table)


def asked(evidence: Evidence, **words: object) -> Members:
    return build(parse_audience({"audience": "a", "who": [{"bought": {"anything": True}}], **words}, source="x"), evidence)


INTEREST = {"interested_in": {"category": "Tents"}}


def test_members_are_ranked_by_choose(evidence: Evidence) -> None:
    members = asked(evidence, who=[{"bought": {"category": "Tents", "within": "12 months"}}], choose={"by": INTEREST, "top": 7})
    everybody = asked(evidence, who=[{"bought": {"category": "Tents", "within": "12 months"}}], choose={"by": INTEREST})
    assert len(members) == 7 < len(everybody)
    assert list(members.frame["rank"]) == [1, 2, 3, 4, 5, 6, 7]
    assert list(members.frame["customer_id"]) == sorted(everybody.frame["customer_id"])[:-8:-1]
    assert members.frame["probability"].is_monotonic_decreasing
    assert members.expected_buyers == pytest.approx(members.frame["probability"].sum())
    assert members.base_rate == pytest.approx(0.051)
    assert members.lift == pytest.approx(members.frame["probability"].mean() / 0.051, rel=1e-3)
    assert members.ranked_by.endswith("Tents")


@pytest.mark.parametrize(
    "words, share, ranked_by",
    [
        ({"who": [{"interested_in": {"category": "Tents", "top": "10%"}}]}, 0.1, "Outdoor > Camping > Tents"),
        ({"who": [{"interested_in": {"category": "Tents", "likelihood": "low"}}]}, 0.5, "Outdoor > Camping > Tents"),
        ({"who": [{"any": [{"interested_in": {"category": "Tents", "top": "10%"}}, {"interested_in": {"brand": "Nordvind", "top": "20%"}}]}]}, 0.2,
         "Outdoor > Camping > Tents"),
        ({"who": [{"not": {"interested_in": {"category": "Tents", "top": "10%"}}}]}, 0.9, "any order"),
        ({"choose": {"by": INTEREST, "top": "25%"}}, 0.25, "Outdoor > Camping > Tents"),
        ({}, 1.0, "any order"),
        ({"except": [{"bought": {"anything": True}}]}, 0.0, "any order"),
        ({"except": {"interested_in": {"category": "Tents", "top": "10%"}}}, 0.9, "any order"),
    ],
)  # fmt: skip
def test_how_many_and_ranked_by_what(evidence: Evidence, words: dict[str, object], share: float, ranked_by: str) -> None:
    members = asked(evidence, **words)
    assert len(members) == pytest.approx(share * len(evidence.snapshot.codes), abs=1)
    assert members.ranked_by == ranked_by


def test_top_inside_a_condition_is_over_all_and_choose_ranks_what_is_left(evidence: Evidence) -> None:
    bought = {"bought": {"category": "Tents"}}
    inside = asked(evidence, who=[bought, {"interested_in": {"category": "Tents", "top": 30}}])
    chosen = asked(evidence, who=[bought], choose={"by": INTEREST, "top": 30})
    assert len(inside) < len(chosen) == 30
    assert set(inside.frame["customer_id"]) <= set(chosen.frame["customer_id"])


def test_of_whom_it_is_unknown_is_counted_and_no_member(evidence: Evidence) -> None:
    members = asked(evidence, who=[{"not": {"bought": {"category": "Tents"}}}], choose={"by": INTEREST})
    without_orders = len(evidence.codes) - len(evidence.snapshot.codes)
    assert members.unknown == without_orders > 0
    assert set(members.frame["customer_id"]) <= set(evidence.snapshot.customer_ids)


@pytest.mark.parametrize(
    "words, note",
    [
        ({"minimum_size": 10}, None),
        ({"minimum_size": 100_000}, "fewer than its minimum_size of 100,000"),
        (
            {"who": [{"bought": {"category": "Tents", "brand": "Nordvind", "price": {"at_most": 0}}}]},
            "who.0.bought: no product fits all that is named",
        ),
    ],
)
def test_notes_say_why(evidence: Evidence, words: dict[str, object], note: str | None) -> None:
    notes = asked(evidence, **words).notes
    assert (note is None and notes == ()) or (note is not None and note in notes[0])


def test_members_who_buy_less_than_others_are_noted(evidence: Evidence) -> None:
    likely = asked(evidence, choose={"by": INTEREST, "top": 50})
    unlikely = {"interested_in": {"category": "Tents", "top": "60%"}}
    others = asked(evidence, **{"except": [unlikely]}, choose={"by": INTEREST})
    assert likely.notes == () and others.lift < 1
    assert others.notes == (
        f"its members buy less probably than customers taken at random (lift {others.lift:.2f}): ask for fewer, with a lower top",
    )


def test_a_name_that_the_shop_does_not_know(evidence: Evidence) -> None:
    with pytest.raises(DataError, match=r"^a: who\.0\.not\.bought\.category: there is no category 'Tens', did you mean"):
        asked(evidence, who=[{"not": {"bought": {"category": "Tens"}}}])


def test_predictions_of_several_audiences_are_made_together(evidence: Evidence) -> None:
    calls: list[list[str]] = []

    def interest(sets: Sequence[ProductSet]) -> Floats:
        calls.append([one.label for one in sets])
        return evidence.interest(sets)

    counted = Evidence(evidence.snapshot, evidence.catalogue, interest)
    texts = [TENT_NO_REPELLENT, TENT_NO_REPELLENT.replace("tent-", "other-"), json.dumps(PLAIN)]
    audiences = [audience for text in texts for audience in parse_audiences(text, source="x").values()]
    assert [len(members) > 0 for members in build_all(audiences, counted)] == [True] * 3
    assert calls == [["Outdoor > Camping > Mosquito repellent", "Outdoor > Camping > Tents"]]


# what is shown to them


def test_products_that_fit_are_shown() -> None:
    """Red lovers buy r1 to r3, blue lovers b1 to b3; r2 is out of stock, new was never sold; z only signed up."""
    baskets = {"a": "r1 r2 x", "b": "r1 r2 r3", "c": "r3 r1", "d": "b1 b2 b3", "e": "b1 b2 b3 x", "f": "b1", "g": "x"}
    rows = [(f"o{n}", customer, product) for n, (customer, bought) in enumerate(baskets.items()) for product in bought.split()]
    lines = pd.DataFrame(rows, columns=["order_id", "customer_id", "product_id"])
    ids = "b1 b2 b3 new r1 r2 r3 x".split()
    day = pd.Timestamp("2026-06-01")
    shop = Shop.of(
        {
            "customers": pd.DataFrame({"customer_id": [*baskets, "z"], "created_at": day}),
            "products": pd.DataFrame({"product_id": ids, "title": ids, "in_stock": [each != "r2" for each in ids]}),
            "orders": lines[["order_id", "customer_id"]].drop_duplicates().assign(ordered_at=day, revenue=1.0, status="completed"),
            "order_lines": lines[["order_id", "product_id"]].assign(line_no=range(1, len(lines) + 1), quantity=1.0, price=1.0),
        }
    )
    known = Evidence(Snapshot(shop, END), Catalogue.of(shop), lambda sets: np.zeros((7, len(sets)), np.float32))
    shown = best_products(known, ProductSet.of("all", [each for each in ids if each != "x"]), np.arange(8)).fillna("-").agg(" ".join, axis=1)
    assert shown[0].startswith("r3")  # a, who has r1 already, and to whom r2 cannot be sold
    assert shown[5].startswith(("b2", "b3"))
    assert not shown.str.contains("r2").any()
    assert shown[7].startswith("b1")  # z: the best-selling
    none = best_products(known, ProductSet.of("sold out", ["r2"]), np.arange(2))
    assert none.isna().all().all() and list(none) == ["show_1", "show_2", "show_3"]
    assert best_products(known, ProductSet.of("one", ["new"]), np.arange(0)).empty


# what leaves the shop


def gate(evidence: Evidence, *, unknown_consent: bool = False) -> Gate:
    basis = {"email": "they are customers"} if unknown_consent else {}
    return Gate.of(evidence.snapshot.shop, Config.model_validate({"shop": {"legal_basis": basis}}))


@pytest.mark.parametrize("unknown_consent", [False, True])
def test_only_those_who_consented_are_exported_with_an_address(evidence: Evidence, unknown_consent: bool) -> None:
    members = asked(evidence)
    frame = export_frame(members, evidence.snapshot, gate=gate(evidence, unknown_consent=unknown_consent)).set_index("customer_id")
    people = evidence.snapshot.shop.tables["customers"].to_pandas().set_index("customer_id").loc[frame.index]
    allowed = (people["consent_email"].eq(True) | (people["consent_email"].isna() & unknown_consent)) & people["email"].notna()
    assert list(frame) == ["email", "probability", "rank", "show_1", "show_2", "show_3"]
    assert (frame["email"].notna() == allowed).all() and 0 < allowed.sum() < len(frame)
    assert (frame["email"][allowed] == people["email"][allowed]).all()


def test_the_export_is_private_and_no_formula_runs(evidence: Evidence, tmp_path: Path) -> None:
    members = asked(evidence, choose={"by": INTEREST, "top": 3})
    members.frame.loc[0, "customer_id"] = "=cmd|' /C calc'!A0"
    path = tmp_path / "new" / "a.csv"
    export(path, members, evidence.snapshot, gate=gate(evidence))
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["customer_id"] == "'=cmd|' /C calc'!A0"
    assert [row["rank"] for row in rows] == ["1", "2", "3"] and {row["data_date"] for row in rows} == {"2026-07-01"}
    assert path.stat().st_mode & 0o077 == 0
    assert sorted(each.name for each in path.parent.iterdir()) == ["a.csv", "a.csv.manifest.json"]


def test_what_is_kept_has_no_personal_data(evidence: Evidence, tmp_path: Path) -> None:
    members = asked(evidence)
    path = save(tmp_path, members)
    assert path == tmp_path / "members" / "a" / "2026-07-01.parquet"
    assert list(pd.read_parquet(path)) == ["customer_id", "probability", "rank", "show_1", "show_2", "show_3", "group"]
    kept = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert kept["size"] == len(members) and kept["definition"] == members.audience.words()
    assert all(b"@" not in each.read_bytes().replace(b"@timestamp", b"") or each.suffix == ".parquet" for each in path.parent.iterdir())
    assert not pd.read_parquet(path).astype(str).apply(lambda column: column.str.contains("@")).any().any()


# pairs by name


@pytest.mark.parametrize(
    "bought, not_bought, first, then",
    [
        ("Tents", "Mosquito repellent", {"category": "Outdoor > Camping > Tents"}, {"category": "Outdoor > Camping > Mosquito repellent"}),
        ("nordvind", "ice axe", {"brand": "Nordvind"}, {"keyword": "ice axe"}),
    ],
)
def test_words_of_a_pair_are_a_category_a_brand_or_a_keyword(
    evidence: Evidence, bought: str, not_bought: str, first: dict[str, str], then: dict[str, str]
) -> None:
    assert pair_audience(bought, not_bought, evidence.catalogue).words() | {"audience": "", "name": ""} == {
        "audience": "",
        "name": "",
        "who": [{"bought": {**first, "within": "12 months"}}, {"not": {"bought": then}}],
        "choose": {"by": {"interested_in": then}, "top": 5000},
        "goal": "raise-aov",
    }


@pytest.mark.parametrize(
    "bought, not_bought, kind, message",
    [
        (
            "Tents",
            "Mosquito repelent",
            DataError,
            "--not-bought: 'Mosquito repelent' is no category, brand, product or keyword of this shop, did you mean",
        ),
        ("Tnets", "Bike locks", DataError, "--bought: 'Tnets' is no category"),
        ("Tents", "tents", UsageError, "--bought and --not-bought are the same products"),
    ],
)
def test_a_pair_that_makes_no_sense(evidence: Evidence, bought: str, not_bought: str, kind: type[WhobuysError], message: str) -> None:
    with pytest.raises(kind, match=message):
        pair_audience(bought, not_bought, evidence.catalogue)


def test_a_definition_is_saved_once_below_what_stands_there(tmp_path: Path) -> None:
    (audience,) = parse_audiences(TENT_NO_REPELLENT, source="x").values()
    (tmp_path / AUDIENCES).write_text("# mine\naudience: tents\nwho: [{bought: {category: Tents}}]\n", encoding="utf-8")
    assert save_definition(tmp_path, audience) is None
    assert (tmp_path / AUDIENCES).read_text(encoding="utf-8").startswith("# mine\n")
    assert list(saved_audiences(tmp_path)) == ["tents", "tent-no-repellent"]
    assert save_definition(tmp_path, audience.with_top(7)) == audience
    assert save_definition(tmp_path, parse_audience({**audience.words(), "goal": "launch"}, source="x")) == audience
    with pytest.raises(
        Refused, match="the audience 'tents' there asks something else; rename it, then run this again, or build it as it stands: whobuys"
    ):
        save_definition(tmp_path, parse_audience(PLAIN, source="x"))


@pytest.mark.parametrize("text, name", [("Ski-boots & Børster", "ski-boots-borster"), ("???", "audience"), ("Çay 日本", "cay")])
def test_ids_are_made_of_plain_words(text: str, name: str) -> None:
    assert identifier(text) == name
    Audience.model_validate({**PLAIN, "audience": identifier(text)})


# the verbs


@pytest.fixture(scope="module")
def folder(trained_shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop folder with orders and a published bundle, to which the tests of this module write."""
    return Path(shutil.copytree(trained_shop, tmp_path_factory.mktemp("nordic") / "shop"))


def invoke(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(audience_verbs.app, list(arguments), env={"WHOBUYS_SHOP": str(folder), "WHOBUYS_TODAY": "2026-07-01"})


def run(folder: Path, *arguments: str, fails: type[WhobuysError] | None = None) -> str:
    """What a verb prints to stdout; nothing that is printed tells an address."""
    result = invoke(folder, *arguments)
    assert isinstance(result.exception, fails) if fails else result.exit_code == 0, result.output
    assert CANARY_EMAIL not in result.output and "example.com" not in result.output
    return str(result.exception) if fails else result.stdout


def test_both_campaigns_come_out_of_the_box(folder: Path, tmp_path: Path) -> None:
    for name, least in (("cross-sell", 3), ("long-tail", 5)):
        place = ["-o", str(tmp_path / "out")] if name == "long-tail" else []
        rows = json.loads(run(folder, "build", name, "--top", "20", "--json", *place))
        assert least <= len(rows) <= 10
        for row in rows:
            with Path(row["file"]).open(encoding="utf-8") as file:
                lines = list(csv.DictReader(file))
            assert len(lines) == row["size"] <= 20
            shown = ["show_1", "show_2", "show_3", "like_1", "like_2", "like_3"]
            assert list(lines[0]) == ["customer_id", "email", "probability", "rank", *shown, "is_vip", "since", "data_date"]
            assert sum(bool(line["email"]) for line in lines) == row["with_email"]
            assert (folder / "members" / row["audience"] / "2026-07-01.parquet").is_file()
            assert all(line["show_1"] for line in lines)
        assert parse_audiences(run(folder, "show", rows[0]["audience"]), source="x").keys() == {rows[0]["audience"]}
        (again,) = json.loads(run(folder, "build", rows[0]["audience"], "-o", str(tmp_path / "again.csv"), "--json"))
        assert [again[key] for key in ("audience", "size", "with_email")] == [rows[0][key] for key in ("audience", "size", "with_email")]
    assert len(list((tmp_path / "out").glob("*.csv"))) == len(rows)


def test_a_named_pair_is_written_built_and_asked_again(folder: Path, tmp_path: Path) -> None:
    pair = ("--bought", "Tents", "--not-bought", "Mosquito repellent")
    first = run(folder, "build", "cross-sell", *pair, "-o", str(tmp_path / "a.csv"), "--csv")
    again = run(folder, "build", "tents-no-mosquito-repellent", "-o", str(tmp_path / "b.csv"), "--csv")
    assert first.replace("a.csv", "b.csv") == again
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    assert run(folder, "show", "tents-no-mosquito-repellent") == saved_audiences(folder)["tents-no-mosquito-repellent"].yaml()
    listed = {row["audience"]: row for row in json.loads(run(folder, "list", "--json"))}
    assert listed["tents-no-mosquito-repellent"]["kind"] == "saved" and listed["tents-no-mosquito-repellent"]["size"] > 0
    assert listed["long-tail"]["kind"] == "ready-made" and listed["long-tail"]["size"] is None


@pytest.mark.parametrize(
    "choose, refused, told",
    [
        (
            "by: {interested_in: {category: Outdoor > Camping > Mosquito repellent}}, top: 7",
            False,
            "audiences.yaml has the audience tents-no-mosquito-repellent already; it is built as it stands there",
        ),
        ("by: {interested_in: {category: Tents}}, top: 7", True, "the audience 'tents-no-mosquito-repellent' there asks something else"),
    ],
)
def test_a_pair_that_is_saved_already(choose: str, refused: bool, told: str, shop: Path, tmp_path: Path, evidence: Evidence) -> None:
    saved = pair_audience("Tents", "Mosquito repellent", evidence.catalogue).yaml()
    (shop / AUDIENCES).write_text(f"{saved[: saved.index('choose:')]}choose: {{{choose}}}\n", encoding="utf-8")
    result = invoke(shop, "build", "cross-sell", "--bought", "Tents", "--not-bought", "Mosquito repellent", "-o", str(tmp_path / "a.csv"), "--json")
    if refused:
        assert isinstance(result.exception, Refused) and told in str(result.exception)
    else:
        assert told in result.stderr and json.loads(result.stdout)[0]["size"] == 7


@pytest.mark.parametrize(
    "arguments, kind, message",
    [
        ("build long-tial", DataError, "there is no audience 'long-tial', did you mean 'long-tail'?"),
        ("show nothing", DataError, "there is no audience 'nothing'"),
        ("build cross-sell --bought Tents", UsageError, "--bought and --not-bought go together"),
        ("build long-tail --bought Tents --not-bought Tarps", UsageError, "--bought and --not-bought go with the audience cross-sell"),
        ("build cross-sell -o a.csv", UsageError, "a.csv: these are 5 audiences, a file each; give a folder with -o"),
        ("build cross-sell --json --csv", UsageError, "--json and --csv exclude each other"),
        ("build cross-sell --bundle x", DataError, "there is no bundle 'x'"),
    ],
)
def test_a_call_that_makes_no_sense(folder: Path, arguments: str, kind: type[WhobuysError], message: str) -> None:
    assert message in run(folder, *arguments.split(), fails=kind)


# the page


def test_the_page_of_the_language_is_made_of_its_classes() -> None:
    """Mend it with: python -m serving.audiences.page > docs/language.md"""
    text = page()
    assert text == (ROOT / "docs" / "language.md").read_text(encoding="utf-8")
    assert "None" not in text and all(f"### `{key}`" in text for key in CONDITIONS)


def test_the_examples_of_the_page_are_valid() -> None:
    page = (ROOT / "docs" / "audiences.md").read_text(encoding="utf-8")
    examples = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert len(examples) >= 3
    for example in examples:
        assert parse_audiences(example, source="docs/audiences.md")
