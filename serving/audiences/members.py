"""An audience and what is known as of a date become its members: who they are, ranked, with what to show them and what to expect."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.util import hash_array

from features.conditions import Answer, Evidence, Floats, at, hold
from features.errors import DataError, Refused, did_you_mean, listed
from features.files import write_json
from features.products import Catalogue, ProductSet
from features.snapshot import Snapshot
from models.bundle import Bundle
from serving.audiences.definitions import Audience, predicted_sets, product_sets, ready_made
from serving.audiences.emptiness import why_empty
from serving.audiences.predicted import base_rate
from serving.audiences.showing import LIKED, SHOWN, best_products
from serving.customers import Customers
from serving.destinations.gate import Gate
from serving.exports import write_manifest, write_table
from serving.reused import Reused
from serving.who import best_first

MEMBERS = "members"
EXPORTS = "exports"
TARGET, CONTROL = "target", "control"
INSIDE = ("group", "expected_revenue", "reason", "variant")
"""Columns that stay in the shop's folder."""


@dataclass(frozen=True, eq=False)
class Members:
    """The answer to an audience as of a date.

    ``frame``: customer_id, probability, rank (from 1), value (only where a number such as lifetime_value ranks: that number), show_1 .. show_3 (ids
    of products to show, null when there are fewer), group (target, or control, which is not written to), the best first. ``probability`` is to buy
    from ``ranked_by`` within the horizon, or to order anything when the definition ranks by no probability.
    ``base_rate`` is its mean over all customers with orders, ``unknown`` how many customers were left out because it is not known of them.
    ``notes`` are sentences for people: why it is empty, that it is small. ``placed``: the evidence that was asked, and ``places`` in it.
    """

    audience: Audience
    as_of: date
    horizon: int
    ranked_by: str
    base_rate: float
    unknown: int
    frame: pd.DataFrame
    notes: tuple[str, ...] = ()
    placed: tuple[Evidence, NDArray[np.intp]] | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def expected_buyers(self) -> float:
        """The sum of the members' probabilities."""
        return float(self.frame["probability"].to_numpy().sum(dtype=np.float64))

    @property
    def lift(self) -> float:
        """How much more probably a member buys than a customer with orders taken at random, as the model has it; NaN without members."""
        return self.expected_buyers / len(self) / self.base_rate if len(self) and self.base_rate else float("nan")

    def summary(self) -> dict[str, object]:
        """Size, expected buyers, base rate, lift and dates, as plain values for JSON."""
        return {
            "audience": self.audience.audience,
            "name": self.audience.name,
            "data_date": self.as_of.isoformat(),
            "horizon": self.horizon,
            "ranked_by": self.ranked_by,
            "size": len(self),
            "expected_buyers": round(self.expected_buyers, 4),
            "base_rate": self.base_rate,
            "lift": None if np.isnan(self.lift) else round(self.lift, 4),
            "unknown": self.unknown,
            "notes": list(self.notes),
        }


def evidence_of(
    bundle: Bundle, snapshot: Snapshot, catalogue: Catalogue, *, saved: Mapping[str, Audience] | None = None, consented: Iterable[str] = ()
) -> Evidence:
    """What audiences are asked of: the snapshot, the bundle's predictions about it, and the ``saved`` audiences that others may name.

    Predictions are read from the published scores where they hold them, else made when they are asked for. ``consented`` are the channels for which
    unknown consent means yes (whobuys.toml states why).
    """

    def members(name: str) -> Answer:
        known = {**ready_made(), **(saved or {})}
        if name not in known:
            raise DataError(f"there is no audience {name!r}{did_you_mean(name, known)}")
        return Answer.known(among(members_of(known[name], evidence), evidence))

    reused = Reused.of(bundle, snapshot)
    interest = reused.interest if reused else lambda sets: bundle.interest(snapshot, sets)
    scored = reused.customers if reused else cache(lambda: Customers.of(bundle, snapshot).table)
    evidence = Evidence(snapshot, catalogue, interest, scored, frozenset(consented), members)
    return evidence


def build(audience: Audience, evidence: Evidence) -> Members:
    """Ask an audience, and choose three products to show to each member. Raises DataError as ``members_of`` does."""
    found = members_of(audience, evidence)
    shown = best_products(
        evidence, _to_show(audience, evidence.catalogue), evidence.codes[places(found, evidence)], out_of_stock=audience.out_of_stock
    )
    return replace(found, frame=pd.concat([found.frame.drop(columns="group"), shown, found.frame[["group"]]], axis=1))


