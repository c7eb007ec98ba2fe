"""An audience and what is known as of a date become its members: who they are, ranked, with what to show them and what to expect."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from features.conditions import Answer, Evidence, Floats, at, hold
from features.files import write_json
from features.products import Catalogue, ProductSet
from features.snapshot import Snapshot
from models.bundle import Bundle
from serving.audiences.definitions import Audience, base_rate, predicted_sets, product_sets
from serving.audiences.showing import SHOWN, best_products
from serving.exports import write_table
from serving.who import best_first

MEMBERS = "members"
EXPORTS = "exports"


@dataclass(frozen=True, eq=False)
class Members:
    """The answer to an audience as of a date.

    ``frame``: customer_id, probability, rank (from 1), show_1 .. show_3 (ids of products to show, null when there are fewer), the best first.
    ``probability`` is what ranks: to buy from ``ranked_by`` within the horizon, or to order anything when nothing in the definition ranks.
    ``base_rate`` is its mean over all customers with orders, ``unknown`` how many customers were left out because it is not known of them.
    ``notes`` are sentences for people: why it is empty, that it is small.
    """

    audience: Audience
    as_of: date
    horizon: int
    ranked_by: str
    base_rate: float
    unknown: int
    frame: pd.DataFrame
    notes: tuple[str, ...] = ()

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


def evidence_of(bundle: Bundle, snapshot: Snapshot, catalogue: Catalogue) -> Evidence:
    """What audiences are asked of: the snapshot, and the bundle's predictions about it."""

    def likelihood() -> Floats:
        return bundle.customers(snapshot)[f"likelihood_{bundle.horizon}"].to_numpy(np.float32)

    return Evidence(snapshot, catalogue, lambda sets: bundle.interest(snapshot, sets), likelihood)


def build(audience: Audience, evidence: Evidence) -> Members:
    """Ask an audience. Raises DataError with the place of a name that the shop does not know.

    A member meets all of ``who`` and is known to meet none of ``except``; whoever it cannot be said of is no member, but counted in ``unknown``.
    """
    named = product_sets(audience, evidence.catalogue)
    answer = _answer(audience, evidence)
    scores, ranked_by = _scores(audience, evidence)
    chosen = np.flatnonzero(answer.yes)
    unknown = int(answer.unknown.sum())
    if audience.choose:
        unknown += int(np.isnan(scores[chosen]).sum())
        chosen = chosen[~np.isnan(scores[chosen])]
    count = audience.choose.top.of(len(chosen)) if audience.choose and audience.choose.top else None
    chosen = chosen[best_first(np.nan_to_num(scores[chosen], nan=-1.0), count)]
    frame = pd.DataFrame({"customer_id": evidence.customer_ids[chosen], "probability": scores[chosen], "rank": np.arange(1, len(chosen) + 1)})
    shown = best_products(evidence, _to_show(audience, evidence.catalogue), evidence.codes[chosen])
    found = Members(audience, evidence.as_of, evidence.snapshot.horizon, ranked_by, base_rate(scores), unknown, pd.concat([frame, shown], axis=1))
    return replace(found, notes=_notes(found, named))


def build_all(audiences: Sequence[Audience], evidence: Evidence) -> Iterator[Members]:
    """Ask several audiences, in order; predictions that they need are made together."""
    evidence.prepare([products for audience in audiences for products in predicted_sets(audience, evidence.catalogue)])
    for audience in audiences:
        yield build(audience, evidence)


def _answer(audience: Audience, evidence: Evidence) -> Answer:
    nobody = evidence.among(np.zeros(0, np.int32))
    with at(audience.audience, by=": "):
        answer = ~nobody
        for one in hold(audience.who, evidence, place="who."):
            answer &= one
        for one in hold(audience.but_not or (), evidence, place="except."):
            answer &= ~one
    return answer


def _scores(audience: Audience, evidence: Evidence) -> tuple[Floats, str]:
    """What ranks, a number for each customer of the evidence, and what it is called."""
    if audience.ranking is not None:
        scores = audience.ranking.asks.scores(evidence)
        products = audience.ranking.asks.products(evidence.catalogue)
        if scores is not None and products is not None:
            return scores, products.label
    if evidence.likelihood is None:
        return np.full(len(evidence.codes), np.nan, np.float32), "nothing"
    return evidence.spread(evidence.likelihood()), "any order"


def _to_show(audience: Audience, catalogue: Catalogue) -> ProductSet:
    """The products that its ranking is about."""
    products = audience.ranking.asks.products(catalogue) if audience.ranking else None
    return products or ProductSet.of("nothing", [])


def _notes(found: Members, named: Sequence[tuple[str, ProductSet]]) -> tuple[str, ...]:
    audience, size = found.audience, len(found)
    empty = [f"{place}: no product fits all that is named there ({products.label})" for place, products in named if not len(products)]
    small = audience.minimum_size is not None and size < audience.minimum_size
    notes = [*empty, *([f"has {size:,} members, fewer than its minimum_size of {audience.minimum_size:,}"] if small else [])]
    if found.lift < 1 and audience.ranking is not None:
        notes.append(f"its members buy less probably than customers taken at random (lift {found.lift:.2f}): ask for fewer, with a lower top")
    return tuple(notes)


def members_folder(shop: Path, audience: Audience) -> Path:
    """Where the answers to an audience are kept."""
    return shop / MEMBERS / audience.audience


def save(shop: Path, members: Members) -> Path:
    """Write members/<audience>/<date>.parquet, and <date>.json with the summary and the definition beside it. No personal data. Returns the path."""
    folder = members_folder(shop, members.audience)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{members.as_of}.parquet"
    write_table(path, members.frame, dated=members)
    write_json(path.with_suffix(".json"), {**members.summary(), "definition": members.audience.words()})
    return path


def export_frame(members: Members, snapshot: Snapshot, *, unknown_consent: bool) -> pd.DataFrame:
    """What an e-mail platform takes: customer_id, email (only of those who consented), probability, rank, show_1 .. show_3 (titles).

    ``unknown_consent``: whether customers of whom no consent is known may be mailed, too (whobuys.toml states why); a refusal is always kept.
    """
    people = snapshot.shop.tables["customers"]
    allowed = people.consent_email.fill_null(unknown_consent)
    emails = people.filter(allowed, people.email.notnull()).select("customer_id", "email").to_pandas().set_index("customer_id")["email"]
    titles = snapshot.shop.products["title"].astype(object)
    titles = titles.where(titles.notna(), titles.index.to_series())
    frame = members.frame.copy()
    frame.insert(1, "email", frame["customer_id"].map(emails))
    for column in SHOWN:
        frame[column] = frame[column].map(titles)
    return frame


def export_path(shop: Path, members: Members) -> Path:
    """Where the export is written unless another place is asked for."""
    return shop / EXPORTS / f"{members.audience.audience}-{members.as_of}.csv"


def export(path: Path, members: Members, snapshot: Snapshot, *, unknown_consent: bool) -> int:
    """Write the export and the date of its data whole, readable by its owner only. Returns how many members can be mailed."""
    frame = export_frame(members, snapshot, unknown_consent=unknown_consent)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_table(path, frame, private=True, dated=members)
    return int(frame["email"].notna().sum())
