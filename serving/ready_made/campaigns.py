"""A shop and a name become audiences to build: saved ones, ready-made ones, and those filled in with what the shop's orders suggest."""

from dataclasses import replace
from pathlib import Path

from features.errors import DataError, Refused, UsageError, did_you_mean
from features.files import locked, write_text
from features.products import Catalogue, ProductSet
from features.tables import PATH_SEPARATOR
from serving.audiences.definitions import AUDIENCES, Audience, parse_audience, saved_audiences
from serving.audiences.listing import built_audiences, latest
from serving.audiences.members import MEMBERS
from serving.audiences.reading import read_text
from serving.ready_made import CROSS_SELL, ReadyMade, definitions, ready_made
from serving.suggestions import KINDS, Ground

USUAL = 10
"""Suggestions of a kind unless a number is asked for."""


def suggested_audiences(name: str, ground: Ground) -> list[Audience]:
    """The audiences of a ready-made definition that is filled in for this shop, the strongest suggestion first.

    Raises Refused when the shop suggests none, with the reason.
    """
    made = ready_made(name)
    found = KINDS[made.filled_in_by].ask(replace(ground, top=made.top or ground.top, told={}))
    audiences = made.filled(found.fillings, catalogue=ground.catalogue)
    if not audiences:
        raise Refused(f"{name}: {'; '.join(found.notes) or 'nothing is found'}; so there is nothing to suggest yet")
    return audiences


def pair_audience(bought: str, not_bought: str, catalogue: Catalogue) -> Audience:
    """The cross-sell audience of two names, each a category, else a brand, a product id, a keyword. Raises DataError for what matches nothing."""
    first, then = _named("--bought", bought, catalogue), _named("--not-bought", not_bought, catalogue)
    if first == then:
        raise UsageError(f"--bought and --not-bought are the same products ({first.label})")
    return ready_made(CROSS_SELL).filled([{"first": first, "then": then}], catalogue=catalogue)[0]


def _named(option: str, name: str, catalogue: Catalogue) -> ProductSet:
    try:
        return catalogue.named(name)
    except DataError:
        leaves = {path.rsplit(PATH_SEPARATOR, 1)[-1] for path in catalogue.categories}
        hint = did_you_mean(name, leaves | set(catalogue.brands))
        raise DataError(f"{option}: {name!r} is no category, brand, product or keyword of this shop{hint}") from None


def find_audience(shop: Path, name: str) -> Audience | None:
    """The audience of that name: of audiences.yaml, ready-made, or as it was last built from a suggestion; None for a ready-made definition that is
    filled in with products of the shop.

    Raises DataError with the nearest name when there is none.
    """
    saved = saved_audiences(shop)
    if name in saved:
        return saved[name]
    if name in definitions():
        return definitions()[name].audience
    if name in built_audiences(shop):
        answer = latest(shop, name) or {}
        return parse_audience(answer.get("definition"), source=str(shop / MEMBERS / name))
    raise DataError(f"there is no audience {name!r}{did_you_mean(name, [*saved, *definitions(), *built_audiences(shop)])}")


def ready_made_of(shop: Path, name: str) -> ReadyMade | None:
    """The ready-made definition of that name, unless audiences.yaml has an audience that is called the same."""
    return None if name in saved_audiences(shop) else definitions().get(name)


def save_definition(shop: Path, audience: Audience) -> Audience | None:
    """Add an audience to audiences.yaml, below what stands there, or return the one that asks the same there already, whatever its ``top`` and goal.

    Raises Refused when an audience with its id asks something else.
    """
    with locked(shop):
        path, saved = shop / AUDIENCES, saved_audiences(shop).get(audience.audience)
        if saved is not None:
            if saved.choose and _asked(saved) == _asked(audience):
                return saved
            raise Refused(
                f"{path}: the audience {audience.audience!r} there asks something else; rename it, then run this again, "
                f"or build it as it stands: whobuys audience build {audience.audience}"
            )
        before = read_text(path).rstrip("\n") + "\n---\n" if path.exists() else ""
        write_text(path, before + audience.yaml())
    return None


def _asked(audience: Audience) -> dict[str, object]:
    """Its words without what does not change who is asked for."""
    return {key: value for key, value in audience.with_top(1).words().items() if key != "goal"}