def members_of(audience: Audience, evidence: Evidence) -> Members:
    """Ask an audience, but choose no products to show, which takes the longest.

    Raises DataError with the place of a name that the shop does not know, also of an id to include or exclude.

    A member meets all of ``who`` and is known to meet none of ``except``; whoever it cannot be said of is no member, but counted in ``unknown``.
    Those included by hand are members, too, and those excluded by hand are none.
    """
    named = product_sets(audience, evidence.catalogue)
    answer = _answer(audience, evidence)
    scores, probability, ranked_by = _scores(audience, evidence)
    chosen = np.flatnonzero(answer.yes)
    unknown = int(answer.unknown.sum())
    if audience.choose:
        unknown += int(np.isnan(scores[chosen]).sum())
        chosen = chosen[~np.isnan(scores[chosen])]
        count = audience.choose.top.of(len(chosen)) if audience.choose.top else None
        chosen = chosen[best_first(scores[chosen], count)]
    chosen = _by_hand(audience, evidence, chosen)
    chosen = chosen[best_first(np.nan_to_num(scores[chosen], nan=-np.inf))]
    ids = evidence.customer_ids[chosen]
    frame = pd.DataFrame({"customer_id": ids, "probability": probability[chosen], "rank": np.arange(1, len(chosen) + 1)})
    if audience.choose and not audience.choose.by.asks.is_probability:
        frame["value"] = scores[chosen]
    frame["group"] = control_group(audience, ids)
    rate = base_rate(probability)
    found = Members(audience, evidence.as_of, evidence.snapshot.horizon, ranked_by, rate, unknown, frame, placed=(evidence, chosen))
    told = len(found) or any(not len(products) for _, products in named)
    return replace(found, notes=(*_notes(found, named), *(() if told else why_empty(audience, evidence))))


def control_group(audience: Audience, customer_ids: NDArray[np.object_]) -> NDArray[np.object_]:
    """``control`` for the share of customers that the audience asks for, ``target`` for all others.

    Which it is depends on the audience's id and the customer's alone: it stays when the audience is built again, and is another draw in another one.
    """
    if not audience.control_group:
        return np.full(len(customer_ids), TARGET, dtype=object)
    return np.where(draw(audience.audience, customer_ids) < audience.control_group, CONTROL, TARGET).astype(object)


def draw(name: str, customer_ids: NDArray[np.object_]) -> NDArray[np.float64]:
    """A number from 0 to 1 for each customer, evenly spread: by the name and the customer's id alone, so it stays."""
    key = hashlib.sha256(name.encode()).hexdigest()[:16]
    return np.asarray(hash_array(customer_ids, hash_key=key, categorize=False) / 2.0**64) if len(customer_ids) else np.zeros(0)


def _by_hand(audience: Audience, evidence: Evidence, chosen: NDArray[np.intp]) -> NDArray[np.intp]:
    """The positions chosen, with those whom ``include`` names and without those whom ``exclude`` names, ascending."""
    found = np.zeros(len(evidence.codes), dtype=bool)
    found[chosen] = True
    for place, named in (("include", True), ("exclude", False)):
        if ids := getattr(audience, place):
            found[_positions(ids, evidence, f"{audience.audience}: {place}")] = named
    return np.flatnonzero(found)


def _positions(ids: Sequence[str], evidence: Evidence, place: str) -> NDArray[np.intp]:
    asked: pd.Index = pd.Index(np.asarray(ids, dtype=object))
    found = pd.Index(evidence.customer_ids).get_indexer(asked)
    if (found < 0).any():
        wrong = [str(each) for each in asked[found < 0]]
        raise DataError(f"{place}: no such customer as of {evidence.as_of}: {listed(wrong)}")
    return found.astype(np.intp)


def build_all(audiences: Sequence[Audience], evidence: Evidence) -> Iterator[Members]:
    """``build`` several audiences, in order; predictions that they need are made together."""
    _prepare(audiences, evidence)
    return (build(audience, evidence) for audience in audiences)


def members_of_all(audiences: Sequence[Audience], evidence: Evidence) -> Iterator[Members]:
    """``members_of`` several audiences, as ``build_all``."""
    _prepare(audiences, evidence)
    return (members_of(audience, evidence) for audience in audiences)


def _prepare(audiences: Sequence[Audience], evidence: Evidence) -> None:
    evidence.prepare([products for audience in audiences for products in predicted_sets(audience, evidence.catalogue)])


def _answer(audience: Audience, evidence: Evidence) -> Answer:
    nobody = evidence.among(np.zeros(0, np.int32))
    with at(audience.audience, by=": "):
        answer = ~nobody
        for one in hold(audience.who, evidence, place="who."):
            answer &= one
        for one in hold(audience.but_not or (), evidence, place="except."):
            answer &= ~one
    return answer


def _scores(audience: Audience, evidence: Evidence) -> tuple[Floats, Floats, str]:
    """What ranks, and a probability to buy, a number each for each customer of the evidence; and what the probability is about."""
    nothing = np.full(len(evidence.codes), np.nan, np.float32)
    any_order = evidence.likelihood if evidence.scored is not None else nothing
    asks = audience.ranking.asks if audience.ranking is not None else None
    scores = asks.scores(evidence) if asks is not None else None
    if asks is None or scores is None:
        return any_order, any_order, "any order" if evidence.scored is not None else "nothing"
    if not asks.is_probability:
        return scores, any_order, "any order"
    products = asks.products(evidence.catalogue)
    return scores, scores, products.label if products is not None else "any order"


