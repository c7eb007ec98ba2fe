"""Members become the numbers that a marketer asks for: how many, within reach, how many will buy, what it is worth; and where each comes from."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from ibis.expr.types import Table
from numpy.typing import NDArray

from features.conditions import Evidence, at, held, reachable
from features.conditions.people import ADDRESSES, attribute_of
from features.conditions.purchases import chosen_products
from features.products import ProductSet
from features.shop import MONEY
from models.metrics import CAUGHT
from models.pairs.intervals import Spread
from serving.audiences.asked import clause_words
from serving.audiences.costs import Costs
from serving.audiences.definitions import Audience
from serving.audiences.members import Members, among, places
from serving.audiences.predicted import base_rate

YEAR = 365
Positions = NDArray[np.intp]


@dataclass(frozen=True)
class Number:
    """One number of an audience, with its words and how it was come by."""

    name: str
    value: float
    how: str
    low: float | None = None
    high: float | None = None


def numbers(members: Members, evidence: Evidence, spread: Spread, costs: Costs) -> list[Number]:
    """The numbers of an audience as of its date. What is unknown is left out."""
    place = places(members, evidence)
    found = [*_sizes(members, evidence, place), *_buyers(members, spread), *_worth(members, evidence, place, costs)]
    return [each for each in found if not np.isnan(each.value)]


def numbers_table(found: Sequence[Number]) -> pd.DataFrame:
    """The numbers as a table: number, value, low, high, how."""
    rows = [(each.name, each.value, each.low, each.high, each.how) for each in found]
    return pd.DataFrame(rows, columns=["number", "value", "low", "high", "how"])


def _sizes(members: Members, evidence: Evidence, place: Positions) -> Iterator[Number]:
    yield Number("size", len(members), "customers who meet the definition")
    for channel in ADDRESSES:
        found = int(reachable(evidence, channel)[place].sum())
        yield Number(f"reachable by {channel}", found, "members with consent and an address")
    control = int((members.frame["group"] == "control").sum())
    if control:
        yield Number("control group", control, "members who are never written to")
    products = members.audience.about(evidence.catalogue)
    if products is not None and len(members):
        had = bought_from(evidence, products)[place]
        yield Number("share new", 1 - float(had.mean()), f"members who never bought from {products.label}")


def _buyers(members: Members, spread: Spread) -> Iterator[Number]:
    probability = np.nan_to_num(members.frame["probability"].to_numpy(np.float64))
    expected = float(probability.sum())
    low, high = spread.of_sets(expected, float((probability * (1 - probability)).sum()))
    what = f"within {members.horizon} days, {members.ranked_by}"
    yield Number("expected buyers", expected, f"sum of the members' probabilities: {what}; 80 % of cases lie in the range", float(low), float(high))
    yield Number("base rate", members.base_rate, "the same probability of a customer taken at random")
    yield Number("lift", members.lift, "a member's probability over the base rate")
    caught = np.cumsum(np.sort(probability)[::-1])
    for share in CAUGHT if expected > 0 else ():
        count = int(np.searchsorted(caught, share * expected * (1 - 1e-9)) + 1)
        yield Number(
            f"size for {share * 100:.0f} %", count, f"the likeliest members, of whom {share * 100:.0f} % of the audience's buyers are expected"
        )


def _worth(members: Members, evidence: Evidence, place: Positions, costs: Costs) -> Iterator[Number]:
    history = revenue_so_far(evidence)
    yield Number("revenue of 12 months", float(history["year"].to_numpy()[place].sum()), "what the members brought in the last 365 days")
    yield Number("revenue ever", float(history["ever"].to_numpy()[place].sum()), "what the members brought so far")
    value = _known_sum(evidence, "lifetime_value", place)
    yield Number("lifetime value", value, "what the members are expected to bring, as whobuys.toml has it")
    revenue = _expected_revenue(members, evidence, place)
    yield Number("expected revenue", revenue, f"within {members.horizon} days: {_how_revenue(members.audience, evidence)}")
    if not len(members):
        return
    yield Number("expected revenue per member", revenue / len(members), "expected revenue over size")
    for channel, cost in costs.contact.items():
        contacts = int(reachable(evidence, channel)[place].sum())
        if cost and contacts:
            gain = revenue * contacts / len(members) * costs.margin
            yield Number(
                f"return on cost, {channel}", gain / (cost * contacts), f"margin of the expected revenue of {contacts:,} contacts over their cost"
            )


def _expected_revenue(members: Members, evidence: Evidence, place: Positions) -> float:
    products = members.audience.about(evidence.catalogue)
    if products is None:
        return _known_sum(evidence, f"expected_revenue_{members.horizon}", place)
    return float(np.nansum(members.frame["probability"].to_numpy(np.float64))) * per_buyer(evidence, products)


def _how_revenue(audience: Audience, evidence: Evidence) -> str:
    products = audience.about(evidence.catalogue)
    if products is None:
        return "sum of the members' expected revenue"
    return f"expected buyers times what a buyer of {products.label} usually spends on it in such a time"


def per_buyer(evidence: Evidence, products: ProductSet) -> float:
    """What a buyer of the set spent on it within a horizon, the mean over the last year; NaN when nobody bought, or nothing has a price."""
    return evidence.once(("per buyer", products), lambda: _per_buyer(evidence, products))


def _per_buyer(evidence: Evidence, products: ProductSet) -> float:
    snapshot = evidence.snapshot
    lines = chosen_products(snapshot.shop.lines, products, snapshot.shop)
    past = lines.filter(lines.customer.notnull(), lines.day < snapshot.day, lines.day >= snapshot.day - YEAR)
    stretch = ((snapshot.day - 1 - past.day) // snapshot.horizon).cast("int32")
    spent = past.group_by("customer", stretch=stretch).agg(amount=past.amount.sum()).amount.mean().execute()
    return float("nan") if spent is None or pd.isna(spent) else float(spent) / MONEY


def revenue_so_far(evidence: Evidence) -> pd.DataFrame:
    """What each customer brought before the date, in the shop's currency: ``ever``, and in the last 365 days (``year``); 0 without an order."""
    return evidence.once("revenue so far", lambda: _revenue_so_far(evidence))


