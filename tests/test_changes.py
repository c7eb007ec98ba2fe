"""Who entered and who left an audience between builds, and why; what is known of each member; why an audience, or one customer in it, is as it is."""

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from features.conditions import Evidence
from features.errors import DataError
from features.products import Catalogue
from features.shop import Shop
from features.snapshot import Snapshot
from serving.audiences import Members, build, parse_audience
from serving.audiences.changes import Changes, keep, read_changes
from serving.audiences.explain import explain, explain_customer, probability_of
from serving.audiences.facts import FACTS, with_facts
from serving.audiences.kept import kept_members
from whobuys.cli import app

NAMES = ("anna", "bo", "carl", "dora")
WHO = [{"importance": "vip"}, {"lifecycle": ["active", "lost"]}]


def evidence_as_of(day: str, importance: str = "vvvv", lifecycle: str = "aaaa", likelihood: float = 0.2) -> Evidence:
    """Four customers; anna ordered two tents and a mat, bo a tent, carl a rope (sold out now), dora signed up on 1 June. A letter each: v is VIP, o
    one-time; a is active, s slipping away, ? unknown."""
    people = pd.DataFrame({"customer_id": list(NAMES), "created_at": pd.to_datetime(["2024-01-01"] * 3 + ["2026-06-01"])})
    rows = [
        ("1", "anna", "2026-01-10", "t"),
        ("2", "anna", "2026-04-01", "t"),
        ("3", "anna", "2026-04-01", "m"),
        ("4", "bo", "2026-03-01", "t"),
        ("5", "carl", "2026-02-01", "r"),
    ]
    orders = pd.DataFrame(rows, columns=["order_id", "customer_id", "ordered_at", "product_id"])
    orders = orders.assign(ordered_at=pd.to_datetime(orders["ordered_at"]), revenue=30.0, status="completed")
    lines = orders[["order_id", "product_id"]].assign(line_no=1, quantity=1.0, price=30.0)
    products = pd.DataFrame(
        [("t", "Tent", "Tents", True), ("m", "Mat", "Mats", True), ("r", "Rope", "Ropes", False), ("p", "Pole", "Tents", True)],
        columns=["product_id", "title", "category", "in_stock"],
    )
    shop = Shop.of({"customers": people, "orders": orders.drop(columns="product_id"), "order_lines": lines, "products": products})
    snapshot = Snapshot(shop, date.fromisoformat(day))
    words = {"v": "VIP", "o": "one-time", "a": "active", "s": "slipping away", "?": None}
    scored = pd.DataFrame(
        {
            "likelihood_30": np.float32(likelihood),
            "expected_revenue_30": [8.0, 6.0, 4.0, np.nan],
            "importance": [words[each] for each in importance],
            "lifecycle": [words[each] for each in lifecycle],
            "reasons": ["3 orders, 1 in the last 90 days", "1 order", "1 order", "signed up, no order yet"],
        },
        index=pd.Index(NAMES, name="customer_id"),
    )
    interest = np.array([[0.4], [0.2], [0.1]], np.float32)
    return Evidence(snapshot, Catalogue.of(shop), lambda sets: interest.repeat(len(sets), axis=1), lambda: scored)


def built(folder: Path, evidence: Evidence, **words: object) -> tuple[Members, Changes]:
    audience = parse_audience({"audience": "x", "who": WHO, **words}, source="x")
    return keep(folder, build(audience, evidence), evidence)


def listed(found: Changes) -> list[tuple[str, ...]]:
    return [tuple(row) for row in found.frame[["customer_id", "change", "since", "reason"]].to_numpy().tolist()]


# entered and left


