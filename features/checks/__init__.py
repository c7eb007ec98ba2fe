"""New tables are held against the shop's own past before they are published: what cannot be right stops a run, what is odd is said."""

from features.checks.rules import RULES, Finding, check_tables, refuse_stops
from features.checks.weeks import Weeks

__all__ = ["RULES", "Finding", "Weeks", "check_tables", "refuse_stops"]
