"""A built audience and a preset become a file for a tool, with a manifest beside it; whole or not there, only of those whom the gate lets pass."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from features.config import load_config
from features.errors import DataError, Refused, UsageError
from features.files import read_current
from features.sections import Channel
from features.shop import Shop
from serving.audiences.definitions import saved_audiences
from serving.audiences.facts import FACTS
from serving.audiences.kept import Kept, kept_members
from serving.audiences.members import CONTROL, EXPORTS, TARGET, Members, check_size
from serving.audiences.showing import LIKED, SHOWN
from serving.destinations.gate import UNKNOWN, Contacts, Gate
from serving.destinations.presets import LINKS, Preset, preset_of
from serving.exports import write_manifest, write_table
from serving.ready_made.campaigns import find_audience
from serving.scores import Scores

HELD_BACK = "control group"


@dataclass(frozen=True)
class Asked:
    """What to export: the audience's name, the preset's, and what was said beside it. ``channel`` is for neutral presets only, email by default."""

    audience: str
    preset: str
    output: Path | None = None
    channel: Channel | None = None
    default_country: str | None = None
    with_control: bool = False


@dataclass(frozen=True)
class Exported:
    """What was written: of whom, where, the manifest's facts, how many members are not in it by reason, and sentences about what was left empty."""

    members: Members
    path: Path
    facts: Mapping[str, object]
    left_out: Mapping[str, int]
    notes: tuple[str, ...]


def export_audience(folder: Path, asked: Asked) -> Exported:
    """Write the latest members of an audience for a tool, readable by its owner only, and the manifest beside it.

    Raises UsageError for a preset, channel, country or file name that does not fit, DataError for an audience that was not built (or asks something
    else by now) and for a shop without addresses, Refused when it is too small, or when nobody may be reached.
    """
    preset = preset_of(asked.preset)
    channel = _channel(preset, asked)
    kept = _kept(folder, asked.audience)
    check_size(kept.members)
    path = _path(folder, kept.members, preset, channel, asked.output)
    shop, config = Shop.open(folder), load_config(folder)
    gate = Gate.of(shop, config, default_country=asked.default_country)
    gate.check_addresses(channel)
    chosen = kept.members.frame if asked.with_control else kept.members.frame[kept.members.frame["group"] == TARGET]
    contacts = gate.contacts(chosen["customer_id"], channel)
    values, notes = _lifetime_values(folder, kept, preset)
    people = profiles(kept.members, contacts, shop, values)
    table, without_row = preset.table(people)
    left_out = _left_out(kept.members, asked, contacts, without_row)
    if table.empty:
        raise Refused(_nobody(kept.members, channel, left_out))
    write_table(path, table, private=True, dated=kept.members if preset.is_neutral else None, for_people=preset.for_people)
    facts = _facts(kept, preset, channel) | {"rows": len(table), "left_out": left_out, "default_country": gate.region}
    return Exported(kept.members, path, write_manifest(path, facts), left_out, (*contacts.notes, *notes))


def profiles(members: Members, contacts: Contacts, shop: Shop, lifetime_values: pd.Series | None) -> pd.DataFrame:
    """A row for each member who may be reached, the best first: contacts, what the audience knows of them, and what to fill messages with. Members of
    the control group have no contacts."""
    frame = members.frame[members.frame["customer_id"].isin(contacts.frame.index)].reset_index(drop=True)
    reached = contacts.frame.reindex(frame["customer_id"]).reset_index(drop=True)
    people = pd.concat([frame, reached.where(frame["group"] != CONTROL)], axis=1)
    titles = shop.products["title"].astype(object)
    titles = titles.where(titles.notna(), titles.index.to_series())
    for shown, link in zip(SHOWN, LINKS, strict=True):
        people[link] = people[shown].map(shop.products["url"]).astype("str")
        people[shown] = people[shown].map(titles).astype("str")
    for name in FACTS:
        known = people[name] if name in people else pd.Series(None, people.index, dtype="str")  # members that were kept before it was known
        people[name] = known.map(titles).astype("str") if name in LIKED else known
    values = lifetime_values.reindex(people["customer_id"]).to_numpy() if lifetime_values is not None else float("nan")
    return people.assign(
        audience=members.audience.audience,
        label=members.audience.name or members.audience.audience,
        keyword=_keyword(members, titles),
        lifetime_value=values,
        data_date=members.as_of.isoformat(),
        today=members.as_of,
    )


