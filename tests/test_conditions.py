"""Conditions on orders: what each says of whom, as of a date, and what is said of words that make no sense."""

from collections.abc import Sequence
from datetime import date

import numpy as np
import pandas as pd
import pytest
from pydantic import TypeAdapter, ValidationError

from features.conditions import CONDITIONS, Answer, Clause, Evidence, Floats, OneClause
from features.conditions.values import TimeSpan, TopOf
from features.errors import DataError
from features.products import Catalogue, ProductSet
from features.shop import Shop
from features.snapshot import Snapshot
from serving.audiences import parse_audience

CLAUSE: TypeAdapter[Clause] = TypeAdapter(OneClause)
AS_OF = date(2026, 7, 1)


def made(rows: str, columns: str) -> pd.DataFrame:
    lists = [line.split(",") for line in rows.split()]
    return pd.DataFrame([[value or None for value in row] for row in lists], columns=columns.split())


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    """anna: a tent a year ago and repellent in June; bo: a tent on June 2; carl: a stove on July 1, which is not known yet; dora only signed up."""
    customers = made("anna,2024-01-01 bo,2024-01-01 carl,2024-01-01 dora,2026-06-30 emil,2026-07-01 frida,", "customer_id created_at")
    products = pd.DataFrame(
        [
            ("t1", "Fjord tent", "Nordvind", "Outdoor > Camping > Tents", 300.0, True, "eco,summer"),
            ("t2", "Dal tent", "Ravn", "Outdoor > Camping > Tents", 90.0, False, "summer"),
            ("r1", "Mosquito repellent", "Ravn", "Outdoor > Camping > Repellent", 10.0, True, None),
            ("s1", "Gas stove", "Nordvind", "Outdoor > Kitchen", 60.0, True, "eco"),
        ],
        columns="product_id title brand category price in_stock tags".split(),
    )
    lines = made(
        "o1,anna,2025-07-01,t1,1 o2,anna,2026-06-10,r1,1 o3,bo,2026-06-02,t2,1 o4,carl,2026-07-01,s1,1"
        " o5,carl,2025-01-01,r1,1 o6,bo,2026-06-05,s1,-1",
        "order_id customer_id ordered_at product_id quantity",
    )
    lines["quantity"] = lines["quantity"].astype(float)
    orders = lines[["order_id", "customer_id"]].assign(ordered_at=pd.to_datetime(lines["ordered_at"]), revenue=10.0 * lines["quantity"])
    order_lines = lines[["order_id", "product_id", "quantity"]].assign(line_no=1, price=10.0)
    shop = Shop.of(
        {
            "customers": customers.assign(created_at=pd.to_datetime(customers["created_at"])),
            "products": products,
            "orders": orders.assign(status="completed"),
            "order_lines": order_lines,
        }
    )
    snapshot = Snapshot(shop, AS_OF)
    return Evidence(snapshot, Catalogue.of(shop), lambda sets: np.array([[0.1] * len(sets), [0.4] * len(sets), [0.2] * len(sets)], np.float32))


def test_it_is_about_everybody_known_before_the_date(evidence: Evidence) -> None:
    assert list(evidence.customer_ids) == ["anna", "bo", "carl", "dora"]


@pytest.mark.parametrize(
    "asked, who",
    [
        ({"bought": {"category": "Tents"}}, "anna bo"),
        ({"bought": {"category": "Outdoor > Camping"}}, "anna bo carl"),
        ({"bought": {"category": ["Tents", "Kitchen"]}}, "anna bo"),
        ({"bought": {"category": "Tents", "within": "12 months"}}, "anna bo"),
        ({"bought": {"category": "Tents", "within": "364 days"}}, "bo"),
        ({"bought": {"category": "Tents", "within": "29 days"}}, "bo"),
        ({"bought": {"category": "Tents", "within": "28 days"}}, ""),
        ({"bought": {"brand": "ravn"}}, "anna bo carl"),
        ({"bought": {"category": "Camping", "brand": "Nordvind"}}, "anna"),
        ({"bought": {"category": "Kitchen"}}, ""),  # before the date only returned
        ({"bought": {"product": ["t1", "r1"]}}, "anna carl"),
        ({"bought": {"keyword": ["tents", "stove"]}}, "anna bo"),
        ({"bought": {"price": {"at_least": 90}}}, "anna bo"),
        ({"bought": {"price": {"at_least": 90, "at_most": 100}}}, "bo"),
        ({"bought": {"price": 90}}, "bo"),
        ({"bought": {"tags": "eco"}}, "anna"),
        ({"bought": {"tags": ["eco", "summer"]}}, "anna bo"),
        ({"bought": {"in_stock": False}}, "bo"),
        ({"bought": {"category": "Tents", "price": {"at_least": 1000}}}, ""),
        ({"bought": {"anything": True}}, "anna bo carl"),
        ({"bought": {"anything": True, "within": "1 month"}}, "anna bo"),
        ({"not": {"bought": {"category": "Tents"}}}, "carl dora"),
        ({"not": {"not": {"bought": {"category": "Tents"}}}}, "anna bo"),
        ({"any": [{"bought": {"product": "t1"}}, {"bought": {"product": "t2"}}]}, "anna bo"),
        ({"all": [{"bought": {"category": "Tents"}}, {"not": {"bought": {"category": "Repellent"}}}]}, "bo"),
        ({"interested_in": {"category": "Tents", "likelihood": "low"}}, "bo"),
        ({"interested_in": {"category": "Tents", "top": 2}}, "bo carl"),
        ({"interested_in": {"category": "Tents", "top": "34%"}}, "bo"),
        ({"interested_in": {"category": "Tents", "likelihood": "medium"}}, ""),
        ({"interested_in": {"category": "Tents", "price": {"at_least": 1000}, "top": "100%"}}, ""),
        ({"not": {"interested_in": {"category": "Tents", "top": 2}}}, "anna"),  # of dora it is unknown
    ],
)
def test_who_meets_a_condition(evidence: Evidence, asked: object, who: str) -> None:
    answer = CLAUSE.validate_python(asked).asks.holds(evidence)
    assert " ".join(evidence.customer_ids[answer.yes]) == who
    assert not (answer.yes & answer.no).any()


