"""What is known of a customer besides orders answers conditions: attributes and age, what they did, and where they may be reached."""

from typing import Literal

import ibis
import numpy as np
import pandas as pd
from ibis.expr.types import Table
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, RootModel, field_validator, model_validator

from features.conditions.evidence import Answer, Evidence
from features.conditions.mechanism import Condition, condition
from features.conditions.purchases import OfProducts, chosen_products
from features.conditions.values import OneOrMore, ProductAttribute, Span
from features.dates import day_number
from features.errors import DataError, did_you_mean
from features.events import KINDS

PERSONAL = ("customer_id", "email", "phone", "first_name", "last_name")
"""Columns that nobody is chosen by."""
AGE = "age"
SIGNED_UP = "signed_up"
COMMON_EVENTS = frozenset({SIGNED_UP, *(event for kind in KINDS.values() for event in kind)})
"""Events that need no explanation: a shop that has none of them knows nothing of it, which is no mistake."""
ADDRESSES = {"email": ("email",), "sms": ("phone",), "ads": ("email", "phone")}
"""What a customer is reached at, one of them."""


@condition("attribute")
class Attribute(RootModel[dict[str, ProductAttribute]], Condition):
    """What the shop knows of the customer: any column of the customers (a word, one of several, a number, true or false, or limits, both
    inclusive), and ``age`` in years: ``attribute: {country: DK, gender: f, age: {at_least: 28, at_most: 32}}``. All of them must be true."""

    model_config = ConfigDict(frozen=True)

    root: dict[str, ProductAttribute]

    @model_validator(mode="after")
    def _asks_something(self) -> "Attribute":
        if not self.root:
            raise ValueError("needs at least one column of the customers, such as country: DK")
        return self

    def holds(self, evidence: Evidence) -> Answer:
        """Unknown where the shop does not know. Raises DataError for a column that the customers do not have."""
        answer = Answer.known(np.ones(len(evidence.codes), dtype=bool))
        for name, asked in self.root.items():
            values = attribute_of(evidence, name)
            answer &= Answer.of(_fits(values, asked, name), values.notna().to_numpy())
        return answer


def attribute_of(evidence: Evidence, name: str) -> pd.Series:
    """A column of the customers, or their age, in the order of the evidence's customers. Raises DataError for one that they do not have."""
    people = evidence.people
    if name == AGE:
        return _ages(people["birth_date"], pd.Timestamp(evidence.as_of))
    dates = [each for each in people if pd.api.types.is_datetime64_any_dtype(people[each])]
    if name in dates:
        raise DataError(f"{name}: is a date; ask for age, first_order or did: {{event: signed_up, within: ...}}")
    known = [each for each in people if each not in PERSONAL and each not in dates]
    if name not in known:
        why = "is personal, nobody is chosen by it" if name in PERSONAL else f"is no column of the customers{did_you_mean(name, [*known, AGE])}"
        raise DataError(f"{name}: {why}")
    return people[name]


def _ages(birth: pd.Series, today: pd.Timestamp) -> pd.Series:
    """Whole years on the day."""
    born = pd.to_datetime(birth)
    not_yet = (born.dt.month > today.month) | ((born.dt.month == today.month) & (born.dt.day > today.day))
    return (today.year - born.dt.year - not_yet).where(born.notna())


def _fits(values: pd.Series, asked: ProductAttribute, name: str) -> NDArray[np.bool_]:
    if asked.one_of:
        words = {str(each).casefold() for each in asked.one_of}
        codes, known = pd.factorize(values)
        return np.append([_word(each) in words for each in known], False)[codes]
    numbers = pd.to_numeric(values, errors="coerce").astype("float64").to_numpy()
    if len(values) and values.notna().any() and np.isnan(numbers).all():
        raise DataError(f"{name}: holds words, which have no at_least or at_most; name the words themselves")
    low, high = -np.inf if asked.at_least is None else asked.at_least, np.inf if asked.at_most is None else asked.at_most
    return np.asarray((numbers >= low) & (numbers <= high))


def _word(value: object) -> str:
    return str(int(value) if isinstance(value, float) and value.is_integer() else value).casefold()


