"""Conditions of the audience language become answers about customers, as of a date: the mechanism, and what orders alone can answer.

``serving.audiences`` adds the conditions that need predictions.
"""

from features.conditions.evidence import Answer, Columns, Evidence, Floats, highest
from features.conditions.measures import AverageOrder, FirstOrder, LastOrder, Measure, Orders, Spent
from features.conditions.mechanism import CONDITIONS, AllOf, AnyOf, Clause, Clauses, Condition, Not, OneClause, at, condition, held, hold
from features.conditions.people import Attribute, Did, ReachableBy, reachable
from features.conditions.purchases import Bought, OfProducts
from features.conditions.shares import ShareBought

__all__ = [
    "CONDITIONS",
    "AllOf",
    "Answer",
    "AnyOf",
    "Attribute",
    "AverageOrder",
    "Bought",
    "Clause",
    "Clauses",
    "Columns",
    "Condition",
    "Did",
    "Evidence",
    "FirstOrder",
    "Floats",
    "LastOrder",
    "Measure",
    "Not",
    "OfProducts",
    "OneClause",
    "Orders",
    "ReachableBy",
    "ShareBought",
    "Spent",
    "at",
    "condition",
    "held",
    "highest",
    "hold",
    "reachable",
]
