"""The definitions of rhythm, stages, importance and RFM groups become a page: python -m models.customers_page > docs/customers.md"""

import sys
from collections.abc import Sequence

from models import importance, lifecycle, rfm
from models.gaps import GAPS
from models.replenishment import FEWEST_DAYS, MOST_VARIATION
from models.rhythm import DEFAULT_DAYS, LATEST

HEAD = f"""# Customers: rhythm, stages of life, importance, RFM

What these words mean for a customer, and how the numbers come about. Days are calendar days, several orders on a day are one, and everything is known
before a date (`as_of`, exclusive).

## Rhythm

The days between two order days that are usual for this customer (`rhythm_days`). It is made in three steps:

1. The customer's own median of the last {GAPS} gaps. The gap that is still open counts as one more that is longer than all of them, because the long
   gaps are those that have not ended. So the rhythm changes when an order comes, and never by waiting.
2. What is usual for customers like them: the median gap after as many orders as theirs (1, 2, 3 to 4, 5 to 8, more) of those who ordered again, with
   gaps that are still open counted as such (Kaplan and Meier). Records of less than a year cannot show long gaps, and are allowed for.
3. The own median is drawn toward that: much with one gap, hardly with many or with regular ones, and never by more than its own standard error. Who
   orders once a year stays yearly in a shop whose other customers order every month.

`basis` tells which of them a customer's numbers come from:

| basis | means |
|---|---|
| `own` | the own gaps weigh two thirds or more |
| `like them` | two orders or few irregular gaps: what is usual for customers like them weighs more than a third |
| `shop` | one order day: the shop's own return curve, from the first order to the second |
| `default` | one order day, and nobody in this shop ever came back: a rhythm of {DEFAULT_DAYS:.0f} days is supposed |

## Next order

`next_order_date`, given that there will be one: half of such orders come by then, and 8 of 10 between `next_order_low` and `next_order_high`. How
far gaps stray from the rhythm is learnt from what followed each order in the shop, given only what was known of the customer then; it is taken given
how long this customer has been silent; the longer the silence, the longer the wait that is left. No date lies before `as_of`, or more than
{LATEST // 365} years ahead.
*Whether* an order comes is another question: the likelihood answers it.

"Vitamin D every two months": the same per customer and product set (`rhythm_days`, `due`, `low`, `high`), for those with at least {FEWEST_DAYS}
order days from the set whose gaps vary by at most {MOST_VARIATION:g} of their mean (standard deviation), until they are lost to the set by the
limits below.
"""
LIFECYCLE = """The stage of life is relative to the customer's own rhythm. The days on which the next stages begin are columns (`slipping_from`,
`lost_from`); they stay until the next order. Who orders every three months is slipping away four months after the last order; who orders every year
is still active after nine."""
RATES = """Who came back within 30 days, by stage on that date (Online Retail, CDNOW; `models.rhythm.return_rates` tells it of any shop):

| shop, date | just ordered | active | slipping away | lost |
|---|---|---|---|---|
| Online Retail, 2011-08-01 | 31 % | 31 % | 18 % | 11 % |
| Online Retail, 2011-10-01 | 28 % | 36 % | 26 % | 14 % |
| Online Retail, 2011-11-10 | 46 % | 39 % | 31 % | 16 % |
| CDNOW, 1997-07-01 | 23 % | 28 % | 8 % | 5 % |
| CDNOW, 1997-10-01 | 24 % | 23 % | 17 % | 4 % |
| CDNOW, 1998-01-01 | 21 % | 19 % | 17 % | 3 % |

In records of less than half a year the stages say little: only those with short rhythms can be lost by then.
"""
IMPORTANCE = """By predicted orders and predicted revenue. The limits are made anew from the customers of each run, and told with it. Who fits several
groups belongs to the first; customers with equal numbers are always in one group."""
RFM = """From the quintiles of recency (R), frequency (F) and monetary value (M), 5 the best, equal for equals. Every triple belongs to exactly one
group; a letter that is missing may be anything."""


def page() -> str:
    """The page as Markdown."""
    groups = [(group.name, group.definition(), group.meaning) for group in rfm.GROUPS]
    parts = [
        HEAD,
        _table("Stages of life", LIFECYCLE, ("stage", "means"), [(stage.name, stage.meaning) for stage in lifecycle.STAGES]),
        RATES,
        _table("Importance", IMPORTANCE, ("group", "means"), [(group.name, group.meaning) for group in importance.GROUPS]),
        _table("RFM groups", RFM, ("group", "scores", "means"), groups),
    ]
    return "\n".join(parts)


def _table(title: str, words: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *([f"**{name}**", *rest] for name, *rest in rows)]
    return f"## {title}\n\n{words}\n\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    sys.stdout.write(page())
