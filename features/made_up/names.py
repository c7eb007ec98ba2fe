"""People become the customers table: names, addresses, consents of invented customers in six countries, none of them reachable."""

import unicodedata

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.made_up.assortment import TASTES
from features.made_up.chance import Flags, Floats, Ints, chances, draw, stream
from features.made_up.columns import dates, ids, joined, looked_up, plain, times
from features.made_up.people import People
from features.made_up.planted import CANARY_EMAIL, DAYS

COUNTRIES = ("DK", "SE", "NO", "FI", "IS", "DE")
_COUNTRY_SHARES = (0.42, 0.22, 0.16, 0.1, 0.02, 0.08)
_LANGUAGES = ("da", "sv", "no", "fi", "is", "de", "en")
_CALLING = ("+45", "+46", "+47", "+358", "+354", "+49")
_WOMEN = (
    ("Åse", "Sofie", "Freja", "Kirsten", "Mette", "Bodil", "Line", "Ida"),
    ("Åsa", "Märta", "Linnéa", "Elin", "Björk", "Saga", "Maja", "Ebba"),
    ("Ragnhild", "Solveig", "Ingrid", "Øydis", "Kari", "Nora", "Tuva", "Åshild"),
    ("Päivi", "Aino", "Hilla", "Sirpa", "Tuuli", "Venla", "Kaisa", "Säde"),
    ("Guðrún", "Þórdís", "Björg", "Ásta", "Hildur", "Sigríður", "Lóa", "Æsa"),
    ("Jürgine", "Käthe", "Anke", "Greta", "Heike", "Jana", "Silke", "Ulrike"),
)
_MEN = (
    ("Søren", "Jørgen", "Bjørn", "Rasmus", "Åge", "Mads", "Niels", "Emil"),
    ("Göran", "Åke", "Björn", "Sören", "Lars", "Nils", "Oskar", "Elias"),
    ("Øystein", "Håkon", "Pål", "Terje", "Sindre", "Odd", "Leif", "Magnus"),
    ("Jyrki", "Väinö", "Pekka", "Ilmari", "Örn", "Antti", "Onni", "Eero"),
    ("Þór", "Ásgeir", "Jón", "Óðinn", "Sigurður", "Ævar", "Kári", "Hörður"),
    ("Jürgen", "Björn", "Uwe", "Sönke", "Detlef", "Jörg", "Kai", "Malte"),
)
_LAST = (
    ("Sørensen", "Kjærgaard", "Østergård", "Nielsen", "Bæk", "Holm", "Lund", "Krogh", "Åkjær", "Dam", "Friis", "Skov"),
    ("Sjögren", "Åberg", "Öberg", "Lindström", "Hägg", "Nyström", "Ek", "Dahl", "Berg", "Forsell", "Älvsjö", "Strand"),
    ("Ødegård", "Bråten", "Hansen", "Nygård", "Sæther", "Moen", "Lie", "Vik", "Aas", "Haugen", "Bø", "Solheim"),
    ("Mäkinen", "Hämäläinen", "Korhonen", "Järvinen", "Laine", "Niemi", "Öman", "Salo", "Koski", "Lehto", "Rinne", "Väisänen"),
    (
        "Jónsdóttir",
        "Ólafsson",
        "Þórsson",
        "Helgadóttir",
        "Árnason",
        "Björnsson",
        "Einarsdóttir",
        "Ævarsson",
        "Kárason",
        "Hauksdóttir",
        "Óskarsson",
        "Bragason",
    ),
    ("Müller", "Schröder", "Jäger", "König", "Petersen", "Voß", "Lange", "Krüger", "Böhm", "Hansen", "Groß", "Lorenz"),
)
_CITIES = (
    (
        ("København", "Hovedstaden", "2100"),
        ("Aarhus", "Midtjylland", "8000"),
        ("Odense", "Syddanmark", "5000"),
        ("Aalborg", "Nordjylland", "9000"),
        ("Køge", "Sjælland", "4600"),
    ),
    (
        ("Stockholm", "Stockholms län", "111 20"),
        ("Göteborg", "Västra Götaland", "411 04"),
        ("Malmö", "Skåne", "211 20"),
        ("Umeå", "Västerbotten", "903 26"),
        ("Örebro", "Örebro län", "702 11"),
    ),
    (
        ("Oslo", "Oslo", "0150"),
        ("Bergen", "Vestland", "5003"),
        ("Tromsø", "Troms", "9008"),
        ("Ålesund", "Møre og Romsdal", "6002"),
        ("Bodø", "Nordland", "8006"),
    ),
    (
        ("Helsinki", "Uusimaa", "00100"),
        ("Jyväskylä", "Keski-Suomi", "40100"),
        ("Oulu", "Pohjois-Pohjanmaa", "90100"),
        ("Turku", "Varsinais-Suomi", "20100"),
        ("Hämeenlinna", "Kanta-Häme", "13100"),
    ),
    (
        ("Reykjavík", "Höfuðborgarsvæðið", "101"),
        ("Akureyri", "Norðurland eystra", "600"),
        ("Ísafjörður", "Vestfirðir", "400"),
        ("Selfoss", "Suðurland", "800"),
        ("Höfn", "Austurland", "780"),
    ),
    (
        ("Hamburg", "Hamburg", "20095"),
        ("Kiel", "Schleswig-Holstein", "24103"),
        ("Flensburg", "Schleswig-Holstein", "24937"),
        ("Lübeck", "Schleswig-Holstein", "23552"),
        ("Köln", "Nordrhein-Westfalen", "50667"),
    ),
)
_LETTERS = str.maketrans({"ø": "o", "æ": "ae", "å": "aa", "ö": "o", "ä": "a", "ð": "d", "þ": "th", "ß": "ss"})


