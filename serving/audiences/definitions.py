"""What is written in audiences.yaml becomes audiences: saved questions, checked, each with its conditions and how it is ranked."""

from collections.abc import Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Annotated, Literal, get_args

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

import serving.audiences.behaved  # noqa: F401 - so that its conditions are known
from features.conditions import CONDITIONS, Clause, Clauses, Measure, OneClause
from features.conditions.values import Bounds, OneOrMore, Share, Top
from features.errors import DataError, did_you_mean
from features.products import Catalogue, ProductSet
from features.sections import Channel
from serving.audiences.predicted import LIKELIHOODS, InAudience, InterestedIn
from serving.audiences.reading import check_values, parse_documents, read_text

AUDIENCES = "audiences.yaml"
Goal = Literal["win-back", "raise-aov", "loyalty", "clear-stock", "launch"]
TOLD, LONGEST = 20, 400
"""Problems of one definition that are told, and letters of each."""
GOALS: tuple[str, ...] = get_args(Goal)


def _by_name(value: object) -> object:
    return {value: {}} if isinstance(value, str) else value


class Choose(BaseModel):
    """Rank what the conditions leave, and take the best: ``choose: {by: {interested_in: {category: Tents}}, top: 5000}``."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    by: Annotated[OneClause, BeforeValidator(_by_name)] = Field(
        description="what ranks: interested_in with products, or a number such as lifetime_value, without limits and top"
    )
    top: Top | None = Field(default=None, description='how many of the best: 5000, or "10%" of those left; all when it is left out')


class Offer(BaseModel):
    """What members are offered: ``offer: {says: free delivery, cost: 4.90}`` or ``offer: {says: 10 % off, discount: 10%}``. What it costs is paid for
    every order that uses it."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    says: str = Field(default="", max_length=200, description="the offer in words")
    cost: float | None = Field(default=None, ge=0, description="what it costs the shop for each buyer, in the shop's currency")
    discount: Share | None = Field(default=None, description='the share of the price that is let off, such as "10%"')

    @model_validator(mode="after")
    def _costs_something_known(self) -> "Offer":
        if (self.cost is None) == (self.discount is None):
            raise ValueError("needs either cost (for each buyer, 0 for nothing) or discount (such as 10%)")
        return self

    def per_buyer(self, revenue: float) -> float:
        """What it costs for a buyer who spends ``revenue``.

        >>> Offer(discount="10%").per_buyer(50.0), Offer(cost=2).per_buyer(50.0)
        (5.0, 2.0)
        """
        return self.cost if self.cost is not None else (self.discount or 0.0) * revenue


def _several(value: object) -> object:
    return [value] if isinstance(value, dict) else value