def test_one_entry_is_told_once(tmp_path: Path) -> None:
    """bo leaves and comes back: a new entry. carl is out and in again between two builds: none. anna stays."""
    _, first = built(tmp_path, evidence_as_of("2026-05-01", "vvvo", "aaaa"))
    assert listed(first) == [(name, "entered", "2026-05-01", "first build") for name in NAMES[:3]] and first.before is None
    _, second = built(tmp_path, evidence_as_of("2026-06-01", "vovo"))
    assert listed(second) == [("bo", "left", "2026-05-01", "no longer importance VIP")]
    members, third = built(tmp_path, evidence_as_of("2026-07-01", "vvvo", "aaas"))
    assert listed(third) == [("bo", "entered", "2026-07-01", "now importance VIP")]
    assert members.frame.set_index("customer_id")["since"].to_dict() == {"anna": "2026-05-01", "bo": "2026-07-01", "carl": "2026-05-01"}


def test_the_same_date_again_is_the_same_list(tmp_path: Path) -> None:
    built(tmp_path, evidence_as_of("2026-05-01", "vooo"))
    _, once = built(tmp_path, evidence_as_of("2026-06-01", "vvoo"))
    members, again = built(tmp_path, evidence_as_of("2026-06-01", "vvoo"))
    assert listed(once) == listed(again) == [("bo", "entered", "2026-06-01", "now importance VIP")]
    assert members.frame["since"].tolist() == ["2026-05-01", "2026-06-01"]


@pytest.mark.parametrize(
    "then, now, words, reasons",
    [
        (("vvvo", "aass"), ("vvvo", "aasa"), {}, {}),
        (("vvvo", "aass"), ("vvvv", "aaas"), {}, {"carl": "now lifecycle active or lost"}),
        (("vooo", "aass"), ("vvvo", "asaa"), {}, {"carl": "now importance VIP; now lifecycle active or lost"}),
        (
            ("vvvo", "aaaa"),
            ("vvvo", "as?a"),
            {},
            {"bo": "no longer lifecycle active or lost", "carl": "no longer known whether lifecycle active or lost"},
        ),
        (("vvvo", "aaaa"), ("vvvo", "aaaa"), {"minimum_size": 1}, {}),
        (("vvvo", "aaaa"), ("vvvo", "aaaa"), {"exclude": "bo"}, {"bo": "taken out by hand"}),
        (("oooo", "aaaa"), ("oooo", "aaaa"), {"include": "bo"}, {"bo": "the definition was changed, or it was built by an older whobuys"}),
    ],
    ids=["nothing", "one condition", "two conditions", "no longer, and unknown", "what changes nobody", "by hand", "redefined"],
)
def test_reasons_are_what_changed(
    tmp_path: Path, then: tuple[str, str], now: tuple[str, str], words: dict[str, object], reasons: dict[str, str]
) -> None:
    built(tmp_path, evidence_as_of("2026-05-01", *then))
    _, found = built(tmp_path, evidence_as_of("2026-06-02", *now), **words)
    assert dict(zip(found.frame["customer_id"], found.frame["reason"], strict=True)) == reasons


def test_a_new_customer_and_a_place_among_the_best(tmp_path: Path) -> None:
    everybody: dict[str, object] = {"who": [{"importance": ["vip", "one-time"]}]}
    built(tmp_path, evidence_as_of("2026-05-15", "vvoo"), **everybody)
    _, found = built(tmp_path, evidence_as_of("2026-06-15", "vvoo"), **everybody)
    assert listed(found) == [("dora", "entered", "2026-06-15", "a new customer")]
    best = {"who": [{"interested_in": {"category": "Tents", "top": "100%"}}], "choose": {"by": {"interested_in": {"category": "Tents"}}, "top": 2}}
    audience = parse_audience({"audience": "best", **best}, source="x")
    first = evidence_as_of("2026-05-15")
    keep(tmp_path, build(audience, first), first)
    later = evidence_as_of("2026-06-15")
    turned = Evidence(
        later.snapshot, later.catalogue, lambda sets: np.array([[0.1], [0.2], [0.4]], np.float32).repeat(len(sets), axis=1), later.scored
    )
    _, moved = keep(tmp_path, build(audience, turned), turned)
    assert [row[:2] + row[3:] for row in listed(moved)] == [
        ("carl", "entered", "now among the best 2 by interested in category Tents"),
        ("anna", "left", "no longer among the best 2 by interested in category Tents"),
    ]


