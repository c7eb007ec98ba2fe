"""Conditions of the audience language become answers about customers, as of a date: the mechanism, and what orders alone can answer.

``serving.audiences`` adds the conditions that need predictions.
"""

from features.conditions.evidence import Answer, Evidence, Floats
from features.conditions.mechanism import CONDITIONS, LATER, AllOf, AnyOf, Clause, Clauses, Condition, Not, OneClause, at, condition, hold
from features.conditions.purchases import Bought, OfProducts

__all__ = [
    "CONDITIONS",
    "LATER",
    "AllOf",
    "Answer",
    "AnyOf",
    "Bought",
    "Clause",
    "Clauses",
    "Condition",
    "Evidence",
    "Floats",
    "Not",
    "OfProducts",
    "OneClause",
    "at",
    "condition",
    "hold",
]