class Audience(BaseModel):
    """A saved question: who, but for whom, ranked by what, how many. Frozen; ``words()`` is how it is written."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True, validate_by_alias=True, validate_by_name=False)

    audience: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=100, description="its id: small letters, digits and hyphens")
    name: str = Field(default="", max_length=200, description="its name for people")
    who: Clauses = Field(description="conditions that must all be true")
    but_not: Annotated[Clauses, BeforeValidator(_several)] | None = Field(
        default=None, alias="except", description="whoever meets one of these conditions is left out"
    )
    choose: Choose | None = Field(default=None, description="how those left are ranked, and how many are taken")
    minimum_size: int | None = Field(default=None, ge=1, description="a smaller audience comes with a warning, and is not exported")
    control_group: Share | None = Field(
        default=None, description='a share, such as "10%", that is never written to, so that the effect can be measured'
    )
    include: OneOrMore | None = Field(default=None, description="ids of customers who are members whatever the conditions say")
    exclude: OneOrMore | None = Field(default=None, description="ids of customers who are no members whatever the conditions say")
    goal: Goal | None = Field(default=None, description="what it is for")
    channel: Channel | None = Field(default=None, description="how its members are reached: email, sms or ads; email when it is left out")
    offer: Offer | None = Field(default=None, description="what its members are offered, and what that costs")
    variants: int | None = Field(
        default=None, ge=2, le=26, description="so many versions of the message: every member gets one of them (A, B, ...), always the same"
    )
    out_of_stock: bool = Field(default=False, description="true: products that are known to be out of stock may be shown, too")

    @model_validator(mode="after")
    def _conditions_ask_something(self) -> "Audience":
        for place, clause in walk(self):
            asked = clause.asks
            if isinstance(asked, InterestedIn):
                _check_interest(asked, place)
            if isinstance(asked, Measure):
                _check_measure(asked, f"{place}.{asked.key}", chooses=place == "choose.by")
        if self.choose and not self.choose.by.asks.ranks:
            ranking = ", ".join(key for key, each in CONDITIONS.items() if each.ranks)
            raise ValueError(f"choose.by: customers cannot be ranked by {self.choose.by.asks.key!r}, but by: {ranking}")
        return self

    def words(self) -> dict[str, object]:
        """The definition as plain values, as it was written."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)

    def yaml(self) -> str:
        """The definition as one YAML document."""
        lines = []
        for key, value in self.words().items():
            listed = value if isinstance(value, list) else []
            lines += [f"{key}:", *(f"  - {_one_line(each)[1:-1]}" for each in listed)] if listed else [f"{key}: {_one_line(value)}"]
        return "\n".join(lines) + "\n"

    @property
    def ranking(self) -> Clause | None:
        """What its members are ranked by: ``choose.by``, else the first condition in ``who`` that ranks; None for neither."""
        if self.choose:
            return self.choose.by
        return next((clause for _, clause in _inside("", self.who, skip="not") if clause.asks.is_probability), None)

    @property
    def needs_interest(self) -> bool:
        """Whether it asks for interest in products, which nobody knows in a shop without order lines."""
        return any(isinstance(clause.asks, InterestedIn) for _, clause in walk(self))

    def about(self, catalogue: Catalogue) -> ProductSet | None:
        """The products that its probability is about; None for any order."""
        asks = self.ranking.asks if self.ranking is not None else None
        return asks.products(catalogue) if asks is not None and asks.is_probability else None

    def with_top(self, top: int) -> "Audience":
        """The same with at most ``top`` members, the best by its ranking. Raises DataError when nothing ranks them."""
        ranking = self.ranking
        if ranking is None:
            raise DataError(f"{self.audience}: nothing ranks its members, so there is no best; add choose: {{by: {{interested_in: ...}}}}")
        measured = {"likelihood", "top", *Bounds.model_fields}
        by = {ranking.asks.key: {key: value for key, value in _plain(ranking).items() if key not in measured}}
        return parse_audience({**self.words(), "choose": {"by": by, "top": top}}, source=self.audience)


def _one_line(value: object) -> str:
    return str(yaml.safe_dump(value, sort_keys=False, allow_unicode=True, default_flow_style=True, width=100_000)).removesuffix("...\n").strip()


def _plain(clause: Clause) -> dict[str, object]:
    (asked,) = clause.model_dump(mode="json", by_alias=True, exclude_unset=True).values()
    return dict(asked) if isinstance(asked, dict) else {}


def _check_interest(asked: InterestedIn, place: str) -> None:
    measures = [name for name in ("likelihood", "top") if getattr(asked, name) is not None]
    if not (asked.model_fields_set - {"likelihood", "top"} or asked.__pydantic_extra__):
        raise ValueError(f"{place}.interested_in: needs products (category, brand, product, keyword, or a column of the products)")
    if place == "choose.by" and measures:
        raise ValueError(f"{place}.interested_in: takes no {measures[0]} here; choose has a top")
    if place != "choose.by" and len(measures) != 1:
        raise ValueError(f"{place}.interested_in: needs either likelihood ({', '.join(LIKELIHOODS)}) or top (such as 2000 or 10%)")


def _check_measure(asked: Measure, place: str, *, chooses: bool) -> None:
    if chooses and asked.asks:
        raise ValueError(f"{place}: takes no limits and no top here; choose has a top")
    if not chooses and not asked.asks:
        raise ValueError(f"{place}: needs at_least, at_most, more_than, less_than or top")


def walk(audience: Audience) -> Iterator[tuple[str, Clause]]:
    """Every condition of an audience with its place, those inside others too."""
    yield from _inside("who.", audience.who)
    yield from _inside("except.", audience.but_not or ())
    if audience.choose:
        yield "choose.by", audience.choose.by


def _inside(place: str, clauses: Sequence[Clause], *, skip: str = "") -> Iterator[tuple[str, Clause]]:
    for number, clause in enumerate(clauses):
        yield (here := f"{place}{number}" if not place.endswith("not.") else place[:-1]), clause
        if clause.asks.key != skip:
            yield from _inside(f"{here}.{clause.asks.key}.", clause.asks.parts(), skip=skip)