def test_answers_of_two_builds_are_kept_and_old_builds_are_understood(tmp_path: Path) -> None:
    for month in (2, 3, 4, 5):
        built(tmp_path, evidence_as_of(f"2026-0{month}-02", "vooo"))
    assert sorted(path.stem for path in (tmp_path / "members/x/answers").iterdir()) == ["2026-04-02", "2026-05-02"]
    assert len(list((tmp_path / "members/x/changes").iterdir())) == 4 and len(list((tmp_path / "members/x").glob("*.parquet"))) == 4
    for path in (tmp_path / "members/x").glob("*/2026-05-02.parquet"):
        path.unlink()
    old = tmp_path / "members/x/2026-05-02.parquet"
    pd.read_parquet(old).drop(columns="since").to_parquet(old)
    members, found = built(tmp_path, evidence_as_of("2026-06-02", "vvoo"))
    assert members.frame["since"].tolist() == ["2026-05-02", "2026-06-02"] and "older whobuys" in listed(found)[0][3]


def test_changes_are_read_by_date(tmp_path: Path) -> None:
    audience = parse_audience({"audience": "x", "who": WHO}, source="x")
    with pytest.raises(DataError, match="x: was not built yet"):
        read_changes(tmp_path, audience)
    built(tmp_path, evidence_as_of("2026-05-01", "vooo"))
    built(tmp_path, evidence_as_of("2026-06-01", "ovoo"))
    assert (read_changes(tmp_path, audience).entered, read_changes(tmp_path, audience).left) == (1, 1)
    assert read_changes(tmp_path, audience, date(2026, 5, 1)).left == 0
    with pytest.raises(DataError, match="was not built as of 2026-05-02; there are builds as of: 2026-05-01, 2026-06-01"):
        read_changes(tmp_path, audience, date(2026, 5, 2))


# what is known of each member


def test_every_member_has_her_facts() -> None:
    evidence = evidence_as_of("2026-06-15", "voo?")
    tents = parse_audience({"audience": "x", "who": [{"interested_in": {"category": "Tents", "top": 3}}], "include": "dora"}, source="x")
    found = with_facts(build(tents, evidence), evidence).frame.set_index("customer_id")
    assert set(FACTS) <= set(found) and list(found.columns[-1:]) == ["group"]
    assert found["expected_revenue"].to_dict() == pytest.approx({"anna": 12.0, "bo": 6.0, "carl": 3.0, "dora": np.nan}, nan_ok=True)
    assert found["is_vip"].to_dict() == {"anna": True, "bo": False, "carl": False, "dora": False}
    assert found.loc["anna", "reason"] == "1.7 times as likely to buy as customers usually are: bought Tents twice, last 75 days ago"
    assert found.loc["carl", "reason"] == "0.4 times as likely to buy as customers usually are: never bought Tents; 1 order"
    assert found.loc["dora", "reason"] == "put in by hand; never ordered"
    assert not found[["show_1", "like_1", "like_2", "like_3"]].isin(["r"]).any().any()  # sold out
    assert found.loc["bo", "like_1"] == "m"  # who bought tents bought mats, and he has his tent


def test_facts_of_an_audience_about_any_order() -> None:
    evidence = evidence_as_of("2026-06-15")
    found = with_facts(build(parse_audience({"audience": "x", "who": WHO}, source="x"), evidence), evidence).frame.set_index("customer_id")
    assert found["expected_revenue"].iloc[:3].tolist() == [8.0, 6.0, 4.0]
    assert found.loc["anna", "reason"] == "1 times as likely to order as customers usually are: 3 orders, 1 in the last 90 days"
    assert found["variant"].isna().all()


