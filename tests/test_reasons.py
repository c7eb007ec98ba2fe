"""Reasons: contributions add up to the log-odds, every column has one, and the words say what the facts are."""

import numpy as np
import pandas as pd
import pytest

from features.customers import CUSTOMER_FEATURES
from features.events import EVENT_FEATURES
from models.blend import Blend, BlendConfig
from models.customers import reasons
from models.customers.customer_features import STEADY_FEATURES
from models.customers.reasons import LEAST, REASONS, contributions, drivers, known_reasons, sentences

NAMES = [feature.name for feature in CUSTOMER_FEATURES]


def facts(**given: list[float]) -> pd.DataFrame:
    rows = len(next(iter(given.values())))
    plain = pd.DataFrame(0.0, index=[f"c{row}" for row in range(rows)], columns=[*NAMES, *(each.name for each in EVENT_FEATURES)])
    plain["rhythm"] = np.nan
    for name, values in given.items():
        plain[name] = values
    return plain


@pytest.fixture(scope="module")
def learnt() -> tuple[Blend, pd.DataFrame]:
    rng = np.random.default_rng(2)
    columns = pd.DataFrame(rng.gamma(2, 5, (4000, len(NAMES))).astype(np.float32), columns=NAMES)
    columns.loc[::3, "rhythm"] = np.nan
    bought = rng.random(4000) < 1 / (1 + np.exp(columns["recency"].to_numpy() / 5 - columns["frequency"].to_numpy() / 10))
    config = BlendConfig(trees=20, leaves=5, least_in_leaf=50, row_share=1.0)
    return Blend.fit(columns, bought, np.ones(4000, np.float32), config=config, seed=1, threads=1), columns


def test_contributions_add_up_to_the_log_odds_but_for_a_constant(learnt: tuple[Blend, pd.DataFrame]) -> None:
    blend, columns = learnt
    rest = blend.log_odds(columns) - contributions(blend, columns).to_numpy().sum(axis=1)
    np.testing.assert_allclose(rest, rest[0], atol=1e-4)


def test_what_decides_is_the_strongest_reason(learnt: tuple[Blend, pd.DataFrame]) -> None:
    blend, columns = learnt
    moves = contributions(blend, columns)
    assert moves.abs().mean().idxmax() == "rhythm"
    found = drivers(moves, columns["recency"].to_numpy() < 2).set_index("reason")
    assert found.index[0] == "rhythm" and found["group"].iloc[0] > found["others"].iloc[0]


@pytest.mark.parametrize("feature", [*CUSTOMER_FEATURES, *EVENT_FEATURES, *STEADY_FEATURES], ids=lambda each: each.name)
def test_every_column_has_its_reason(feature: object) -> None:
    name = str(getattr(feature, "name", ""))
    assert any(name.startswith(reason.begins) for reason in REASONS.values())


def test_sentences_do_not_depend_on_who_is_told_together(learnt: tuple[Blend, pd.DataFrame], monkeypatch: pytest.MonkeyPatch) -> None:
    blend, columns = learnt
    moves = contributions(blend, columns)
    together = sentences(moves, columns)
    monkeypatch.setattr(reasons, "ROWS", 333)
    pd.testing.assert_series_equal(sentences(moves, columns), together)


WORDS = [
    ("rhythm", {"recency": 28, "rhythm": 31}, "orders every 31 days, last 28 days ago"),
    ("rhythm", {"recency": 1}, "last order 1 day ago"),
    ("orders", {"frequency": 12, "orders_90": 3}, "12 orders, 3 in the last 90 days"),
    ("orders", {"frequency": 1, "orders_90": 0}, "1 order, 0 in the last 90 days"),
    ("spend", {"frequency": 3, "monetary": 1234.5}, "spends 1,234.50 an order"),
    ("spend", {"frequency": 3, "monetary": 50, "orders_90": 1, "spent_90": 80}, "spends 50.00 an order, more of late"),
    ("basket", {"products": 1}, "1 product bought"),
    ("season", {"orders_last_year": 2}, "2 orders in these weeks last year"),
    ("discounts", {"discount_share": 0.25}, "saved 25 % by discounts"),
    ("returns", {"returned": -30.0}, "sent back 30.00"),
    ("visits", {"visits_30": 2, "carts_since": 1}, "2 visits in the last 30 days, left a cart"),
    ("mails", {"opened_90": 1}, "1 mail opened in the last 90 days"),
    ("age", {"age": 400}, "first order 400 days ago"),
]


