"""What a page is made of, as plain values: sections of sentences, tables, bars and curves, and numbers as people write them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

import numpy as np

UNKNOWN = "–"
SHADES = 0.75
"""How strong the strongest cell of a table is coloured."""


@dataclass(frozen=True)
class Cell:
    """``text`` of a table's cell, ``below`` it in small, how strongly it is coloured (``shade``, 0 to 1), and the number by which a table that can be
    sorted puts it in order (None: unknown, last)."""

    text: str
    below: str = ""
    shade: float = 0.0
    order: float | None = None


@dataclass(frozen=True)
class Row:
    """``name`` of a row, what it means in small, and its cells; ``mark``: a green edge (True), a red one (False) or none."""

    name: str
    cells: Sequence[Cell | str]
    meaning: str = ""
    mark: bool | None = None


@dataclass(frozen=True)
class Table:
    """Rows under headings; ``first`` is the heading of their names. ``sorted_by``: where a page has the script for it, a touch on a heading sorts the
    rows by the ``order`` of their cells; this is the heading by which they are sorted as written."""

    first: str
    head: Sequence[str]
    rows: Sequence[Row]
    title: str = ""
    sorted_by: str = ""
    kind: Literal["table"] = "table"


@dataclass(frozen=True)
class Bars:
    """For each row a bar of a whole: the shares (0 to 1) of ``parts``."""

    parts: Sequence[str]
    rows: Mapping[str, Sequence[float]]
    title: str = ""
    kind: Literal["bars"] = "bars"


@dataclass(frozen=True)
class Columns:
    """Upright bars, from left to right: label, size (0 to 1), what it says when it is touched, and whether it is drawn pale."""

    bars: Sequence[tuple[str, float, str, bool]]
    title: str = ""
    kind: Literal["columns"] = "columns"


QUARTERS = tuple((step / 4, f"{step * 25} %") for step in range(5))


@dataclass(frozen=True)
class Curves:
    """Named lines of points (x, y), both 0 to 1, from left to right; what the axes mean, and their ticks (place, label). ``even`` is a dashed line
    (its name and points), ``band`` is an area (x, low, high) around the first line, ``numbers`` the same as a table; ``dots`` marks the points."""

    lines: Mapping[str, Sequence[tuple[float, float]]]
    across: str
    upwards: str
    title: str = ""
    ticks: Sequence[tuple[float, str]] = QUARTERS
    steps: Sequence[tuple[float, str]] = QUARTERS
    even: tuple[str, Sequence[tuple[float, float]]] = ("if all brought the same", ((0, 0), (1, 1)))
    band: Sequence[tuple[float, float, float]] = ()
    numbers: Table | None = None
    dots: bool = False
    kind: Literal["curves"] = "curves"


@dataclass(frozen=True)
class Terms:
    """Words and what they mean."""

    terms: Sequence[tuple[str, str]]
    title: str = ""
    kind: Literal["terms"] = "terms"


Block = Table | Bars | Columns | Curves | Terms


@dataclass(frozen=True)
class Section:
    """``said`` in plain words first, then the blocks behind it. Without blocks the sentences say why there are none. ``panels`` are sections inside,
    which open and close; the first is open unless they are ``closed``."""

    title: str
    said: Sequence[str]
    blocks: Sequence[Block] = ()
    panels: Sequence["Section"] = ()
    closed: bool = False


def count(value: float) -> str:
    """A whole number with thousands; unknown as a dash.

    >>> count(1234.4), count(float("nan"))
    ('1,234', '–')
    """
    return UNKNOWN if np.isnan(value) else f"{value:,.0f}"


def percent(share: float) -> str:
    """A share of 0 to 1 in per cent; with a decimal below a tenth.

    >>> percent(0.345), percent(0.0123), percent(0.01), percent(float("nan"))
    ('34 %', '1.2 %', '1 %', '–')
    """
    if np.isnan(share):
        return UNKNOWN
    text = f"{share:.1%}" if 0 < abs(share) < 0.0995 else f"{share:.0%}"
    return text.replace(".0%", "%").replace("%", " %")


def money(value: float, currency: str = "") -> str:
    """An amount, with two decimals below a hundred.

    >>> money(12345.6, "EUR"), money(9.5), money(float("nan"), "EUR")
    ('12,346 EUR', '9.50', '–')
    """
    if np.isnan(value):
        return UNKNOWN
    text = f"{value:,.0f}" if abs(value) >= 100 or value == 0 else f"{value:,.2f}"
    return f"{text} {currency}".rstrip()


def times(value: float) -> str:
    """How many times as much.

    >>> times(1.256), times(float("nan"))
    ('1.26 ×', '–')
    """
    return UNKNOWN if np.isnan(value) else f"{value:.2f} ×"


def day(of: date) -> str:
    """A date for people.

    >>> day(date(2026, 7, 1))
    '1 July 2026'
    """
    return f"{of.day} {of:%B %Y}"


def shaded(value: float, most: float) -> float:
    """How strongly a value is coloured beside the greatest of its table, 0 to ``SHADES``.

    >>> shaded(5.0, 10.0), shaded(float("nan"), 10.0)
    (0.375, 0.0)
    """
    return 0.0 if np.isnan(value) or not most > 0 else round(SHADES * float(np.clip(value / most, 0, 1)), 3)


def listed(words: Sequence[str]) -> str:
    """Words as a sentence lists them.

    >>> listed(["a", "b", "c"]), listed(["a"])
    ('a, b and c', 'a')
    """
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else "".join(words)