def _revenue_so_far(evidence: Evidence) -> pd.DataFrame:
    snapshot = evidence.snapshot
    orders = snapshot.shop.orders
    past = orders.filter(orders.day < snapshot.day)
    recent = (past.day >= snapshot.day - YEAR).cast("int64")
    found = past.group_by("customer").agg(ever=past.revenue.sum() / MONEY, year=(past.revenue * recent).sum() / MONEY)
    return evidence.per_customer(found.to_pandas()).fillna(0.0)


def _known_sum(evidence: Evidence, column: str, place: Positions) -> float:
    """The sum over the members; NaN where it is unknown of all customers."""
    values = evidence.column(column)
    return float(np.nansum(values[place], dtype=np.float64)) if not np.isnan(values).all() else float("nan")


def bought_from(evidence: Evidence, products: ProductSet) -> NDArray[np.bool_]:
    """Which customers bought from the set before the date."""
    return evidence.once(("bought", products), lambda: _bought(evidence, products))


def _bought(evidence: Evidence, products: ProductSet) -> NDArray[np.bool_]:
    shop = evidence.snapshot.shop
    lines = chosen_products(shop.lines, products, shop)
    past = lines.filter(lines.customer.notnull(), lines.day < evidence.snapshot.day)
    return evidence.among(past.select("customer").distinct().to_pyarrow()["customer"].to_numpy()).yes


def parts(members: Members, evidence: Evidence) -> pd.DataFrame:
    """What each condition of ``who`` does alone, and all together with ``except`` and ``choose``: condition, size, probability (mean of whom it is
    known), lift."""
    probability = _probability(members.audience, evidence)
    rate = base_rate(probability)
    rows = []
    for number, clause in enumerate(members.audience.who):
        with at(f"who.{number}.{clause.asks.key}"):
            yes = held(clause, evidence).yes
        rows.append((clause_words(clause), yes))
    chosen = among(members, evidence)
    found = [
        {
            "condition": words,
            "size": int(yes.sum()),
            "probability": base_rate(probability[yes]),
            "lift": base_rate(probability[yes]) / rate if rate else 0.0,
        }
        for words, yes in [*rows, ("all together", chosen)]
    ]
    return pd.DataFrame(found)