def test_variants_are_even_stay_and_leave_the_control_group_alone() -> None:
    audience = parse_audience({"audience": "x", "who": WHO, "variants": 3, "control_group": "20%"}, source="x")
    from serving.audiences.facts import variants
    from serving.audiences.members import control_group

    ids = np.asarray([f"c{number}" for number in range(6000)], dtype=object)

    def of(ids: np.ndarray) -> pd.Series:
        frame = pd.DataFrame({"customer_id": ids, "group": control_group(audience, ids)})
        return pd.Series(variants(Members(audience, date(2026, 1, 1), 30, "x", 0.1, 0, frame)), index=ids)

    found = of(ids)
    assert found.notna().mean() == pytest.approx(0.8, abs=0.02)
    assert found.value_counts(normalize=True).to_dict() == pytest.approx({"A": 1 / 3, "B": 1 / 3, "C": 1 / 3}, abs=0.03)
    pd.testing.assert_series_equal(of(ids[::-1][:500]).sort_index(), found.loc[ids[::-1][:500]].sort_index())


# why


def test_each_condition_is_told_alone_together_and_left_out() -> None:
    evidence = evidence_as_of("2026-06-15", "vvo?", "asaa")
    audience = parse_audience({"audience": "x", "who": WHO, "except": [{"orders": {"at_least": 3}}], "choose": {"by": "lifetime_value"}}, source="x")
    members = build(parse_audience({"audience": "x", "who": WHO, "except": [{"orders": {"at_least": 3}}]}, source="x"), evidence)
    table = explain(members, probability_of(audience, evidence), evidence).table.set_index("place")
    assert table["alone"].tolist() == [2, 3, 3] and table["unknown"].tolist() == [1, 0, 0]
    assert table["left"].tolist() == [2, 1, 0] and table["without"].tolist() == [2, 1, 1]
    assert table.loc["except.0", "condition"] == "not orders at least 3"


@pytest.mark.parametrize(
    "customer, answers, verdict",
    [
        ("anna", ["holds", "holds"], "anna is a member, rank 1 of 1, probability 0.2000: 1 times as likely to order"),
        ("bo", ["holds", "fails"], "bo is no member: who.1 fails (lifecycle active or lost)."),
        ("carl", ["fails", "holds"], "carl is no member: who.0 fails (importance VIP)."),
        ("dora", ["unknown", "holds"], "dora is no member: who.0 is unknown (importance VIP)."),
    ],
)
def test_one_customer_is_explained(customer: str, answers: list[str], verdict: str) -> None:
    evidence = evidence_as_of("2026-06-15", "vvo?", "asaa")
    found = explain_customer(build(parse_audience({"audience": "x", "who": WHO}, source="x"), evidence), evidence, customer)
    assert found.table["answer"].tolist() == answers and found.verdict.startswith(verdict)


def test_the_verbs_build_changes_and_explain(shop: Path) -> None:
    (shop / "audiences.yaml").write_text(
        "audience: campers\nwho:\n  - interested_in: {category: Camping, top: 20%}\n  - orders: {at_least: 1}\nvariants: 2\n", encoding="utf-8"
    )

    def run(*words: str) -> str:
        result = CliRunner().invoke(app, ["audience", *words, "--shop", str(shop)], env={"WHOBUYS_TODAY": "2026-07-01"})
        assert result.exit_code == 0, result.output
        return str(result.stdout)

    run("build", "campers")
    kept = kept_members(shop, "campers")
    assert kept is not None and set(kept.members.frame["variant"]) == {"A", "B"} and kept.members.frame["reason"].notna().all()
    assert "first build" in run("changes", "campers") and run("changes", "campers", "--csv").startswith("customer_id,change,since,reason\n")
    assert "who.1 (orders at least 1) hardly matters" in run("explain", "campers")
    first = str(kept.members.frame["customer_id"].iloc[0])
    assert f"{first} is a member, rank 1 of" in run("explain", "campers", "--customer", first)
    export = (shop / "exports" / "campers-2026-07-01.csv").read_text(encoding="utf-8").splitlines()[0]
    assert export == "customer_id,email,probability,rank,show_1,show_2,show_3,like_1,like_2,like_3,is_vip,variant,since,data_date"
