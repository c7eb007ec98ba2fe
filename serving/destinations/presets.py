"""What each tool takes: its columns with their exact headers, what each is made of, how it is normalised, and whether it is hashed."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date

import pandas as pd

from features.errors import UsageError, did_you_mean
from features.sections import Channel
from serving.audiences.showing import LIKED, SHOWN
from serving.destinations import normalise

Form = Callable[..., str | None]
LINKS = tuple(f"{shown}_link" for shown in SHOWN)
_PRODUCTS = (*(each for pair in zip(SHOWN, LINKS, strict=True) for each in pair), *LIKED)
_NUMBERS = ("probability", "rank", "expected_revenue", "lifetime_value", "is_vip", "variant", "reason")
MERGE = ("audience", "label", "keyword", *_PRODUCTS, *_NUMBERS)
"""What a message can be filled in with: the audience's id and name, the words of its products, products to show with their links and those that the
customer may like, and what is known of the member."""


NOT_FOUND, REPEATED = "nothing that the tool knows them by", "address of a better ranked member"
"""Why a customer who may be reached has no row."""


@dataclass(frozen=True)
class Field:
    """A column of a file: its header, what it is made of (columns of the profiles; the first one must be known), how, and whether it is hashed.

    Without a ``form`` the cell is the source as it is.
    """

    header: str
    sources: tuple[str, ...]
    form: Form | None = None
    hashed: bool = False

    def cells(self, profiles: pd.DataFrame) -> pd.Series:
        """A cell for each profile, null where its first source is unknown or nothing is left of it; what is hashed is never the hash of nothing."""
        if self.form is None:
            return profiles[self.sources[0]].rename(self.header)
        columns = [profiles[name].astype(object).where(profiles[name].notna(), None) for name in self.sources]
        made = [None if values[0] is None else self._cell(*values) for values in zip(*columns, strict=True)]
        return pd.Series(made, profiles.index, dtype="str", name=self.header)

    def _cell(self, *values: object) -> str | None:
        text = self.form(*values) if self.form else None
        return normalise.sha256_of(text) if text and self.hashed else text or None


@dataclass(frozen=True)
class Preset:
    """A form of export. ``channel`` is the one whose consent is needed; None: the one that is asked for.

    A row needs one of the groups of headers in ``found_by`` complete, or the tool could not tell whom it is about; empty: every row stays.
    ``for_people``: cells that a spreadsheet would run are escaped; in files for machines every cell is as the tool compares or shows it.
    ``once_each``: of customers with the same first column only the best ranked stays.
    """

    name: str
    tool: str
    channel: Channel | None
    fields: tuple[Field, ...]
    ending: str = ".csv"
    found_by: tuple[tuple[str, ...], ...] = ()
    for_people: bool = False
    once_each: bool = False

    @property
    def headers(self) -> list[str]:
        """The headers, in order."""
        return [field.header for field in self.fields]

    @property
    def is_neutral(self) -> bool:
        """Whether it is no tool's own: all columns, any channel, and the control group when it is asked for."""
        return self.channel is None

    def needs(self, source: str) -> bool:
        """Whether a column is made of this source."""
        return any(source in field.sources for field in self.fields)

    def table(self, profiles: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, int]]:
        """Profiles -> the rows of the file, in the same order, and how many profiles have none, by reason."""
        table = pd.concat([field.cells(profiles) for field in self.fields], axis=1)
        found = [table[list(group)].notna().all(axis=1) for group in self.found_by]
        kept = table[pd.concat(found, axis=1).any(axis=1)] if found else table
        once = kept[~kept[self.headers[0]].duplicated()] if self.once_each else kept
        return once, {NOT_FOUND: len(table) - len(kept), REPEATED: len(kept) - len(once)}


def preset_of(name: str) -> Preset:
    """The preset of that name. Raises UsageError with the nearest name."""
    if name not in PRESETS:
        raise UsageError(f"--to {name}: there is no such preset{did_you_mean(name, PRESETS)}; there are: {', '.join(PRESETS)}")
    return PRESETS[name]


def _plain(*names: str) -> Iterator[Field]:
    for name in names:
        yield Field(name, (name,))


def _custom(pattern: Callable[[str], str]) -> tuple[Field, ...]:
    """What whobuys knows, under names of its own, which the tool keeps as further properties."""
    return tuple(Field(pattern(name), (name,)) for name in (*MERGE, "data_date"))


def _title(name: str) -> str:
    return f"Whobuys {name.replace('_', ' ').title()}"


def _amount(value: float) -> str | None:
    return f"{value:.2f}" if value > 0 else None


def _digits(phone: str) -> str:
    return phone.removeprefix("+")


def _year(born: date) -> str:
    return f"{born.year:04}"


