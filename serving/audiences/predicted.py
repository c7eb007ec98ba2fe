"""Predictions answer conditions: interest in products, likelihood, value, stage of life, importance, RFM; and who is in another audience."""

from typing import ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, RootModel, field_validator, model_validator

from features.conditions import Answer, Condition, Evidence, Floats, Measure, OfProducts, condition, highest
from features.conditions.values import OneOrMore, Span, Top
from features.dates import day_number
from features.errors import DataError, did_you_mean
from features.products import ProductSet
from models.customers.importance import GROUP_NAMES as IMPORTANCES
from models.customers.lifecycle import STAGE_NAMES
from models.customers.rfm import GROUPS as RFM_GROUPS
from serving.customers import SIGNED_UP, horizons_of

LIKELIHOODS: dict[str, int] = {"low": 1, "medium": 2, "high": 4, "very high": 8}
"""How many times the base rate a probability must be, at least."""
Likelihood = Literal["low", "medium", "high", "very high"]


@condition("interested_in")
class InterestedIn(OfProducts):
    """Will buy from the product set within the horizon: as probable as ``likelihood`` says, or among the ``top`` of all customers with orders."""

    ranks: ClassVar[bool] = True
    is_probability: ClassVar[bool] = True

    likelihood: Likelihood | None = Field(
        default=None, description="at least 1, 2, 4 or 8 times as probable as a customer with orders taken at random"
    )
    top: Top | None = Field(default=None, description='the most probable 2000 or "10%" of all customers with orders')

    def holds(self, evidence: Evidence) -> Answer:
        """Unknown for customers without orders; never true at probability 0."""
        scores = self.scores(evidence)
        known = ~np.isnan(scores)
        likely = known & (np.nan_to_num(scores) > 0)
        if self.top:
            likely &= highest(scores, self.top.of(int(known.sum())))
        if self.likelihood:
            likely &= np.nan_to_num(scores) >= threshold(scores, self.likelihood)
        return Answer.of(likely, known)

    def scores(self, evidence: Evidence) -> Floats:
        """The probability of each customer to buy from the set; NaN without orders."""
        return evidence.probabilities(self.products(evidence.catalogue) or ProductSet.of("nothing", []))


def base_rate(scores: Floats) -> float:
    """The mean probability of all of whom it is known; 0 when it is known of nobody."""
    known = scores[~np.isnan(scores)]
    return float(known.mean(dtype=np.float64)) if len(known) else 0.0


def threshold(scores: Floats, likelihood: str) -> float:
    """The least probability that counts as ``low``, ``medium``, ``high`` or ``very high``."""
    return LIKELIHOODS[likelihood] * base_rate(scores)


class _Ahead(Measure):
    """A number that is expected within one of the horizons of whobuys.toml."""

    column: ClassVar[str]

    within: Span | None = Field(default=None, description='one of the horizons of whobuys.toml, such as "30 days"; left out: the main horizon')

    def scores(self, evidence: Evidence) -> Floats:
        """The number of each customer. Raises DataError for a time that is no horizon."""
        days = evidence.snapshot.horizon if self.within is None else self.within.days
        horizons = horizons_of(evidence.customers)
        if days not in horizons:
            there_are = ", ".join(f"{each} days" for each in horizons)
            raise DataError(f"within: {self.within} is no horizon of whobuys.toml; there are: {there_are}")
        return evidence.column(f"{self.column}_{days}")


@condition("likely_to_buy")
class LikelyToBuy(_Ahead):
    """Will order anything within a horizon: ``likely_to_buy: {within: 30 days, top: 20%}``."""

    is_probability: ClassVar[bool] = True
    column: ClassVar[str] = "likelihood"

    likelihood: Likelihood | None = Field(default=None, description="at least 1, 2, 4 or 8 times as probable as a customer taken at random")

    @property
    def asks(self) -> bool:
        """Whether it says more than by what to rank."""
        return super().asks or self.likelihood is not None

    def holds(self, evidence: Evidence) -> Answer:
        """Whose likelihood fits."""
        answer = super().holds(evidence)
        if self.likelihood is None:
            return answer
        scores = self.scores(evidence)
        return answer & Answer.of(scores >= threshold(scores, self.likelihood), ~np.isnan(scores))


@condition("expected_orders")
class ExpectedOrders(_Ahead):
    """Orders that are expected within a horizon: ``expected_orders: {within: 365 days, at_least: 4}``."""

    column: ClassVar[str] = "expected_orders"


@condition("expected_revenue")
class ExpectedRevenue(_Ahead):
    """Revenue that is expected within a horizon, in the shop's currency: ``expected_revenue: {within: 90 days, top: 1000}``."""

    column: ClassVar[str] = "expected_revenue"


class ColumnNumber(Measure):
    """A number of the table of customers, under its own name."""

    def scores(self, evidence: Evidence) -> Floats:
        """The column."""
        return evidence.column(self.key)


@condition("expected_order_value")
class ExpectedOrderValue(ColumnNumber):
    """What the next order is expected to bring: ``expected_order_value: {top: 10%}``."""


@condition("lifetime_value")
class LifetimeValue(ColumnNumber):
    """What the customer is expected to bring, over the time and with the margin of whobuys.toml: ``lifetime_value: {at_least: 500}``."""


