"""What every feature and model must keep: nothing from after the date is known, the same input gives the same bytes, every name has a meaning."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from features.behaviour import BEHAVIOUR, SIGN_UPS, behaviour, sign_up_likelihood, sign_ups
from features.customers import CUSTOMER_FEATURES
from features.events import EVENT_FEATURES, EVENT_NAMES, SET_EVENT_FEATURES, SET_EVENT_NAMES
from features.made_up import made_up_shop
from features.pairs import HISTORY_FEATURES, SET_FEATURES
from features.products import Catalogue, ProductSet
from features.shop import Shop
from features.snapshot import Snapshot
from models.customers.customer_features import STEADY_FEATURES, customer_columns
from models.pairs.affinity import AFFINITIES, Affinity, AffinityConfig
from models.pairs.pair_features import AFFINITY_FEATURES, CROSS_FEATURES, CUSTOMER_COLUMNS, PairColumns

AS_OF = date(2025, 9, 1)
Tables = dict[str, pd.DataFrame]


def _check_strangers(made: PairColumns, columns: pd.DataFrame) -> None:
    """Where nothing is known of a pair, what is said of strangers is what is said of it, column by column."""
    people, sets = len(made.pairs.snapshot.customer_ids), len(made.pairs.sets)
    known = np.zeros((sets, people), dtype=bool)
    known[made.pairs.acquainted(0, sets)[::-1]] = True
    for place, (same, varying) in enumerate(made.of_strangers(0, sets)):
        rows = columns.iloc[place * people : (place + 1) * people][~known[place]]
        said = {name: np.broadcast_to(values, people)[~known[place]] for name, values in (made.strangers | same | varying).items()}
        pd.testing.assert_frame_equal(pd.DataFrame(said)[list(columns)], rows.reset_index(drop=True))


@pytest.fixture(scope="module")
def tables() -> Tables:
    made = made_up_shop(scale=0.03, seed=4).tables
    return {name: made[name].to_pandas() for name in ("customers", "products", "orders", "order_lines", "events")}


def _later(tables: Tables) -> pd.Series:
    return tables["orders"]["ordered_at"] >= pd.Timestamp(AS_OF)


def _without_later(tables: Tables) -> Tables:
    orders = tables["orders"][~_later(tables)]
    lines = tables["order_lines"]
    return tables | {"orders": orders, "order_lines": lines[lines["order_id"].isin(orders["order_id"])]}


def _changed_later(tables: Tables) -> Tables:
    orders, later = tables["orders"].copy(), _later(tables)
    orders.loc[later, "revenue"] *= 3
    orders.loc[later, "customer_id"] = orders.loc[later, "customer_id"].sample(frac=1, random_state=1).to_numpy()
    return tables | {"orders": orders}


def _doubled_later(tables: Tables) -> Tables:
    more = tables["orders"][_later(tables)].assign(order_id=lambda rows: "again-" + rows["order_id"].astype(str))
    lines = tables["order_lines"]
    more_lines = lines[lines["order_id"].isin(more["order_id"].str.removeprefix("again-"))].assign(
        order_id=lambda rows: "again-" + rows["order_id"].astype(str)
    )
    return tables | {"orders": pd.concat([tables["orders"], more]), "order_lines": pd.concat([lines, more_lines])}


def _later_events(tables: Tables) -> pd.Series:
    return tables["events"]["occurred_at"] >= pd.Timestamp(AS_OF)


def _without_later_events(tables: Tables) -> Tables:
    return tables | {"events": tables["events"][~_later_events(tables)]}


def _changed_later_events(tables: Tables) -> Tables:
    events, later = tables["events"].copy(), _later_events(tables)
    for column in ("customer_id", "event", "product_id"):
        events.loc[later, column] = events.loc[later, column].sample(frac=1, random_state=1).to_numpy()
    return tables | {"events": events}


def _doubled_later_events(tables: Tables) -> Tables:
    more = tables["events"][_later_events(tables)]
    return tables | {"events": pd.concat([tables["events"], more, more.assign(occurred_at=more["occurred_at"] + pd.Timedelta(days=400))])}


def _with_newcomers(tables: Tables) -> Tables:
    customers = pd.DataFrame({"customer_id": ["000-first", "zzz-last"]})
    products = pd.DataFrame({"product_id": ["000-first", "zzz-last"]})
    orders = pd.DataFrame(
        {"order_id": ["000-o", "zzz-o"], "customer_id": customers["customer_id"], "ordered_at": pd.Timestamp(AS_OF), "revenue": 9.0}
    )
    lines = pd.DataFrame({"order_id": orders["order_id"], "line_no": 1, "product_id": products["product_id"], "quantity": 1.0, "price": 9.0})
    events = orders[["customer_id"]].assign(occurred_at=pd.Timestamp(AS_OF), event="viewed", product_id=products["product_id"])
    added = {"customers": customers, "products": products, "orders": orders.assign(status="completed"), "order_lines": lines, "events": events}
    return {name: pd.concat([table, added[name]]) for name, table in tables.items()}


CHANGES = {
    "removed": _without_later,
    "changed": _changed_later,
    "added": _doubled_later,
    "newcomers": _with_newcomers,
    "events removed": _without_later_events,
    "events changed": _changed_later_events,
    "events added": _doubled_later_events,
}


def _known(tables: Tables) -> dict[str, pd.DataFrame]:
    """Every feature of the registries as of AS_OF, over a category, a brand, a keyword and a product."""
    shop = Shop.of(tables)
    snapshot, catalogue = Snapshot(shop, AS_OF), Catalogue.of(shop)
    sets = [
        catalogue.category("Tents"),
        catalogue.brand("Nordvind"),
        catalogue.keyword("shoe"),
        ProductSet.of("one", [catalogue.category("Tents").product_ids[0]]),
    ]
    affinity = Affinity.fit(snapshot, catalogue, config=AffinityConfig(threads=1), seed=1)
    pairs = snapshot.pairs(sets)
    people = len(snapshot.customer_ids)
    grid = np.arange(people * len(sets))
    columns = PairColumns(pairs, affinity.of(snapshot, catalogue)).of(grid % people, grid // people)
    _check_strangers(PairColumns(pairs, affinity.of(snapshot, catalogue)), columns)
    facts = {
        "customers": snapshot.customers(),
        "customer_columns": customer_columns(snapshot),
        "history": pairs.frame(),
        "sets": pairs.set_facts,
        "columns": columns,
    }
    return facts | {"behaviour": behaviour(snapshot), "sign_ups": sign_ups(snapshot).join(sign_up_likelihood(snapshot, [30]))}


@pytest.fixture(scope="module")
def known(tables: Tables) -> dict[str, pd.DataFrame]:
    return _known(tables)


@pytest.mark.parametrize("change", CHANGES)
def test_nothing_from_after_the_date_is_known(change: str, tables: Tables, known: dict[str, pd.DataFrame]) -> None:
    found = _known(CHANGES[change](tables))
    for name, expected in known.items():
        pd.testing.assert_index_equal(found[name].index, expected.index)
        leaks = [column for column in expected if found[name][column].to_numpy().tobytes() != expected[column].to_numpy().tobytes()]
        if name in ("history", "behaviour", "sign_ups"):  # words, yes and no are objects
            leaks = [column for column in leaks if not found[name][column].equals(expected[column]) or expected[column].dtype == "float64"]
        assert not leaks, f"{name} know what came later: {leaks}"


def test_the_registries_name_every_column(known: dict[str, pd.DataFrame]) -> None:
    assert list(known["customers"]) == [feature.name for feature in (*CUSTOMER_FEATURES, *EVENT_FEATURES)]
    assert list(known["customer_columns"]) == [feature.name for feature in (*CUSTOMER_FEATURES, *EVENT_FEATURES, *STEADY_FEATURES)]
    assert list(known["history"])[2:] == [feature.name for feature in HISTORY_FEATURES]
    assert list(known["behaviour"]) == [feature.name for feature in BEHAVIOUR]
    assert list(known["sign_ups"]) == [*(feature.name for feature in SIGN_UPS), "likelihood_30"]
    assert list(known["sets"]) == [feature.name for feature in SET_FEATURES]
    listed = [feature.name for feature in (*HISTORY_FEATURES, *CROSS_FEATURES, *AFFINITY_FEATURES)]
    assert list(known["columns"]) == [
        *listed,
        *SET_EVENT_NAMES,
        *CUSTOMER_COLUMNS,
        *EVENT_NAMES,
        *(f"of_set_{feature.name}" for feature in SET_FEATURES),
    ]


@pytest.mark.parametrize(
    "feature",
    [
        *(*CUSTOMER_FEATURES, *EVENT_FEATURES, *SET_EVENT_FEATURES, *HISTORY_FEATURES, *SET_FEATURES, *CROSS_FEATURES, *AFFINITY_FEATURES),
        *(*BEHAVIOUR, *SIGN_UPS, *STEADY_FEATURES),
    ],
    ids=lambda each: each.name,
)
def test_every_feature_has_a_meaning(feature: object) -> None:
    assert len(getattr(feature, "meaning", "")) > 10


def test_affinities_survive_their_arrays(tables: Tables) -> None:
    shop = Shop.of(tables)
    snapshot, catalogue = Snapshot(shop, AS_OF), Catalogue.of(shop)
    config = AffinityConfig(threads=1)
    fitted = Affinity.fit(snapshot, catalogue, config=config, seed=1)
    again = Affinity.of_arrays(fitted.arrays(), config)
    membership = snapshot.pairs([catalogue.category("Tents")]).membership
    before, after = (each.of(snapshot, catalogue).scores(membership) for each in (fitted, again))
    assert set(before) == set(AFFINITIES)
    for name in before:
        np.testing.assert_array_equal(before[name], after[name])
