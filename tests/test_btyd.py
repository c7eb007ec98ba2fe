"""Buy-till-you-die models: parameters found again, what they say of customers, cells, and the strangest of shops."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy.special import betaln, gammaln, hyp2f1

from features.shop import Shop
from features.snapshot import Snapshot
from models.customers.btyd import BTYD, BuyTillYouDie, chosen, fitted, held_out, order_days_after, poisson_deviance, said_by
from models.customers.btyd_cells import Cells, Numbers
from models.customers.btyd_geometric import BgNbd, MbgNbd, beta_nodes
from models.customers.btyd_pareto import ParetoNbd
from models.customers.gamma_gamma import GammaGamma

TRUE: dict[str, dict[str, float]] = {
    "bg_nbd": {"r": 0.6, "alpha": 5.0, "a": 0.8, "b": 2.5},
    "mbg_nbd": {"r": 0.8, "alpha": 6.0, "a": 0.6, "b": 2.0},
    "pareto_nbd": {"r": 0.7, "alpha": 8.0, "s": 0.6, "beta": 12.0},
}
CDNOW_SAMPLE = BgNbd(0.243, 4.414, 0.793, 2.426)
"""As published by Fader, Hardie and Lee (2005) for a tenth of CDNOW, in weeks."""
STRANGE: dict[str, tuple[list[int], list[int], list[int]]] = {
    # order days, days from the first to the last, days since the first
    "nobody": ([], [], []),
    "one customer, one order": ([1], [0], [1]),
    "one customer, one order, long ago": ([1], [0], [4000]),
    "twenty with one order each": ([1] * 20, [0] * 20, list(range(10, 210, 10))),
    "everybody on the same day": ([1] * 300, [0] * 300, [5] * 300),
    "everybody every day": ([30] * 50, [29] * 50, [30] * 50),
    "one with 200 orders": ([1] * 30 + [200], [0] * 30 + [700], [400] * 30 + [701]),
    "all with 2,000 orders": ([2000] * 5, [3000] * 5, [3001, 3100, 3500, 4000, 9000]),
    "200 orders, then silence": ([200] * 3 + [1], [300] * 3 + [0], [2000] * 4),
}


def model(name: str) -> BuyTillYouDie:
    return BTYD[name].of_dict(TRUE[name])


def simulated(name: str, *, customers: int, seed: int, after: float = 0.0) -> tuple[NDArray[np.int64], Numbers, Numbers, NDArray[np.int64]]:
    """Customers of the process itself: order days, active and age in days, and how often they ordered in the ``after`` weeks that follow."""
    rng, truth = np.random.default_rng(seed), TRUE[name]
    age = rng.uniform(20.0, 78.0, customers)
    rate = rng.gamma(truth["r"], 1.0 / truth["alpha"], customers)
    if name == "pareto_nbd":
        leaves = rng.exponential(1.0 / rng.gamma(truth["s"], 1.0 / truth["beta"], customers))
        chance = np.zeros(customers)
    else:
        leaves, chance = np.full(customers, np.inf), rng.beta(truth["a"], truth["b"], customers)
    here = rng.random(customers) >= chance if name == "mbg_nbd" else np.ones(customers, dtype=bool)
    repeats, later = np.zeros((2, customers), np.int64)
    active, now = np.zeros(customers), np.zeros(customers)
    while here.any():
        now += rng.exponential(1.0 / rate)
        here &= (now < leaves) & (now < age + after)
        known = here & (now < age)
        repeats += known
        later += here & ~known
        active = np.where(known, now, active)
        here &= rng.random(customers) >= chance
    return repeats + 1, active * 7, age * 7, later


@pytest.mark.parametrize("name", BTYD)
def test_parameters_are_found_again(name: str) -> None:
    order_days, active, age, _ = simulated(name, customers=10_000, seed=1)
    found = BTYD[name].fit(Cells.for_fit(order_days, active, age)).as_dict()
    for parameter, value in TRUE[name].items():
        assert found[parameter] == pytest.approx(value, rel=0.35), found


@pytest.mark.parametrize("name", BTYD)
def test_what_is_expected_of_customers_comes(name: str) -> None:
    order_days, active, age, later = simulated(name, customers=40_000, seed=2, after=26.0)
    cells, place = Cells.of(order_days, active, age)
    expected, ordered = (values[place] for values in (model(name).expected_orders(cells, 182.0), model(name).p_order(cells, 182.0)))
    assert expected.sum() == pytest.approx(later.sum(), rel=0.03)
    assert ordered.sum() == pytest.approx((later > 0).sum(), rel=0.03)
    for group in (order_days == 1, (order_days > 1) & (active < age / 2), (order_days > 4) & (active >= age / 2)):
        assert expected[group].sum() == pytest.approx(later[group].sum(), rel=0.1)
        assert ordered[group].sum() == pytest.approx((later > 0)[group].sum(), rel=0.1)


@pytest.mark.parametrize("name", BTYD)
@pytest.mark.parametrize("order_days", [2, 5, 40, 200, 1000])
def test_silence_means_leaving(name: str, order_days: int) -> None:
    age = np.arange(100, 2000, 25)
    cells, place = Cells.of(np.full(len(age), order_days), np.full(len(age), 100), age)
    alive = model(name).p_alive(cells)[place]
    assert (alive > 0).all() and (alive <= 1).all()
    assert (np.diff(alive) <= 0).all() and alive[-1] < alive[0]


@pytest.mark.parametrize("name", BTYD)
def test_more_days_and_more_orders_mean_more(name: str) -> None:
    often = np.array([1, 2, 3, 5, 10, 30, 100, 250, 1000])
    cells, place = Cells.of(often, np.where(often > 1, 390, 0), np.full(len(often), 391))
    horizons = [0.0, 1.0, 7.0, 30.0, 90.0, 365.0, 3650.0]
    expected = np.stack([model(name).expected_orders(cells, days)[place] for days in horizons])
    ordered = np.stack([model(name).p_order(cells, days)[place] for days in horizons])
    for values in (expected, ordered):
        assert np.isfinite(values).all() and (values[0] == 0).all()
        assert (np.diff(values, axis=0) >= -1e-12).all()
    assert (np.diff(expected[1:], axis=1) > 0).all()
    assert (ordered <= 1).all() and (ordered <= model(name).p_alive(cells)[place] + 1e-12).all()
    assert (ordered <= expected + 1e-9).all()


@pytest.mark.parametrize("name", BTYD)
def test_a_cell_says_what_each_of_its_customers_would(name: str) -> None:
    order_days, active, age, _ = simulated(name, customers=300, seed=3)
    times = [order_days, active.round(), age.round()]
    cells, place = Cells.of(*times)
    assert len(cells.counts) < 300 and cells.customers == 300
    for row in (0, 7, 150, 299):
        alone, _ = Cells.of(*(each[row : row + 1] for each in times))
        for together, single in (
            (model(name).p_alive(cells), model(name).p_alive(alone)),
            (model(name).expected_orders(cells, 90.0), model(name).expected_orders(alone, 90.0)),
            (model(name).p_order(cells, 90.0), model(name).p_order(alone, 90.0)),
        ):
            assert together[place[row]] == pytest.approx(single[0], rel=1e-12)


@pytest.mark.parametrize("name", BTYD)
def test_weeks_are_near_enough_to_fit(name: str) -> None:
    order_days, active, age, _ = simulated(name, customers=10_000, seed=4)
    fits = [BTYD[name].fit(Cells.of(order_days, active, age, width=width)[0]) for width in (1, 7)]
    cells, place = Cells.of(order_days, active, age)
    daily, weekly = (each.expected_orders(cells, 90.0)[place] for each in fits)
    assert weekly.sum() == pytest.approx(daily.sum(), rel=0.02)
    assert np.abs(weekly - daily).mean() < 0.02 * daily.mean()


def test_a_million_customers_are_few_cells() -> None:
    order_days, active, age, _ = simulated("pareto_nbd", customers=1_000_000, seed=5)
    cells = Cells.for_fit(order_days, active, age)
    assert cells.customers == 1_000_000 and len(cells.counts) < 10_000


@pytest.mark.parametrize("name", BTYD)
@pytest.mark.parametrize("shop", STRANGE)
def test_strange_shops_get_an_answer(name: str, shop: str) -> None:
    times = STRANGE[shop]
    found = BTYD[name].fit(Cells.for_fit(*times))
    cells, place = Cells.of(*times)
    assert all(np.isfinite(value) and value > 0 for value in found.as_dict().values())
    alive, expected, ordered = (values[place] for values in (found.p_alive(cells), found.expected_orders(cells, 365.0), found.p_order(cells, 365.0)))
    assert np.isfinite(expected).all() and (expected >= 0).all() and (expected <= 365 * 10).all()
    assert ((alive > 0) & (alive <= 1)).all() and ((ordered >= 0) & (ordered <= 1)).all()


@pytest.mark.parametrize("name", BTYD)
def test_what_is_written_is_what_was_fitted(name: str) -> None:
    assert BTYD[name].of_dict(model(name).as_dict()) == model(name)


def test_bg_nbd_is_as_published() -> None:
    """Likelihood and expectation against the formulas of the paper, with the parameters that it gives for CDNOW."""
    r, alpha, a, b = (CDNOW_SAMPLE.as_dict()[name] for name in ("r", "alpha", "a", "b"))
    cells, _ = Cells.of([1, 3, 4, 21], [0, 213, 10, 260], [272, 272, 250, 265])
    x, seen, age = cells.repeats, cells.active, cells.age
    left = np.where(x > 0, a / (b + np.maximum(x, 1) - 1) * (alpha + seen) ** -(r + x), 0.0)
    counted = gammaln(r + x) - gammaln(r) + r * np.log(alpha) + betaln(a, b + x) - betaln(a, b)
    np.testing.assert_allclose(CDNOW_SAMPLE.log_likelihood(cells), counted + np.log((alpha + age) ** -(r + x) + left), rtol=1e-9)
    t = 39.0
    grown = ((alpha + age) / (alpha + age + t)) ** (r + x) * hyp2f1(r + x, b + x, a + b + x - 1, t / (alpha + age + t))
    published = (a + b + x - 1) / (a - 1) * (1 - grown) * CDNOW_SAMPLE.p_alive(cells)
    np.testing.assert_allclose(CDNOW_SAMPLE.expected_orders(cells, t * 7), published, rtol=1e-9)


def test_the_example_of_the_papers_authors() -> None:
    """Two repeat orders, the last after 30.43 of 38.86 weeks: 1.226 orders in the next 39 weeks (their note on BG/NBD in a spreadsheet)."""
    cells = Cells(np.array([2.0]), np.array([30.43]), np.array([38.86]), np.array([1.0]))
    assert CDNOW_SAMPLE.expected_orders(cells, 39 * 7)[0] == pytest.approx(1.226, abs=0.002)


@pytest.mark.parametrize(("alpha", "beta"), [(10.58, 11.67), (11.67, 10.58), (3.0, 90.0), (90.0, 3.0)])
def test_pareto_nbd_is_as_published(alpha: float, beta: float) -> None:
    """Against the hypergeometric form of Fader and Hardie (2005), which holds where it does not overflow."""
    r, s = 0.55, 0.61
    found = ParetoNbd(r, alpha, s, beta)
    cells, _ = Cells.of([1, 3, 4, 21], [0, 213, 10, 260], [272, 272, 250, 265])
    x, seen, age = cells.repeats, cells.active, cells.age
    most, second = max(alpha, beta), s + 1 if alpha >= beta else r + x
    parts = [hyp2f1(r + s + x, second, r + s + x + 1, abs(alpha - beta) / (most + at)) / (most + at) ** (r + s + x) for at in (seen, age)]
    inside = 1 / ((alpha + age) ** (r + x) * (beta + age) ** s) + s / (r + s + x) * (parts[0] - parts[1])
    published = gammaln(r + x) - gammaln(r) + r * np.log(alpha) + s * np.log(beta) + np.log(inside)
    np.testing.assert_allclose(found.log_likelihood(cells), published, rtol=1e-7)


def test_means_over_the_beta_distribution() -> None:
    for a, b in ((0.01, 0.3), (0.8, 2.5), (1.0, 1.0), (0.8, 250.0), (4000.0, 0.01)):
        points, weights = beta_nodes(a, b)
        assert points @ weights == pytest.approx(a / (a + b), rel=1e-9)
        assert points**2 @ weights == pytest.approx(a * (a + 1) / ((a + b) * (a + b + 1)), rel=1e-9)


def test_customers_may_leave_after_the_first_order_or_not() -> None:
    cells, _ = Cells.of([1], [0], [1000])
    assert BgNbd(0.5, 5.0, 0.8, 2.5).p_alive(cells)[0] == 1.0
    assert MbgNbd(0.5, 5.0, 0.8, 2.5).p_alive(cells)[0] < 0.5


def test_gamma_gamma_finds_its_parameters() -> None:
    rng = np.random.default_rng(6)
    days = rng.integers(1, 9, 20_000)
    rate = rng.gamma(3.7, 1 / 15.4, 20_000)
    mean = rng.gamma(6.25 * days, 1 / rate) / days
    found = GammaGamma.fit(days, mean)
    assert found.mean == pytest.approx(6.25 * 15.4 / 2.7, rel=0.03)
    assert (found.p, found.q, found.v) == pytest.approx((6.25, 3.7, 15.4), rel=0.2)
    again = GammaGamma.fit(days, mean * 1000)
    assert again.v == pytest.approx(found.v * 1000, rel=1e-3)
    assert GammaGamma.of_dict(found.as_dict()) == found


@pytest.mark.parametrize(
    ("days", "mean", "low", "high"),
    [
        (1, 100.0, 50.0, 100.0),
        (50, 100.0, 95.0, 100.0),
        (1, 10.0, 10.0, 36.0),
        (1, 0.0, 0.0, 36.0),
        (3, -40.0, 0.0, 36.0),
        (0, np.nan, 35.6, 35.7),
        (2, np.nan, 35.6, 35.7),
    ],
)
def test_a_value_is_drawn_to_the_shops_mean(days: int, mean: float, low: float, high: float) -> None:
    found = GammaGamma(6.25, 3.7, 15.4).expected_value([days], [mean])[0]
    assert low <= found <= high


@pytest.mark.parametrize(
    ("days", "mean"),
    [([], []), ([1], [20.0]), ([1] * 20, [9.9] * 20), ([1, 2, 3], [0.0, -5.0, np.nan]), ([1] * 99 + [200], [30.0] * 99 + [1e7])],
    ids=["nobody", "one", "all alike", "nothing known", "a wholesaler"],
)
def test_strange_values_get_an_answer(days: list[int], mean: list[float]) -> None:
    found = GammaGamma.fit(days, mean)
    expected = found.expected_value(days, mean)
    assert np.isfinite([found.p, found.q, found.v, found.mean]).all()
    assert np.isfinite(expected).all() and (expected >= 0).all()
    if days and days[-1] == 200:
        assert expected[0] < 60.0 and expected[-1] > 5e6


ROWS = [("ann", "2025-01-01"), ("ann", "2025-01-01"), ("ann", "2025-02-01"), ("bob", "2025-02-10"), ("ann", "2025-03-01"), ("ann", "2025-03-01")]


def shop_of(rows: list[tuple[str, str]]) -> Shop:
    orders = pd.DataFrame(rows, columns=["customer_id", "ordered_at"])
    orders = orders.assign(order_id=[str(number) for number in range(len(rows))], ordered_at=pd.to_datetime(orders["ordered_at"]), status="completed")
    return Shop.of({"orders": orders.assign(revenue=10.0), "customers": orders[["customer_id"]].drop_duplicates()})


def test_two_orders_of_a_day_are_one() -> None:
    snapshot = Snapshot(shop_of(ROWS), date(2025, 2, 15))
    assert snapshot.customers()[["frequency", "order_days"]].to_numpy().tolist() == [[3, 2], [1, 1]]
    assert order_days_after(snapshot, 30).tolist() == [1, 0]


@pytest.mark.parametrize(("as_of", "judged"), [(date(2025, 3, 2), True), (date(2025, 1, 2), False)])
def test_the_model_is_chosen_by_what_came(as_of: date, judged: bool) -> None:
    snapshot = Snapshot(shop_of(ROWS), as_of)
    found = held_out(snapshot, 30)
    assert set(found) == (set(BTYD) if judged else set())
    assert chosen(snapshot, 30) == (min(found, key=lambda name: found[name]) if judged else "pareto_nbd")
    said = said_by(fitted("bg_nbd", snapshot), snapshot, 30)
    assert list(said) == ["p_alive", "expected_orders", "p_order"] and list(said.index) == list(snapshot.customer_ids)


def test_the_deviance_knows_the_nearer() -> None:
    came = np.array([0.0, 1.0, 4.0])
    assert 0 < poisson_deviance(np.array([0.1, 1.0, 3.0]), came) < poisson_deviance(np.array([1.7, 1.7, 1.7]), came)