@condition("discount_share")
class DiscountShare(ColumnNumber):
    """Discount over what the orders would have cost without it: ``discount_share: {less_than: 10%}``."""

    needs: ClassVar[str] = "no order or line of the shop has a discount"


@condition("gift_share")
class GiftShare(ColumnNumber):
    """Share of the orders that are gifts: ``gift_share: {at_least: 50%}``. Unknown where the shop knows nothing of gifts."""

    needs: ClassVar[str] = "no order is marked as a gift, and none tells of another name or address than the buyer's"


@condition("next_order")
class NextOrder(BaseModel, Condition):
    """When the next order comes, if one comes (one in two comes before): ``next_order: {within: 2 weeks}``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    within: Span = Field(description='so far ahead at most, such as "30 days"')

    def holds(self, evidence: Evidence) -> Answer:
        """Unknown for who never ordered."""
        dates = evidence.customers["next_order_date"].to_numpy("datetime64[D]")
        known = ~np.isnat(dates)
        end = day_number(self.within.after(evidence.as_of))
        return Answer.of(dates.astype(np.int64) < end, known)


class OneOfWords(RootModel[tuple[str, ...]], Condition):
    """One of several words that the table of customers holds."""

    model_config = ConfigDict(frozen=True)
    names: ClassVar[tuple[str, ...]]

    root: OneOrMore

    @field_validator("root")
    @classmethod
    def _known(cls, words: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_named(word, cls.names) for word in words)

    def holds(self, evidence: Evidence) -> Answer:
        """Unknown where the table says nothing."""
        groups = evidence.customers[self.key].astype(object)
        return Answer.of(groups.isin(self.root).to_numpy(bool), groups.notna().to_numpy(bool))


def _named(word: str, names: tuple[str, ...]) -> str:
    by_word = {name.casefold(): name for name in names}
    if word.casefold() not in by_word:
        raise ValueError(f"there is no {word!r}{did_you_mean(word, names)}; there are: {', '.join(names)}")
    return by_word[word.casefold()]


@condition("importance")
class InGroup(OneOfWords):
    """How much the customer matters: ``importance: vip``, or a list: one-time, VIP, exclusive, frequent, loyal."""

    names: ClassVar[tuple[str, ...]] = IMPORTANCES


@condition("lifecycle")
class InStage(OneOfWords):
    """The stage of life: ``lifecycle: [slipping away, lost]``; the others are just ordered, active, and signed up (without an order)."""

    names: ClassVar[tuple[str, ...]] = (*STAGE_NAMES, SIGNED_UP)


@condition("rfm")
class InRfm(BaseModel, Condition):
    """Scores from 1 to 5 (the best) by recency, frequency and monetary value, or the group of that name:
    ``rfm: {recency: [4, 5], frequency: 5}``, ``rfm: {group: champions}``. All that is named must be true."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    recency: int | tuple[int, ...] | None = Field(default=None, description="5: the fifth that ordered last")
    frequency: int | tuple[int, ...] | None = Field(default=None, description="5: the fifth with the most orders")
    monetary: int | tuple[int, ...] | None = Field(default=None, description="5: the fifth with the highest mean order")
    group: OneOrMore | None = Field(default=None, description=f"one of: {', '.join(each.name for each in RFM_GROUPS)}")

    @field_validator("recency", "frequency", "monetary")
    @classmethod
    def _from_1_to_5(cls, scores: int | tuple[int, ...] | None) -> tuple[int, ...] | None:
        several = (scores,) if isinstance(scores, int) else scores
        for score in several or ():
            if not 1 <= score <= 5:
                raise ValueError(f"scores go from 1 to 5, got {score}")
        return several

    @field_validator("group")
    @classmethod
    def _of_that_name(cls, words: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return words and tuple(_named(word, tuple(each.name for each in RFM_GROUPS)) for word in words)

    @model_validator(mode="after")
    def _asks_something(self) -> "InRfm":
        if not self.model_fields_set:
            raise ValueError("needs recency, frequency, monetary or group")
        return self

    def holds(self, evidence: Evidence) -> Answer:
        """Unknown for who never ordered."""
        answer = Answer.known(np.ones(len(evidence.codes), dtype=bool))
        for name in ("recency", "frequency", "monetary"):
            if asked := getattr(self, name):
                scores = evidence.column(f"rfm_{name}")
                answer &= Answer.of(np.isin(scores, asked), ~np.isnan(scores))
        if self.group:
            groups = evidence.customers["rfm_group"].astype(object)
            answer &= Answer.of(groups.isin(self.group).to_numpy(bool), groups.notna().to_numpy(bool))
        return answer


@condition("in_audience")
class InAudience(RootModel[str], Condition):
    """Is a member of another audience, of the same file or ready-made: ``in_audience: lost-vips``."""

    model_config = ConfigDict(frozen=True)

    root: str

    def holds(self, evidence: Evidence) -> Answer:
        """Its members as of the same date. Raises DataError when there is no such audience."""
        if evidence.members is None:
            raise DataError(f"{self.root}: there are no other audiences here")
        return evidence.members(self.root)
