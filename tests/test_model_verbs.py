"""The registry of bundles: what is listed, shown and compared, what is published and rolled back, and which bundles are removed."""

import os
from pathlib import Path

import pytest

from features.files import publish, seal, write_json
from models.kept import remove_older

DAY = 24 * 60 * 60


def shelf(shop: Path, ages: dict[str, int]) -> Path:
    """A shop folder with empty bundles of these ages in days."""
    for name, days in ages.items():
        folder = shop / "bundles" / name
        folder.mkdir(parents=True)
        seal(folder, id=name)
        os.utime(folder / "manifest.json", (1.8e9 - days * DAY,) * 2)
    return shop


@pytest.mark.parametrize(
    ("keep", "keep_days", "published", "scored", "stay"),
    [
        (8, 0, "e", [], "abcdef"),
        (2, 0, "a", [], "ab"),
        (2, 21, "a", [], "abcd"),
        (1, 6, "a", [], "a"),
        (1, 7, "a", [], "ab"),
        (1, 0, "f", [], "af"),
        (1, 0, "fea", [], "ae"),
        (1, 0, "fa", ["d", "b", "gone"], "abdf"),
        (1, 0, "", ["d"], "ad"),
    ],
)
def test_bundles_beyond_the_count_and_older_than_the_days_are_removed(
    tmp_path: Path, keep: int, keep_days: int, published: str, scored: list[str], stay: str
) -> None:
    shop = shelf(tmp_path, {name: 7 * place for place, name in enumerate("abcdef")})
    for name in published:
        publish(shop, bundle=f"bundles/{name}")
    for name in scored:
        write_json(shop / "scores" / f"of-{name}" / "manifest.json", {"bundle": name})
    removed = remove_older(shop, keep=keep, keep_days=keep_days)
    assert sorted(removed) == sorted(set("abcdef") - set(stay))
    assert sorted(path.name for path in (shop / "bundles").iterdir()) == sorted(stay)


@pytest.mark.parametrize("kill", range(4))
def test_a_kill_leaves_no_bundle_half_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kill: int) -> None:
    import shutil

    shop, calls, rmtree = shelf(tmp_path, {name: 7 * place for place, name in enumerate("abcd")}), iter(range(9)), shutil.rmtree

    def killed(path: Path, *, ignore_errors: bool) -> None:
        if next(calls) == kill:
            raise KeyboardInterrupt
        rmtree(path, ignore_errors=ignore_errors)

    monkeypatch.setattr(shutil, "rmtree", killed)
    try:
        remove_older(shop, keep=1, keep_days=0)
    except KeyboardInterrupt:
        whole = [path for path in (shop / "bundles").glob("[!.]*") if (path / "manifest.json").is_file()]
        assert whole == list((shop / "bundles").glob("[!.]*")) and len(whole) == 3 - kill
    remove_older(shop, keep=1, keep_days=0)
    assert [path.name for path in (shop / "bundles").iterdir()] == ["a"]