def _to_show(audience: Audience, catalogue: Catalogue) -> ProductSet:
    """The products that its ranking is about."""
    products = audience.ranking.asks.products(catalogue) if audience.ranking else None
    return products or ProductSet.of("nothing", [])


def _notes(found: Members, named: Sequence[tuple[str, ProductSet]]) -> tuple[str, ...]:
    audience, size = found.audience, len(found)
    empty = [f"{place}: no product fits all that is named there ({products.label})" for place, products in named if not len(products)]
    small = audience.minimum_size is not None and size < audience.minimum_size
    notes = [*empty, *([f"has {size:,} members, fewer than its minimum_size of {audience.minimum_size:,}"] if small else [])]
    if found.lift < 1 and audience.ranking is not None and audience.ranking.asks.is_probability:
        notes.append(f"its members buy less probably than customers taken at random (lift {found.lift:.2f}): ask for fewer, with a lower top")
    return tuple(notes)


def places(members: Members, evidence: Evidence) -> NDArray[np.intp]:
    """The positions of the members among the customers of the evidence, in the order of the frame."""
    if members.placed is not None and members.placed[0] is evidence:
        return members.placed[1]
    return np.searchsorted(evidence.customer_ids, members.frame["customer_id"].to_numpy())


def among(members: Members, evidence: Evidence) -> NDArray[np.bool_]:
    """Which customers of the evidence are members. By position: comparing all ids with all is many times slower."""
    chosen = np.zeros(len(evidence.codes), dtype=bool)
    chosen[places(members, evidence)] = True
    return chosen


def members_folder(shop: Path, audience: Audience) -> Path:
    """Where the answers to an audience are kept."""
    return shop / MEMBERS / audience.audience


def save(shop: Path, members: Members, *, bundle: str | None = None) -> Path:
    """Write members/<audience>/<date>.parquet, and <date>.json with the summary and the definition beside it. No personal data. Returns the path.

    ``bundle`` is the id of the one whose predictions chose them.
    """
    folder = members_folder(shop, members.audience)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{members.as_of}.parquet"
    write_table(path, members.frame, dated=members)
    write_json(path.with_suffix(".json"), {**members.summary(), "bundle": bundle, "definition": members.audience.words()})
    return path


def export_frame(members: Members, snapshot: Snapshot, *, gate: Gate) -> pd.DataFrame:
    """What an e-mail platform takes, without the control group: customer_id, email (only of those who consented), probability, rank, value (where a
    number ranks), show_1 .. show_3 and, once they are known (``with_facts``, ``keep``), like_1 .. like_3 (titles), is_vip, variant (where there
    are variants) and since (the day of the build at which each entered).

    Those on the suppression list are left out, and addresses come through the gate, by consent for e-mail.
    """
    kept = members.frame[members.frame["group"] == TARGET]
    frame = kept.drop(columns=[name for name in INSIDE if name in kept and (name != "variant" or not members.audience.variants)])
    frame = frame[~gate.suppressed(frame["customer_id"])].reset_index(drop=True)
    emails = gate.contacts(frame["customer_id"], "email").frame["email"]
    titles = snapshot.shop.products["title"].astype(object)
    titles = titles.where(titles.notna(), titles.index.to_series())
    frame.insert(1, "email", frame["customer_id"].map(emails))
    for column in (name for name in (*SHOWN, *LIKED) if name in frame):
        frame[column] = frame[column].map(titles)
    return frame


def export_path(shop: Path, members: Members) -> Path:
    """Where the export is written unless another place is asked for."""
    return shop / EXPORTS / f"{members.audience.audience}-{members.as_of}.csv"


def check_size(members: Members) -> None:
    """Raise Refused for an audience that is smaller than its ``minimum_size``."""
    least = members.audience.minimum_size
    if least is not None and len(members) < least:
        raise Refused(f"{members.audience.audience}: has {len(members):,} members, fewer than its minimum_size of {least:,}, so it is not exported")


def export(path: Path, members: Members, snapshot: Snapshot, *, gate: Gate, bundle: str | None = None) -> int:
    """Write the export and the date of its data whole, readable by its owner only, and its manifest. Returns how many members can be mailed.

    Raises Refused for an audience that is smaller than its ``minimum_size``.
    """
    check_size(members)
    frame = export_frame(members, snapshot, gate=gate)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_table(path, frame, private=True, dated=members)
    told = {name: fact for name, fact in members.summary().items() if name in ("audience", "name", "data_date", "horizon", "ranked_by")}
    write_manifest(path, {**told, "bundle": bundle, "members": len(members), "rows": len(frame)})
    return int(frame["email"].notna().sum())
