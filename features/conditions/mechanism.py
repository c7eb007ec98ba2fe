"""The mechanism of the audience language: one condition is one class, registered under its key; and those that combine others."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import reduce
from typing import Annotated, ClassVar, TypeVar, Union

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, GetCoreSchemaHandler, RootModel, Tag, create_model
from pydantic_core import CoreSchema

from features.conditions.evidence import Answer, Evidence, Floats
from features.errors import DataError, did_you_mean
from features.products import Catalogue, ProductSet


class Condition(ABC):
    """One condition. A class of pydantic fields, registered by ``condition(key)``; its docstring is its documentation."""

    key: ClassVar[str] = ""
    ranks: ClassVar[bool] = False
    """Customers can be ranked by it."""
    is_probability: ClassVar[bool] = False
    """What it ranks by is a probability to buy: members are ranked by it without being told to."""
    needs: ClassVar[str] = ""
    """What is missing in a shop of whose customers it cannot be said."""

    @abstractmethod
    def holds(self, evidence: Evidence) -> Answer:
        """Of whom it is true. Raises DataError for names that the shop does not know, beginning with the place inside the condition."""

    def scores(self, evidence: Evidence) -> Floats | None:
        """What customers can be ranked by, or None when the condition ranks nobody."""
        return None

    def products(self, catalogue: Catalogue) -> ProductSet | None:
        """The product set that it is about, if it is about one."""
        return None

    def parts(self) -> "Sequence[Clause]":
        """The conditions inside it."""
        return ()

    def why_nobody(self, evidence: Evidence, answer: Answer) -> str:
        """Why ``answer``, what it says as of the evidence, is true of nobody: a sentence without its subject."""
        if answer.unknown.all():
            return f"cannot be said of anybody: {self.needs or 'nothing of it is known'}"
        return "is true of nobody"


CONDITIONS: dict[str, type[Condition]] = {}
"""Every condition that exists, by its key."""

_C = TypeVar("_C", bound=type[Condition])


def condition(key: str) -> Callable[[_C], _C]:
    """Register a condition under its key."""

    def register(made: _C) -> _C:
        made.key = key
        CONDITIONS[key] = made
        return made

    return register


class Clause(BaseModel):
    """One condition under its key, as it is written: ``{bought: {category: Tents}}``."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True, arbitrary_types_allowed=True)

    asks: Condition


class _AnyRegistered:
    """Makes a field take a clause of any registered condition; the key tells which, so an error is told at its exact place."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        clauses = tuple(Annotated[_clause(key), Tag(f"<{key}>")] for key in CONDITIONS)
        kinds = Annotated[Union[clauses], Discriminator(_tag)]  # type: ignore[valid-type]  # noqa: UP007 - a union made at run time
        return handler.generate_schema(Annotated[kinds, BeforeValidator(_check_key)])


_CLAUSES: dict[str, type[Clause]] = {}


def _clause(key: str) -> type[Clause]:
    if key not in _CLAUSES:
        made = CONDITIONS[key]
        _CLAUSES[key] = create_model(f"{made.__name__}Clause", __base__=Clause, asks=(made, Field(alias=key, description=made.__doc__)))
    return _CLAUSES[key]


def _tag(value: object) -> str | None:
    if isinstance(value, Clause):
        return f"<{value.asks.key}>"
    return f"<{next(iter(value))}>" if isinstance(value, dict) else None


def _check_key(value: object) -> object:
    if isinstance(value, Clause):
        return value
    if not isinstance(value, dict) or len(value) != 1:
        raise ValueError("a condition is one key with what it asks, such as bought: {category: Tents}")
    key = str(next(iter(value)))
    if key in CONDITIONS:
        return value
    raise ValueError(f"there is no condition {key!r}{did_you_mean(key, CONDITIONS)}")


def _not_empty(clauses: tuple[Clause, ...]) -> tuple[Clause, ...]:
    if not clauses:
        raise ValueError("needs at least one condition")
    return clauses


OneClause = Annotated[Clause, _AnyRegistered]
Clauses = Annotated[tuple[OneClause, ...], AfterValidator(_not_empty)]


@contextmanager
def at(place: str, *, by: str = ".") -> Iterator[None]:
    """Put the place before what goes wrong inside, so that ``category: there is no ...`` becomes ``who.0.bought.category: there is no ...``."""
    try:
        yield
    except DataError as error:
        raise DataError(f"{place}{by}{error}") from None


def hold(clauses: Sequence[Clause], evidence: Evidence, *, place: str) -> list[Answer]:
    """The answer of each clause, in order."""
    answers = []
    for number, clause in enumerate(clauses):
        with at(f"{place}{number}.{clause.asks.key}"):
            answers.append(held(clause, evidence))
    return answers


def held(clause: Clause, evidence: Evidence) -> Answer:
    """The answer of one clause, asked once. Raises DataError as the condition does."""
    return evidence.answered(clause.model_dump_json(by_alias=True), lambda: clause.asks.holds(evidence))


@condition("not")
class Not(RootModel[Clause], Condition):
    """The condition inside is not true: ``not: {bought: {category: Mosquito repellent}}``."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    root: OneClause

    def holds(self, evidence: Evidence) -> Answer:
        """The opposite; what is unknown stays unknown."""
        with at(self.root.asks.key):
            return ~held(self.root, evidence)

    def parts(self) -> Sequence[Clause]:
        """The one inside."""
        return (self.root,)


@condition("any")
class AnyOf(RootModel[tuple[Clause, ...]], Condition):
    """At least one of the listed conditions is true."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    root: Clauses

    def holds(self, evidence: Evidence) -> Answer:
        """One of them."""
        return reduce(Answer.__or__, hold(self.root, evidence, place=""))

    def parts(self) -> Sequence[Clause]:
        """Those listed."""
        return self.root


@condition("all")
class AllOf(RootModel[tuple[Clause, ...]], Condition):
    """All of the listed conditions are true; for use inside ``any`` and ``not``, as a list by itself means the same."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    root: Clauses

    def holds(self, evidence: Evidence) -> Answer:
        """All of them."""
        return reduce(Answer.__and__, hold(self.root, evidence, place=""))

    def parts(self) -> Sequence[Clause]:
        """Those listed."""
        return self.root