def customers_table(people: People, *, seed: int) -> pa.Table:
    """The customers whom the shop knows, by id. Telephone numbers begin with 00 after the calling code, which no country gives out."""
    rng = stream(seed, "names")
    size = people.known
    country = draw(rng, np.array(_COUNTRY_SHARES), size)
    woman = chances(rng, _women(people), size)
    city = country * 5 + draw(rng, np.array([0.4, 0.25, 0.15, 0.12, 0.08]), size)
    first, last = _first_names(rng, country, woman), draw(rng, np.ones(12), size) + country * 12
    birth = -(rng.gamma(3.0, 7.0, size).clip(0, 70) * 365.25 + 17 * 365.25).astype(np.int32)
    columns = {
        "customer_id": customer_ids(people),
        "email": _emails(first, last, missing=chances(rng, 0.05, size)),
        "phone": _phones(rng, country),
        "first_name": looked_up(_first_words(), first),
        "last_name": looked_up(_last_words(), last),
        "country": looked_up(COUNTRIES, country),
        "region": looked_up([each[1] for places in _CITIES for each in places], city),
        "city": looked_up([each[0] for places in _CITIES for each in places], city),
        "postal_code": looked_up([each[2] for places in _CITIES for each in places], city),
        "language": looked_up(_LANGUAGES, np.where(chances(rng, 0.06, size), 6, country).astype(np.int32)),
        "gender": looked_up(("m", "f"), woman.astype(np.int8), missing=chances(rng, 0.1, size)),
        "birth_date": dates(birth, missing=chances(rng, 0.2, size)),
        "created_at": times(created_days(people, seed=seed), rng.integers(0, 6 * 3600, size)),
        "consent_email": _consent(rng, size, 0.64, 0.12),
        "consent_sms": _consent(rng, size, 0.25, 0.2),
        "consent_ads": _consent(rng, size, 0.5, 0.12),
        "club_member": pa.array(people.vip[:size] | chances(rng, 0.2, size)),
        "favourite_store": looked_up(("Aarhus", "København", "Malmö"), draw(rng, np.ones(3), size), missing=people.in_store[:size] < 0.5),
    }
    return pa.table(columns)


def _women(people: People) -> Floats:
    """How likely each known person is a woman: half of all, more among those who train or swim, fewer among anglers."""
    taste = {name: people.tastes[: people.known, column].astype(np.float64) for column, name in enumerate(TASTES)}
    return np.asarray(0.44 + 0.4 * taste["training"] + 0.2 * (taste["swimming"] + taste["running"]) - 0.3 * taste["fishing"])


def customer_ids(people: People) -> pa.Array:
    """The ids of the known people, in order."""
    return ids("C", np.arange(1, people.known + 1), digits=7)


def created_days(people: People, *, seed: int) -> Ints:
    """The day each known person signed up: on arrival or up to three weeks earlier."""
    rng = stream(seed, "created")
    earlier = np.where(chances(rng, 0.4, people.known), rng.integers(0, 21, people.known), 0)
    return np.minimum(people.arrival[: people.known] - earlier, DAYS - 1).astype(np.int32)


def _first_words() -> list[str]:
    return [name for names in (*_WOMEN, *_MEN) for name in names]


def _last_words() -> list[str]:
    return [name for names in _LAST for name in names]


def _first_names(rng: np.random.Generator, country: Ints, woman: Flags) -> Ints:
    return np.asarray(draw(rng, np.ones(8), len(country)) + 8 * (country + len(COUNTRIES) * ~woman), dtype=np.int32)


def _ascii(name: str) -> str:
    folded = unicodedata.normalize("NFKD", name.lower().translate(_LETTERS))
    return "".join(letter for letter in folded if letter.isascii())


def _emails(first: Ints, last: Ints, *, missing: Flags) -> pa.Array:
    """first.last.number@example.com; the very first customer has the canary's address."""
    numbers = pa.array(np.arange(1, len(first) + 1)).cast(pa.string())
    local = joined(plain([_ascii(each) for each in _first_words()], first), plain([_ascii(each) for each in _last_words()], last), numbers, by=".")
    addresses = joined(local, "example.com", by="@")
    rest = pa.array(np.arange(1, len(first))), pa.array(~missing[1:])
    kept = addresses.take(rest[0])
    return pa.concat_arrays([pa.array([CANARY_EMAIL]), pc.if_else(rest[1], kept, pa.scalar(None, pa.string()))])


def _phones(rng: np.random.Generator, country: Ints) -> pa.Array:
    numbers = ids("00", rng.integers(0, 1_000_000, len(country)), digits=6)
    phones = joined(plain(_CALLING, country), numbers, by=" ")
    return pc.if_else(pa.array(chances(rng, 0.7, len(country))), phones, pa.scalar(None, pa.string()))


def _consent(rng: np.random.Generator, size: int, yes: float, unknown: float) -> pa.Array:
    """Consents; unknown ones are null, the first customer (the canary) gave every one."""
    given, missing = chances(rng, yes, size), chances(rng, unknown, size)
    given[0], missing[0] = True, False
    return pa.array(given, mask=missing)
