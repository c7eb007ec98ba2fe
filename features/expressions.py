"""Small expressions that every feature is made of: ages, windows and decays whose sums are exact whatever the order of the rows."""

from dataclasses import dataclass

import ibis
from ibis.expr.datatypes import int8
from ibis.expr.types import NumericValue, StringValue, Table

UNIT = 1 << 20
"""Decayed weights are summed in whole 2**-20ths: a sum of integers does not depend on the order of the rows."""


@dataclass(frozen=True)
class Feature:
    """One column that is known as of a date, with its line of meaning."""

    name: str
    meaning: str


def real(number: NumericValue) -> NumericValue:
    """A whole number as float64: to Spark, ``5.0`` beside one is a decimal number with a few digits."""
    return number.cast("float64")


def stripped(text: StringValue) -> StringValue:
    """A text without blanks at its ends. What ibis has for it takes the letters f and v from the ends, too, on Spark."""
    return text.re_replace(r"^\s+|\s+$", "")


@ibis.udf.agg.builtin(name="bit_or")  # type: ignore[untyped-decorator]
def bits_of(bits: int8) -> int8:
    """All bits that any of the rows has: a function that both engines have, and ibis knows of one of them only."""


def before(table: Table, day: int) -> Table:
    """The rows from before ``day`` (exclusive), with their ``ago`` in days, at least 1."""
    return table.filter(table.day < day).mutate(ago=ibis.literal(day, "int32") - table.day)


def decayed(ago: NumericValue, half_life: int) -> NumericValue:
    """The weight of something ``ago`` days in the past: 1/2 after each ``half_life`` days, in whole UNITs.

    As float64, whose sums of whole numbers are exact below 2**53: DuckDB adds up 64-bit integers in 128 bits, which takes twice as long."""
    return (ibis.literal(2.0).pow(-ago.cast("float64") / half_life) * UNIT).round()
