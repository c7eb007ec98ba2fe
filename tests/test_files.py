"""Files that are whole or not there, and a lock that leaves nothing behind where nothing was made."""

import errno
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from features.errors import DataError, Refused
from features.files import locked, read_current, whole_file, whole_folder


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
