"""Small expressions that every feature is made of: ages, windows and decays whose sums are exact whatever the order of the rows."""

from dataclasses import dataclass

import ibis
from ibis.expr.types import NumericValue, Table

UNIT = 1 << 20
"""Decayed weights are summed in whole 2**-20ths: a sum of integers does not depend on the order of the rows."""


@dataclass(frozen=True)
class Feature:
    """One column that is known as of a date, with its line of meaning."""

    name: str
    meaning: str


def before(table: Table, day: int) -> Table:
    """The rows from before ``day`` (exclusive), with their ``ago`` in days, at least 1."""
    return table.filter(table.day < day).mutate(ago=ibis.literal(day, "int32") - table.day)


def decayed(ago: NumericValue, half_life: int) -> NumericValue:
    """The weight of something ``ago`` days in the past: 1/2 after each ``half_life`` days, in whole UNITs.

    As float64, whose sums of whole numbers are exact below 2**53: DuckDB adds up 64-bit integers in 128 bits, which takes twice as long."""
    return (ibis.literal(2.0).pow(-ago.cast("float64") / half_life) * UNIT).round()