@condition("did")
class Did(OfProducts):
    """Did something besides ordering, ever or ``within`` a time, with any product or one of a set, and, if so asked, without an order since:
    ``did: {event: added_to_cart, within: 7 days, without: order}``."""

    event: OneOrMore = Field(description="what: viewed, added_to_cart, started_checkout, signed_up, opened_email, clicked_email, ...")
    within: Span | None = Field(default=None, description='how long ago at most, such as "90 days"')
    without: Literal["order"] | None = Field(default=None, description="order: and has not ordered since, the day of it included")

    def holds(self, evidence: Evidence) -> Answer:
        """Unknown for everybody in a shop without such events. Raises DataError for an event that neither the shop nor anybody knows."""
        shop = evidence.snapshot.shop
        events = _events(shop.events, evidence)
        known = set(events.select("event").distinct().to_pandas()["event"])
        unknown = [each for each in self.event if each not in known | COMMON_EVENTS]
        if unknown and shop.has_events:
            raise DataError(f"event: the shop has no events {unknown[0]!r}{did_you_mean(unknown[0], known | COMMON_EVENTS)}")
        if not known & set(self.event):
            return Answer.of(np.zeros(len(evidence.codes), dtype=bool), np.zeros(len(evidence.codes), dtype=bool))
        found = events.filter(events.event.isin(self.event), events.day < day_number(evidence.as_of))
        if self.within:
            found = found.filter(found.day >= day_number(self.within.before(evidence.as_of)))
        found = chosen_products(found, self.products(evidence.catalogue), shop)
        last = found.group_by("customer").agg(day=found.day.max())
        if self.without:
            orders = shop.orders.filter(shop.orders.day < day_number(evidence.as_of))
            last = last.left_join(orders.group_by("customer").agg(ordered=orders.day.max()), "customer")
            last = last.filter(last.ordered.isnull() | (last.ordered < last.day))
        return evidence.among(last.select("customer").to_pyarrow()["customer"].to_numpy())

    def why_nobody(self, evidence: Evidence, answer: Answer) -> str:
        """Which events the shop does not have."""
        if not answer.unknown.all():
            return f"is true of nobody: no customer did that{f' within {self.within}' if self.within else ''}"
        if self.event == (SIGNED_UP,):
            return "cannot be said of anybody: it is not known when customers signed up (created_at of the customers)"
        there = "no such events" if evidence.snapshot.shop.has_events else "no events"
        return f"cannot be said of anybody: the shop has {there} ({', '.join(self.event)})"


def _events(events: Table, evidence: Evidence) -> Table:
    """The events, and the sign-ups that the customers table knows."""
    shop = evidence.snapshot.shop
    people = shop.tables["customers"].join(shop.customer_codes, "customer_id")
    created = people.filter(people.created_at.notnull()).select(
        "customer", product=ibis.null("int32"), event=ibis.literal(SIGNED_UP), day=people.created_at.date().epoch_days().cast("int32")
    )
    return events.select("customer", "product", "event", "day").union(created)


@condition("reachable_by")
class ReachableBy(RootModel[tuple[str, ...]], Condition):
    """May be written to by a channel, or by one of several: ``reachable_by: email``, with consent and an address. Unknown consent is no, unless
    whobuys.toml states a legal basis."""

    model_config = ConfigDict(frozen=True)

    root: OneOrMore

    @field_validator("root")
    @classmethod
    def _channels(cls, channels: tuple[str, ...]) -> tuple[str, ...]:
        for channel in channels:
            if channel not in ADDRESSES:
                raise ValueError(f"there is no channel {channel!r}{did_you_mean(channel, ADDRESSES)}")
        return channels

    def holds(self, evidence: Evidence) -> Answer:
        """Never unknown: who did not say yes is not written to."""
        return Answer.known(np.logical_or.reduce([reachable(evidence, channel) for channel in self.root]))

    def why_nobody(self, evidence: Evidence, answer: Answer) -> str:
        """Whether consent is what is missing."""
        silent = [f"consent_{channel}" for channel in self.root if evidence.people[f"consent_{channel}"].isna().all()]
        if len(silent) == len(self.root):
            return f"is true of nobody: no customer's consent is known ({', '.join(silent)}), and whobuys.toml states no legal basis without it"
        return "is true of nobody: no customer has both consent and an address"


def reachable(evidence: Evidence, channel: str) -> NDArray[np.bool_]:
    """Which customers may be reached by a channel: they consented, and have an address."""
    return evidence.once("reachable", lambda: _reachable(evidence))[channel]


def _reachable(evidence: Evidence) -> dict[str, NDArray[np.bool_]]:
    people = evidence.snapshot.shop.tables["customers"]
    consent = {channel: people[f"consent_{channel}"].fill_null(channel in evidence.consented) for channel in ADDRESSES}
    may = {channel: consent[channel] & ibis.or_(*(people[each].notnull() for each in ADDRESSES[channel])) for channel in ADDRESSES}
    found = people.select("customer_id", **may).order_by("customer_id").to_pyarrow()
    return {channel: found[channel].to_numpy()[evidence.codes] for channel in ADDRESSES}
