"""What the models read of a customer becomes words: the strongest reasons why an order, and its value, are to be expected or not.

Contributions to the log-odds are exact for both learners: SHAP values of the trees (Lundberg and others 2020, LightGBM's ``pred_contrib``), and
weight times distance from the mean of the regression. Columns that say the same thing are one reason. The expected value of an order counts as
the logarithm of what it is over the usual: added to the log-odds of a rare order, it makes the logarithm of the expected revenue.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.base import Floats
from models.blend import Blend

Words = NDArray[np.object_]
STRONGEST = 3
LEAST = 0.05
"""A reason that moves the log-odds by less is none."""
ROWS = 100_000
"""Customers whose sentences are put together at once."""


def _whole(values: pd.Series) -> Words:
    """Numbers as text without decimals; every different one is written once."""
    codes, known = pd.factorize(values.fillna(0).round().astype(np.int64))
    return np.asarray([f"{each:,}" for each in known], dtype=object)[codes]


def _money(values: pd.Series) -> Words:
    codes, known = pd.factorize(values.fillna(0).round(2))
    return np.asarray([f"{each:,.2f}" for each in known], dtype=object)[codes]


def _percent(values: pd.Series) -> Words:
    return np.asarray(_whole(values * 100) + " %", dtype=object)


def _counted(values: pd.Series, one: str, many: str) -> Words:
    return np.asarray(_whole(values) + np.where(values.round().eq(1), f" {one}", f" {many}").astype(object), dtype=object)


def _rhythm(facts: pd.DataFrame) -> Words:
    since = _counted(facts["recency"], "day", "days") + " ago"
    every = "orders every " + _counted(facts["rhythm"], "day", "days") + ", last " + since
    return np.asarray(np.where(facts["rhythm"].notna(), every, "last order " + since), dtype=object)


def _orders(facts: pd.DataFrame) -> Words:
    lately = _whole(facts["orders_90"]) + np.full(len(facts), " in the last 90 days", dtype=object)
    return np.asarray(_counted(facts["frequency"], "order", "orders") + ", " + lately, dtype=object)


def _spends(facts: pd.DataFrame) -> Words:
    last = facts["spent_90"] / facts["orders_90"].clip(lower=1)
    more = facts["orders_90"].gt(0) & facts["frequency"].gt(facts["orders_90"]) & last.gt(1.1 * facts["monetary"])
    return np.asarray("spends " + _money(facts["monetary"]) + np.where(more, " an order, more of late", " an order").astype(object), dtype=object)


def _basket(facts: pd.DataFrame) -> Words:
    return np.asarray(_counted(facts["products"], "product", "different products") + " bought", dtype=object)


def _age(facts: pd.DataFrame) -> Words:
    return np.asarray("first order " + _counted(facts["age"], "day", "days") + " ago", dtype=object)


def _season(facts: pd.DataFrame) -> Words:
    return np.asarray(_counted(facts["orders_last_year"], "order", "orders") + " in these weeks last year", dtype=object)


def _discount(facts: pd.DataFrame) -> Words:
    return np.asarray("saved " + _percent(facts["discount_share"]) + " by discounts", dtype=object)


def _returns(facts: pd.DataFrame) -> Words:
    back = "sent back " + _money(-facts["returned"])
    return np.asarray(np.where(facts["returned"] < 0, back, "sent nothing back"), dtype=object)


def _visits(facts: pd.DataFrame) -> Words:
    seen = _counted(facts["visits_30"], "visit", "visits") + " in the last 30 days"
    return np.asarray(np.where(facts["carts_since"].gt(0), seen + ", left a cart", seen), dtype=object)


def _mails(facts: pd.DataFrame) -> Words:
    return np.asarray(_counted(facts["opened_90"], "mail", "mails") + " opened in the last 90 days", dtype=object)


@dataclass(frozen=True)
class Reason:
    """One thing to say: the columns that say it, by name or by how their names begin, and its words for every customer; what is unknown (``needs``)
    is not said."""

    begins: tuple[str, ...]
    words: Callable[[pd.DataFrame], Words]
    needs: str = "frequency"


REASONS: Mapping[str, Reason] = {
    "season": Reason(("orders_last_year",), _season),
    "orders": Reason(("frequency", "order"), _orders),
    "rhythm": Reason(("recency", "rhythm", "lateness", "active_days", "mbg_"), _rhythm),
    "age": Reason(("age",), _age),
    "spend": Reason(("monetary", "spent", "unit_price"), _spends),
    "discounts": Reason(("discount_share",), _discount),
    "returns": Reason(("returned",), _returns),
    "basket": Reason(("basket", "lines", "products"), _basket),
    "visits": Reason(("visit", "cart", "event_recency"), _visits, "visits_30"),
    "mails": Reason(("opened", "clicked", "unsubscribed"), _mails, "opened_90"),
}
"""The first that a column's name fits is its reason."""