@pytest.mark.parametrize("asked", ["bought", "interested_in"])
def test_purchases_are_known_of_everybody_and_interest_of_those_with_orders(evidence: Evidence, asked: str) -> None:
    words = {"category": "Tents"} | ({"top": 1} if asked == "interested_in" else {})
    unknown = evidence.customer_ids[CLAUSE.validate_python({asked: words}).asks.holds(evidence).unknown]
    assert list(unknown) == ([] if asked == "bought" else ["dora"])


@pytest.mark.parametrize(
    "asked, message",
    [
        ({"bought": {"category": "Tens"}}, "category: there is no category 'Tens', did you mean 'Tents'?"),
        ({"bought": {"brand": "Nordwind"}}, "brand: there is no brand 'Nordwind', did you mean 'Nordvind'?"),
        ({"bought": {"product": "t9"}}, "product: there is no product 't9'"),
        ({"bought": {"keyword": "anchor"}}, "keyword: no product has the keyword 'anchor'"),
        ({"bought": {"categry": "Tents"}}, "categry: is neither a key of this condition nor a column of the products, did you mean 'category'?"),
        ({"not": {"bought": {"category": "Tens"}}}, "bought.category: there is no category 'Tens'"),
        ({"any": [{"bought": {"anything": True}}, {"not": {"bought": {"brand": "x"}}}]}, "1.not.bought.brand: there is no brand 'x'"),
    ],
)
def test_a_name_that_the_shop_does_not_know_is_told_with_its_place(evidence: Evidence, asked: object, message: str) -> None:
    with pytest.raises(DataError) as error:
        CLAUSE.validate_python(asked).asks.holds(evidence)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    "asked, message",
    [
        ({"bougt": {}}, "there is no condition 'bougt', did you mean 'bought'?"),
        ({}, "a condition is one key"),
        ({"bought": {"anything": True}, "not": {}}, "a condition is one key"),
        ("bought", "a condition is one key"),
        ({"bought": {}}, "needs either products"),
        ({"bought": {"within": "60 days"}}, "needs either products"),
        ({"bought": {"category": "Tents", "anything": True}}, "needs either products"),
        ({"bought": {"category": "Tents", "within": "60"}}, "a time is written as a number with days, weeks, months or years"),
        ({"bought": {"category": "Tents", "within": "0 days"}}, "a time is written"),
        ({"bought": {"category": []}}, "at least 1 item"),
        ({"bought": {"price": {"at_lest": 3}}}, "Extra inputs are not permitted"),
        ({"any": []}, "needs at least one condition"),
        ({"interested_in": {"category": "Tents", "likelihood": "huge"}}, "'low', 'medium', 'high' or 'very high'"),
        ({"interested_in": {"category": "Tents", "top": "110%"}}, "top is a number of customers"),
        ({"interested_in": {"category": "Tents", "top": 0}}, "top is a number of customers"),
        ({"interested_in": {"category": "Tents", "top": True}}, "top is a number of customers"),
    ],
)
def test_words_that_make_no_sense_are_refused(asked: object, message: str) -> None:
    with pytest.raises(ValidationError) as error:
        CLAUSE.validate_python(asked)
    assert message in str(error.value)


LANGUAGE = """interested_in bought likely_to_buy orders spent average_order expected_order_value expected_orders expected_revenue lifetime_value
discount_share gift_share first_order last_order next_order importance lifecycle rfm attribute did in_audience reachable_by not any all
share_bought full_price_share discount_sensitivity price_level orders_per_year frequency_trend high_season_share q4_share is_gift_buyer engagement
recoverable_value priority"""


