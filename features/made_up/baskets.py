"""Orders become lines: taste, season and long-tail love choose categories; habits, follow-ups and what is already owned change them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.dates import day_number
from features.made_up.assortment import CATEGORIES, CODES, TASTES, kind_is, month_weights
from features.made_up.calendar import MONTH, START_DAY
from features.made_up.chance import Flags, Ints, Longs, chances, draw_by_row, positions_of_sorted, stream
from features.made_up.orders import Orders, order_keys
from features.made_up.people import IRREGULAR, People
from features.made_up.planted import CROSS_SELL, DAYS, LONG_TAIL, NEW_CATEGORY_OPENED, REPLENISHED, SUBSTITUTES, PlantedPair
from features.tables import PATH_SEPARATOR

_EVERYDAY_SHARE = 0.3
_DURABLE_DAYS = 540
_LOVED_SHARE = 0.09
_EARLIER, _LATER = 12, 30
"""A follow-up joins an order of the customer's that comes at most these days before or after the wanted day."""


@dataclass(frozen=True)
class Baskets:
    """Orders, and lines sorted by order: ``order`` (position among the orders) and ``category`` of each line."""

    orders: Orders
    order: Ints
    category: NDArray[np.int16]


def made_up_baskets(people: People, orders: Orders, *, seed: int) -> Baskets:
    """The categories of every order's lines, and the orders with those that follow-ups add."""
    rng = stream(seed, "baskets")
    number = 1 + np.minimum(rng.poisson(people.extra[orders.person]), 25)
    order = np.repeat(np.arange(len(orders), dtype=np.int32), number)
    taste = _tastes(rng, people, orders, order)
    category = _categories(rng, people, orders, order, taste)
    order, category = _with_habits(rng, people, orders, order, category)
    _replace_owned(rng, orders, order, category)
    return _with_follow_ups(rng, people, Baskets(orders, order, category))


def _tastes(rng: np.random.Generator, people: People, orders: Orders, order: Ints) -> NDArray[np.int8]:
    """The taste behind each line: the customer's own times the season's; for gifts somebody else's; len(TASTES) = everyday."""
    seasonal = month_weights().sum(axis=2)
    seasonal /= seasonal.mean(axis=1, keepdims=True)
    person = orders.person
    liker = np.where(orders.gift & chances(rng, 0.8, len(orders)), rng.integers(0, len(people), len(orders)), person)
    month = MONTH[orders.day]
    total = sum(people.tastes[liker, taste] * seasonal[taste, month] for taste in range(len(TASTES)))
    left = (rng.random(len(order)) * np.asarray(total)[order]).astype(np.float32)
    found = np.zeros(len(order), dtype=np.int8)
    for taste in range(len(TASTES) - 1):
        left -= (people.tastes[liker, taste] * seasonal[taste, month]).astype(np.float32)[order]
        found += left > 0
    found[chances(rng, _EVERYDAY_SHARE, len(order))] = len(TASTES)
    return found


def _categories(rng: np.random.Generator, people: People, orders: Orders, order: Ints, taste: NDArray[np.int8]) -> NDArray[np.int16]:
    """The category of each line by taste and month, then long-tail love, substitutes and opening days."""
    weights = month_weights()
    rows = (taste.astype(np.int32) * 12 + MONTH[orders.day][order]).astype(np.int32)
    category = draw_by_row(rng, weights.reshape(-1, len(CATEGORIES)), rows).astype(np.int16)
    person = orders.person
    _love(rng, category, taste, people.loves, person[order])
    for side, (one, other) in enumerate(SUBSTITUTES):
        _prefer(rng, category, person[order], (_code(one), _code(other)), side)
    too_early = np.flatnonzero(kind_is("new")[category])
    opened = day_number(NEW_CATEGORY_OPENED) - START_DAY
    too_early = too_early[orders.day[order[too_early]] < opened]
    category[too_early] = CODES["Sleeping mats"]
    return category


def _code(path: str) -> int:
    return CODES[path.rsplit(PATH_SEPARATOR, 1)[-1]]


def _love(rng: np.random.Generator, category: NDArray[np.int16], taste: NDArray[np.int8], loves: Flags, person: Ints) -> None:
    """Lines of a lover's taste now and then become the loved long-tail category."""
    for column, path in enumerate(LONG_TAIL):
        code = _code(path)
        own = np.flatnonzero(taste == TASTES.index(CATEGORIES[code].tastes[0]))
        lucky = own[loves[person[own], column] & chances(rng, _LOVED_SHARE, len(own))]
        category[lucky] = code


