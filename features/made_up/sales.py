"""Baskets become the tables orders and order_lines: products, prices, sales, coupons, cancellations, and returns as orders of their own."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from features.made_up.assortment import CODES
from features.made_up.baskets import Baskets
from features.made_up.calendar import MONTH, ON_SALE
from features.made_up.catalogue import NORDVIND, Catalogue, chosen_products, product_levels
from features.made_up.chance import Flags, Floats, Ints, Longs, chances, positions_of_sorted, stream
from features.made_up.columns import ids, looked_up, money, times
from features.made_up.people import People
from features.made_up.planted import DAYS
from features.tables import CANCELLED, COMPLETED

_COUPONS = ("WELCOME10", "SUMMER15", "CLUB20")
_CUTS = np.array([0.10, 0.15, 0.20])
_LOYAL_SHARE = 0.45
_CHEAP = 20.0


@dataclass(frozen=True)
class Sales:
    """Orders (person, day, second, and so on) and lines sorted by order. A return is an order with one line of negative quantity;
    ``coupon`` is -1 without one; ``price`` is the unit price after all discounts."""

    person: Ints
    day: Ints
    second: Ints
    gift: Flags
    store: Flags
    cancelled: Flags
    coupon: NDArray[np.int8]
    order: Ints
    product: Ints
    quantity: NDArray[np.int8]
    price: Floats
    list_price: Floats


def made_up_sales(people: People, catalogue: Catalogue, baskets: Baskets, *, seed: int) -> Sales:
    """Every order with its lines, sorted by time; returns included."""
    rng = stream(seed, "sales")
    orders = baskets.orders
    person, day, order = orders.person, orders.day, baskets.order
    product = _products(rng, people, catalogue, baskets, person, day)
    list_price = catalogue.list_price[product]
    coupon = _coupons(rng, people, person, day)
    price = money(list_price * (1 - _cuts(rng, people, day, order, product, person)) * (1 - np.append(_CUTS, 0.0)[coupon])[order])
    sales = Sales(
        person=person,
        day=day,
        second=rng.integers(7 * 3600, 22 * 3600, len(orders)).astype(np.int32),
        gift=orders.gift,
        store=chances(rng, people.in_store[person], len(orders)),
        cancelled=chances(rng, 0.015, len(orders)),
        coupon=coupon,
        order=order,
        product=product,
        quantity=_quantities(rng, list_price),
        price=price,
        list_price=list_price,
    )
    return _in_time(_with_returns(rng, sales))


def _products(rng: np.random.Generator, people: People, catalogue: Catalogue, baskets: Baskets, person: Ints, day: Ints) -> Ints:
    """What is bought: the customer's price level and, often, the favourite brand; the new shoe from its launch on."""
    who = person[baskets.order]
    brand = np.where(chances(rng, _LOYAL_SHARE, len(who)), people.brand[who], -1).astype(np.int32)
    when = day[baskets.order]
    product = chosen_products(rng, catalogue, baskets.category, product_levels(rng, people.level[who]), brand, when)
    shoes = np.flatnonzero((baskets.category == CODES["Running shoes"]) & (when >= catalogue.launched[catalogue.new_product]))
    likes = np.where(people.brand[who[shoes]] == NORDVIND, 0.7, 0.15)
    product[shoes[chances(rng, likes, len(shoes))]] = catalogue.new_product
    return product


def _quantities(rng: np.random.Generator, list_price: Floats) -> NDArray[np.int8]:
    """Mostly one; of cheap things often more."""
    more = rng.poisson(0.6, len(list_price))
    return np.where((list_price < _CHEAP), 1 + more, 1 + chances(rng, 0.03, len(list_price))).astype(np.int8)


def _coupons(rng: np.random.Generator, people: People, person: Ints, day: Ints) -> NDArray[np.int8]:
    """First orders often carry a welcome coupon, sale hunters' orders any."""
    first = np.ones(len(person), dtype=bool)
    first[1:] = person[1:] != person[:-1]
    first &= day >= people.arrival[person]
    share = np.where(people.sale[person], 0.22, 0.03)
    other = np.where(chances(rng, share, len(person)), np.where(np.isin(MONTH[day], (5, 6)), 1, 2), -1)
    return np.where(first & (people.arrival[person] >= 0) & chances(rng, 0.2, len(person)), 0, other).astype(np.int8)


