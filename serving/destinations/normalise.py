"""What a shop writes of a person becomes what a destination compares: addresses, phones, countries, names, places, dates."""

import hashlib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import date
from functools import cache

import phonenumbers
from babel import Locale
from babel.core import get_global
from babel.localedata import locale_identifiers

_ADDRESS = re.compile(r"[\w.+\-'&%/~#$*?^`{}]+@[\w\-]+(\.[\w\-]+)+")
_GOOGLE = ("gmail.com", "googlemail.com")
_UK_END = re.compile(r"(?<=\d)[a-z]{2}$")
_BEFORE_A_NAME = "=+-@ \t\r\n"
_GENDERS = {
    **dict.fromkeys(("f", "w", "female", "woman", "women", "girl", "kvinde", "kvinne", "kvinna", "nainen", "frau", "weiblich"), "f"),
    **dict.fromkeys(("m", "male", "man", "men", "boy", "mand", "mann", "mies", "herr", "männlich"), "m"),
}
_COUNTRIES = {
    "united states of america": "US",
    "great britain": "GB",
    "scotland": "GB",
    "wales": "GB",
    "northern ireland": "GB",
    "russian federation": "RU",
    "slovak republic": "SK",
}
"""Names of countries that are written often and that no language of the library has."""


def sha256_of(text: str) -> str:
    """The hex digest of a text in UTF-8.

    >>> sha256_of("")[:12]
    'e3b0c44298fc'
    """
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def one_line(text: str) -> str:
    """The text composed (NFC: the å of one character), without control characters, spaces around it, and more than one space in a row.

    >>> one_line(" Anna \\t Maria\\n")
    'Anna Maria'
    """
    return " ".join(unicodedata.normalize("NFC", text).split())


def address(text: str) -> str | None:
    """An e-mail address in lower case; None for what is none. What a spreadsheet could run (``=``, ``|``, ``!``, brackets, quotes) is none.

    >>> address(" Anna.Berg@Example.com "), address("anna at example.com"), address("=1+1@example.com")
    ('anna.berg@example.com', None, None)
    """
    plain = one_line(text).lower()
    return plain if _ADDRESS.fullmatch(plain) else None


def google_address(text: str) -> str:
    """An address as Google compares it: at its own two domains, dots and what follows a plus sign do not matter.

    >>> google_address("jane.doe+shop@gmail.com"), google_address("jane.doe+shop@example.com")
    ('janedoe@gmail.com', 'jane.doe+shop@example.com')
    """
    name, _, domain = text.rpartition("@")
    return f"{name.partition('+')[0].replace('.', '')}@{domain}" if domain in _GOOGLE else text


def phone(text: str, region: str | None) -> str | None:
    """A phone number in E.164, such as +4520123456; None for what is none, or lacks a country.

    ``region`` (ISO 3166, two letters) is the country of numbers that are written without one. A number must have a length that its country has;
    whether somebody has it is not known.

    >>> phone("20 12 34 56", "DK"), phone("0046 70 123 45 67", None), phone("20 12 34 56", None), phone("none", "DK")
    ('+4520123456', '+46701234567', None, None)
    """
    written = text.strip().lstrip("'")
    if region is None and written.startswith("00"):
        written = f"+{written[2:]}"
    try:
        number = phonenumbers.parse(written, region)
    except phonenumbers.NumberParseException:
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) if phonenumbers.is_possible_number(number) else None


@cache
def country(text: str) -> str | None:
    """The ISO 3166 code of two letters of a country: of a code of two or three letters, or of its name in any language; None for no country.

    >>> country("dk"), country("DNK"), country("Danmark"), country("The Netherlands"), country("UK"), country("Atlantis")
    ('DK', 'DK', 'DK', 'NL', 'GB', None)
    """
    word = one_line(text).casefold().replace(".", "").removeprefix("the ")
    code = word.upper()
    aliases: Sequence[str] = get_global("territory_aliases").get(code, [])
    for each in (code, *(aliases if len(aliases) == 1 else ())):
        if each in phonenumbers.SUPPORTED_REGIONS:
            return each
    return _COUNTRIES.get(word) or _country_names("en").get(word) or _country_names("").get(word)


@cache
def _country_names(language: str) -> Mapping[str, str]:
    """Names of countries in a language, or in all of them, those that name one country only -> their code."""
    languages = [language] if language else [each for each in locale_identifiers() if "_" not in each]
    codes: dict[str, set[str]] = {}
    for each in languages:
        for code, name in Locale.parse(each).territories.items():
            if code in phonenumbers.SUPPORTED_REGIONS:
                codes.setdefault(name.casefold(), set()).add(code)
    return {name: found.pop() for name, found in codes.items() if len(found) == 1}


def name(text: str) -> str:
    """A name as people read it, letters as they are; what a spreadsheet would take for the begin of a formula is taken off.

    >>> name(" Søren  Åkjær "), name("=HYPERLINK(1)"), name("-")
    ('Søren Åkjær', 'HYPERLINK(1)', '')
    """
    return one_line(text).lstrip(_BEFORE_A_NAME)


def google_name(text: str) -> str:
    """A name in lower case, letters as they are.

    >>> google_name(" Søren  O'Neill ")
    "søren o'neill"
    """
    return name(text).lower()


def meta_name(text: str) -> str:
    """A name in lower case without punctuation, letters as they are.

    >>> meta_name(" Søren  O'Neill-Åkjær ")
    'søren oneillåkjær'
    """
    return one_line("".join(each for each in one_line(text).lower() if unicodedata.category(each)[0] in "LMNZ"))


def meta_place(text: str) -> str:
    """A city or region in lower case, its letters only.

    >>> meta_place("København Ø 2"), meta_place("St. Paul")
    ('københavnø', 'stpaul')
    """
    return "".join(each for each in one_line(text).lower() if unicodedata.category(each)[0] in "LM")


def meta_postal_code(text: str, code: str | None) -> str:
    """A postal code in lower case without spaces and hyphens: five digits in the US, without the last two letters in the UK.

    >>> meta_postal_code("94035-1234", "US"), meta_postal_code("SW1A 1AA", "GB"), meta_postal_code("2100", "DK")
    ('94035', 'sw1a1', '2100')
    """
    plain = re.sub(r"[\s\-']", "", text).lower()
    return plain[:5] if code == "US" else _UK_END.sub("", plain) if code == "GB" else plain


def gender(text: str) -> str:
    """``f`` or ``m``, in some languages; nothing for all else.

    >>> gender("Female"), gender("m"), gender("kvinde"), gender("other")
    ('f', 'm', 'f', '')
    """
    return _GENDERS.get(one_line(text).lower(), "")


def birth_day(born: date) -> str:
    """A date of birth as 19960701."""
    return f"{born.year:04}{born.month:02}{born.day:02}"


def age(born: date, today: date) -> str:
    """Whole years on a day.

    >>> age(date(1996, 7, 2), date(2026, 7, 1))
    '29'
    """
    return str(today.year - born.year - ((today.month, today.day) < (born.month, born.day)))