def _probability(audience: Audience, evidence: Evidence) -> NDArray[np.float32]:
    asks = audience.ranking.asks if audience.ranking is not None else None
    scores = asks.scores(evidence) if asks is not None and asks.is_probability else None
    return evidence.likelihood if scores is None else scores


def breakdown(members: Members, evidence: Evidence, column: str) -> pd.DataFrame:
    """Members by an attribute of theirs, most first: value, size, share, expected_buyers. Raises DataError for an unknown column."""
    known = attribute_of(evidence, column)
    place = places(members, evidence)
    values = known.astype("str").where(known.notna(), "unknown").to_numpy()[place]
    table = pd.DataFrame({column: values, "expected_buyers": members.frame["probability"].to_numpy(np.float64)})
    found = table.groupby(column).agg(size=("expected_buyers", "size"), expected_buyers=("expected_buyers", "sum")).reset_index()
    found.insert(2, "share", found["size"] / max(len(members), 1))
    return found.sort_values(["size", column], ascending=[False, True], ignore_index=True)


def top_products(members: Members, evidence: Evidence, *, by: str = "title", count: int = 10) -> pd.DataFrame:
    """What members bought in the last 365 days, most members first: ``by`` (title or brand), members, lift over all customers with orders."""
    bought = evidence.once(("bought in a year", by), lambda: _bought_in_a_year(evidence, by))
    of_members = np.bincount(bought.name[members_by_code(members, evidence)[bought.customer]], minlength=len(bought.names))
    found = np.flatnonzero(of_members)
    usual = bought.customers[found] / max(len(evidence.snapshot.codes), 1)
    lift = of_members[found] / max(len(members), 1) / usual
    table = pd.DataFrame({by: pd.array(bought.names[found], dtype="str"), "members": of_members[found], "lift": lift})
    return table.sort_values(["members", by], ascending=[False, True], ignore_index=True).head(count)


@dataclass(frozen=True, eq=False)
class _Bought:
    """Who bought what in the last 365 days, each pair once: ``customer`` (the shop's code) and ``name`` (position in ``names``, sorted); and how many
    ``customers`` bought each."""

    customer: NDArray[np.int32]
    name: NDArray[np.int32]
    names: NDArray[np.object_]
    customers: NDArray[np.intp]


def _bought_in_a_year(evidence: Evidence, by: str) -> _Bought:
    shop = evidence.snapshot.shop
    found = lines_of_a_year(evidence).select("customer", "product").to_pyarrow()
    named, names = pd.factorize(shop.products[by].to_numpy(object), sort=True)
    name = named[found["product"].to_numpy()]
    pairs = found["customer"].to_numpy()[name >= 0].astype(np.int64) * max(len(names), 1) + name[name >= 0]
    pairs.sort()  # np.unique of so many numbers takes seventy times as long
    customer, name = np.divmod(pairs[np.diff(pairs, prepend=-1) > 0], max(len(names), 1))
    return _Bought(customer.astype(np.int32), name.astype(np.int32), np.asarray(names), np.bincount(name, minlength=len(names)))


def lines_of_a_year(evidence: Evidence) -> Table:
    """The purchase lines of known customers in the 365 days before the date."""
    lines, day = evidence.snapshot.shop.lines, evidence.snapshot.day
    return lines.filter(lines.customer.notnull(), lines.day < day, lines.day >= day - YEAR)


def members_by_code(members: Members, evidence: Evidence) -> NDArray[np.bool_]:
    """Of all customers of the shop, by their codes, who is a member."""
    found = np.zeros(len(evidence.snapshot.shop.customer_ids), dtype=bool)
    found[evidence.codes[among(members, evidence)]] = True
    return found
