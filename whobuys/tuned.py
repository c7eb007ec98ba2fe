"""A tuning -> how it is printed, and what to do with it."""

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from training.choice import Tuning

SHOWN = ["rank", "trial", "ap", "new_ap", "log_loss", "better_on", "ratio", "ratio_low", "ratio_high", "seconds"]


def text(found: "Tuning", form: str) -> str:
    """What is printed: for people the verdict, the trials and what to paste; as CSV the trials; as JSON everything."""
    from features.config import section_text
    from serving.exports import text_of

    if form == "csv":
        return text_of(found.table(), form)
    if form == "json":
        return _json(found)
    paste = ["put this into whobuys.toml, or run with --write:\n" + section_text("model", found.settings)] if found.settings else []
    return "\n".join(["\n".join(found.verdict()) + "\n", text_of(_for_people(found), "table"), *paste])


def next_step(found: "Tuning", *, stated: bool, written: bool) -> str:
    """What to do now; ``stated`` when whobuys.toml has settings of its own, ``written`` when it was asked to have them."""
    if found.settings is None:
        return "note: what stands in [model] is not surely better; take it out, then: whobuys train" if stated else "nothing to change"
    return "next: whobuys train --promote" if written else "next: put [model] into whobuys.toml, then: whobuys train --promote"


def _for_people(found: "Tuning") -> "pd.DataFrame":
    table = found.table()
    named = {place: ", ".join(f"{name} {value:g}" for name, value in each.settings.items()) for place, each in enumerate(found.trials)}
    return table[SHOWN].assign(settings=[named[place] or "the defaults" for place in table["trial"]])


def _json(found: "Tuning") -> str:
    from serving.exports import text_of

    tables = {name: json.loads(text_of(table, "json")) for name, table in (("trials", found.table()), ("by_origin", found.by_origin()))}
    facts = {"as_of": str(found.as_of), "horizon": found.horizon, "origins": [str(each) for each in found.origins], "confirmed_on": str(found.newest)}
    return json.dumps({**facts, "verdict": found.verdict(), "model": found.settings, **tables}) + "\n"
