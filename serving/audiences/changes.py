"""The members of two builds become who entered and who left since the last one, and why: one entry, one mail.

A build is compared with the latest one of an earlier date. Who is a member now and was none then has entered; who was one and is none now has left.
So somebody who stays, or who left and came back between two builds, is no new entry: she must have been out at a build. Building again as of the same
date changes nothing, as it is compared with the same earlier build.

Beside ``members/<audience>/<date>.parquet`` there are ``changes/<date>.parquet`` (the list), and ``answers/<date>.parquet``: what each condition said
of every customer, by which the next build tells what changed. Answers are kept of the last two builds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.conditions import Evidence
from features.errors import DataError
from features.files import read_json
from serving.audiences.asked import asked, choose_words, clause_words
from serving.audiences.definitions import Audience
from serving.audiences.members import Members, members_folder, save
from serving.exports import write_table

ENTERED, LEFT = "entered", "left"
CHANGES, ANSWERS = "changes", "answers"
SINCE = "since"
FIRST, REDEFINED, NEW = "first build", "the definition was changed, or it was built by an older whobuys", "a new customer"
NO, YES, UNKNOWN = 0, 1, 2
ASKS = ("who", "except", "choose", "include", "exclude")
"""The keys of a definition that say who is a member."""
Words = NDArray[np.object_]


@dataclass(frozen=True, eq=False)
class Changes:
    """``frame``: customer_id, change (entered or left), since (the day of the build at which she had entered), reason; sorted by change and id.
    ``before`` is the date of the build that it is compared with, None for the first."""

    audience: str
    as_of: date
    before: date | None
    frame: pd.DataFrame

    @property
    def entered(self) -> int:
        """How many are members who were none."""
        return int((self.frame["change"] == ENTERED).sum())

    @property
    def left(self) -> int:
        """How many were members and are none."""
        return int((self.frame["change"] == LEFT).sum())


def keep(shop: Path, members: Members, evidence: Evidence, *, bundle: str | None = None) -> tuple[Members, Changes]:
    """Save members with ``since`` (the day of the build at which each entered), the list of changes, and the answers. ``bundle`` as in ``save``.

    Returns the members as they are kept, and the changes.
    """
    folder = members_folder(shop, members.audience)
    before = _before(folder, members.as_of)
    answers = _answers(members.audience, evidence)
    old = pd.read_parquet(folder / f"{before}.parquet") if before else pd.DataFrame({"customer_id": pd.array([], dtype="str")})
    frame = members.frame.assign(since=_since(members, old, before))
    found = Changes(members.audience.audience, members.as_of, before, _changes(members, old, answers, folder, before))
    kept = replace(members, frame=frame)
    save(shop, kept, bundle=bundle)
    for name, table in ((CHANGES, found.frame), (ANSWERS, answers.reset_index())):
        (folder / name).mkdir(exist_ok=True)
        write_table(folder / name / f"{members.as_of}.parquet", table, dated=members)
    for path in (folder / ANSWERS).glob("[0-9]*.parquet"):
        if before is not None and path.stem < before.isoformat():
            path.unlink()
    return kept, found


def read_changes(shop: Path, audience: Audience, as_of: date | None = None) -> Changes:
    """The changes of the latest build, or of that as of a date. Raises DataError when there is none, with the dates that there are."""
    folder = members_folder(shop, audience)
    dates = sorted(path.stem for path in (folder / CHANGES).glob("[0-9]*.parquet"))
    if not dates:
        raise DataError(f"{audience.audience}: was not built yet, so nobody entered or left; run: whobuys audience build {audience.audience}")
    day = as_of.isoformat() if as_of else dates[-1]
    if day not in dates:
        raise DataError(f"{audience.audience}: was not built as of {day}; there are builds as of: {', '.join(dates)}")
    return Changes(
        audience.audience, date.fromisoformat(day), _before(folder, date.fromisoformat(day)), pd.read_parquet(folder / CHANGES / f"{day}.parquet")
    )


def _before(folder: Path, as_of: date) -> date | None:
    """The date of the latest build before this one."""
    dates = [date.fromisoformat(path.stem) for path in folder.glob("[0-9]*.parquet")]
    return max((each for each in dates if each < as_of), default=None)


def _since(members: Members, old: pd.DataFrame, before: date | None) -> list[str]:
    """Of who was a member already the day that is kept of her (or that of the build before, where it kept none), else this one."""
    known = old.set_index("customer_id")[SINCE] if SINCE in old else pd.Series(str(before), index=old["customer_id"], dtype="str")
    since = members.frame["customer_id"].map(known).astype(object)
    return since.where(since.notna(), members.as_of.isoformat()).tolist()


def _answers(audience: Audience, evidence: Evidence) -> pd.DataFrame:
    """What each condition says of every customer: index customer_id, a column per place, 1 yes, 0 no, 2 unknown."""
    columns = {
        each.place: np.where(each.answer.yes, YES, np.where(each.answer.no, NO, UNKNOWN)).astype(np.int8) for each in asked(audience, evidence)
    }
    return pd.DataFrame(columns, index=pd.Index(evidence.customer_ids, dtype="str", name="customer_id"))


def _changes(members: Members, old: pd.DataFrame, now: pd.DataFrame, folder: Path, before: date | None) -> pd.DataFrame:
    is_in, was_in = members.frame["customer_id"].to_numpy(object), old["customer_id"].to_numpy(object)
    entered, left = (np.sort(some[~pd.Index(some).isin(others)]) for some, others in ((is_in, was_in), (was_in, is_in)))
    then = _then(members.audience, folder, before)
    since = old.set_index("customer_id")[SINCE].reindex(left).to_numpy(object) if SINCE in old else str(before)
    parts = [
        _part(entered, ENTERED, members.as_of.isoformat(), _why_entered(entered, members, now, then, first=before is None)),
        _part(left, LEFT, since, _why_left(left, members, now)),
    ]
    return pd.concat(parts, ignore_index=True).astype({"customer_id": "str", "change": "str", SINCE: "str", "reason": "str"})


def _part(ids: Words, change: str, since: object, reason: Words) -> pd.DataFrame:
    return pd.DataFrame({"customer_id": ids, "change": change, SINCE: since, "reason": reason})


def _then(audience: Audience, folder: Path, before: date | None) -> pd.DataFrame | None:
    """The answers of the build before; None when there are none, or when the definition asked something else then."""
    path = folder / ANSWERS / f"{before}.parquet"
    if before is None or not path.exists():
        return None
    asked_then = read_json(folder / f"{before}.json").get("definition")
    words = audience.words()
    same = isinstance(asked_then, dict) and all(asked_then.get(key) == words.get(key) for key in ASKS)
    return pd.read_parquet(path).set_index("customer_id") if same else None


def _why_entered(ids: Words, members: Members, now: pd.DataFrame, then: pd.DataFrame | None, *, first: bool) -> Words:
    if first or then is None:
        return np.full(len(ids), FIRST if first else REDEFINED, dtype=object)
    words, chosen = _words(members.audience)
    is_so, was_so = (each.reindex(ids).fillna(UNKNOWN).to_numpy() == YES for each in (now, then))
    reasons = _told(is_so & ~was_so, [f"now {each}" for each in words], f"now among {chosen}" if chosen else "now a member")
    reasons[~pd.Index(ids).isin(then.index)] = NEW
    reasons[np.isin(ids, np.asarray(members.audience.include or (), dtype=object))] = "put in by hand"
    return reasons


def _why_left(ids: Words, members: Members, now: pd.DataFrame) -> Words:
    words, chosen = _words(members.audience)
    said = now.reindex(ids).fillna(UNKNOWN).to_numpy()
    texts = [f"no longer {each}" for each in words] + [f"no longer known whether {each}" for each in words]
    last = f"no longer among {chosen}" if chosen else "no longer a member"
    reasons = _told(np.hstack([said == NO, said == UNKNOWN]), texts, last)
    reasons[~pd.Index(ids).isin(now.index)] = "no longer known as a customer"
    reasons[np.isin(ids, np.asarray(members.audience.exclude or (), dtype=object))] = "taken out by hand"
    return reasons


def _told(which: NDArray[np.bool_], texts: Sequence[str], nothing: str) -> Words:
    """The texts that hold of each row, joined; every different combination is written once.

    >>> _told(np.array([[True, True], [False, False]]), ["a", "b"], "c").tolist()
    ['a; b', 'c']
    """
    known, row = np.unique(which, axis=0, return_inverse=True) if len(which) else (which, np.zeros(0, np.intp))
    said = ["; ".join(text for text, holds in zip(texts, each, strict=True) if holds) or nothing for each in known]
    return np.asarray(said, dtype=object)[row.ravel()]


def _words(audience: Audience) -> tuple[list[str], str]:
    """What the columns of the answers say, and what chooses among those left (empty when all are taken)."""
    words = [clause_words(each) for each in audience.who] + [f"not {clause_words(each)}" for each in audience.but_not or ()]
    return words, choose_words(audience.choose) if audience.choose else ""
