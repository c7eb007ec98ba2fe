"""The exports of a made-up shop become those of its weeks, as they would have come in."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd


def weeks_of(exports: Sequence[Path], folder: Path, cuts: Sequence[str]) -> list[list[Path]]:
    """A folder of files for each cut (a day, YYYY-MM-DD): orders, lines and events from the cut before it up to it (exclusive), and all customers and
    products that there were by then, as shops export them."""
    frames = {path.stem: pd.read_csv(path, dtype=str, keep_default_na=False) for path in exports}
    day_of_order = frames["orders"].set_index("order_id")["ordered_at"]
    days = {"orders": frames["orders"]["ordered_at"], "order_lines": frames["order_lines"]["order_id"].map(day_of_order)}
    days |= {"events": frames["events"]["occurred_at"]}
    made = {name: frames[name]["created_at"] for name in ("customers", "products")}
    found, since = [], ""
    for place, until in enumerate(cuts):
        here = folder / f"{place:03}"
        here.mkdir(parents=True)
        for name, frame in frames.items():
            told = frame[(days[name] >= since) & (days[name] < until)] if name in days else frame[made[name] < until] if name in made else frame
            told.to_csv(here / f"{name}.csv", index=False)
        found.append(sorted(here.iterdir()))
        since = until
    return found
