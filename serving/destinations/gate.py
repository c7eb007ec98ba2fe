"""The one way by which contact data leave: customers and a channel -> the contacts of those who may be reached by it, and why others may not."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from features.conditions.people import ADDRESSES
from features.config import CONFIG, Config
from features.errors import DataError, UsageError, listed
from features.sections import Channel
from features.shop import Shop
from serving.destinations.normalise import address, country, phone
from serving.destinations.suppression import Suppression, read_suppression

CONTACT = ("email", "phone", "first_name", "last_name", "country", "region", "city", "postal_code", "gender", "birth_date")
ATTRIBUTES = ("madid", "uid")
"""Columns of the customers that a shop may have imported as attributes: mobile advertiser id, and user id of a Facebook app."""
OWN_CHANNEL: Mapping[str, Channel] = {"email": "email", "phone": "sms"}
"""What an address is for: beside another one it is shown only to whom consented to it, too; ads compare both, by one consent."""
SUPPRESSED, REFUSED, UNKNOWN = "on the suppression list", "consent refused", "consent unknown"


@dataclass(frozen=True, eq=False)
class Contacts:
    """Who may be reached. ``frame``: a row for each of them, in the order asked (index customer_id), with ``CONTACT`` and ``ATTRIBUTES``: e-mail
    addresses in lower case, phones in E.164, countries as ISO 3166 codes; null where they are unknown, unreadable, or not consented to.

    ``left_out`` counts those who may not, by reason, ``notes`` are sentences about what could not be read.
    """

    frame: pd.DataFrame
    left_out: Mapping[str, int]
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Gate:
    """Consent, suppression list and default country of a shop. Every export of contact data is made of its ``contacts``."""

    shop: Shop
    basis: frozenset[str]
    suppression: Suppression
    region: str | None = None

    @classmethod
    def of(cls, shop: Shop, config: Config, *, default_country: str | None = None) -> "Gate":
        """The gate of a shop as its whobuys.toml has it; ``default_country`` instead of the one there.

        Raises Refused when the configured suppression list is missing, UsageError for a default country that is none, DataError for one there.
        """
        written = default_country or config.audiences.default_country
        region = country(written) if written else None
        if written and region is None:
            wrong = f"{written!r} is no country; write its code of two letters, such as NO"
            raise UsageError(f"--default-country: {wrong}") if default_country else DataError(f"{CONFIG}, [audiences] default_country: {wrong}")
        suppression = read_suppression(shop.folder, config.audiences.suppression, known_ids=shop.customer_ids)
        return cls(shop, frozenset(config.shop.legal_basis), suppression, region)

    def contacts(self, customer_ids: Iterable[str], channel: Channel) -> Contacts:
        """The contacts of those of the customers who may be reached by a channel: consented, and not suppressed. Unknown consent is no, unless
        whobuys.toml states a legal basis for the channel.
        """
        people = _rows(self.shop, list(customer_ids))
        consent = _consent(people, channel)
        asked = people[self._allowed(people, channel)]
        shown = self._own_channel(asked, channel)
        read, notes = self._readable(shown if self.suppression.is_empty else asked)  # many phones take long: none is read in vain
        suppressed = self._suppressed(read)
        left_out = {
            REFUSED: int(consent.eq(False).sum()),
            UNKNOWN: 0 if channel in self.basis else int(consent.isna().sum()),
            SUPPRESSED: int(suppressed.sum()),
        }
        frame = self._own_channel(read[~suppressed], channel)
        notes = (*self.suppression.notes, *self._unread(shown[~suppressed], frame), *notes)
        return Contacts(frame[[*CONTACT, *ATTRIBUTES]], {reason: count for reason, count in left_out.items() if count}, notes)

    def check_addresses(self, channel: Channel) -> None:
        """Raise DataError when no customer of the shop has what the channel needs: an e-mail address, a phone, or for ads either."""
        people, names = self.shop.tables["customers"], ADDRESSES[channel]
        if people.agg(**{name: people[name].count() for name in names}).to_pandas().iloc[0].sum():
            return
        raise DataError(
            f"no customer has {' or '.join(names)}, which the channel {channel} needs; import the customers with it, such as: "
            f"whobuys import customers.csv --map {names[0]}=COLUMN"
        )

    def suppressed(self, customer_ids: Iterable[str]) -> NDArray[np.bool_]:
        """Which of the customers are on the suppression list, whatever the channel."""
        if self.suppression.is_empty:
            return np.zeros(len(list(customer_ids)), dtype=bool)
        return self._suppressed(self._readable(_rows(self.shop, list(customer_ids)))[0])

    def _suppressed(self, read: pd.DataFrame) -> NDArray[np.bool_]:
        return self.suppression.names(read, {self.region, *read["country"].dropna().unique()})

    def _own_channel(self, people: pd.DataFrame, channel: Channel) -> pd.DataFrame:
        """Without the addresses that are for another channel, of those who did not consent to that."""
        names = () if channel == "ads" else OWN_CHANNEL
        return people.assign(**{name: people[name].where(self._allowed(people, OWN_CHANNEL[name])) for name in names})

    def _allowed(self, people: pd.DataFrame, channel: Channel) -> NDArray[np.bool_]:
        return _consent(people, channel).fillna(channel in self.basis).to_numpy(bool)

    def _readable(self, people: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
        """Addresses, phones and countries normalised; a sentence about countries that nobody knows."""
        codes = {word: country(word) for word in people["country"].dropna().unique()}
        regions = [codes[word] if isinstance(word, str) else self.region for word in people["country"]]
        phones = [
            phone(each, region or self.region) if isinstance(each, str) else None for each, region in zip(people["phone"], regions, strict=True)
        ]
        mails = [address(each) if isinstance(each, str) else None for each in people["email"]]
        cells = {"email": mails, "phone": phones, "country": regions}
        read = people.assign(**{name: pd.Series(values, people.index, dtype="str") for name, values in cells.items()})
        strange = sorted(word for word, code in codes.items() if code is None)
        told = f"these countries are not known and are left empty: {listed(strange)}; write a code of two letters, or the usual name"
        return read, ((told,) if strange else ())

    def _unread(self, asked: pd.DataFrame, read: pd.DataFrame) -> Iterator[str]:
        for name, what in (("email", "e-mail addresses"), ("phone", "phone numbers")):
            if lost := int((asked[name].notna() & read[name].isna()).sum()):
                why = "; numbers without a country need one, such as --default-country NO" if name == "phone" and self.region is None else ""
                yield f"{lost:,} {what} cannot be read and are left empty{why}"


def _consent(people: pd.DataFrame, channel: Channel) -> pd.Series:
    return people[f"consent_{channel}"].astype("boolean")


def _rows(shop: Shop, customer_ids: list[str]) -> pd.DataFrame:
    """The rows of customers, in that order, with contact and consent columns; missing attributes are null."""
    people = shop.tables["customers"]
    consents = [f"consent_{channel}" for channel in ("email", "sms", "ads")]
    extra = [name for name in ATTRIBUTES if name in people.columns]
    table = people.select("customer_id", *CONTACT, *consents, *extra).to_pyarrow()
    wanted = pc.index_in(pa.array(customer_ids, pa.string()), table["customer_id"].combine_chunks())
    frame: pd.DataFrame = table.take(wanted).to_pandas(date_as_object=True).assign(customer_id=customer_ids).set_index("customer_id")
    return frame.assign(**{name: pd.Series(None, frame.index, dtype="str") for name in ATTRIBUTES if name not in extra})