def product_sets(audience: Audience, catalogue: Catalogue) -> list[tuple[str, ProductSet]]:
    """The product sets of its conditions with their places. Raises DataError with the place of a name that the shop does not know."""
    found = []
    for place, clause in walk(audience):
        try:
            products = clause.asks.products(catalogue)
        except DataError as error:
            raise DataError(f"{audience.audience}: {place}.{clause.asks.key}.{error}") from None
        if products is not None:
            found.append((f"{place}.{clause.asks.key}", products))
    return found


def predicted_sets(audience: Audience, catalogue: Catalogue) -> list[ProductSet]:
    """Those of its product sets that predictions are needed of. Raises DataError as ``product_sets`` does."""
    ranking = {f"{place}.{clause.asks.key}" for place, clause in walk(audience) if isinstance(clause.asks, InterestedIn)}
    return [products for place, products in product_sets(audience, catalogue) if place in ranking]


def parse_audience(words: object, *, source: str) -> Audience:
    """An audience of plain values. Raises DataError with source, place and what would be right; every problem is told."""
    if not isinstance(words, Mapping):
        raise DataError(f"{source}: an audience is a mapping with audience, who, ..., got {type(words).__name__}")
    check_values(words, source=source)
    try:
        return Audience.model_validate(dict(words))
    except ValidationError as error:
        name = words.get("audience")
        begin = f"{source}, {name}" if isinstance(name, str) and name != source else source
        raise DataError("\n".join(f"{begin}: {each}" for each in _sentences(error.errors(include_url=False)))) from None


def _sentences(errors: Sequence[ErrorDetails]) -> Iterator[str]:
    """What is wrong, the first of many, none without end."""
    for each in errors[:TOLD]:
        sentence = _sentence(each)
        yield sentence if len(sentence) <= LONGEST else f"{sentence[:LONGEST]} ..."
    if len(errors) > TOLD:
        yield f"and {len(errors) - TOLD:,} more of such problems"


def _sentence(error: ErrorDetails) -> str:
    place = ".".join(str(part) for part in error["loc"] if not str(part).startswith("<"))
    key = str(error["loc"][-1]) if error["loc"] else ""
    known = sorted(field.alias or name for name, field in Audience.model_fields.items())
    if error["type"] == "extra_forbidden" and len(error["loc"]) == 1:
        return f"{key!r} is no key of an audience{did_you_mean(key, known)}"
    wrong = {
        "extra_forbidden": "is not known here",
        "missing": "is missing",
        "string_pattern_mismatch": "is made of small letters, digits and hyphens",
    }
    message = wrong.get(error["type"], error["msg"].removeprefix("Value error, ").removeprefix("Input "))
    return f"{place}: {message}" if place else message


def parse_audiences(text: str, *, source: str) -> dict[str, Audience]:
    """The audiences of a YAML text by their id, in order. Raises DataError; an id may stand there once."""
    found: dict[str, Audience] = {}
    for words in parse_documents(text, source=source):
        audience = parse_audience(words, source=source)
        if audience.audience in found:
            raise DataError(f"{source}: the audience {audience.audience!r} is there twice")
        found[audience.audience] = audience
    check_references(found, source=source)
    return found


def saved_audiences(shop: Path) -> dict[str, Audience]:
    """The audiences of a shop folder's audiences.yaml by their id; none when there is no such file."""
    path = shop / AUDIENCES
    return parse_audiences(read_text(path), source=str(path)) if path.exists() else {}


def ready_made() -> dict[str, Audience]:
    """The ready-made audiences that others may name, too."""
    from serving.ready_made import as_they_stand  # which is made of these definitions

    return as_they_stand()


def check_references(audiences: Mapping[str, Audience], *, source: str) -> None:
    """Raise DataError for an audience that names one that is neither among them nor ready-made, or that names itself by way of others."""
    named = {name: [clause.asks.root for _, clause in walk(each) if isinstance(clause.asks, InAudience)] for name, each in audiences.items()}
    for name, others in named.items():
        for other in others:
            if other not in named and other not in ready_made():
                known = [*named, *ready_made()]
                raise DataError(f"{source}, {name}: in_audience: there is no audience {other!r}{did_you_mean(other, known)}")
    try:
        list(TopologicalSorter(named).static_order())
    except CycleError as error:
        raise DataError(f"{source}: in_audience goes round in a circle: {' -> '.join(reversed(error.args[1]))}") from None