def _prefer(rng: np.random.Generator, category: NDArray[np.int16], person: Ints, codes: tuple[int, int], side: int) -> None:
    """Of two substitutes nearly every customer keeps to one."""
    either = np.flatnonzero((category == codes[0]) | (category == codes[1]))
    prefers = ((person[either].astype(np.int64) * 40503 + 977 * side) >> 9) % 2
    keeps = chances(rng, 0.96, len(either))
    category[either] = np.where(keeps, np.array(codes)[prefers], category[either])


def _with_habits(
    rng: np.random.Generator, people: People, orders: Orders, order: Ints, category: NDArray[np.int16]
) -> tuple[Ints, NDArray[np.int16]]:
    """Some use a product up: each first order in a cycle of theirs gets a line of it. Lines come back sorted by order."""
    person, day = orders.person, orders.day
    orders_of, categories_of = [order], [category]
    for path, days in REPLENISHED.items():
        taste = TASTES.index(CATEGORIES[_code(path)].tastes[0])
        uses = chances(rng, np.clip(people.tastes[:, taste], 0, 1) * 0.5, len(people))
        cycle = (day + rng.integers(0, days, len(people))[person]) // days
        first = np.ones(len(orders), dtype=bool)
        first[1:] = (person[1:] != person[:-1]) | (cycle[1:] != cycle[:-1])
        added = np.flatnonzero(first & uses[person] & chances(rng, 0.85, len(orders))).astype(np.int32)
        orders_of.append(added)
        categories_of.append(np.full(len(added), _code(path), dtype=np.int16))
    return _sorted_by_order(np.concatenate(orders_of), np.concatenate(categories_of))


def _sorted_by_order(order: Ints, category: NDArray[np.int16]) -> tuple[Ints, NDArray[np.int16]]:
    at = positions_of_sorted(order.astype(np.int64))
    return order[at], category[at]


def _replace_owned(rng: np.random.Generator, orders: Orders, order: Ints, category: NDArray[np.int16]) -> None:
    """Who bought a durable thing in the last year and a half seldom buys it again: such lines become everyday ones."""
    lines = np.flatnonzero(kind_is("durable")[category])
    person, day = orders.person[order[lines]], orders.day[order[lines]]
    keys = (person.astype(np.int64) * len(CATEGORIES) + category[lines]) * 2048 + day
    at = np.lexsort((lines, keys))
    keys, lines = keys[at], lines[at]
    again = np.zeros(len(keys), dtype=bool)
    again[1:] = (keys[1:] // 2048 == keys[:-1] // 2048) & (keys[1:] - keys[:-1] < _DURABLE_DAYS)
    again &= chances(rng, 0.85, len(again))
    everyday = month_weights()[-1].mean(axis=0)[None, :]
    category[lines[again]] = draw_by_row(rng, everyday, np.zeros(int(again.sum()), dtype=np.int32))


def _with_follow_ups(rng: np.random.Generator, people: People, baskets: Baskets) -> Baskets:
    """For each planted pair, a share of the first category's buyers buys the second: in the same order, in a later one, or in one of its own."""
    keys, codes = [], []
    for pair in CROSS_SELL:
        found = _follow_ups(rng, people, baskets, pair)
        keys.append(found)
        codes.append(np.full(len(found), _code(pair.then), dtype=np.int16))
    added = np.concatenate(keys)
    orders = baskets.orders.joined(added)
    moved = np.searchsorted(orders.keys, baskets.orders.keys).astype(np.int32)[baskets.order]
    order = np.concatenate([moved, np.searchsorted(orders.keys, added).astype(np.int32)])
    return Baskets(orders, *_sorted_by_order(order, np.concatenate([baskets.category, *codes])))


def _follow_ups(rng: np.random.Generator, people: People, baskets: Baskets, pair: PlantedPair) -> Longs:
    """The keys of the orders in which those who follow buy the second category of the pair."""
    lines = np.flatnonzero(baskets.category == _code(pair.first))
    lines = lines[chances(rng, pair.share, len(lines))]
    keys = np.unique(baskets.orders.keys[baskets.order[lines]])
    if pair.days == 0:
        return keys
    person, day = (keys // 2048).astype(np.int32), (keys % 2048).astype(np.int32)
    wanted = day + np.maximum(1, rng.gamma(6.0, pair.days / 6.0, len(keys))).astype(np.int32)
    at = np.minimum(np.searchsorted(baskets.orders.keys, order_keys(person, np.maximum(wanted - _EARLIER, day + 1))), len(baskets.orders) - 1)
    later = baskets.orders.keys[at]
    attached = (later // 2048 == person) & (later % 2048 <= wanted + _LATER)
    own = ~attached & (people.kind[person] == IRREGULAR) & (wanted < np.minimum(people.until[person], DAYS))
    return np.concatenate([later[attached], order_keys(person, wanted)[own]])
