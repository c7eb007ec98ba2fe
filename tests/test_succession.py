"""What is bought next: a planted succession is found by time and by thing, and a shop too young for it is told nothing."""

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from features.products import Catalogue, ProductSet
from features.shop import Shop
from features.snapshot import Snapshot
from models.pairs.affinity import Affinity, AffinityConfig

START, AS_OF = date(2025, 1, 1), date(2025, 12, 1)
EVERYTHING = ("Bicycles", "Helmets", "Tents", "Stoves")


def planted(customers: int = 800, *, days: int = 400) -> Shop:
    """Everybody buys a bicycle or a tent on some day; four in five cyclists buy a helmet 20 days later. Stoves are bought by chance."""
    rng = np.random.default_rng(3)
    first = rng.integers(0, days, customers)
    cyclist = rng.random(customers) < 0.5
    bought = [(f"c{who:04}", "Bicycles" if cyclist[who] else "Tents", int(first[who])) for who in range(customers)]
    bought += [(f"c{who:04}", "Helmets", int(first[who]) + 20) for who in range(customers) if cyclist[who] and rng.random() < 0.8]
    bought += [(f"c{who:04}", "Stoves", int(rng.integers(first[who], days))) for who in range(customers) if rng.random() < 0.3]
    lines = pd.DataFrame(bought, columns=["customer_id", "category", "day"])
    lines["order_id"] = [f"o{number:05}" for number in range(len(lines))]
    lines["ordered_at"] = pd.Timestamp(START) + pd.to_timedelta(lines["day"], unit="D")
    return Shop.of(
        {
            "orders": lines[["order_id", "customer_id", "ordered_at"]].assign(status="completed"),
            "order_lines": lines[["order_id"]].assign(line_no=1, product_id=lines["category"], quantity=1.0, price=10.0),
            "products": pd.DataFrame({"product_id": EVERYTHING, "title": EVERYTHING, "category": EVERYTHING}),
            "customers": pd.DataFrame({"customer_id": sorted(lines["customer_id"].unique())}),
        }
    )


def expected(shop: Shop, as_of: date, name: str) -> pd.Series:
    """What is to be expected of every customer: purchases of one product in the next 30 days."""
    snapshot, catalogue = Snapshot(shop, as_of), Catalogue.of(shop)
    affinity = Affinity.fit(snapshot, catalogue, config=AffinityConfig(least_products=1, threads=1), seed=1)
    membership = snapshot.pairs([ProductSet.of(name, [name])]).membership
    return pd.Series(affinity.of(snapshot, catalogue).scores(membership)["next"][:, 0], index=snapshot.customer_ids)


@pytest.fixture(scope="module")
def shop() -> Shop:
    return planted()


def test_what_follows_is_expected_of_those_who_just_began(shop: Shop) -> None:
    snapshot = Snapshot(shop, AS_OF)
    pairs = snapshot.pairs([ProductSet.of(name, [name]) for name in EVERYTHING])
    history = pairs.frame().pivot(index="customer_id", columns="product_set", values="set_recency").reindex(snapshot.customer_ids)
    score = expected(shop, AS_OF, "Helmets")
    due = history["Bicycles"].lt(18) & history["Helmets"].isna()
    campers, late = history["Tents"].lt(18), history["Bicycles"].gt(60) & history["Helmets"].isna()
    assert min(due.sum(), campers.sum(), late.sum()) >= 5
    assert score[due].mean() > 2 * max(score[campers].mean(), score[late].mean())
    came = np.asarray(snapshot.outcome([pairs.sets[1]]).toarray()[:, 0])
    assert score[came].mean() > 2 * score[~came].mean()


def test_a_shop_without_a_closed_window_is_told_nothing(shop: Shop) -> None:
    assert not expected(shop, START + timedelta(days=45), "Helmets").any()
    assert expected(shop, START + timedelta(days=90), "Helmets").any()