def test_the_language_has_all_its_conditions_each_with_its_meaning() -> None:
    assert set(CONDITIONS) == set(LANGUAGE.split())
    assert all(made.key == key and made.__doc__ for key, made in CONDITIONS.items())


def test_a_condition_is_written_as_it_was_read() -> None:
    words = {"not": {"bought": {"keyword": ["ice axe", "ice screw"], "within": "2 weeks", "price": {"at_least": 5.0}, "tags": "eco"}}}
    assert CLAUSE.validate_python(words).model_dump(mode="json", by_alias=True, exclude_unset=True) == words


TRUTH = {"yes": (True, False), "no": (False, True), "unknown": (False, False)}


@pytest.mark.parametrize(
    "one, other, both, either",
    [
        ("yes", "yes", "yes", "yes"),
        ("yes", "no", "no", "yes"),
        ("yes", "unknown", "unknown", "yes"),
        ("no", "no", "no", "no"),
        ("no", "unknown", "no", "unknown"),
        ("unknown", "unknown", "unknown", "unknown"),
    ],
)
def test_unknown_is_neither_true_nor_false(one: str, other: str, both: str, either: str) -> None:
    left, right = (Answer(*(np.array([value]) for value in TRUTH[word])) for word in (one, other))
    for answer, word in ((left & right, both), (right & left, both), (left | right, either), (right | left, either), (~~left, one)):
        assert (bool(answer.yes[0]), bool(answer.no[0])) == TRUTH[word]
    assert bool(left.unknown[0]) == (one == "unknown")


@pytest.mark.parametrize(
    "number, unit, day, before",
    [
        (60, "day", date(2026, 7, 1), date(2026, 5, 2)),
        (2, "week", date(2026, 7, 1), date(2026, 6, 17)),
        (1, "month", date(2026, 3, 31), date(2026, 2, 28)),
        (12, "month", date(2026, 7, 1), date(2025, 7, 1)),
        (1, "year", date(2024, 2, 29), date(2023, 2, 28)),
    ],
)
def test_spans_of_time_are_calendar_time(number: int, unit: str, day: date, before: date) -> None:
    assert TimeSpan(number, unit).before(day) == before  # type: ignore[arg-type]  # the units of the cases


@pytest.mark.parametrize("top, size, count", [(TopOf(number=5), 3, 3), (TopOf(number=5), 9, 5), (TopOf(share=0.1), 29, 2), (TopOf(share=1.0), 7, 7)])
def test_top_is_a_number_or_a_share_rounded_down(top: TopOf, size: int, count: int) -> None:
    assert top.of(size) == count


def test_interest_is_asked_for_once(evidence: Evidence) -> None:
    asked: list[int] = []

    def interest(sets: Sequence[ProductSet]) -> Floats:
        asked.append(len(sets))
        return np.full((3, len(sets)), 0.5, np.float32)

    counted = Evidence(evidence.snapshot, evidence.catalogue, interest)
    one, other, nothing = evidence.catalogue.named("Tents"), evidence.catalogue.named("stove"), ProductSet.of("nothing", [])
    counted.prepare([one, other, one, nothing])
    assert asked == [2]
    assert counted.probabilities(one)[:3].tolist() == [0.5] * 3
    assert counted.probabilities(nothing)[:3].tolist() == [0.0] * 3
    assert np.isnan(counted.probabilities(one)[3])
    assert asked == [2]


@pytest.mark.parametrize(
    "asked, message",
    [
        ({"last_order": {"within": "99999 years"}}, "who.0.last_order.within: a time is 100 years at most, got '99999 years'"),
        ({"bought": {"anything": True, "within": "1300 months"}}, "a time is 100 years at most"),
        ({"bought": {"price": 10**400}}, "who.0.bought.price: is a word, a number, true or false, got 1"),
        ({"bought": {"price": {"at_least": float("nan")}}}, "who.0.bought.price.at_least: should be less than or equal to"),
        ({"orders": {"at_least": float("inf")}}, "who.0.orders.at_least: is a number such as 100"),
        ({"orders": {"top": "0.0000001%"}}, "who.0.orders.top: top is a number of customers"),
        ({"orders": {"top": "9" * 500}}, "who.0.orders.top: top is a number of customers"),
        ({"attribute": {"country": "\ud800"}}, "'\\ud800' holds what is no letter"),
        ({"attribute": {"country": "x" * 1_001}}, "a word has 1,000 letters at most, got 1,001: 'xxx"),
        ({"any": [{"orders": {"at_least": "x"}}] * 100}, "and 80 more of such problems"),
    ],
)
def test_what_no_shop_can_mean_is_refused_in_few_words(asked: object, message: str) -> None:
    with pytest.raises(DataError) as error:
        parse_audience({"audience": "x", "who": [asked]}, source="x")
    assert message in str(error.value)
    assert len(str(error.value)) < 5_000
