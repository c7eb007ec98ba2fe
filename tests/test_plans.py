"""Plans: what contacts pay, what audiences have in common, which one each customer gets, which are the plan, and what is told about it."""

import csv
import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from features.conditions import Evidence
from features.errors import DataError
from features.products import Catalogue
from features.shop import Shop
from features.snapshot import Snapshot
from serving.audiences import Members, build, parse_audience
from serving.audiences.costs import Costs
from serving.audiences.definitions import Offer
from serving.audiences.payoff import Payoff, money, offer_told, payoff, payoff_table
from serving.plans.contacts import Candidates, candidates, choose
from serving.plans.overlap import overlap
from serving.plans.plan import Plan, plan
from whobuys.cli import app

AS_OF = date(2026, 7, 1)
CUSTOMERS = 200
IDS = [f"c{number:03d}" for number in range(CUSTOMERS)]
OPEN = {"email": 0.1, "ads": 1.0}


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    """Two hundred customers: every tenth cannot be mailed; everyone ordered once for 10, tents cost 10, ropes are sold out."""
    numbers = np.arange(CUSTOMERS)
    people = pd.DataFrame(
        {
            "customer_id": IDS,
            "email": [f"{each}@x.example" for each in IDS],
            "consent_email": pd.array(numbers % 10 != 0, dtype="boolean"),
            "consent_ads": pd.array([True] * CUSTOMERS, dtype="boolean"),
            "number": [f"{number:03d}" for number in numbers],
            "tenth": [str(number // 20) for number in numbers],
            "created_at": pd.Timestamp("2024-01-01"),
        }
    )
    orders = pd.DataFrame({"order_id": IDS, "customer_id": IDS, "ordered_at": pd.Timestamp("2026-06-01"), "revenue": 10.0, "status": "completed"})
    lines = pd.DataFrame({"order_id": IDS, "line_no": 1, "product_id": ["t", "r"] * (CUSTOMERS // 2), "quantity": 1.0, "price": 10.0})
    products = pd.DataFrame({"product_id": ["t", "r"], "title": ["Tent", "Rope"], "category": ["Tents", "Ropes"], "in_stock": [True, False]})
    shop = Shop.of({"customers": people, "orders": orders, "order_lines": lines, "products": products})
    scored = pd.DataFrame(
        {"likelihood_30": 0.5, "expected_revenue_30": 1.0 + numbers, "importance": "loyal"}, index=pd.Index(IDS, name="customer_id")
    )
    return Evidence(
        Snapshot(shop, AS_OF),
        Catalogue.of(shop),
        lambda sets: np.full((CUSTOMERS, len(sets)), 0.5, np.float32),
        lambda: scored,
    )


def tenths(name: str, *which: int | str, **words: object) -> dict[str, object]:
    """An audience of tenths of the customers, twenty each."""
    return {"audience": name, "who": [{"attribute": {"tenth": [str(each) for each in which]}}], **words}


def asked(evidence: Evidence, *definitions: dict[str, object]) -> list[Members]:
    return [build(parse_audience(each, source="x"), evidence) for each in definitions]


# what contacts pay


@pytest.mark.parametrize(
    "costs, offer, expected",
    [
        (Costs({"email": 1.0}, margin=0.5), None, {"cost": 10, "profit": 40, "offer": 0, "offer_at_most": 8, "needed": 0.2, "largest": 10}),
        (Costs({"email": 1.0}, margin=0.5), Offer(cost=4), {"profit": 20, "offer": 20, "offer_at_most": 8, "needed": 60 / 30 - 1, "largest": 10}),
        (Costs({"email": 1.0}, margin=0.5), Offer(discount=0.2), {"profit": 20, "offer": 20, "needed": 1.0}),
        (Costs({"email": 1.0}, margin=0.5), Offer(cost=10), {"profit": -10, "needed": np.inf, "smallest": 0, "largest": 0}),
        (Costs({"email": 6.0}, margin=0.5), None, {"profit": -10, "smallest": 0, "largest": 0}),
        (Costs({"email": 0.0}, campaign=1000.0, margin=0.5), None, {"cost": 1000, "profit": -950, "smallest": 0, "largest": 10}),
        (Costs({}, margin=0.5), None, {"profit": np.nan, "smallest": np.nan, "offer_at_most": np.nan, "revenue": 100}),
    ],
    ids=["contact cost", "offer", "discount", "offer eats the margin", "contact too dear", "campaign too dear", "no cost stated"],
)
def test_what_ten_contacts_pay_of_whom_half_buy_for_twenty(costs: Costs, offer: Offer | None, expected: dict[str, float]) -> None:
    found = money(np.full(10, 0.5), np.full(10, 10.0), costs, channel="email", offer=offer)
    assert {name: getattr(found, name) for name in expected} == pytest.approx(expected, nan_ok=True)


def test_the_smallest_size_pays_in_nine_of_ten_cases_and_the_largest_stops_where_a_contact_is_lost() -> None:
    probability = np.r_[np.full(200, 0.2), np.full(100, 0.001)]
    costs = Costs({"email": 0.5}, campaign=20.0, margin=0.5)
    found = money(probability, probability * 20.0, costs, channel="email")
    assert found.largest == 200
    size = int(found.smallest)
    draws = np.random.default_rng(1).binomial([[size], [size // 2]], 0.2, (2, 20_000))
    pays = (10.0 * draws - [[0.5 * size + 20], [0.5 * (size // 2) + 20]] >= 0).mean(axis=1)
    assert 0.85 < pays[0] < 0.95 and pays[1] < 0.8


def test_offers_that_eat_the_gain_are_told() -> None:
    told = [
        money(np.full(10, 0.5), np.full(10, 10.0), Costs({"email": 1.0}, margin=0.5), channel="email", offer=Offer(cost=cost)) for cost in (1, 9, 11)
    ]
    assert [offer_told(each) for each in told] == [
        None,
        "its offer of 9.00 a buyer eats the gain: it may cost 8.00 at most",
        "its offer costs more than the margin of an order: no number of further buyers would pay for it",
    ]


def test_contacts_are_reachable_and_not_of_the_control_group(evidence: Evidence) -> None:
    (plain, with_control) = asked(evidence, tenths("a", 0, 1), tenths("a", 0, 1, control_group="50%"))
    costs = Costs(OPEN)
    assert payoff(plain, evidence, costs).contacts == 36 and payoff(plain, evidence, costs, channel="ads").contacts == 40
    target = with_control.frame[with_control.frame["group"] == "target"]["customer_id"]
    assert payoff(with_control, evidence, costs).contacts == sum(int(each[1:]) % 10 != 0 for each in target) < 36
    assert payoff(plain, evidence, costs, channel="ads").revenue == pytest.approx(sum(range(1, 41)))
    assert payoff(plain, evidence, costs, channel="sms").contacts == 40  # no phone is known of anybody
    assert payoff_table({}).empty and list(payoff_table({"a": Payoff("email", 0, 0.0, 0.0)})["audience"]) == ["a"]


# what they have in common


def test_overlap_is_counted(evidence: Evidence) -> None:
    found = overlap(asked(evidence, tenths("a", 0, 1), tenths("b", 1, 2, 3), tenths("c", 9), tenths("d", "x")), evidence)
    assert found.sizes.tolist() == [40, 60, 20, 0] and found.anybody == 100
    assert found.share.to_numpy()[[0, 3]].tolist() == [[1, 0.5, 0, 0], [0, 0, 0, 0]]
    assert found.jaccard.loc["a", "b"] == pytest.approx(20 / 80)
    first = found.pairs().head(1).to_numpy().tolist()
    assert first == [["a", "b", 20, 0.5, pytest.approx(1 / 3), 0.25]] and len(found.pairs()) == 6


# who gets which


@pytest.mark.parametrize(
    "caps, chosen",
    [
        ({}, [[0, 1, 1], [1, 0, 0], [0, 0, 0]]),
        ({"email": 2}, [[2, 1, 1], [1, 2, 0], [0, 0, 0]]),
        ({"email": 0}, [[0, 0, 1], [0, 0, 0], [0, 0, 0]]),
    ],
    ids=["one a channel", "two mails", "no mail"],
)
def test_each_customer_gets_the_best_of_each_channel(caps: dict[str, int], chosen: list[list[int]]) -> None:
    none = -np.inf
    worth = np.array([[1, 5, 2], [3, 3, none], [none, none, none]], np.float32)
    found = choose(Candidates(worth, ("email", "email", "ads"), in_money=True), [10, 20, 5], Costs(caps=caps))
    assert found.tolist() == chosen  # of equals the smaller audience


def test_worth_is_margin_less_contact_and_offer_and_nobody_out_of_reach_has_any(evidence: Evidence) -> None:
    answers = asked(evidence, tenths("a", 0), tenths("b", 0, channel="ads", offer={"cost": 2}))
    found = candidates(answers, evidence, Costs(OPEN, margin=0.5))
    assert found.in_money and found.channels == ("email", "ads")
    assert found.worth[9].tolist() == pytest.approx([5 - 0.1, 5 - 1 - 2 * 0.5])
    assert found.worth[0, 0] == -np.inf and found.worth[0, 1] == -np.inf and found.worth[100].tolist() == [-np.inf] * 2


# the plan


def test_the_best_plan_has_few_members_in_common_and_says_why_others_are_left_out(evidence: Evidence) -> None:
    ropes: dict[str, object] = {"audience": "ropes", "who": [{"interested_in": {"category": "Ropes", "top": 40}}]}
    found = plan(
        asked(
            evidence,
            tenths("everybody", *range(10)),
            tenths("best", 8, 9),
            tenths("inside", 9),
            tenths("good", 6, 7),
            tenths("fair", 3, 4),
            tenths("small", 5, minimum_size=30),
            tenths("nobody", 99),
            ropes,
        ),
        evidence,
        Costs(),
        choose_best=True,
    )
    assert [each.audience.audience for each in found.answers] == ["best", "good", "fair"]
    assert dict(found.left_out) == {
        "everybody": "has 200 of all 200 customers: more than half of them is the shop, and no choice",
        "inside": "is no other group than best, which brings more: 100 % of its members are in best",
        "small": "has 20 members, fewer than 30",
        "nobody": "has no members",
        "ropes": "is about Ropes, of which nothing is in stock (out_of_stock: true in its definition asks for it all the same)",
    }
    assert found.table().set_index("audience")["assigned"].to_dict() == {"best": 36, "good": 36, "fair": 36}


def test_products_out_of_stock_are_in_the_plan_when_they_are_asked_for(evidence: Evidence) -> None:
    ropes: dict[str, object] = {"audience": "ropes", "who": [{"interested_in": {"category": "Ropes", "top": 40}}], "out_of_stock": True}
    answers = asked(evidence, ropes)
    assert answers[0].frame["show_1"].eq("r").all()
    assert [each.audience.audience for each in plan(answers, evidence, Costs(), choose_best=True).answers] == ["ropes"]


def test_at_most_five_are_in_a_plan(evidence: Evidence) -> None:
    found = plan(asked(evidence, *(tenths(f"t{number}", number) for number in range(8))), evidence, Costs(), choose_best=True)
    assert [each.audience.audience for each in found.answers] == ["t7", "t6", "t5", "t4", "t3"]
    assert {why for _, why in found.left_out} == {"adds less than the 5 that are in the plan"}


def told(evidence: Evidence, *definitions: dict[str, object], costs: Costs) -> Plan:
    return plan(asked(evidence, *definitions), evidence, costs, choose_best=False)


@pytest.mark.parametrize(
    "definitions, costs, warning",
    [
        ([tenths(f"t{number}", number) for number in range(6)], Costs(), "6 audiences are many to write for; begin with 3 to 5"),
        ([tenths("a", 1)], Costs(), "only 1 audience fits; 3 to 5 of different interests are a good start"),
        ([tenths("a", 1, 2), tenths("b", 1)], Costs(), "100 % of b are in a, too: keep one of them"),
        ([tenths("a", 0, offer={"cost": 50})], Costs(OPEN), "a does not pay: its offer costs more than the margin of an order"),
        ([tenths("a", 0)], Costs({"email": 5.0}), "beyond 14 of its 18 contacts a further one costs more than it brings"),
        ([tenths("a", 0)], Costs({"email": 50.0}), "a does not pay: its 18 contacts cost 900.00, and no size surely brings more"),
        ([tenths("a", *range(7))], Costs(), "a has 140 of all 200 customers"),
        ([tenths("a", 99)], Costs(), "a has no members"),
        ([tenths("a", 0)], Costs(), "whobuys.toml states no contact cost of email ([audiences] contact_cost), so return, profit"),
        ([tenths("a", 0)], Costs(), "whobuys.toml states no margin"),
        ([tenths("a", 0, channel="sms")], Costs(), "nobody may be reached by sms, as the shop knows no address with consent"),
        ([tenths("a", 0)], Costs(), "without a control_group it will not be known what a campaign brought: a"),
    ],
)
def test_what_is_wrong_with_a_plan_is_told(evidence: Evidence, definitions: Sequence[dict[str, object]], costs: Costs, warning: str) -> None:
    found = told(evidence, *definitions, costs=costs).warnings
    assert any(warning in each for each in found), found
    assert len(set(found)) == len(found)


# the verbs


def run(*words: str, shop: Path) -> Result:
    return CliRunner().invoke(app, ["audience", *words, "--shop", str(shop)], env={"WHOBUYS_TODAY": "2026-07-01"})


@pytest.fixture(scope="module")
def planned(trained_shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    import shutil

    folder = Path(shutil.copytree(trained_shop, tmp_path_factory.mktemp("planned") / "shop"))
    (folder / "audiences.yaml").write_text(
        "audience: campers\nwho:\n  - interested_in: {category: Camping, top: 20%}\ncontrol_group: 10%\n---\n"
        "audience: paddlers\nwho:\n  - bought: {category: Paddling, within: 12 months}\nchannel: ads\noffer: {says: a dry bag, cost: 3}\n---\n"
        "audience: vips\nwho:\n  - importance: vip\n",
        encoding="utf-8",
    )
    (folder / "whobuys.toml").write_text("[audiences]\ncontact_cost = { email = 0.02, ads = 0.3 }\n[customers]\nmargin = 0.4\n", encoding="utf-8")
    return folder


def test_the_verb_plan_writes_who_gets_which(planned: Path, tmp_path: Path) -> None:
    shown = run("plan", "campers", "paddlers", "vips", "-o", str(tmp_path / "plan.csv"), shop=planned)
    assert shown.exit_code == 0 and "a dry bag" in shown.stdout, shown.output
    with (tmp_path / "plan.csv").open(encoding="utf-8") as file:
        contacts = list(csv.DictReader(file))
    assert list(contacts[0]) == ["customer_id", "audience", "channel", "choice", "worth"]
    by_mail = [each["customer_id"] for each in contacts if each["channel"] == "email"]
    assert len(by_mail) == len(set(by_mail)) > 0 and {each["audience"] for each in contacts} == {"campers", "paddlers", "vips"}
    assert (tmp_path / "plan.csv").stat().st_mode & 0o077 == 0
    found = json.loads(run("plan", "--json", shop=planned).stdout)
    assert set(found) == {"audiences", "left_out", "warnings"} and 1 <= len(found["audiences"]) <= 5
    assert "note: audiences.yaml and earlier builds" not in run("plan", shop=planned).output


def test_the_verb_overlap(planned: Path) -> None:
    shown = run("overlap", shop=planned)
    assert shown.exit_code == 0 and "100 %" in shown.stdout and "jaccard" in shown.stdout, shown.output
    assert run("overlap", "campers", "vips", "--csv", shop=planned).stdout.startswith(
        "audience,other,both,share,share_of_other,jaccard\ncampers,vips,"
    )


@pytest.mark.parametrize(
    "words, message",
    [
        (["plan", "camper"], "there is no audience 'camper', did you mean 'campers'?"),
        (["overlap", "campers"], "an overlap is of two audiences or more"),
        (["plan", "long-tail"], "long-tail: its products are found when it is built"),
        (["plan", "-o", "plan.doc"], "plan.doc"),
        (["explain", "campers", "--customer", "nobody"], "--customer nobody: no such customer as of 2026-07-01"),
        (["changes", "campers"], "campers: was not built yet, so nobody entered or left; run: whobuys audience build campers"),
    ],
)
def test_what_cannot_be_asked_is_told(planned: Path, words: list[str], message: str) -> None:
    result = run(*words, shop=planned)
    assert result.exit_code in (1, 2) and message in result.output


def test_a_shop_without_a_bundle_is_told_what_to_run(tmp_path: Path) -> None:
    (tmp_path / "audiences.yaml").write_text("audience: a\nwho:\n  - importance: vip\n", encoding="utf-8")
    result = run("plan", "a", shop=tmp_path)
    assert result.exit_code == 1 and "whobuys import" in result.output


def test_an_unknown_product_is_told_with_its_place(evidence: Evidence) -> None:
    with pytest.raises(DataError, match=r"who\.0\.interested_in\.category"):
        asked(evidence, {"audience": "x", "who": [{"interested_in": {"category": "Tends", "top": 10}}]})