@pytest.mark.parametrize(("reason", "given", "said"), WORDS, ids=[said for _, _, said in WORDS])
def test_the_words_say_the_facts(reason: str, given: dict[str, float], said: str) -> None:
    about = facts(**{name: [float(value)] for name, value in given.items()})
    assert REASONS[reason].words(about).tolist() == [said]


def test_a_sentence_has_the_strongest_for_and_against() -> None:
    about = facts(recency=[3.0, 90.0, 5.0], frequency=[9.0, 1.0, 2.0], orders_90=[2.0, 0.0, 1.0], monetary=[10.0, 20.0, 30.0])
    moves = pd.DataFrame({"orders": [0.9, -0.5, 0.0], "rhythm": [0.8, -1.2, 0.01], "spend": [-0.3, 0.2, LEAST / 2]}, index=about.index)
    assert sentences(moves, about).tolist() == [
        "for: 9 orders, 2 in the last 90 days; last order 3 days ago; against: spends 10.00 an order",
        "for: spends 20.00 an order; against: last order 90 days ago; 1 order, 0 in the last 90 days",
        "as usual for the shop",
    ]


def test_what_is_unknown_is_not_said() -> None:
    about = facts(frequency=[2.0, 2.0], orders_90=[1.0, 1.0], visits_30=[np.nan, 1.0], opened_90=[1.0, 1.0])
    moves = pd.DataFrame({"visits": [2.0, 2.0], "orders": [1.0, 1.0]}, index=about.index)
    orders = "2 orders, 1 in the last 90 days"
    assert sentences(moves, about).tolist() == [f"for: {orders}", f"for: 1 visit in the last 30 days; {orders}"]
    assert sentences(moves, about.drop(columns="visits_30")).tolist() == [f"for: {orders}"] * 2


def test_nothing_is_told_of_what_the_shop_does_not_have() -> None:
    """An import of orders alone, and of a shop without returns, discounts or events of last year."""
    about = facts(recency=[3.0, 3.0], frequency=[9.0, 1.0], orders_90=[2.0, 1.0], monetary=[10.0, 20.0]).drop(columns="visits_30")
    moves = pd.DataFrame({name: [2.0, -2.0] for name in ("basket", "discounts", "returns", "season", "mails", "visits")}, index=about.index)
    assert sentences(moves, about).tolist() == ["as usual for the shop"] * 2
    assert known_reasons(about) == ["orders", "rhythm", "age", "spend"]


OPPOSED = [
    ("visits", {"visits_30": [0.0, 4.0]}, ["against: 0 visits in the last 30 days", "for: 4 visits in the last 30 days"]),
    ("mails", {"opened_90": [0.0, 4.0]}, ["against: 0 mails opened in the last 90 days", "for: 4 mails opened in the last 90 days"]),
    ("returns", {"returned": [-5.0, 0.0]}, ["against: sent back 5.00", "for: sent nothing back"]),
    ("season", {"orders_last_year": [0.0, 1.0]}, ["against: 0 orders in these weeks last year", "for: 1 order in these weeks last year"]),
    (
        "orders",
        {"frequency": [1.0, 3.0], "orders_90": [0.0, 2.0]},
        ["against: 1 order, 0 in the last 90 days", "for: 3 orders, 2 in the last 90 days"],
    ),
]


@pytest.mark.parametrize(("reason", "given", "said"), OPPOSED, ids=[reason for reason, _, _ in OPPOSED])
def test_words_are_told_with_their_own_sign_only(reason: str, given: dict[str, list[float]], said: list[str]) -> None:
    about = facts(**({"frequency": [2.0, 2.0]} | given))
    for moves in (-1.0, 1.0), (1.0, -1.0):
        found = sentences(pd.DataFrame({reason: moves}, index=about.index), about).tolist()
        assert found == (said if moves[0] < 0 else ["as usual for the shop"] * 2)
