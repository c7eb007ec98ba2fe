"""A shop and a name become audiences to build: saved ones, and ready-made ones filled in with what the shop's orders suggest."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from features.errors import DataError, Refused, UsageError, did_you_mean
from features.files import locked, write_text
from features.products import Catalogue, ProductSet
from features.snapshot import Snapshot
from features.tables import PATH_SEPARATOR
from models.bundle import Bundle
from serving.audiences.definitions import AUDIENCES, Audience, parse_audience, saved_audiences
from serving.audiences.listing import built_audiences, latest
from serving.audiences.members import MEMBERS
from serving.audiences.reading import read_text
from serving.ready_made import CROSS_SELL, LONG_TAIL, audiences_of, ready_made
from serving.suggestions import CrossSell, LongTail, cross_sell, long_tail

STRONGEST_PAIRS = 5
"""Pairs that ``build cross-sell`` makes an audience of."""


def suggested_audiences(name: str, bundle: Bundle, snapshot: Snapshot, catalogue: Catalogue) -> list[Audience]:
    """The audiences of a ready-made definition for this shop, the strongest suggestion first. Raises Refused when the orders suggest none."""
    if name == LONG_TAIL:
        found = long_tail(snapshot, catalogue, lambda sets: bundle.interest_blocks(snapshot, sets))
        return long_tail_audiences(_some(found, "no product of the long tail is wanted more than it sells"), catalogue)
    pairs = cross_sell(snapshot, top=STRONGEST_PAIRS)
    return cross_sell_audiences(_some(pairs, "no pair of categories is bought one after the other more than chance and taste explain"), catalogue)


def long_tail_audiences(found: Sequence[LongTail], catalogue: Catalogue) -> list[Audience]:
    """An audience for each suggestion."""
    return audiences_of(LONG_TAIL, [{"products": each.products} for each in found], catalogue=catalogue)


def cross_sell_audiences(pairs: Sequence[CrossSell], catalogue: Catalogue) -> list[Audience]:
    """An audience for each pair."""
    sets = [{"first": catalogue.category(pair.first), "then": catalogue.category(pair.then)} for pair in pairs]
    return audiences_of(CROSS_SELL, sets, catalogue=catalogue)


def pair_audience(bought: str, not_bought: str, catalogue: Catalogue) -> Audience:
    """The cross-sell audience of two names, each a category, else a brand, a product id, a keyword. Raises DataError for what matches nothing."""
    first, then = _named("--bought", bought, catalogue), _named("--not-bought", not_bought, catalogue)
    if first == then:
        raise UsageError(f"--bought and --not-bought are the same products ({first.label})")
    return audiences_of(CROSS_SELL, [{"first": first, "then": then}], catalogue=catalogue)[0]


def _named(option: str, name: str, catalogue: Catalogue) -> ProductSet:
    try:
        return catalogue.named(name)
    except DataError:
        leaves = {path.rsplit(PATH_SEPARATOR, 1)[-1] for path in catalogue.categories}
        hint = did_you_mean(name, leaves | set(catalogue.brands))
        raise DataError(f"{option}: {name!r} is no category, brand, product or keyword of this shop{hint}") from None


def _some(found: list, sentence: str) -> list:  # type: ignore[type-arg]  # whatever kind of suggestion goes in comes out
    if not found:
        raise Refused(f"{sentence}, so there is nothing to suggest yet")
    return found


def find_audience(shop: Path, name: str) -> Audience | None:
    """The audience of that name: of audiences.yaml, or as it was last built from a suggestion; None for a ready-made one.

    Raises DataError with the nearest name when there is none.
    """
    saved = saved_audiences(shop)
    if name in saved:
        return saved[name]
    if name in ready_made():
        return None
    if name in built_audiences(shop):
        answer = latest(shop, name) or {}
        return parse_audience(answer.get("definition"), source=str(shop / MEMBERS / name))
    raise DataError(f"there is no audience {name!r}{did_you_mean(name, [*saved, *ready_made(), *built_audiences(shop)])}")


def save_definition(shop: Path, audience: Audience) -> Audience | None:
    """Add an audience to audiences.yaml, below what stands there, or return the one that asks the same there already, whatever its ``top``.

    Raises Refused when an audience with its id asks something else.
    """
    with locked(shop):
        path, saved = shop / AUDIENCES, saved_audiences(shop).get(audience.audience)
        if saved is not None:
            if saved.choose and saved.with_top(1).words() == audience.with_top(1).words():
                return saved
            raise Refused(
                f"{path}: the audience {audience.audience!r} there asks something else; rename it, then run this again, "
                f"or build it as it stands: whobuys audience build {audience.audience}"
            )
        before = read_text(path).rstrip("\n") + "\n---\n" if path.exists() else ""
        write_text(path, before + audience.yaml())
    return None


def cross_sell_table(pairs: Sequence[CrossSell]) -> pd.DataFrame:
    """The pairs for people, a row each."""
    names = ["first", "then", "rate", "usual_days", "lift", "lift_low", "lift_high", "together", "same_basket", "in_gap"]
    return pd.DataFrame([[getattr(pair, name) for name in names] for pair in pairs], columns=names)


def long_tail_table(found: Sequence[LongTail]) -> pd.DataFrame:
    """The long-tail suggestions for people, a row each."""
    rows = [(each.products.kind, each.products.label, each.demand, each.sales, each.likely_new, each.new_demand) for each in found]
    return pd.DataFrame(rows, columns=["kind", "products", "demand", "sales", "likely_new", "new_demand"])
