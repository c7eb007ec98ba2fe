"""A shop's folder and the name of an audience become the members that were built last, as they were kept."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from features.dates import parse_day
from features.files import read_json
from serving.audiences.definitions import parse_audience
from serving.audiences.listing import latest
from serving.audiences.members import MEMBERS, Members


@dataclass(frozen=True, eq=False)
class Kept:
    """Members as they were kept, and the bundle whose predictions chose them; None when that was not written down."""

    members: Members
    bundle: str | None


def kept_members(shop: Path, audience: str) -> Kept | None:
    """The latest answer to an audience, None when it was never built. Raises DataError when what was kept cannot be read."""
    answer = latest(shop, audience)
    return None if answer is None else kept_as_of(shop, audience, str(answer["data_date"]))


def kept_as_of(shop: Path, audience: str, day: str) -> Kept:
    """The answer as of a day (YYYY-MM-DD) at which it was built. Raises DataError when what was kept cannot be read."""
    folder = shop / MEMBERS / audience
    answer = read_json(folder / f"{day}.json")
    members = Members(
        parse_audience(answer["definition"], source=str(folder / f"{day}.json")),
        parse_day(day),
        int(str(answer["horizon"])),
        str(answer["ranked_by"]),
        float(str(answer["base_rate"])),
        int(str(answer["unknown"])),
        pd.read_parquet(folder / f"{day}.parquet"),
    )
    return Kept(members, str(answer["bundle"]) if answer.get("bundle") else None)
