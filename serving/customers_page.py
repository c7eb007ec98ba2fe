"""The columns of customers.parquet and their definitions become a page: python -m serving.customers_page > docs/customers.md"""

import sys
from collections.abc import Sequence

from models.customers import importance, lifecycle, rfm
from models.customers.gaps import GAPS
from models.customers.replenishment import FEWEST_DAYS, MOST_VARIATION
from models.customers.rhythm import DEFAULT_DAYS, LATEST
from models.customers.stretches import CARRIED_ON, LEARNT, SEASON
from serving.customers import columns_page

HEAD = f"""# Customers: what is expected of each, how they live, how much they matter

What `customers.parquet` of a scoring run says of every customer, what the words mean, and how the numbers come about. Days are calendar days, several
orders on a day are one, and everything is known before a date (`as_of`, exclusive).

## What is expected

* **Likelihood** and **orders** of the main horizon are learnt on past dates and proved on others (`whobuys evaluate --table customers`). So are
  those of every other horizon of `[customers] horizons` for which enough of the past has closed: half the horizon of history, then the horizon
  itself.
* A **longer horizon** is learnt from shorter ones: with all times told in horizons, a younger shop and a shorter horizon look like it. Its total is
  the shop's return curve's or Pareto/NBD's, whichever was nearer the last time. Where nothing can be learnt, it is carried on from the longest that
  was, by how much more a buy-till-you-die model expects of this customer: MBG/NBD or Pareto/NBD, whichever would have been nearer over the last
  horizon (by BG/NBD nobody leaves before a second order).
* Every horizon has a model of its own, and **one story** is made of them (`models/customers/stretches.py`): both rise from each horizon to the next.
  Orders a day, and the hazard of a first order, keep the total that the horizon's model expects of all customers, as long as the shop's pace rises by
  no more than {SEASON[LEARNT][1]:g} times from one stretch of days to the next where it was learnt (a season may do that), {SEASON[CARRIED_ON][1]:g}
  times else, and falls to no less than a quarter. A customer's own may rise or fall by as much beyond the shop's. At least as many orders are
  expected as their probability says.
* **The value of an order** is the Gamma-Gamma model's: the customer's own mean, drawn toward that of all the more the fewer orders there are.
  Revenue is orders times that value, with a factor that made the total of the last windows right.
* **Lifetime value** adds up the stretches between horizons up to `lifetime_days`, each discounted from its middle, times the margin, times the
  share that returns leave.
* `basis` says where the main horizon's numbers come from: `model`; `model of shorter horizons` in a shop too young for windows of that length;
  `buy-till-you-die` in one too young or too small to learn from, and `shop average` there for customers with one order; `sign-ups` for who signed up
  and never ordered: the shop's own rate of first orders by days since the sign-up. `basis_by_horizon` says of all horizons whether they were learnt,
  learnt from shorter ones, or carried on; so do `whobuys score`, the manifest of the scores and the report.
* Where none of few ever came back, the buy-till-you-die model is told of half a customer who did: it is rare then, and not impossible.
* **Reasons** are the three that move likelihood and value most, what speaks for an order before what speaks against it: exact contributions of
  both learners, columns that say the same taken together.

## Rhythm

The days between two order days that are usual for this customer (`rhythm_days`). It is made in three steps:

1. The customer's own median of the last {GAPS} gaps. The gap that is still open counts as one more that is longer than all of them, because the long
   gaps are those that have not ended. So the rhythm changes when an order comes, and never by waiting.
2. What is usual for customers like them: the median gap after as many orders as theirs (1, 2, 3 to 4, 5 to 8, more) of those who ordered again, with
   gaps that are still open counted as such (Kaplan and Meier). Records of less than a year cannot show long gaps, and are allowed for.
3. The own median is drawn toward that: much with one gap, hardly with many or with regular ones, and never by more than its own standard error. Who
   orders once a year stays yearly in a shop whose other customers order every month.

`rhythm_basis` tells which of them a customer's numbers come from:

| rhythm_basis | means |
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
limits below. `whobuys replenishment` says it of any products, and `replenishment.parquet` of the scores of every category.
"""
LIFECYCLE = """The stage of life is relative to the customer's own rhythm. The days on which the next stages begin are columns (`slipping_from`,
`lost_from`); they stay until the next order. Who orders every three months is slipping away four months after the last order; who orders every year
is still active after nine."""
RATES = """Who came back within 30 days, by stage on that date (Online Retail, CDNOW; `models.customers.rhythm.return_rates` tells it of any shop):

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
IMPORTANCE = """By predicted orders and predicted revenue; a VIP also by the revenue so far. Worth is the square root of the revenue so far times that
predicted for the main horizon: who brought much once and is not expected soon is no VIP, nor is who is expected and never brought much. Orders and
revenue per order are predicted for a year. The limits are made anew from the customers of each run, and told with it. Who fits several groups
belongs to the first; customers with equal numbers are always in one group. What VIPs really brought, beside as many customers by past revenue, is in
[decisions](decisions/customers.md#vips)."""
COLUMNS = """Money is in the shop's currency, days are dates (`date32` in Parquet, 2026-03-02 in texts), and what is unknown is empty.

Who signed up and never ordered has `customer_id`, `likelihood_H`, `expected_orders_H`, `expected_revenue_H` and `expected_order_value` (the first
order), `basis`, `basis_by_horizon`, `lifecycle`, `frequency` (0), contact (`visits_90` to `channel_preference`), `country` to `postal_area` and
`reasons`. All other columns are empty for them: they tell of orders that came."""
RFM = """From the quintiles of recency (R), frequency (F) and monetary value (M), 5 the best, equal for equals. Equals stand
in the fifth of the middle one of them; for orders in that of the first, as most customers have one, unless all have as many. Every triple belongs to
exactly one group; a letter that is missing may be anything. Where the scores begin is printed by `whobuys score` and kept in its manifest, as are the
measured return rates of the stages of life."""


def page() -> str:
    """The page as Markdown."""
    groups = [(group.name, group.definition(), group.meaning) for group in rfm.GROUPS]
    parts = [
        HEAD,
        _table("Stages of life", LIFECYCLE, ("stage", "means"), [(stage.name, stage.meaning) for stage in lifecycle.STAGES]),
        RATES,
        _table("Importance", IMPORTANCE, ("group", "means"), [(group.name, group.meaning) for group in importance.GROUPS]),
        _table("RFM groups", RFM, ("group", "scores", "means"), groups),
        f"## All columns\n\n{COLUMNS}\n\n{columns_page()}\n",
    ]
    return "\n".join(parts)


def _table(title: str, words: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *([f"**{name}**", *rest] for name, *rest in rows)]
    return f"## {title}\n\n{words}\n\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    sys.stdout.write(page())
