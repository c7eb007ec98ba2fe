"""Files that are whole or not there, and a lock that leaves nothing behind where nothing was made."""

import errno
import json
import os
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from pathlib import Path

import pytest

from features.errors import DataError, Refused
from features.files import Publication, locked, publications, publish, publish_former, read_current, whole_file, whole_folder


def fail_in(shop: Path) -> None:
    with locked(shop):
        raise KeyError


@pytest.mark.parametrize("shop", ["shop", "a/b/shop"])
def test_what_a_failed_run_made_for_its_lock_is_gone(tmp_path: Path, shop: str) -> None:
    with pytest.raises(KeyError):
        fail_in(tmp_path / shop)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_run_leaves_what_was_there(tmp_path: Path) -> None:
    with locked(tmp_path / "shop"):
        pass
    with pytest.raises(KeyError):
        fail_in(tmp_path / "shop")
    assert [path.name for path in (tmp_path / "shop").iterdir()] == [".lock"]


def test_a_run_that_is_refused_leaves_the_lock_of_the_other(tmp_path: Path) -> None:
    with locked(tmp_path / "shop"):
        with pytest.raises(Refused, match="another whobuys run is writing"):
            fail_in(tmp_path / "shop")
        assert (tmp_path / "shop" / ".lock").exists()


def test_a_file_is_no_shop(tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text("order_id\n")
    message = r"orders.csv: this is a file; a shop is a folder"
    with pytest.raises(DataError, match=message):
        fail_in(tmp_path / "orders.csv")
    with pytest.raises(DataError, match=message):
        read_current(tmp_path / "orders.csv")


@pytest.mark.parametrize("whole", [whole_file, whole_folder])
def test_an_error_of_writing_names_the_path(tmp_path: Path, whole: Callable[[Path], AbstractContextManager[Path]]) -> None:
    with pytest.raises(OSError, match="No space left") as error, whole(tmp_path / "scores"):
        raise OSError(errno.ENOSPC, "No space left on device")  # as pyarrow and write() raise it
    assert error.value.filename == str(tmp_path / "scores")
    assert list(tmp_path.iterdir()) == []


def named(shop: Path) -> list[str]:
    """The publications of a shop, as bundle+scores."""
    return ["+".join(filter(None, (each.bundle, each.scores))) for each in publications(shop)]


STEPS: list[dict[str, str]] = [{"tables": "t"}, {"bundle": "a"}, {"scores": "1"}, {"bundle": "b"}, {"tables": "u"}, {"scores": "2"}, {"bundle": "c"}]


def after(shop: Path, steps: list[dict[str, str]]) -> Path:
    """A shop in which these were published."""
    shop.mkdir()
    for parts in steps:
        publish(shop, **parts)
    return shop


@pytest.mark.parametrize(
    ("count", "remembered"),
    [(0, []), (1, []), (2, ["a"]), (3, ["a+1"]), (4, ["a+1", "b+1"]), (5, ["a+1", "b+1"]), (6, ["a+1", "b+2"]), (7, ["a+1", "b+2", "c+2"])],
)
def test_a_bundle_that_was_in_use_is_remembered_with_its_scores(tmp_path: Path, count: int, remembered: list[str]) -> None:
    shop = after(tmp_path / "shop", STEPS[:count])
    assert named(shop) == remembered
    (shop / "published.json").unlink(missing_ok=True)
    assert named(shop) == remembered[-1:]


def test_a_former_publication_is_published_and_the_later_one_forgotten(tmp_path: Path) -> None:
    shop = after(tmp_path / "shop", STEPS)
    for left, current in ((["a+1", "b+2"], {"tables": "u", "bundle": "b", "scores": "2"}), (["a+1"], {"tables": "u", "bundle": "a", "scores": "1"})):
        publish_former(shop, publications(shop)[-2])
        assert named(shop) == left and read_current(shop) == current
    publish(shop, bundle="b")
    publish_former(shop, Publication("a", None, ""))
    assert named(shop) == ["a+1"]


def test_so_many_publications_are_remembered(tmp_path: Path) -> None:
    shop = after(tmp_path / "shop", [{"bundle": f"b{number}"} for number in range(25)])
    assert named(shop) == [f"b{number}" for number in range(5, 25)]


@pytest.mark.parametrize("lagging", [False, True], ids=["", "as a kill left it"])
@pytest.mark.parametrize("kill", range(4))
@pytest.mark.parametrize(
    ("parts", "remembered"), [({"scores": "3"}, ["a+1", "b+2", "c+3"]), ({"bundle": "d"}, ["a+1", "b+2", "c+2", "d+2"]), (None, ["a+1", "b+2"])]
)
def test_a_kill_between_two_writes_loses_no_publication(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parts: dict[str, str] | None, remembered: list[str], kill: int, lagging: bool
) -> None:
    shop, calls, replace = after(tmp_path / "shop", STEPS), iter(range(9)), os.replace
    if lagging:
        content = json.loads((shop / "published.json").read_text(encoding="utf-8"))
        (shop / "published.json").write_text(json.dumps({"publications": content["publications"][:-1]}), encoding="utf-8")

    def killed(before: Path, path: Path) -> None:
        if next(calls) == kill:
            raise KeyboardInterrupt
        replace(before, path)

    def run() -> None:
        publish(shop, **parts) if parts else publish_former(shop, publications(shop)[-2])

    monkeypatch.setattr(os, "replace", killed)
    with suppress(KeyboardInterrupt):
        run()
    assert named(shop) in (["a+1", "b+2", "c+2"], remembered)
    if named(shop) != remembered:
        run()
    assert named(shop) == remembered


@pytest.mark.parametrize("content", ["{", "[]", '{"publications": [{"scores": "1"}]}', '{"publications": 3}', "{}"])
def test_a_damaged_memory_is_named(tmp_path: Path, content: str) -> None:
    shop = after(tmp_path / "shop", STEPS)
    (shop / "published.json").write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=r"published.json"):
        publications(shop)
