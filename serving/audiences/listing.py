"""The audiences of a shop folder and their latest answers become tables and sentences for people."""

import re
from pathlib import Path

import pandas as pd

from features.files import read_current, read_json
from features.products import Catalogue
from features.shop import Shop
from serving.audiences.definitions import Audience, product_sets, saved_audiences
from serving.audiences.members import MEMBERS
from serving.ready_made import ReadyMade, definitions


def latest(shop: Path, audience: str) -> dict[str, object] | None:
    """The summary of the latest answer to an audience, or None when it was never built."""
    found = sorted((shop / MEMBERS / audience).glob("[0-9]*.json"))
    return read_json(found[-1]) if found else None


def built_audiences(shop: Path) -> list[str]:
    """The names of all audiences that have an answer, sorted."""
    return sorted(path.name for path in (shop / MEMBERS).glob("[!.]*") if any(path.glob("[0-9]*.json")))


def listing(shop: Path) -> pd.DataFrame:
    """A row per audience, saved ones in order, then those built from suggestions, then the ready-made.

    Columns: audience, name, kind, data_date, size, expected_buyers; the last three are null for one that was never built.
    """
    saved = {name: audience.name for name, audience in saved_audiences(shop).items()}
    rows = [_row(shop, name, title, "saved") for name, title in saved.items()]
    rows += [_row(shop, name, "", "built") for name in built_audiences(shop) if name not in saved and name not in definitions()]
    rows += [_row(shop, name, _title(made), "ready-made") for name, made in definitions().items() if name not in saved]
    return pd.DataFrame(rows).convert_dtypes()


def _title(made: ReadyMade) -> str:
    """Its name; what it is filled in with is not known before it is built."""
    return re.sub(r"{.*?}", "...", str(made.definition["name"]))


def _row(shop: Path, audience: str, name: str, kind: str) -> dict[str, object]:
    answer = latest(shop, audience) or {}
    facts = {key: answer.get(key) for key in ("data_date", "size", "expected_buyers")}
    return {"audience": audience, "name": name or answer.get("name") or "", "kind": kind, **facts}


def matches(shop: Path, audience: Audience) -> list[str]:
    """Sentences about an audience: the products that its conditions match, once orders were imported, and its latest answer."""
    lines = []
    if "tables" in read_current(shop):
        catalogue = Catalogue.of(Shop.open(shop))
        for place, products in product_sets(audience, catalogue):
            titles = catalogue.products["title"].reindex(list(products.product_ids)).dropna().head(3)
            named = f" ({', '.join(titles)}{', ...' * (len(products) > len(titles))})" if len(titles) else ""
            lines.append(f"{place}: {products.label}: {len(products):,} product{'s' * (len(products) != 1)}{named}")
    answer = latest(shop, audience.audience)
    if answer is None:
        return [*lines, f"never built; next: whobuys audience build {audience.audience}"]
    return [*lines, f"as of {answer['data_date']}: {answer['size']} members, {answer['expected_buyers']} buyers expected"]