def _contact(**headers: str) -> tuple[Field, ...]:
    """Address fields in clear, as people and tools show them."""
    names = ("first_name", "last_name", "region", "city", "postal_code")
    return tuple(Field(header, (source,), normalise.name if source in names else None) for source, header in headers.items())


_NEUTRAL = (*_plain("customer_id", "email", "phone", "first_name", "last_name", "country", *MERGE, "group"),)
_HASHED = True

PRESETS = {
    each.name: each
    for each in (
        Preset("csv", "a file for people: spreadsheets, any tool", None, _NEUTRAL, for_people=True),
        Preset("parquet", "a file for programs", None, _NEUTRAL, ".parquet"),
        Preset("jsonl", "a file for programs, a JSON object a line", None, _NEUTRAL, ".jsonl"),
        Preset(
            "klaviyo",
            "Klaviyo, a list of profiles",
            "email",
            (
                *_contact(email="Email", phone="Phone Number", first_name="First Name", last_name="Last Name"),
                *_contact(city="City", region="State / Region", country="Country", postal_code="Zip Code"),
                *_custom(_title),
            ),
            found_by=(("Email",),),
            once_each=True,
        ),
        Preset(
            "mailchimp",
            "Mailchimp, contacts of an audience",
            "email",
            (
                *_contact(email="Email Address", first_name="First Name", last_name="Last Name", phone="Phone Number"),
                Field("Tags", ("audience",)),
                *(each for each in _custom(_title) if each.sources != ("audience",)),
            ),
            found_by=(("Email Address",),),
            once_each=True,
        ),
        Preset(
            "google",
            "Google Ads, Customer Match",
            "ads",
            (
                Field("Email", ("email",), normalise.google_address, _HASHED),
                Field("Phone", ("phone",), str, _HASHED),
                Field("First Name", ("first_name",), normalise.google_name, _HASHED),
                Field("Last Name", ("last_name",), normalise.google_name, _HASHED),
                Field("Country", ("country",)),
                Field("Zip", ("postal_code",), normalise.one_line),
            ),
            found_by=(("Email",), ("Phone",), ("First Name", "Last Name", "Country", "Zip")),
        ),
        Preset(
            "meta",
            "Meta (Facebook, Instagram), a customer list",
            "ads",
            (
                Field("email", ("email",), str, _HASHED),
                Field("phone", ("phone",), _digits, _HASHED),
                Field("madid", ("madid",), lambda text: normalise.one_line(text).lower()),
                Field("fn", ("first_name",), normalise.meta_name, _HASHED),
                Field("ln", ("last_name",), normalise.meta_name, _HASHED),
                Field("zip", ("postal_code", "country"), normalise.meta_postal_code, _HASHED),
                Field("ct", ("city",), normalise.meta_place, _HASHED),
                Field("st", ("region",), normalise.meta_place, _HASHED),
                Field("country", ("country",), str.lower, _HASHED),
                Field("dob", ("birth_date",), normalise.birth_day, _HASHED),
                Field("doby", ("birth_date",), _year, _HASHED),
                Field("gen", ("gender",), normalise.gender, _HASHED),
                Field("age", ("birth_date", "today"), normalise.age, _HASHED),
                Field("uid", ("uid",), normalise.one_line),
                Field("value", ("lifetime_value",), _amount),
            ),
            found_by=(("email",), ("phone",), ("madid",), ("uid",), ("fn", "ln", "country", "zip")),
        ),
        Preset(
            "hubspot",
            "HubSpot, contacts",
            "email",
            (
                *_contact(email="Email", first_name="First Name", last_name="Last Name", phone="Phone Number", city="City"),
                *_contact(region="State/Region", postal_code="Postal Code", country="Country/Region"),
                *_custom(_title),
            ),
            found_by=(("Email",),),
            once_each=True,
        ),
        Preset(
            "salesforce",
            "Salesforce, contacts",
            "email",
            (
                *_contact(email="Email", first_name="FirstName", last_name="LastName", phone="Phone", city="MailingCity"),
                *_contact(region="MailingState", postal_code="MailingPostalCode", country="MailingCountry"),
                *_custom(lambda name: f"Whobuys_{name.title()}__c"),
            ),
            found_by=(("Email",),),
            once_each=True,
        ),
        Preset(
            "bloomreach",
            "Bloomreach Engagement, customers",
            "email",
            (
                Field("registered", ("customer_id",)),
                *_contact(email="email", phone="phone", first_name="first_name", last_name="last_name", city="city", country="country"),
                *_custom(lambda name: f"whobuys_{name}"),
            ),
            found_by=(("email",),),
        ),
    )
}
"""The presets by name, in the order in which they are listed."""
