"""Presets: what each tool's file makes of a person, whom it has no row for, and what is hashed of what."""

import hashlib
from datetime import date

import pandas as pd
import pytest

from features.errors import UsageError
from serving.destinations.presets import NOT_FOUND, PRESETS, REPEATED, preset_of

AS_OF = date(2026, 7, 1)


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def profile(**changes: object) -> pd.DataFrame:
    """One person, as the gate and an audience tell of her."""
    person = {
        "customer_id": "C1",
        "email": "jane.doe+shop@gmail.com",
        "phone": "+4520123456",
        "first_name": "Åse",
        "last_name": "O'Neill",
        "country": "DK",
        "region": "Hovedstaden",
        "city": "København Ø",
        "postal_code": "2100",
        "gender": "Female",
        "birth_date": date(1996, 7, 2),
        "madid": "AECE52E7-03EE",
        "uid": None,
        "audience": "tents",
        "label": "Tent lovers",
        "keyword": "Tents",
        **{f"show_{n}": f"Tent {n}" for n in (1, 2, 3)},
        **{f"show_{n}_link": f"https://shop.example/{n}" for n in (1, 2, 3)},
        "probability": 0.25,
        "rank": 1,
        "lifetime_value": 123.456,
        **{f"like_{n}": f"Rope {n}" for n in (1, 2, 3)},
        "expected_revenue": 12.5,
        "is_vip": True,
        "variant": "A",
        "reason": "orders every 31 days",
        "group": "target",
        "data_date": "2026-07-01",
        "today": AS_OF,
    }
    return pd.DataFrame([{**person, **changes}])


def row(preset: str, **changes: object) -> dict[str, object]:
    """The cells that the preset makes of one person; None for empty ones."""
    table, _ = PRESETS[preset].table(profile(**changes))
    return {str(header): None if pd.isna(cell) else cell for header, cell in table.astype(object).iloc[0].items()}


def test_google_takes_hashes_of_what_it_compares_and_country_and_zip_in_clear() -> None:
    assert row("google") == {
        "Email": sha("janedoe@gmail.com"),
        "Phone": sha("+4520123456"),
        "First Name": sha("åse"),
        "Last Name": sha("o'neill"),
        "Country": "DK",
        "Zip": "2100",
    }


def test_meta_takes_hashes_of_all_but_its_own_ids_and_the_value() -> None:
    assert row("meta") == {
        "email": sha("jane.doe+shop@gmail.com"),
        "phone": sha("4520123456"),
        "madid": "aece52e7-03ee",
        "fn": sha("åse"),
        "ln": sha("oneill"),
        "zip": sha("2100"),
        "ct": sha("københavnø"),
        "st": sha("hovedstaden"),
        "country": sha("dk"),
        "dob": sha("19960702"),
        "doby": sha("1996"),
        "gen": sha("f"),
        "age": sha("29"),
        "uid": None,
        "value": "123.46",
    }


@pytest.mark.parametrize("preset", ["google", "meta"])
def test_nothing_is_never_hashed(preset: str) -> None:
    unknown = dict.fromkeys("phone first_name last_name country region city postal_code gender birth_date lifetime_value".split())
    cells = row(preset, **unknown)
    assert [header for header, cell in cells.items() if cell is not None] in (["Email"], ["email", "madid"])
    assert sha("") not in cells.values()
    assert row("meta", gender="unknown")["gen"] is None and row("meta", first_name="-")["fn"] is None
    assert row("meta", lifetime_value=-3.0)["value"] is None


@pytest.mark.parametrize(
    "preset, first_name",
    [
        ("klaviyo", "First Name"),
        ("mailchimp", "First Name"),
        ("hubspot", "First Name"),
        ("salesforce", "FirstName"),
        ("bloomreach", "first_name"),
    ],
)
def test_e_mail_tools_take_addresses_in_clear_and_what_to_fill_messages_with(preset: str, first_name: str) -> None:
    cells = set(row(preset).values())
    assert {"jane.doe+shop@gmail.com", "+4520123456", "Åse", "O'Neill", "tents", "Tent lovers", "Tents"} <= cells
    assert {"Tent 1", "https://shop.example/3", 0.25, 1, 123.456, "2026-07-01"} <= cells
    assert row(preset, first_name="=Åse")[first_name] == "Åse"


@pytest.mark.parametrize(
    "preset, known, stays",
    [
        ("google", {"phone": "+4520123456"}, True),
        ("google", {"first_name": "Åse", "last_name": "Berg", "country": "DK", "postal_code": "2100"}, True),
        ("google", {"first_name": "Åse", "last_name": "Berg", "country": "DK"}, False),
        ("meta", {"madid": "x"}, True),
        ("meta", {"city": "Oslo"}, False),
        ("klaviyo", {"phone": "+4520123456"}, False),
        ("bloomreach", {"phone": "+4520123456"}, False),
        ("csv", {}, True),
    ],
)
def test_a_row_needs_something_that_the_tool_finds_people_by(preset: str, known: dict[str, object], stays: bool) -> None:
    unknown = dict.fromkeys("email phone first_name last_name country region city postal_code gender birth_date madid".split())
    table, without = PRESETS[preset].table(profile(**{**unknown, **known}))
    assert len(table) == stays and without[NOT_FOUND] == (not stays)


@pytest.mark.parametrize("preset, rows", [("klaviyo", 1), ("mailchimp", 1), ("google", 2), ("csv", 2), ("bloomreach", 2)])
def test_an_address_stands_once_in_a_list_of_addresses(preset: str, rows: int) -> None:
    both = pd.concat([profile(), profile(customer_id="C2", rank=2)], ignore_index=True)
    table, without = PRESETS[preset].table(both)
    assert (len(table), without[REPEATED]) == (rows, 2 - rows)


@pytest.mark.parametrize("name, near", [("klavio", "klaviyo"), ("Meta", "meta"), ("gogle", "google")])
def test_an_unknown_preset_is_told_with_the_nearest(name: str, near: str) -> None:
    with pytest.raises(UsageError, match=f"--to {name}: there is no such preset, did you mean '{near}'"):
        preset_of(name)
