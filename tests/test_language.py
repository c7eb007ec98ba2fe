"""The conditions on people, orders and predictions: what each says of whom, and of whom it cannot be said."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydantic import TypeAdapter

from features.conditions import Answer, Clause, Evidence, OneClause
from features.config import Config
from features.errors import DataError, Refused
from features.products import Catalogue
from features.shop import Shop
from features.snapshot import Snapshot
from serving.audiences import Audience, build, build_all, evidence_of, export, parse_audience, parse_audiences
from serving.audiences.members import control_group
from serving.destinations.gate import Gate
from serving.published import open_as_of

CLAUSE: TypeAdapter[Clause] = TypeAdapter(OneClause)
AS_OF = date(2026, 7, 1)
NAMES = {"a": "anna", "b": "bo", "c": "carl", "d": "dora"}
"""anna and bo and carl ordered, dora only signed up."""


def people() -> pd.DataFrame:
    rows = [
        ("anna", "f", "1996-07-01", "NO", "2024-01-01", "a@x.example", None, True, None, "yes"),
        ("bo", "m", "1996-07-02", "DK", "2024-01-01", "b@x.example", "+4511111111", False, True, "no"),
        ("carl", None, None, "dk", "2024-01-01", None, "+4522222222", None, True, None),
        ("dora", "f", "1990-01-01", "DK", "2026-06-25", "d@x.example", None, True, False, "yes"),
    ]
    columns = "customer_id gender birth_date country created_at email phone consent_email consent_sms club"
    frame = pd.DataFrame(rows, columns=columns.split())
    flags = {"consent_email": "boolean", "consent_sms": "boolean"}
    return frame.assign(birth_date=pd.to_datetime(frame["birth_date"]), created_at=pd.to_datetime(frame["created_at"])).astype(flags)


@pytest.fixture(scope="module")
def shop() -> Shop:
    orders = pd.DataFrame(
        [
            ("1", "anna", "2025-12-20", 100.0, True, "online"),
            ("2", "anna", "2026-06-10", 50.0, False, "Store"),
            ("3", "bo", "2026-05-01", 30.0, None, "online"),
            ("4", "carl", "2024-11-11", 80.0, False, "online"),
            ("5", "carl", "2026-07-01", 500.0, False, "online"),
        ],
        columns="order_id customer_id ordered_at revenue is_gift channel".split(),
    )
    lines = orders[["order_id"]].assign(line_no=1, product_id=["t", "r", "t", "t", "r"], quantity=1.0, price=orders["revenue"])
    events = pd.DataFrame(
        [
            ("2026-06-09", "anna", "added_to_cart", "t"),
            ("2026-06-28", "bo", "added_to_cart", "r"),
            ("2026-04-01", "bo", "opened_email", None),
            ("2026-07-01", "carl", "added_to_cart", "t"),
        ],
        columns="occurred_at customer_id event product_id".split(),
    )
    products = pd.DataFrame([("t", "Tent", "Tents"), ("r", "Repellent", "Repellent")], columns="product_id title category".split())
    return Shop.of(
        {
            "customers": people(),
            "products": products,
            "orders": orders.assign(ordered_at=pd.to_datetime(orders["ordered_at"]), status="completed").astype({"is_gift": "boolean"}),
            "order_lines": lines,
            "events": events.assign(occurred_at=pd.to_datetime(events["occurred_at"])),
        }
    )


SCORED = pd.DataFrame(
    {
        "likelihood_30": [0.4, 0.2, 0.0, 0.1],
        "likelihood_90": [0.6, 0.4, 0.1, 0.2],
        "expected_orders_30": [0.5, 0.2, 0.0, np.nan],
        "expected_revenue_90": [90.0, 10.0, 0.0, np.nan],
        "expected_order_value": [75.0, 30.0, 80.0, np.nan],
        "lifetime_value": [300.0, 100.0, 20.0, np.nan],
        "rhythm_days": [73.0, 365.0, 365.0, np.nan],
        "expected_revenue_365": [200.0, 20.0, 0.0, np.nan],
        "likelihood_365": [0.5, 0.5, 0.0, 0.1],
        "full_price_share": [1.0, np.nan, 0.1, np.nan],
        "discount_sensitivity": [0.5, 1.5, np.nan, np.nan],
        "orders_per_year": [4.0, 1.0, 0.5, np.nan],
        "q4_share": [0.5, 0.0, 1.0, np.nan],
        "is_gift_buyer": pd.array([True, False, None, None], dtype="boolean"),
        "engagement": ["engaged", "unengaged", "unknown", None],
        "discount_share": [0.0, 0.1, 0.3, np.nan],
        "next_order_date": pd.to_datetime(pd.Series(["2026-07-14", "2026-07-15", "2027-01-01", None])).to_numpy(),
        "importance": ["VIP", "one-time", "one-time", None],
        "lifecycle": ["active", "slipping away", "lost", "signed up"],
        "rfm_recency": [5.0, 4.0, 1.0, np.nan],
        "rfm_frequency": [5.0, 1.0, 1.0, np.nan],
        "rfm_group": ["champions", "newcomers", "gone", None],
    },
    index=pd.Index(sorted(NAMES.values()), name="customer_id"),
)


@pytest.fixture(scope="module")
def evidence(shop: Shop) -> Evidence:
    snapshot = Snapshot(shop, AS_OF)
    return Evidence(
        snapshot,
        Catalogue.of(shop),
        lambda sets: np.array([[0.1], [0.4], [0.2]], np.float32).repeat(len(sets), axis=1),
        lambda: SCORED,
        members=lambda name: Answer.known(np.array([name == "everybody"] * 4)),
    )


def said(answer: Answer) -> str:
    """Who is in it, and after a question mark of whom it cannot be said."""
    letters = np.array(list(NAMES))
    return "".join(letters[answer.yes]) + ("?" + "".join(letters[answer.unknown]) if answer.unknown.any() else "")


@pytest.mark.parametrize(
    "asked, who",
    [
        ({"orders": {"at_least": 2}}, "a"),
        ({"orders": {"at_most": 0}}, "d"),
        ({"orders": {"at_least": 1, "within": "3 months"}}, "ab"),
        ({"orders": {"less_than": 1, "within": "3 months"}}, "cd"),
        ({"spent": {"more_than": 80}}, "a"),
        ({"spent": {"at_least": 80}}, "ac"),
        ({"spent": {"top": 1}}, "a"),
        ({"spent": {"top": "50%"}}, "ac"),
        ({"average_order": {"at_least": 75}}, "ac?d"),
        ({"average_order": {"at_least": 10, "within": "12 months"}}, "ab?cd"),
        ({"not": {"average_order": {"at_least": 75}}}, "b?d"),
        ({"first_order": {"within": "3 months"}}, "b"),
        ({"last_order": {"within": "3 months"}}, "ab"),
        ({"last_order": {"longer_ago": "1 month"}}, "bc"),
        ({"last_order": {"longer_ago": "1 month", "within": "1 year"}}, "b"),
        ({"not": {"last_order": {"within": "12 months"}}}, "cd"),
        ({"bought": {"anything": True, "channel": "STORE"}}, "a"),
        ({"bought": {"category": "Tents", "channel": "online", "within": "3 months"}}, "b"),
        ({"bought": {"category": "Tents", "channel": "store"}}, ""),
        ({"bought": {"anything": True, "quarter": "q4"}}, "ac"),
        ({"bought": {"anything": True, "months": ["nov", "May"]}}, "bc"),
        ({"bought": {"anything": True, "quarter": "Q4", "as_gift": True}}, "a"),
        ({"bought": {"anything": True, "as_gift": False}}, "ac"),
        ({"attribute": {"country": "DK"}}, "bcd"),
        ({"attribute": {"country": ["NO", "SE"]}}, "a"),
        ({"attribute": {"gender": "f"}}, "ad?c"),
        ({"not": {"attribute": {"gender": "f"}}}, "b?c"),
        ({"attribute": {"age": {"at_least": 30}}}, "ad?c"),
        ({"attribute": {"age": {"at_least": 28, "at_most": 29}}}, "b?c"),
        ({"attribute": {"age": {"at_least": 28, "at_most": 32}, "gender": "f"}}, "a?c"),
        ({"attribute": {"club": "yes", "country": "DK"}}, "d?c"),
        ({"did": {"event": "added_to_cart"}}, "ab"),
        ({"did": {"event": "added_to_cart", "within": "7 days"}}, "b"),
        ({"did": {"event": "added_to_cart", "without": "order"}}, "b"),
        ({"did": {"event": "added_to_cart", "category": "Tents"}}, "a"),
        ({"did": {"event": ["opened_email", "added_to_cart"], "within": "3 months"}}, "ab"),
        ({"did": {"event": "signed_up", "within": "30 days"}}, "d"),
        ({"not": {"did": {"event": "opened_email", "within": "91 days"}}}, "acd"),
        ({"not": {"did": {"event": "opened_email", "within": "90 days"}}}, "abcd"),
        ({"reachable_by": "email"}, "ad"),
        ({"reachable_by": "sms"}, "bc"),
        ({"reachable_by": ["email", "sms"]}, "abcd"),
        ({"reachable_by": "ads"}, ""),
        ({"likely_to_buy": {"top": 1}}, "a"),
        ({"likely_to_buy": {"within": "90 days", "at_least": "20%"}}, "abd"),
        ({"likely_to_buy": {"likelihood": "medium"}}, "a"),
        ({"expected_orders": {"at_least": 0.2}}, "ab?d"),
        ({"expected_revenue": {"within": "3 months", "top": "34%"}}, "a?d"),
        ({"expected_order_value": {"top": 2}}, "ac?d"),
        ({"lifetime_value": {"at_least": 100}}, "ab?d"),
        ({"discount_share": {"less_than": "10%"}}, "a?d"),
        ({"gift_share": {"at_least": "50%"}}, "?abcd"),
        ({"share_bought": {"category": "Tents", "at_least": "50%"}}, "abc?d"),
        ({"share_bought": {"category": "Tents", "at_least": "60%"}}, "bc?d"),
        ({"share_bought": {"category": "Tents", "more_than": 0, "within": "1 month"}}, "?bcd"),
        ({"share_bought": {"keyword": "repellent", "top": 1}}, "a?d"),
        ({"full_price_share": {"at_least": "90%"}}, "a?bd"),
        ({"discount_sensitivity": {"at_least": 1.5}}, "b?cd"),
        ({"price_level": {"more_than": 0}}, "?abcd"),
        ({"orders_per_year": {"at_least": 1}}, "ab?d"),
        ({"frequency_trend": {"more_than": 1}}, "?abcd"),
        ({"high_season_share": {"at_least": "50%"}}, "?abcd"),
        ({"q4_share": {"at_least": "50%"}}, "ac?d"),
        ({"is_gift_buyer": True}, "a?cd"),
        ({"is_gift_buyer": False}, "b?cd"),
        ({"engagement": "unengaged"}, "b?cd"),
        ({"engagement": ["engaged", "Unengaged"]}, "ab?cd"),
        ({"recoverable_value": {"more_than": 0}}, "ab?d"),
        ({"recoverable_value": {"top": 1}}, "a?d"),
        ({"priority": {"top": 1}}, "a?d"),
        ({"did": {"event": "clicked_email"}}, "?abcd"),
        ({"did": {"event": ["clicked_email", "added_to_cart"]}}, "ab"),
        ({"next_order": {"within": "2 weeks"}}, "a?d"),
        ({"importance": "vip"}, "a?d"),
        ({"importance": ["VIP", "One-Time"]}, "abc?d"),
        ({"lifecycle": ["lost", "signed up"]}, "cd"),
        ({"rfm": {"recency": [4, 5]}}, "ab?d"),
        ({"rfm": {"recency": [4, 5], "frequency": 1}}, "b?d"),
        ({"rfm": {"group": "gone"}}, "c?d"),
        ({"in_audience": "everybody"}, "abcd"),
        ({"in_audience": "nobody"}, ""),
    ],
)
def test_who_it_is_true_of(evidence: Evidence, asked: object, who: str) -> None:
    assert said(CLAUSE.validate_python(asked).asks.holds(evidence)) == who


@pytest.mark.parametrize(
    "asked, message",
    [
        ({"likely_to_buy": {"within": "45 days", "top": 3}}, "within: 45 days is no horizon of whobuys.toml; there are: 30 days, 90 days"),
        ({"attribute": {"gendr": "f"}}, "gendr: is no column of the customers, did you mean 'gender'?"),
        ({"attribute": {"email": "a@x.example"}}, "email: is personal"),
        ({"attribute": {"created_at": "2024"}}, "created_at: is a date; ask for age"),
        ({"attribute": {"country": {"at_least": 3}}}, "country: holds words"),
        ({"bought": {"anything": True, "channel": "onlin"}}, "channel: no order came through 'onlin', did you mean 'online'?"),
        ({"share_bought": {"category": "Tens", "at_least": 0.5}}, "category: there is no category 'Tens', did you mean 'Tents'?"),
        ({"did": {"event": "add_to_cart"}}, "event: the shop has no events 'add_to_cart', did you mean 'added_to_cart'?"),
    ],
)
def test_what_the_shop_does_not_know_is_told(evidence: Evidence, asked: object, message: str) -> None:
    with pytest.raises(DataError) as error:
        CLAUSE.validate_python(asked).asks.holds(evidence)
    assert str(error.value).startswith(message)


def test_a_legal_basis_makes_unknown_consent_a_yes_and_never_a_refusal(evidence: Evidence) -> None:
    basis = replace(evidence, consented=frozenset({"email", "sms"}))
    assert said(CLAUSE.validate_python({"reachable_by": "email"}).asks.holds(basis)) == "ad"
    assert said(CLAUSE.validate_python({"reachable_by": "sms"}).asks.holds(basis)) == "bc"
    unknown = replace(evidence, consented=frozenset({"ads"}))
    assert said(CLAUSE.validate_python({"reachable_by": "ads"}).asks.holds(unknown)) == "abcd"


def test_without_events_nothing_is_known_of_what_people_did(shop: Shop) -> None:
    tables = {name: shop.tables[name].to_pandas() for name in ("customers", "products", "orders", "order_lines")}
    quiet = Shop.of(tables)
    found = Evidence(Snapshot(quiet, AS_OF), Catalogue.of(quiet), lambda sets: np.zeros((3, len(sets)), np.float32))
    assert said(CLAUSE.validate_python({"did": {"event": "opened_email"}}).asks.holds(found)) == "?abcd"
    assert said(CLAUSE.validate_python({"did": {"event": "signed_up", "within": "30 days"}}).asks.holds(found)) == "d"


def audience(**words: object) -> Audience:
    return parse_audience({"audience": "x", "who": [{"orders": {"at_least": 0}}], **words}, source="x")


@pytest.mark.parametrize(
    "words, members",
    [
        ({}, ["anna", "bo", "dora", "carl"]),
        ({"choose": {"by": "lifetime_value", "top": 2}}, ["anna", "bo"]),
        ({"choose": {"by": {"expected_order_value": {}}}}, ["carl", "anna", "bo"]),
        ({"who": [{"likely_to_buy": {"within": "90 days", "top": 2}}]}, ["anna", "bo"]),
        ({"choose": {"by": "lifetime_value", "top": 1}, "include": "carl"}, ["anna", "carl"]),
        ({"include": ["carl"], "exclude": ["anna", "dora"]}, ["bo", "carl"]),
        ({"who": [{"orders": {"at_least": 99}}], "include": "bo"}, ["bo"]),
    ],
)
def test_members_are_ranked_and_chosen_by_hand(evidence: Evidence, words: Mapping[str, object], members: list[str]) -> None:
    assert list(build(audience(**words), evidence).frame["customer_id"]) == members


def test_members_ranked_by_value_have_a_probability_to_buy(evidence: Evidence) -> None:
    found = build(audience(choose={"by": "lifetime_value"}), evidence)
    assert list(found.frame["probability"]) == pytest.approx([0.4, 0.2, 0.0]) and found.ranked_by == "any order"


def test_a_customer_who_does_not_exist_cannot_be_included(evidence: Evidence) -> None:
    with pytest.raises(DataError, match=r"x: include: no such customer as of 2026-07-01: zoe"):
        build(audience(include=["anna", "zoe"]), evidence)


def test_control_groups_are_as_large_as_asked_stay_and_differ_between_audiences() -> None:
    ids = np.array([f"C{number}" for number in range(20_000)], dtype=object)
    one, other = audience(control_group="10%"), audience(audience="y", control_group="10%")
    first, second = control_group(one, ids) == "control", control_group(other, ids) == "control"
    assert 0.09 < first.mean() < 0.11 and (first & second).mean() < 0.02
    assert (control_group(one, ids[::-1]) == "control")[::-1].tolist() == first.tolist()
    assert not (control_group(audience(), ids) == "control").any()
    assert np.flatnonzero(first)[:5].tolist() == [8, 14, 15, 17, 32]


def test_the_control_group_and_small_audiences_are_not_exported(evidence: Evidence, tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    found = build(audience(control_group="50%"), evidence)
    gate = Gate.of(evidence.snapshot.shop, Config())
    export(path, found, evidence.snapshot, gate=gate)
    exported = set(pd.read_csv(path)["customer_id"])
    assert exported == set(found.frame.loc[found.frame["group"] == "target", "customer_id"]) < set(found.frame["customer_id"])
    with pytest.raises(Refused, match="fewer than its minimum_size of 10, so it is not exported"):
        export(path, build(audience(minimum_size=10), evidence), evidence.snapshot, gate=gate)


@pytest.mark.parametrize(
    "text, message",
    [
        ("audience: a\nwho:\n  - in_audience: b\n", "x, a: in_audience: there is no audience 'b'"),
        ("audience: a\nwho:\n  - not: {in_audience: a}\n", "x: in_audience goes round in a circle: a -> a"),
        ("audience: a\nwho:\n  - in_audience: b\n---\naudience: b\nwho:\n  - any: [{in_audience: a}]\n", "x: in_audience goes round in a circle"),
    ],
)
def test_audiences_that_name_each_other(text: str, message: str) -> None:
    with pytest.raises(DataError) as error:
        parse_audiences(text, source="x")
    assert str(error.value).startswith(message)


def test_an_audience_names_a_ready_made_one(trained_shop: Path) -> None:
    text = "audience: a\nwho:\n  - orders: {at_least: 1}\nexcept:\n  - in_audience: vip\n---\naudience: b\nwho:\n  - in_audience: vip\n"
    saved = parse_audiences(text, source="x")
    bundle, snapshot = open_as_of(trained_shop, None, bundle=None, memory_limit=None, threads=1)
    evidence = evidence_of(bundle, snapshot, Catalogue.of(snapshot.shop), saved=saved)
    rest, vips = (set(build(each, evidence).frame["customer_id"]) for each in saved.values())
    assert vips and rest | vips == set(snapshot.customer_ids) and not rest & vips
    with pytest.raises(DataError, match="there is no audience 'vips', did you mean 'vip'"):
        parse_audiences(text.replace("in_audience: vip", "in_audience: vips"), source="x")


def examples() -> str:
    """The examples of the docs, and those that the language was designed by where they are beside the checkout."""
    root = Path(__file__).resolve().parent.parent
    pages = (root / "docs" / "audiences.md", root.parent / "shared" / "AUDIENCES.md")
    return "---\n".join(
        text for page in pages if page.exists() for text in re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    )


def _once(text: str) -> str:
    """Without a second document of the same audience."""
    kept = {re.findall(r"audience: (.*)", document)[0]: document for document in text.split("---\n")}
    return "---\n".join(kept.values())


def test_every_example_runs_on_the_made_up_shop(trained_shop: Path) -> None:
    text = _once(examples())
    saved = parse_audiences(text, source="examples")
    bundle, snapshot = open_as_of(trained_shop, None, bundle=None, memory_limit=None, threads=1)
    found = {
        each.audience.audience: each
        for each in build_all(list(saved.values()), evidence_of(bundle, snapshot, Catalogue.of(snapshot.shop), saved=saved))
    }
    assert len(found) == len(saved) >= 7
    people = snapshot.shop.tables["customers"].to_pandas().set_index("customer_id")
    women = people.loc[list(found["sportswear-around-30"].frame["customer_id"])]
    assert len(women) and (women["gender"].str.lower().str[0] == "f").all()
    born = pd.to_datetime(women["birth_date"])
    ages = np.floor((pd.Timestamp(snapshot.as_of) - born).dt.days / 365.2425)
    assert ages.between(28, 32).all()
    silent, left = (set(found[name].frame["customer_id"]) for name in ("silent-vips", "left-a-cart"))
    assert not silent & left
