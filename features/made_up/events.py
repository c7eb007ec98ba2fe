"""Orders and people become the events table: visits and carts that run ahead of orders, carts left behind, mails opened, sign-ups."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from features.made_up.assortment import CATEGORIES, TASTES, month_weights
from features.made_up.calendar import MONTH
from features.made_up.catalogue import Catalogue, chosen_products, product_levels
from features.made_up.chance import Flags, Ints, Whole, chances, draw_by_row, positions_of_sorted, stream
from features.made_up.columns import looked_up, times
from features.made_up.people import SIGNED_UP, People
from features.made_up.planted import DAYS
from features.made_up.sales import Sales

VIEWED, ADDED, CHECKOUT, OPENED, CLICKED, SIGN_UP, UNSUBSCRIBED = range(7)
EVENTS = ("viewed", "added_to_cart", "started_checkout", "opened_email", "clicked_email", "signed_up", "unsubscribed")
_AHEAD_DAYS = 6.0
"""Mean days by which visits run ahead of an order."""


@dataclass(frozen=True)
class _Events:
    person: Ints
    day: Ints
    event: NDArray[np.int8]
    product: Ints  # -1: none

    def kept(self, keep: Flags) -> "_Events":
        return _Events(self.person[keep], self.day[keep], self.event[keep], self.product[keep])


def events_table(
    people: People, catalogue: Catalogue, sales: Sales, created: Ints, *, seed: int, names: tuple[pa.Array, pa.Array, list[str], Ints]
) -> pa.Table:
    """All events by time. ``names``: customer ids, product ids, category paths and the path of each product."""
    rng = stream(seed, "events")
    parts = [*_before_orders(rng, people, sales), *_without_orders(rng, people, catalogue), *_mails(rng, people), _sign_ups(rng, people, created)]
    every = _Events(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("person", "day", "event", "product")))
    every = every.kept((every.day >= 0) & (every.day < DAYS) & (every.person < people.known))
    second = rng.integers(6 * 3600, 23 * 3600, len(every.day)).astype(np.int32)
    at = positions_of_sorted(every.day.astype(np.int64) * 86_400 + second)
    customers, products, paths, path = names
    none = every.product[at] < 0
    return pa.table(
        {
            "occurred_at": times(every.day[at], second[at]),
            "customer_id": looked_up(customers, every.person[at]),
            "event": looked_up(EVENTS, every.event[at]),
            "product_id": looked_up(products, every.product[at], missing=none),
            "category": looked_up(paths, path[every.product[at]], missing=none),
        }
    )


def _events(person: Whole, day: Whole, event: int, product: Ints | None = None) -> _Events:
    size = len(person)
    what = np.full(size, -1, dtype=np.int32) if product is None else product.astype(np.int32)
    return _Events(person.astype(np.int32), day.astype(np.int32), np.full(size, event, dtype=np.int8), what)


def _before_orders(rng: np.random.Generator, people: People, sales: Sales) -> list[_Events]:
    """Two in five of the lines bought online were looked at in the days before; most such orders were a cart and a checkout just before."""
    web = (sales.quantity > 0) & ~sales.store[sales.order]
    seen = np.flatnonzero(web & chances(rng, 0.4, len(web)))
    order = sales.order[seen]
    ahead = rng.exponential(_AHEAD_DAYS, len(seen)).astype(np.int32)
    views = _events(sales.person[order], sales.day[order] - ahead, VIEWED, sales.product[seen])
    put = np.flatnonzero(web & chances(rng, 0.25, len(web)))
    order = sales.order[put]
    carts = _events(sales.person[order], sales.day[order] - chances(rng, 0.35, len(put)), ADDED, sales.product[put])
    bought = np.flatnonzero(~sales.store & chances(rng, 0.6, len(sales.store)))
    return [views, carts, _events(sales.person[bought], sales.day[bought], CHECKOUT)]


def _active_days(rng: np.random.Generator, people: People, person: Ints) -> Ints:
    """A day while each person is a customer of the shop; one in ten falls anywhere after arrival."""
    first = np.maximum(people.arrival[person], 0)
    last = np.where(chances(rng, 0.1, len(person)), DAYS, np.minimum(people.until[person], DAYS))
    return np.asarray(first + rng.random(len(person)) * np.maximum(last - first, 1), dtype=np.float64).astype(np.int32)


def _without_orders(rng: np.random.Generator, people: People, catalogue: Catalogue) -> list[_Events]:
    """Visits that lead nowhere, by taste; one in eight leaves a cart."""
    span = np.minimum(people.until, DAYS) - np.maximum(people.arrival, 0)
    number = rng.poisson(np.clip(span / 365 * 4.5, 0.3, None))
    person = np.repeat(np.arange(len(people), dtype=np.int32), number)
    day = _active_days(rng, people, person)
    rows = draw_by_row(rng, people.tastes.astype(np.float64), person) * 12 + MONTH[day]
    category = draw_by_row(rng, month_weights()[: len(TASTES)].reshape(-1, len(CATEGORIES)), rows.astype(np.int32))
    product = chosen_products(rng, catalogue, category, product_levels(rng, people.level[person]), people.brand[person], day)
    left = chances(rng, 0.125, len(person))
    return [_events(person, day, VIEWED, product), _events(person[left], day[left], ADDED, product[left])]


def _mails(rng: np.random.Generator, people: People) -> list[_Events]:
    """Mails opened while a customer (few afterwards), one in five clicked; some who left unsubscribe."""
    span = np.minimum(people.until, DAYS) - np.maximum(people.arrival, 0)
    number = rng.poisson(np.clip(span / 30 * 0.8, 0, None) * people.opens)
    person = np.repeat(np.arange(len(people), dtype=np.int32), number)
    day = _active_days(rng, people, person)
    clicked = chances(rng, 0.2, len(person))
    gone = np.flatnonzero((people.until < DAYS) & (people.kind != SIGNED_UP) & chances(rng, 0.1, len(people)))
    return [_events(person, day, OPENED), _events(person[clicked], day[clicked], CLICKED), _events(gone, people.until[gone], UNSUBSCRIBED)]


def _sign_ups(rng: np.random.Generator, people: People, created: Ints) -> _Events:
    """Sign-ups of those who did not order as guests."""
    who = np.flatnonzero(chances(rng, 0.7, people.known) | (people.kind[: people.known] == SIGNED_UP))
    return _events(who, created[who], SIGN_UP)
