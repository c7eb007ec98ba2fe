"""What the models read of a customer becomes words: the strongest reasons why an order, and its value, are to be expected or not.

Contributions to the log-odds are exact for both learners: SHAP values of the trees (Lundberg and others 2020, LightGBM's ``pred_contrib``), and
weight times distance from the mean of the regression. Columns that say the same thing are one reason. The expected value of an order counts as
the logarithm of what it is over the usual: added to the log-odds of a rare order, it makes the logarithm of the expected revenue.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.base import Floats
from models.blend import Blend

Words = NDArray[np.object_]
Signs = NDArray[np.int8]
STRONGEST = 3
USUAL = "as usual for the shop"
LATE = 2.5
"""From so many rhythms after the last order on, the rhythm speaks against an order only."""
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


def _either(facts: pd.DataFrame) -> Signs:
    """Words that may speak for an order as well as against it."""
    return np.zeros(len(facts), np.int8)


def _for_if_any(name: str) -> Callable[[pd.DataFrame], Signs]:
    """For an order where there is any of it, against it where there is none."""
    return lambda facts: np.where(facts[name].fillna(0).to_numpy() > 0, 1, -1).astype(np.int8)


def _sign_of_orders(facts: pd.DataFrame) -> Signs:
    lately = facts["orders_90"].to_numpy() > 0
    return np.where(lately, (facts["frequency"].to_numpy() > 1).astype(np.int8), -1).astype(np.int8)


def _sign_of_rhythm(facts: pd.DataFrame) -> Signs:
    return np.where(facts["recency"].to_numpy() > LATE * facts["rhythm"].to_numpy(), -1, 0).astype(np.int8)


def _sign_of_visits(facts: pd.DataFrame) -> Signs:
    return np.where((facts["visits_30"].fillna(0) > 0) | (facts["carts_since"].fillna(0) > 0), 1, -1).astype(np.int8)


def _sign_of_returns(facts: pd.DataFrame) -> Signs:
    return np.where(facts["returned"].to_numpy() < 0, -1, 1).astype(np.int8)


@dataclass(frozen=True)
class Reason:
    """One thing to say: the columns that say it, by name or by how their names begin, and its words for every customer.

    What is unknown of a customer (``needs``), or nothing for all customers of the shop, is not said. ``sign``: 1 where the words can only speak for
    an order, -1 where only against it, 0 for either; a move the other way is not told.
    """

    begins: tuple[str, ...]
    words: Callable[[pd.DataFrame], Words]
    needs: str = "frequency"
    sign: Callable[[pd.DataFrame], Signs] = _either


REASONS: Mapping[str, Reason] = {
    "season": Reason(("orders_last_year",), _season, "orders_last_year", _for_if_any("orders_last_year")),
    "orders": Reason(("frequency", "order"), _orders, sign=_sign_of_orders),
    "rhythm": Reason(("recency", "rhythm", "lateness", "active_days", "mbg_"), _rhythm, sign=_sign_of_rhythm),
    "age": Reason(("age",), _age),
    "spend": Reason(("monetary", "spent", "unit_price"), _spends, "monetary"),
    "discounts": Reason(("discount_share",), _discount, "discount_share"),
    "returns": Reason(("returned",), _returns, "returned", _sign_of_returns),
    "basket": Reason(("basket", "lines", "products"), _basket, "products"),
    "visits": Reason(("visit", "cart", "event_recency"), _visits, "visits_30", _sign_of_visits),
    "mails": Reason(("opened", "clicked", "unsubscribed"), _mails, "opened_90", _for_if_any("opened_90")),
}
"""The first that a column's name fits is its reason."""


def known_reasons(facts: pd.DataFrame) -> list[str]:
    """The reasons that the shop's facts can tell: something of it is known, and not nothing, of at least one customer."""
    return [name for name, reason in REASONS.items() if reason.needs in facts and facts[reason.needs].fillna(0).ne(0).any()]


def contributions(blend: Blend, columns: pd.DataFrame, *, order_value: Floats | None = None, usual: float | None = None) -> pd.DataFrame:
    """How far every reason moves the log-odds of every customer from the mean: a column per reason that the blend knows of, index as given.

    ``order_value`` (above 0) adds the logarithm of the expected value of an order over the usual one to "spend": ``usual`` (a logarithm),
    else that of these customers (``usual_log``).
    """
    names = blend.trees.names
    of_reason = np.asarray([list(REASONS).index(_reason_of(name)) for name in names])
    together = np.zeros((len(names), len(REASONS)), np.float32)
    together[np.arange(len(names)), of_reason] = 1
    found = pd.DataFrame(blend.contributions(columns, together), index=columns.index, columns=list(REASONS))
    found = found[[name for at, name in enumerate(REASONS) if at in of_reason]]
    if order_value is not None and len(columns):
        found["spend"] += (_logs(order_value) - (usual_log(order_value) if usual is None else usual)).astype(np.float32)
    return found


def usual_log(order_value: Floats) -> float:
    """The median of the logarithms of orders' expected values."""
    return float(np.median(_logs(order_value)))


def _logs(values: Floats) -> Floats:
    return np.log(np.maximum(values, 1e-6))


def sentences(moves: pd.DataFrame, facts: pd.DataFrame, *, known: Sequence[str] | None = None) -> pd.Series:
    """The strongest reasons of every customer in words, what speaks for an order (and its value) before what speaks against it.

    ``moves`` are ``contributions``, ``facts`` the snapshot's customers, ``known`` their ``known_reasons`` unless stated.
    Without any that counts: "as usual for the shop". Nothing is told of what the
    shop does not have, nor by words that say the opposite of the move.
    """
    blocks = [slice(first, first + ROWS) for first in range(0, len(moves), ROWS)]
    told = moves[[name for name in (known_reasons(facts) if known is None else known) if name in moves]]
    if told.shape[1] == 0:
        return pd.Series(USUAL, index=moves.index, name="reasons", dtype="str")
    found: pd.Series = pd.concat([_sentences(told.iloc[rows], facts.iloc[rows]) for rows in blocks])
    return found.rename("reasons")


def _sentences(moves: pd.DataFrame, facts: pd.DataFrame) -> pd.Series:
    known = {str(name): REASONS[str(name)] for name in moves}
    size = np.column_stack([_told(reason, moves[name].to_numpy(), facts) for name, reason in known.items()])
    order = np.argsort(-np.abs(size), axis=1, kind="stable")[:, :STRONGEST]
    strongest = np.take_along_axis(size, order, axis=1)
    chosen = np.full(order.shape, "", dtype=object)
    for place, reason in enumerate(known.values()):
        rows, at = np.nonzero((order == place) & (np.abs(strongest) > LEAST))
        chosen[rows, at] = reason.words(facts.iloc[rows])
    speaks_for, against = _joined(chosen, strongest > LEAST), _joined(chosen, strongest < -LEAST)
    both = (speaks_for != "") & (against != "")
    text = np.where(speaks_for != "", "for: " + speaks_for, "") + np.where(both, "; ", "") + np.where(against != "", "against: " + against, "")
    return pd.Series(np.where(text == "", USUAL, text), index=moves.index, dtype="str")


def _told(reason: Reason, moves: Floats, facts: pd.DataFrame) -> Floats:
    """The moves that the words of a reason can stand for, 0 else."""
    return np.asarray(np.where(facts[reason.needs].notna() & (reason.sign(facts) * moves >= 0), moves, 0), np.float32)


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
