"""Members become what a campaign needs of each: expected revenue, products to one's own taste, the reason in a sentence, VIP, and variant."""

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.conditions import Evidence
from features.products import ProductSet
from features.tables import PATH_SEPARATOR
from models.customers.importance import VIP
from serving.audiences.members import TARGET, Members, draw, places
from serving.audiences.payoff import expected_revenue
from serving.audiences.showing import LIKED, SHOWN, best_products

FACTS = ("expected_revenue", *LIKED, "reason", "is_vip", "variant")
"""The columns that are added to a frame of members."""
Words = NDArray[np.object_]


def with_facts(members: Members, evidence: Evidence) -> Members:
    """The members with further columns, in the order of the frame.

    ``expected_revenue`` within the horizon, in the shop's currency, null where it is unknown; ``like_1 .. like_3``: ids of the products of the whole
    shop that fit best what the customer bought; ``reason`` in a sentence; ``is_vip``; ``variant`` of the message (null in the control group, and for
    an audience that names no variants).
    """
    place = places(members, evidence)
    whole = ProductSet.of("the shop", evidence.catalogue.products.index)
    liked = best_products(evidence, whole, evidence.codes[place], out_of_stock=members.audience.out_of_stock)
    facts = pd.DataFrame({"expected_revenue": expected_revenue(members, evidence)}).join(liked.set_axis(list(LIKED), axis=1))
    facts["reason"] = pd.array(reasons(members, evidence), dtype="str")
    facts["is_vip"] = vips(evidence)[place]
    facts["variant"] = pd.array(variants(members), dtype="str")
    plain = members.frame.drop(columns=[name for name in FACTS if name in members.frame])
    last = list(plain.columns).index(SHOWN[-1]) + 1
    frame = pd.concat([plain.iloc[:, :last], facts, plain.iloc[:, last:]], axis=1)
    return replace(members, frame=frame)


def vips(evidence: Evidence) -> NDArray[np.bool_]:
    """Which customers of the evidence are VIPs."""
    if evidence.scored is None or "importance" not in evidence.customers:
        return np.zeros(len(evidence.codes), dtype=bool)
    return evidence.customers["importance"].astype(object).eq(VIP).to_numpy(bool)


def variants(members: Members) -> Words:
    """A letter for each member, drawn by the audience's id and the customer's alone, so that it stays; None for the control group and without
    ``variants``."""
    found = np.full(len(members), None, dtype=object)
    if not members.audience.variants:
        return found
    place = draw(f"{members.audience.audience} variant", members.frame["customer_id"].to_numpy(object))
    letters = np.asarray([chr(ord("A") + number) for number in range(members.audience.variants)], dtype=object)
    target = (members.frame["group"] == TARGET).to_numpy(bool)
    found[target] = letters[np.minimum((place * len(letters)).astype(np.int64), len(letters) - 1)][target]
    return found


def reasons(members: Members, evidence: Evidence) -> Words:
    """Why each member is here, in a sentence: how much likelier than others, and what she bought of it, or what speaks for an order of hers."""
    ids = members.frame["customer_id"].to_numpy(object)
    place = places(members, evidence)
    probability = members.frame["probability"].to_numpy(np.float64)
    products = members.audience.about(evidence.catalogue)
    why = _of_products(products, evidence)[place] if products is not None else _of_customers(evidence)[place]
    what = "buy" if products is not None else "order"
    ratio = probability / members.base_rate if members.base_rate else np.full(len(ids), np.nan)
    found: Words = _times(ratio, what) + why
    by_hand = pd.Index(ids).isin(members.audience.include or ())
    return np.where(by_hand, np.asarray("put in by hand; " + found, dtype=object), found) if by_hand.any() else found


def _times(ratio: NDArray[np.float64], what: str) -> Words:
    """``2.5 times as likely to buy as most: ``; every different text is written once."""
    codes, known = pd.factorize(np.round(np.where(ratio < 10, ratio, np.round(ratio)), 1), use_na_sentinel=False)
    texts = [
        f"{each:,.1f} times as likely to {what} as customers usually are: ".replace(".0 times", " times") if each == each else "" for each in known
    ]
    return np.asarray(texts, dtype=object)[codes]


def _of_products(products: ProductSet, evidence: Evidence) -> Words:
    """What each customer of the evidence bought of the set: how often, and when last."""
    label = products.label.rsplit(PATH_SEPARATOR, 1)[-1]
    found: Words = np.full(len(evidence.codes), f"never bought {label}; ", dtype=object) + _of_customers(evidence)
    history = evidence.snapshot.pairs([products]).frame() if len(products) else pd.DataFrame()
    if len(history):
        orders, ago = history["set_orders"].to_numpy(np.int64), history["set_recency"].to_numpy(np.int64)
        texts = _once_each(orders, "bought {label} {times}, ", label) + _once_each(ago, "last {days} ago", label)
        found[np.searchsorted(evidence.customer_ids, history["customer_id"].to_numpy(object))] = texts
    found[~np.isin(evidence.codes, evidence.snapshot.codes)] = "never ordered"
    return found


def _once_each(values: NDArray[np.int64], text: str, label: str) -> Words:
    codes, known = pd.factorize(values)
    often = {1: "once", 2: "twice"}
    counts = [int(each) for each in known]
    said = [text.format(label=label, times=often.get(each, f"{each:,} times"), days=f"{each:,} day{'s' * (each != 1)}") for each in counts]
    return np.asarray(said, dtype=object)[codes]


def _of_customers(evidence: Evidence) -> Words:
    if evidence.scored is None or "reasons" not in evidence.customers:
        return np.full(len(evidence.codes), "by what was ordered so far", dtype=object)
    said = evidence.customers["reasons"].astype(object)
    return said.where(said.notna(), "by what was ordered so far").to_numpy(object)
