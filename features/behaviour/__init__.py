"""How customers behave as of a date, of those with orders and of those who only signed up, as facts that people can read."""

from features.behaviour.facts import BEHAVIOUR, behaviour
from features.behaviour.gifts import gift_seasons
from features.behaviour.repeats import repeat_odds
from features.behaviour.seasons import Season, high_seasons
from features.behaviour.sign_ups import SIGN_UPS, first_order_value, sign_up_behaviour, sign_up_curve, sign_up_likelihood, sign_ups

__all__ = [
    "BEHAVIOUR",
    "SIGN_UPS",
    "Season",
    "behaviour",
    "first_order_value",
    "gift_seasons",
    "high_seasons",
    "repeat_odds",
    "sign_up_behaviour",
    "sign_up_curve",
    "sign_up_likelihood",
    "sign_ups",
]