def _cuts(rng: np.random.Generator, people: People, day: Ints, order: Ints, product: Ints, person: Ints) -> Floats:
    """The share taken off the list price: most products in sale periods, few otherwise; sale hunters pick those."""
    on_sale = ON_SALE[day]
    hunts = people.sale[person]
    share = np.where(on_sale, np.where(hunts, 0.9, 0.5), np.where(hunts, 0.3, 0.05)).astype(np.float32)
    cut = np.array([0.1, 0.2, 0.3, 0.5])[(product + day[order] // 30) % 4]
    return np.where(chances(rng, share[order], len(order)), cut, 0.0)


def _with_returns(rng: np.random.Generator, sales: Sales) -> Sales:
    """One completed online order in twenty sends its first line back within four weeks: an order of its own with a negative quantity."""
    back = np.flatnonzero(chances(rng, 0.05, len(sales.person)) & ~sales.store & ~sales.cancelled)
    day = sales.day[back] + rng.integers(4, 28, len(back)).astype(np.int32)
    back, day = back[day < DAYS], day[day < DAYS]
    line = np.searchsorted(sales.order, back)
    none = np.zeros(len(back), dtype=bool)
    return Sales(
        person=np.concatenate([sales.person, sales.person[back]]),
        day=np.concatenate([sales.day, day]),
        second=np.concatenate([sales.second, rng.integers(8 * 3600, 17 * 3600, len(back)).astype(np.int32)]),
        gift=np.concatenate([sales.gift, none]),
        store=np.concatenate([sales.store, none]),
        cancelled=np.concatenate([sales.cancelled, none]),
        coupon=np.concatenate([sales.coupon, np.full(len(back), -1, np.int8)]),
        order=np.concatenate([sales.order, len(sales.person) + np.arange(len(back), dtype=np.int32)]),
        product=np.concatenate([sales.product, sales.product[line]]),
        quantity=np.concatenate([sales.quantity, -sales.quantity[line]]),
        price=np.concatenate([sales.price, sales.price[line]]),
        list_price=np.concatenate([sales.list_price, sales.list_price[line]]),
    )


def _in_time(sales: Sales) -> Sales:
    """The same with orders sorted by time and lines by order."""
    at = positions_of_sorted(sales.day.astype(np.int64) * 86_400 + sales.second)
    place = np.empty(len(at), dtype=np.int32)
    place[at] = np.arange(len(at), dtype=np.int32)
    order = place[sales.order]
    lines = positions_of_sorted(order.astype(np.int64))
    return Sales(
        person=sales.person[at],
        day=sales.day[at],
        second=sales.second[at],
        gift=sales.gift[at],
        store=sales.store[at],
        cancelled=sales.cancelled[at],
        coupon=sales.coupon[at],
        order=order[lines],
        product=sales.product[lines],
        quantity=sales.quantity[lines],
        price=sales.price[lines],
        list_price=sales.list_price[lines],
    )


def order_ids(sales: Sales) -> pa.Array:
    """The ids of the orders, rising with time."""
    return ids("O", np.arange(1, len(sales.person) + 1), digits=8)


def orders_table(sales: Sales, customers: pa.Array) -> pa.Table:
    """The orders by time; revenue is the sum of the lines' prices, 0 when cancelled, negative for returns."""
    size = len(sales.person)
    kept = ~sales.cancelled
    revenue = _totals(sales, sales.price * sales.quantity)
    discount = _totals(sales, (sales.list_price - sales.price) * sales.quantity)
    return pa.table(
        {
            "order_id": order_ids(sales),
            "customer_id": looked_up(customers, sales.person, missing=sales.person >= len(customers)),
            "ordered_at": times(sales.day, sales.second),
            "currency": looked_up(("EUR",), np.zeros(size, dtype=np.int8)),
            "revenue": money(revenue * kept),
            "discount": money(discount * kept),
            "coupon": looked_up(_COUPONS, sales.coupon, missing=sales.coupon < 0),
            "is_gift": sales.gift,
            "channel": looked_up(("online", "store"), sales.store.astype(np.int8)),
            "status": looked_up((COMPLETED, CANCELLED), sales.cancelled.astype(np.int8)),
        }
    )


def _totals(sales: Sales, amounts: Floats) -> Floats:
    """The sum of the lines' amounts for each order."""
    return np.asarray(np.bincount(sales.order, weights=amounts, minlength=len(sales.person)), dtype=np.float64)


def lines_table(sales: Sales, order_ids: pa.Array, product_ids: pa.Array) -> pa.Table:
    """The lines by order and number; ``discount`` is that of the whole line."""
    return pa.table(
        {
            "order_id": looked_up(order_ids, sales.order),
            "line_no": _numbers(sales.order.astype(np.int64)),
            "product_id": looked_up(product_ids, sales.product),
            "quantity": sales.quantity.astype(np.float64),
            "price": sales.price,
            "list_price": sales.list_price,
            "discount": money((sales.list_price - sales.price) * sales.quantity),
        }
    )


def _numbers(order: Longs) -> Ints:
    """1, 2, 3, ... within each order."""
    first = np.ones(len(order), dtype=bool)
    first[1:] = order[1:] != order[:-1]
    starts = np.flatnonzero(first)
    return (np.arange(len(order)) - np.repeat(starts, np.diff(np.append(starts, len(order)))) + 1).astype(np.int32)
