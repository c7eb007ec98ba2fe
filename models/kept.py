"""The bundles that a shop's folder keeps: which there are, and which are removed when they are too many and too old."""

from datetime import timedelta
from pathlib import Path

from features.files import BUNDLES, MANIFEST, SCORES, manifests, publications, remove_left_behind, remove_whole, written_at


def needed(shop: Path) -> set[str]:
    """The bundles that are never removed: the published one, the one before it, and those that made scores which are kept."""
    in_use = {Path(each.bundle).name for each in publications(shop)[-2:]}
    return in_use | {str(facts.get("bundle")) for facts in manifests(shop / SCORES).values()}


def older(shop: Path, *, keep: int, keep_days: int) -> list[Path]:
    """The folders of bundles that are not among the ``keep`` made last, were made over ``keep_days`` before the newest, and are not ``needed``."""
    made = list(manifests(shop / BUNDLES))
    if not made:
        return []
    oldest, kept = written_at(made[0] / MANIFEST) - timedelta(days=keep_days), needed(shop)
    return [path for path in made[keep:] if path.name not in kept and written_at(path / MANIFEST) < oldest]


def remove_older(shop: Path, *, keep: int, keep_days: int) -> list[str]:
    """Remove what is ``older``; its ids. Only for who holds the shop's lock. A kill leaves none of them half removed."""
    remove_left_behind(shop / BUNDLES)
    old = older(shop, keep=keep, keep_days=keep_days)
    remove_whole(old)
    return [path.name for path in old]
