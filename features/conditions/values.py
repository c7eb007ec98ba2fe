"""Words of the audience language become values: "60 days", "10%", one word or several, limits of a product's attribute."""

import re
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Literal, TypedDict

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, PlainValidator, WithJsonSchema, model_serializer, model_validator

_SPAN = re.compile(r"([1-9]\d{0,4})\s*(day|week|month|year)s?", re.ASCII)
_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*%", re.ASCII)
LONGEST = 100 * 365
"""Days of the longest time: no order is older."""
LARGEST = 1e15
"""No number of a definition is larger: whole numbers beyond it are not kept exactly."""


LEAST_SHARE = 1e-6
"""A share of less than one in a million is taken for a mistake."""


def percent(share: float) -> str:
    """A share as it is written, and read again.

    >>> percent(0.07), percent(1 / 3), percent(1e-6)
    ('7%', '33.3333333333%', '0.0001%')
    """
    return f"{f'{share * 100:.10f}'.rstrip('0').rstrip('.')}%"


@dataclass(frozen=True)
class TimeSpan:
    """A number of days, weeks, months or years."""

    number: int
    unit: Literal["day", "week", "month", "year"]

    def __str__(self) -> str:
        return f"{self.number} {self.unit}{'s' * (self.number != 1)}"

    @property
    def days(self) -> int:
        """About so many days: a month is 30 of them, a year 365."""
        return self.number * {"day": 1, "week": 7, "month": 30, "year": 365}[self.unit]

    def after(self, day: date) -> date:
        """The day so long after ``day``.

        >>> TimeSpan(2, "week").after(date(2026, 7, 1))
        datetime.date(2026, 7, 15)
        """
        return self._moved(day, 1)

    def before(self, day: date) -> date:
        """The day so long before ``day``; a month before the 31st is the last day of a shorter month.

        >>> TimeSpan(12, "month").before(date(2026, 7, 1)), TimeSpan(1, "month").before(date(2026, 3, 31))
        (datetime.date(2025, 7, 1), datetime.date(2026, 2, 28))
        """
        return self._moved(day, -1)

    def _moved(self, day: date, sign: int) -> date:
        offset = pd.DateOffset(**{f"{self.unit}s": self.number})  # type: ignore[arg-type]  # the unit is the name of the argument
        return date.fromisoformat(str((pd.Timestamp(day) + sign * offset).date()))


@dataclass(frozen=True)
class TopOf:
    """So many customers, or such a share of all."""

    number: int | None = None
    share: float | None = None

    def __str__(self) -> str:
        return f"{self.number}" if self.share is None else percent(self.share)

    def of(self, size: int) -> int:
        """How many of ``size`` customers that is, rounded down.

        >>> TopOf(share=0.1).of(57), TopOf(number=2000).of(57)
        (5, 57)
        """
        wanted = int(size * self.share + 1e-9) if self.share is not None else self.number or 0
        return min(size, wanted)


def _span(value: object) -> TimeSpan:
    if isinstance(value, TimeSpan):
        return value
    found = _SPAN.fullmatch(value.strip().lower()) if isinstance(value, str) else None
    if not found:
        raise ValueError(f'a time is written as a number with days, weeks, months or years, such as "60 days", got {value!r}')
    span = TimeSpan(int(found[1]), found[2])  # type: ignore[arg-type]  # one of the four, by the pattern
    if span.days > LONGEST:
        raise ValueError(f"a time is {LONGEST // 365} years at most, got {value!r}")
    return span


def _top(value: object) -> TopOf:
    if isinstance(value, TopOf):
        return value
    found = _PERCENT.fullmatch(value.strip()) if isinstance(value, str) else None
    if found and LEAST_SHARE <= float(found[1]) / 100 <= 1:
        return TopOf(share=float(found[1]) / 100)
    if isinstance(value, str) and re.fullmatch(r"\d{1,15}", value.strip(), re.ASCII):
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= LARGEST:
        return TopOf(number=value)
    raise ValueError(f'top is a number of customers such as 2000, or a share such as "10%", got {value!r}')


def _words(value: object) -> object:
    """One word or a list of words; a product id that looks like a number is a word, too."""
    many = value if isinstance(value, list | tuple) else [value]
    return tuple(str(one) if isinstance(one, int) and not isinstance(one, bool) else one for one in many)


def _as_written(words: tuple[str, ...]) -> str | list[str]:
    return words[0] if len(words) == 1 else list(words)


