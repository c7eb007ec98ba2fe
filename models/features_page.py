"""Every feature and its line of meaning become docs/features.md: python -m models.features_page > docs/features.md"""

import sys
from collections.abc import Sequence

from features.behaviour import BEHAVIOUR, SIGN_UPS
from features.customers import CUSTOMER_FEATURES
from features.events import EVENT_FEATURES, SET_EVENT_FEATURES
from features.expressions import Feature
from features.pairs import HISTORY_FEATURES, SET_FEATURES
from models.customers.customer_features import STEADY_FEATURES
from models.pairs.pair_features import AFFINITY_FEATURES, CROSS_FEATURES, CUSTOMER_COLUMNS

HEAD = """# The features

What the models read, and how customers behave. Everything is known before a date (`as_of`, exclusive), and nothing that comes later changes a byte
of it. Days are calendar days, money is in the currency of the shop; what is unknown is empty, not 0. Cancelled orders and returns are no purchases.

The interest model reads a row per pair (customer, product set): {pairs} columns. The likelihood model reads a row per customer: {customers} columns.
For a shop with events they read {of_pairs} and {of_customers} more; a shop without gets none of these.
Which group of features is worth what is in [evaluation](evaluation.md).
"""
GROUPS = (
    (
        "The customer with the set",
        "From `features/pairs.py`; 0, or unknown for days, where there is no history.",
        HISTORY_FEATURES,
    ),
    ("The customer's share and habit", "From `models/pairs/pair_features.py`, out of the others.", CROSS_FEATURES),
    (
        "Affinities",
        "From `models/pairs/affinity.py`, learnt from orders before the date; each as it is, as a share, and beside the mean customer.",
        AFFINITY_FEATURES,
    ),
    ("The set", "From `features/pairs.py`; in the interest model their names begin with `of_set_`.", SET_FEATURES),
)
EVENT_COUNTS = {"of_pairs": len(EVENT_FEATURES) + len(SET_EVENT_FEATURES), "of_customers": len(EVENT_FEATURES)}
EVENTS = """From `features/events.py`, for a shop with events; those of the set are read by the interest model only. What began before the events
did is unknown, and all of it is when the shop had no event in the week before the date. Models learn one row in ten without these columns, so that
they still answer when events stop or are missing."""

STEADY = """From `models/customers/customer_features.py`, for likelihood and volume: MBG/NBD, fitted on
the orders before the date."""

BEHAVIOURS = """From `features/behaviour`: how every customer with an order buys, for audiences and reports; the models do not read it. Columns that
begin with `is_` or `has_` are yes, no or unknown. What the shop's data do not tell is empty: discounts of a shop that gives none, gifts of one that
marks none, high seasons in a shop's first year. That a gift was sent to another name or address is known where an export says both where an order
went and who paid, such as `Shipping Name` and `Billing Name`. `repeat_odds` tells which kinds of new customers come back."""
WAITING = """Of customers without an order whose sign-up is known (`sign_ups`). How likely their first order is, by the days since the sign-up, is
learnt from the shop's earlier sign-ups (`sign_up_curve`, `sign_up_likelihood`)."""


def page() -> str:
    """The page as Markdown."""
    own = f"From `features/customers.py`. Those with a dot are read by the interest model, too ({len(CUSTOMER_COLUMNS)})."
    marked = [Feature(f"{each.name}` ·" if each.name in CUSTOMER_COLUMNS else f"{each.name}`", each.meaning) for each in CUSTOMER_FEATURES]
    pairs = sum(len(group) for _, _, group in GROUPS) + len(CUSTOMER_COLUMNS)
    parts = [HEAD.format(pairs=pairs, customers=len(CUSTOMER_FEATURES) + len(STEADY_FEATURES), **EVENT_COUNTS)]
    parts += [_table(title, words, [Feature(f"{each.name}`", each.meaning) for each in group]) for title, words, group in GROUPS]
    events = [Feature(f"{each.name}`", each.meaning) for each in (*EVENT_FEATURES, *SET_EVENT_FEATURES)]
    steady = [Feature(f"{each.name}`", each.meaning) for each in STEADY_FEATURES]
    behaviours, waiting = ([Feature(f"{each.name}`", each.meaning) for each in group] for group in (BEHAVIOUR, SIGN_UPS))
    parts += [_table("The customer", own, marked), _table("What a buy-till-you-die model says of the customer", STEADY, steady)]
    parts += [_table("What the customer did besides ordering", EVENTS, events)]
    return "\n".join([*parts, _table("Behaviour", BEHAVIOURS, behaviours), _table("Sign-ups", WAITING, waiting)])


def _table(title: str, words: str, features: Sequence[Feature]) -> str:
    rows = "".join(f"| `{each.name} | {each.meaning} |\n" for each in features)
    return f"## {title}\n\n{words}\n\n| feature | meaning |\n|---|---|\n{rows}"


if __name__ == "__main__":
    sys.stdout.write(page())