def _keyword(members: Members, titles: pd.Series) -> str | None:
    """The words of the products that its ranking is about: a keyword, the last level of a category, a brand, the title of a product."""
    about = members.ranked_by
    if about in ("any order", "nothing"):
        return None
    return str(titles[about]) if about in titles.index else about.rsplit(" > ", 1)[-1]


def _channel(preset: Preset, asked: Asked) -> Channel:
    if preset.channel is None:
        return asked.channel or "email"
    if asked.channel not in (None, preset.channel):
        raise UsageError(f"--channel {asked.channel}: {preset.name} needs consent for {preset.channel}; --channel goes with csv, parquet and jsonl")
    if asked.with_control:
        raise UsageError(f"--with-control: {preset.name} would write to the control group; it goes with csv, parquet and jsonl")
    return preset.channel


def _kept(folder: Path, name: str) -> Kept:
    """The latest answer of an audience. Raises DataError when there is none, or it is not the answer to what stands in audiences.yaml now."""
    kept = kept_members(folder, name)
    if kept is None:
        find_audience(folder, name)
        raise DataError(f"{name}: was not built, so it has no members to export; run: whobuys audience build {name} --shop {folder}")
    saved = saved_audiences(folder).get(name)
    if saved is not None and _without_choose(saved.words()) != _without_choose(kept.members.audience.words()):
        raise DataError(
            f"{name}: audiences.yaml asks something else now than when it was built as of {kept.members.as_of}; "
            f"run: whobuys audience build {name} --shop {folder}"
        )
    return kept


def _without_choose(words: dict[str, object]) -> dict[str, object]:
    """A ``top`` that was given when it was built changes ``choose`` only."""
    return {key: value for key, value in words.items() if key != "choose"}


def _path(folder: Path, members: Members, preset: Preset, channel: Channel, output: Path | None) -> Path:
    if output is None:
        tool = channel if preset.is_neutral else preset.name
        return folder / EXPORTS / f"{members.audience.audience}-{members.as_of}-{tool}{preset.ending}"
    if output.suffix.lower() != preset.ending:
        raise UsageError(f"{output}: --to {preset.name} writes a file that ends with {preset.ending}")
    return output


def _lifetime_values(folder: Path, kept: Kept, preset: Preset) -> tuple[pd.Series | None, tuple[str, ...]]:
    """The lifetime values of the published scores, where these are of the same date and bundle; else a sentence for those who need them."""
    if read_current(folder).get("scores"):
        scores = Scores.open(folder)
        if scores.as_of == kept.members.as_of and kept.bundle in (None, scores.facts["bundle"]) and "lifetime_value" in scores.customers:
            return scores.customers["lifetime_value"], ()
    missing = f"lifetime_value is empty: there are no published scores as of {kept.members.as_of} with the same bundle; run: whobuys score"
    return None, ((missing,) if preset.needs("lifetime_value") else ())


def _left_out(members: Members, asked: Asked, contacts: Contacts, without_row: Mapping[str, int]) -> dict[str, int]:
    """How many members are not in the file, by reason."""
    control = 0 if asked.with_control else int((members.frame["group"] == CONTROL).sum())
    return {reason: count for reason, count in {HELD_BACK: control, **contacts.left_out, **without_row}.items() if count}


def _nobody(members: Members, channel: Channel, left_out: Mapping[str, int]) -> str:
    begin = f"{members.audience.audience}: "
    if not len(members):
        return f"{begin}has no members as of {members.as_of}, so nothing is exported"
    why = ", ".join(f"{reason} {count:,}" for reason, count in left_out.items())
    hint = (
        f"; import the column consent_{channel}, or state in whobuys.toml ([shop] legal_basis) why {channel} needs no consent"
        if UNKNOWN in left_out
        else ""
    )
    return f"{begin}none of its {len(members):,} members may be exported for {channel} ({why}){hint}"


def _facts(kept: Kept, preset: Preset, channel: Channel) -> dict[str, object]:
    members = kept.members
    return {
        "audience": members.audience.audience,
        "name": members.audience.name,
        "preset": preset.name,
        "channel": channel,
        "data_date": members.as_of.isoformat(),
        "horizon": members.horizon,
        "ranked_by": members.ranked_by,
        "bundle": kept.bundle,
        "members": len(members),
        "columns": preset.headers,
        "hashed": [field.header for field in preset.fields if field.hashed],
    }