def contributions(blend: Blend, columns: pd.DataFrame, *, order_value: Floats | None = None) -> pd.DataFrame:
    """How far every reason moves the log-odds of every customer from the mean: a column per reason that the blend knows of, index as given.

    ``order_value`` (above 0) adds the logarithm of the expected value of an order over the usual one to "spend".
    """
    names = blend.booster.feature_name()
    of_reason = np.asarray([list(REASONS).index(_reason_of(name)) for name in names])
    together = np.zeros((len(names), len(REASONS)), np.float32)
    together[np.arange(len(names)), of_reason] = 1
    found = pd.DataFrame(blend.contributions(columns, together), index=columns.index, columns=list(REASONS))
    found = found[[name for at, name in enumerate(REASONS) if at in of_reason]]
    if order_value is not None and len(columns):
        logs = np.log(np.maximum(order_value, 1e-6))
        found["spend"] += (logs - np.median(logs)).astype(np.float32)
    return found


def sentences(moves: pd.DataFrame, facts: pd.DataFrame) -> pd.Series:
    """The strongest reasons of every customer in words, what speaks for an order (and its value) before what speaks against it.

    ``moves`` are ``contributions``, ``facts`` the snapshot's customers. Without any that counts: "as usual for the shop".
    """
    blocks = [slice(first, first + ROWS) for first in range(0, len(moves), ROWS)]
    found: pd.Series = pd.concat([_sentences(moves.iloc[rows], facts.iloc[rows]) for rows in blocks])
    return found.rename("reasons")


def _sentences(moves: pd.DataFrame, facts: pd.DataFrame) -> pd.Series:
    known = {str(name): REASONS[str(name)] for name in moves if REASONS[str(name)].needs in facts}
    size = np.column_stack([np.where(facts[reason.needs].notna(), moves[name], 0) for name, reason in known.items()])
    order = np.argsort(-np.abs(size), axis=1, kind="stable")[:, :STRONGEST]
    strongest = np.take_along_axis(size, order, axis=1)
    chosen = np.full(order.shape, "", dtype=object)
    for place, reason in enumerate(known.values()):
        rows, at = np.nonzero((order == place) & (np.abs(strongest) > LEAST))
        chosen[rows, at] = reason.words(facts.iloc[rows])
    speaks_for, against = _joined(chosen, strongest > LEAST), _joined(chosen, strongest < -LEAST)
    both = (speaks_for != "") & (against != "")
    text = np.where(speaks_for != "", "for: " + speaks_for, "") + np.where(both, "; ", "") + np.where(against != "", "against: " + against, "")
    return pd.Series(np.where(text == "", "as usual for the shop", text), index=moves.index, dtype="str")


def plain_sentences(facts: pd.DataFrame) -> pd.Series:
    """What is known of every customer in words, where no model was learnt that could weigh it."""
    return pd.Series(_orders(facts) + np.asarray("; " + _rhythm(facts), dtype=object), index=facts.index, name="reasons", dtype="str")


def drivers(moves: pd.DataFrame, group: NDArray[np.bool_]) -> pd.DataFrame:
    """What sets a group apart: a row per reason, strongest first, with ``group`` and ``others``: the mean move of the log-odds of each."""
    found = pd.DataFrame({"group": moves[group].mean(), "others": moves[~group].mean()}).rename_axis("reason")
    return found.loc[(found["group"] - found["others"]).abs().sort_values(ascending=False, kind="stable").index].reset_index()


def _reason_of(name: str) -> str:
    return next((reason for reason, each in REASONS.items() if name.startswith(each.begins)), "orders")


def _joined(words: Words, said: NDArray[np.bool_]) -> Words:
    text = np.full(len(words), "", dtype=object)
    for place in range(words.shape[1]):
        more = np.where(said[:, place], words[:, place], "")
        text = np.asarray(text + np.where((text != "") & (more != ""), "; ", "").astype(object) + more, dtype=object)
    return text
