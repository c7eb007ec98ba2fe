"""The file of those who must never be written to -> whom of some customers it names, by id, e-mail address or phone."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.errors import DataError, Refused
from serving.destinations.normalise import address, google_address, phone

SUPPRESSED = "suppressed.csv"
HEADERS = {
    "customer_id": ("customer_id", "customer id", "customerid"),
    "email": ("email", "e-mail", "email address", "e-mail address", "email_address", "mail"),
    "phone": ("phone", "phone number", "phone_number", "mobile", "telephone"),
}
"""What the columns may be called, in any case."""


@dataclass(frozen=True)
class Suppression:
    """Ids, addresses (as Google compares them, so that all ways to write one are one) and phones (as they were written)."""

    customer_ids: frozenset[str] = frozenset()
    addresses: frozenset[str] = frozenset()
    phones: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether it names nobody."""
        return not (self.customer_ids or self.addresses or self.phones)

    def names(self, people: pd.DataFrame, regions: Iterable[str | None]) -> NDArray[np.bool_]:
        """Which of the people (index customer_id; columns email and phone, normalised) it names. A phone that was written without a country is
        taken for one of each of the ``regions``."""
        phones = {phone(each, region) for region in {*regions, None} for each in self.phones} - {None}
        addresses = people["email"].map(google_address, na_action="ignore")
        return np.asarray(people.index.isin(list(self.customer_ids)) | addresses.isin(list(self.addresses)) | people["phone"].isin(list(phones)))


def read_suppression(shop: Path | None, configured: str, *, known_ids: Iterable[str]) -> Suppression:
    """The suppression list of a shop: the configured file (relative to the shop's folder), else suppressed.csv, where there is one.

    Raises Refused when the configured file is missing, DataError when nobody can be read from it. ``known_ids`` are the shop's customers.
    """
    path = (shop or Path()) / (configured or SUPPRESSED)
    if not path.is_file():
        if configured:
            raise Refused(
                f"{path}: this suppression list ([audiences] suppression in whobuys.toml) is missing, so nothing is exported; "
                "restore it, or take the key out"
            )
        return Suppression()
    if shop is None and not configured:
        return Suppression()
    return _parse(path, frozenset(known_ids))


def _parse(path: Path, known_ids: frozenset[str]) -> Suppression:
    rows = _rows(path)
    if not rows:
        return Suppression(notes=(f"{path.name}: the suppression list is empty",))
    kinds = [_kind(cell) for cell in rows[0]]
    if not any(kinds) and max(len(row) for row in rows) > 1:
        raise DataError(
            f"{path}, line 1: no column of the suppression list is called customer_id, email or phone; name them, or keep one column of such entries"
        )
    entries = [
        (kinds[at] if any(kinds) else None, cell.strip())
        for row in (rows[1:] if any(kinds) else rows)
        for at, cell in enumerate(row[: len(kinds)] if any(kinds) else row)
        if cell.strip() and (kinds[at] or not any(kinds))
    ]
    return _sorted_out(path, entries, known_ids, headed=any(kinds))


def _sorted_out(path: Path, entries: Sequence[tuple[str | None, str]], known_ids: frozenset[str], *, headed: bool) -> Suppression:
    ids, addresses, phones, rest = set(), set(), set(), 0
    for number, (kind, entry) in enumerate(entries):
        mail = address(entry) if kind != "phone" else None
        if mail:
            addresses.add(google_address(mail))  # also of a shop whose customer ids are addresses: it keeps them as such
        elif kind == "customer_id" or (kind is None and entry in known_ids):
            ids.add(entry)
        elif kind in (None, "phone") and sum(each.isdigit() for each in entry) >= 5:
            phones.add(entry)
        else:
            rest += headed or number > 0  # the first line may be a header of another language
    if entries and not (ids or addresses or phones):
        raise DataError(f"{path}: no customer id, e-mail address or phone can be read from this suppression list, so it would suppress nobody")
    unread = (f"{path.name}: {rest:,} entries are no customer id, e-mail address or phone, and suppress nobody",) if rest else ()
    return Suppression(frozenset(ids), frozenset(addresses), frozenset(phones), unread)


def _kind(cell: str) -> str | None:
    word = cell.strip().lower()
    return next((kind for kind, words in HEADERS.items() if word in words), None)


def _rows(path: Path) -> list[list[str]]:
    """The lines of a CSV file that are not empty, separated by what its first line is separated by."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{path}: is not UTF-8 text") from None
    lines = text.splitlines()
    separator = max(",;\t", key=lines[0].count) if lines else ","
    try:
        return [row for row in csv.reader(lines, delimiter=separator) if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise DataError(f"{path}: this is no CSV file ({error})") from None
