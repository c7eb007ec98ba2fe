"""Destinations: what is normalised and how, who passes the gate of consent, and whom the suppression list holds back."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from features.config import Config, load_config
from features.errors import DataError, Refused, UsageError
from features.sections import Channel
from features.shop import Shop
from serving.destinations import normalise
from serving.destinations.gate import REFUSED, SUPPRESSED, UNKNOWN, Gate
from serving.destinations.suppression import read_suppression

AS_OF = date(2026, 7, 1)


# what is normalised


@pytest.mark.parametrize(
    "written, plain, at_google",
    [
        ("Jane.Doe+Shop@GMail.com", "jane.doe+shop@gmail.com", "janedoe@gmail.com"),
        ("j.a.n.e@googlemail.com", "j.a.n.e@googlemail.com", "jane@googlemail.com"),
        (" Jane.Doe+Shop@Example.com\n", "jane.doe+shop@example.com", "jane.doe+shop@example.com"),
        ("jane@notgmail.com", "jane@notgmail.com", "jane@notgmail.com"),
        ("søren@blåbær.dk", "søren@blåbær.dk", "søren@blåbær.dk"),
        ("so\u0308ren@x.dk", "s\u00f6ren@x.dk", "s\u00f6ren@x.dk"),
    ],
)
def test_dots_and_what_follows_a_plus_go_at_google_only(written: str, plain: str, at_google: str) -> None:
    assert normalise.address(written) == plain
    assert normalise.google_address(plain) == at_google


@pytest.mark.parametrize("written", ["", "jane", "jane@example", "@example.com", "a b@example.com", "=1+1@example.com", "=cmd|' /C calc'!A0@x.dk"])
def test_what_is_no_address_is_none(written: str) -> None:
    assert normalise.address(written) is None


@pytest.mark.parametrize(
    "written, region, number",
    [
        ("20 12 34 56", "DK", "+4520123456"),
        ("+45 20 12 34 56", "SE", "+4520123456"),
        ("(0)70-123 45 67", "SE", "+46701234567"),
        ("'004520123456", None, "+4520123456"),
        ("4520123456", "DK", "+4520123456"),
        ("1-800-888-8888", "US", "+18008888888"),
        ("20 12 34 56", None, None),
        ("12", "DK", None),
        ("ring me", "DK", None),
        ("", "DK", None),
    ],
)
def test_phones_become_e164_or_nothing(written: str, region: str | None, number: str | None) -> None:
    assert normalise.phone(written, region) == number


@pytest.mark.parametrize(
    "written, code",
    [
        *[(each, "DK") for each in ("DK", "dk", "DNK", "Denmark", "Danmark", "Dänemark", " danmark ")],
        *[(each, "GB") for each in ("UK", "GB", "United Kingdom", "England", "Great Britain")],
        *[(each, "US") for each in ("USA", "U.S.A.", "United States", "United States of America")],
        *[(each, "NO") for each in ("NO", "Norway", "Norge")],
        ("The Netherlands", "NL"),
        ("Česko", "CZ"),
        ("Atlantis", None),
        ("EU", None),
        ("Kongo", None),
        ("", None),
    ],
)
def test_countries_are_codes_of_two_letters(written: str, code: str | None) -> None:
    assert normalise.country(written) == code


@pytest.mark.parametrize(
    "written, shown, google, meta",
    [
        ("Søren Åkjær", "Søren Åkjær", "søren åkjær", "søren åkjær"),
        ("  Anna\t Maria ", "Anna Maria", "anna maria", "anna maria"),
        ("O'Neill-Smith", "O'Neill-Smith", "o'neill-smith", "oneillsmith"),
        ("A\u030ase", "\u00c5se", "\u00e5se", "\u00e5se"),
        ("=HYPERLINK(1)", "HYPERLINK(1)", "hyperlink(1)", "hyperlink1"),
        ("+-@", "", "", ""),
        ("정", "정", "정", "정"),
    ],
)
def test_names_keep_their_letters(written: str, shown: str, google: str, meta: str) -> None:
    assert (normalise.name(written), normalise.google_name(written), normalise.meta_name(written)) == (shown, google, meta)


@pytest.mark.parametrize("written, age", [("1996-07-01", "30"), ("1996-07-02", "29"), ("1996-02-29", "30")])
def test_ages_are_whole_years_on_the_day(written: str, age: str) -> None:
    assert normalise.age(date.fromisoformat(written), AS_OF) == age


# the gate

PEOPLE = pd.DataFrame(
    [
        ("yes", "yes@x.dk", "20 00 00 01", "Denmark", True, True, True),
        ("no", "no@x.dk", "20 00 00 02", "DK", False, False, False),
        ("unknown", "unknown@x.dk", "20 00 00 03", None, None, None, None),
        ("mail", "mail@gmail.com", "20 00 00 04", "Atlantis", True, False, None),
        ("bad", "bad at x", "none", "DK", True, True, True),
        ("bare", None, None, "DK", True, True, True),
    ],
    columns="customer_id email phone country consent_email consent_sms consent_ads".split(),
).astype({"consent_email": "boolean", "consent_sms": "boolean", "consent_ads": "boolean"})


def shop_of(people: pd.DataFrame, folder: Path | None = None) -> Shop:
    shop = Shop.of({"customers": people})
    return Shop(shop.engine, shop.tables, folder)


def gate(
    people: pd.DataFrame = PEOPLE, folder: Path | None = None, *, country: str | None = "DK", config: Mapping[str, object] | None = None
) -> Gate:
    return Gate.of(shop_of(people, folder), Config.model_validate(config or {}), default_country=country)


@pytest.mark.parametrize(
    "channel, basis, passes",
    [
        ("email", {}, ["yes", "mail", "bad", "bare"]),
        ("sms", {}, ["yes", "bad", "bare"]),
        ("ads", {}, ["yes", "bad", "bare"]),
        ("email", {"email": "customers"}, ["yes", "unknown", "mail", "bad", "bare"]),
        ("email", {"ads": "customers"}, ["yes", "mail", "bad", "bare"]),
        ("sms", {"sms": "customers"}, ["yes", "unknown", "bad", "bare"]),
        ("ads", {"ads": "customers"}, ["yes", "unknown", "mail", "bad", "bare"]),
    ],
)
def test_unknown_consent_is_no_unless_a_basis_is_stated_for_the_channel(channel: Channel, basis: dict[str, str], passes: list[str]) -> None:
    assert list(gate(config={"shop": {"legal_basis": basis}}).contacts(PEOPLE["customer_id"], channel).frame.index) == passes


def test_those_left_out_are_counted_by_reason() -> None:
    assert gate().contacts(PEOPLE["customer_id"], "email").left_out == {REFUSED: 1, UNKNOWN: 1}
    assert gate().contacts(PEOPLE["customer_id"], "ads").left_out == {REFUSED: 1, UNKNOWN: 2}
    assert gate(config={"shop": {"legal_basis": {"email": "customers"}}}).contacts(PEOPLE["customer_id"], "email").left_out == {REFUSED: 1}


@pytest.mark.parametrize("channel, phones", [("email", ["+4520000001", None]), ("ads", ["+4520000001", "+4520000004"])])
def test_an_address_of_another_channel_needs_its_own_consent(channel: Channel, phones: list[str | None]) -> None:
    people = PEOPLE.assign(consent_ads=PEOPLE["consent_email"])
    frame = gate(people).contacts(["yes", "mail"], channel).frame
    assert list(frame["email"]) == ["yes@x.dk", "mail@gmail.com"]
    assert [None if pd.isna(each) else each for each in frame["phone"]] == phones


def test_contacts_are_in_the_order_asked_and_readable() -> None:
    found = gate().contacts(["mail", "nobody", "yes"], "email")
    assert list(found.frame.index) == ["mail", "yes"]
    assert list(found.frame["country"].fillna("-")) == ["-", "DK"]
    assert [each for each in found.notes if "Atlantis" in each] == [
        "these countries are not known and are left empty: Atlantis; write a code of two letters, or the usual name"
    ]


def test_what_cannot_be_read_is_left_empty_counted_and_told() -> None:
    found = gate(country=None).contacts(PEOPLE["customer_id"], "ads")
    assert found.frame.loc[["bad"], ["email", "phone"]].isna().all(axis=None)
    assert "1 e-mail addresses cannot be read and are left empty" in found.notes
    assert "1 phone numbers cannot be read and are left empty; numbers without a country need one, such as --default-country NO" in found.notes


def test_a_default_country_stands_for_customers_without_one() -> None:
    basis = {"shop": {"legal_basis": {"email": "customers", "sms": "customers"}}}
    asked = gate(country="NO", config=basis).contacts(["unknown"], "email").frame
    assert (list(asked["phone"]), list(asked["country"])) == (["+4720000003"], ["NO"])
    configured = gate(country=None, config={**basis, "audiences": {"default_country": "se"}}).contacts(["unknown"], "email").frame
    assert list(configured["country"]) == ["SE"]
    with pytest.raises(UsageError, match="--default-country: 'Noreg5' is no country; write its code of two letters, such as NO"):
        gate(country="Noreg5")
    with pytest.raises(DataError, match=r"whobuys.toml, \[audiences\] default_country: 'ZZ' is no country; write its code"):
        gate(country=None, config={"audiences": {"default_country": "ZZ"}})


@pytest.mark.parametrize("channel, names", [("email", "email"), ("sms", "phone"), ("ads", "email or phone")])
def test_a_shop_without_addresses_is_told_what_to_import(channel: Channel, names: str) -> None:
    people = PEOPLE.assign(email=None, phone=None)
    with pytest.raises(DataError, match=f"no customer has {names}, which the channel {channel} needs; import the customers with it"):
        gate(people).check_addresses(channel)
    gate().check_addresses(channel)


# the suppression list


@pytest.mark.parametrize(
    "text, left",
    [
        ("yes\n", ["mail"]),
        ("YES@x.dk\n", ["mail"]),
        ("m.ail+news@GMail.com\n", ["yes"]),
        ("20000001\n", ["mail"]),
        ("+45 20 00 00 04\n", ["yes"]),
        ("adresse\nyes@x.dk\nmail@gmail.com\n", []),
        ("Email;Reason\n yes@x.dk ;mail\n", ["mail"]),
        ("reason,customer_id\nyes,mail\n", ["yes"]),
        ("\ufeffcustomer_id,email,phone\n,yes@x.dk,\nmail,,\n", []),
        ("Phone\n0045 20000001\n", ["mail"]),
        ("", ["yes", "mail"]),
    ],
)
def test_whoever_is_on_the_suppression_list_is_left_out(text: str, left: list[str], tmp_path: Path) -> None:
    (tmp_path / "suppressed.csv").write_text(text, encoding="utf-8")
    made = gate(folder=tmp_path)
    found = made.contacts(["yes", "mail"], "email")
    assert list(found.frame.index) == left
    assert found.left_out.get(SUPPRESSED, 0) == 2 - len(left)
    assert list(made.suppressed(["yes", "mail"])) == [each not in left for each in ("yes", "mail")]


def test_a_suppressed_phone_without_country_is_one_of_every_customers_country(tmp_path: Path) -> None:
    (tmp_path / "suppressed.csv").write_text("phone\n20 00 00 01\n", encoding="utf-8")
    assert list(gate(folder=tmp_path, country=None).contacts(["yes", "mail"], "email").frame.index) == ["mail"]


def test_a_configured_list_that_is_missing_is_a_refusal(tmp_path: Path) -> None:
    (tmp_path / "whobuys.toml").write_text('[audiences]\nsuppression = "never.csv"\n', encoding="utf-8")
    with pytest.raises(Refused, match=r"never\.csv: this suppression list .* is missing, so nothing is exported"):
        Gate.of(shop_of(PEOPLE, tmp_path), load_config(tmp_path))
    (tmp_path / "never.csv").write_text("yes\n", encoding="utf-8")
    assert list(Gate.of(shop_of(PEOPLE, tmp_path), load_config(tmp_path)).suppressed(["yes", "mail"])) == [True, False]
    assert not gate(folder=tmp_path).suppression.customer_ids  # suppressed.csv is read where there is one


@pytest.mark.parametrize(
    "content, message",
    [
        (b"first,second\nyes,mail\n", "line 1: no column of the suppression list is called customer_id, email or phone"),
        (b"email\nnobody\n", "no customer id, e-mail address or phone can be read"),
        (b"\xff\xfe\x00", "is not UTF-8 text"),
    ],
)
def test_a_list_that_would_suppress_nobody_is_an_error(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "suppressed.csv").write_bytes(content)
    with pytest.raises(DataError, match=message):
        gate(folder=tmp_path)


def test_entries_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    (tmp_path / "suppressed.csv").write_text("email\nyes@x.dk\nnobody\n", encoding="utf-8")
    assert read_suppression(tmp_path, "", known_ids=["yes"]).notes == (
        "suppressed.csv: 1 entries are no customer id, e-mail address or phone, and suppress nobody",
    )