Span = Annotated[TimeSpan, PlainValidator(_span), PlainSerializer(str), WithJsonSchema({"type": "string", "pattern": _SPAN.pattern})]
Top = Annotated[
    TopOf,
    PlainValidator(_top),
    PlainSerializer(lambda top: top.number or str(top)),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": _PERCENT.pattern}]}),
]


def _share(value: object) -> float:
    found = _PERCENT.fullmatch(value.strip()) if isinstance(value, str) else None
    share = float(found[1]) / 100 if found else value
    if isinstance(share, float) and LEAST_SHARE <= share < 1:
        return share
    raise ValueError(f'is a share between 0 and 1, such as "10%", got {value!r}')


Share = Annotated[
    float,
    PlainValidator(_share),
    PlainSerializer(percent),
    WithJsonSchema({"anyOf": [{"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}, {"type": "string", "pattern": _PERCENT.pattern}]}),
]
OneOrMore = Annotated[
    tuple[str, ...],
    Field(min_length=1),
    BeforeValidator(_words),
    PlainSerializer(_as_written),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}),
]


Scalar = str | bool | int | float


def _number(value: object) -> object:
    found = _PERCENT.fullmatch(value.strip()) if isinstance(value, str) else None
    given = float(found[1]) / 100 if found else value
    if not _is_number(given):
        raise ValueError(f'is a number such as 100, or a share such as "10%", got {value!r}')
    return given


def _is_number(value: object) -> bool:
    """Whether it is a number that can be compared: neither NaN nor larger than any that is counted."""
    return isinstance(value, int | float) and not isinstance(value, bool) and -LARGEST <= value <= LARGEST


Number = Annotated[
    float,
    BeforeValidator(_number),
    PlainSerializer(lambda value: int(value) if float(value).is_integer() else value),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string", "pattern": _PERCENT.pattern}]}),
]


class Bounds(BaseModel):
    """What a number must be: ``at_least`` and ``at_most`` are inclusive, ``more_than`` and ``less_than`` are not; a share may be written "10%"."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at_least: Number | None = Field(default=None, description="this or more")
    at_most: Number | None = Field(default=None, description="this or less")
    more_than: Number | None = Field(default=None, description="more than this")
    less_than: Number | None = Field(default=None, description="less than this")

    @property
    def bounded(self) -> bool:
        """Whether any limit is given."""
        return any(limit is not None for limit in (self.at_least, self.at_most, self.more_than, self.less_than))

    def fits(self, values: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Which values lie within all limits; NaN does not."""
        found: NDArray[np.bool_] = ~np.isnan(values)
        for limit, kept in (
            (self.at_least, np.greater_equal),
            (self.at_most, np.less_equal),
            (self.more_than, np.greater),
            (self.less_than, np.less),
        ):
            if limit is not None:
                found &= kept(values, limit)
        return found


class Limits(TypedDict, total=False):
    """What ``Catalogue.attribute`` takes."""

    equal: str
    at_least: float
    at_most: float


Limit = Annotated[float, Field(ge=-LARGEST, le=LARGEST)]


class ProductAttribute(BaseModel):
    """What a column of the products must be: a word, one of several words, a number, true or false, or limits (both inclusive)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    one_of: tuple[Scalar, ...] = ()
    at_least: Limit | None = None
    at_most: Limit | None = None

    @model_validator(mode="before")
    @classmethod
    def _plain_values(cls, value: object) -> object:
        if isinstance(value, dict):
            if not value or "one_of" in value:
                raise ValueError("needs at_least or at_most, or is a plain word or number")
            return value
        several = tuple(value) if isinstance(value, list | tuple) and value else (value,)
        for one in several:
            if not (isinstance(one, str | bool) or _is_number(one)):
                raise ValueError(f"is a word, a number, true or false, got {one!r}")
        return {"one_of": several}

    @model_serializer
    def as_written(self) -> object:
        """The attribute as it stands in a definition."""
        if self.one_of:
            return self.one_of[0] if len(self.one_of) == 1 else list(self.one_of)
        return {name: value for name, value in (("at_least", self.at_least), ("at_most", self.at_most)) if value is not None}

    def limits(self) -> list[Limits]:
        """What is asked, as arguments of ``Catalogue.attribute``; fits any of them."""
        if self.one_of:
            return [_exactly(value) for value in self.one_of]
        bounds = Limits()
        if self.at_least is not None:
            bounds["at_least"] = self.at_least
        if self.at_most is not None:
            bounds["at_most"] = self.at_most
        return [bounds]


def _exactly(value: Scalar) -> Limits:
    if isinstance(value, str | bool):
        return Limits(equal=str(value).lower() if isinstance(value, bool) else value)
    return Limits(at_least=float(value), at_most=float(value))
