"""What can break while nobody looks on: each ends a weekly run with one clear message and its exit code, what is published stays whole, and when the
trouble is gone the next run makes what an undisturbed one would have made."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import pytest

from features.config import load_config
from features.files import RESULT, check_seal, read_current, read_json
from features.imports import import_files
from features.made_up import END
from models.bundle import Bundle
from serving.scores import Scores
from serving.watch import Watch, watch_run

Weekly = Callable[..., tuple[int, str]]
MB = 1 << 20


@contextmanager
def little_room(shop: Path, megabytes: float) -> Iterator[None]:
    """The shop on a disk of its own with so much room left."""
    size = sum(path.stat().st_blocks * 512 + 4096 for path in shop.rglob("*"))
    with mounted(shop, "-t", "tmpfs", "-o", f"size={int(size + megabytes * MB)}", "tmpfs"):
        yield


@contextmanager
def mounted(shop: Path, *how: str) -> Iterator[None]:
    """Another file system in the shop's place, with the same files; what is there at the end is the shop again."""
    aside = shop.with_name("aside")
    shop.rename(aside)
    shop.mkdir()
    try:
        if subprocess.run(["mount", *how, str(shop)], capture_output=True, check=False).returncode:
            pytest.skip("only root of a machine that lets it mount can make a disk that is full or cannot be written to")
        try:
            shutil.copytree(aside, shop, dirs_exist_ok=True)
            yield
            shutil.rmtree(aside)
            shutil.copytree(shop, aside)
        finally:
            subprocess.run(["umount", "--lazy", str(shop)], check=True)  # MLflow keeps its database open as long as this process lives
    finally:
        shop.rmdir()
        aside.rename(shop)


@contextmanager
def read_only(shop: Path) -> Iterator[None]:
    """The shop on a disk that cannot be written to."""
    with mounted(shop, "-t", "tmpfs", "tmpfs"):
        subprocess.run(["mount", "-o", "remount,ro", str(shop)], check=True)
        yield


@contextmanager
def damaged(shop: Path, file: str) -> Iterator[None]:
    """A file below what is in use with a byte that flipped; put right at the end where it is still there."""
    part, name = file.split("/", 1)
    path = shop / read_current(shop)[part] / name  # type: ignore[literal-required]  # one of the three names
    good = path.read_bytes()
    path.write_bytes(good[: len(good) // 2] + bytes([good[len(good) // 2] ^ 0xFF]) + good[len(good) // 2 + 1 :])
    yield
    if path.exists():
        path.write_bytes(good)


@dataclass(frozen=True)
class Fault:
    """A trouble, the environment that goes with it, the exit code, and what the message has. ``imported``: the orders are there when it begins."""

    trouble: Callable[[Path], AbstractContextManager[None]]
    code: int
    told: str
    environment: tuple[tuple[str, str], ...] = ()
    imported: bool = False


def none(shop: Path) -> AbstractContextManager[None]:
    return nullcontext()


FAULTS = {
    "a full disk while orders are taken in": Fault(lambda shop: little_room(shop, 0.3), 1, "is the disk full"),
    "a full disk while models are kept": Fault(lambda shop: little_room(shop, 0.7), 1, "No space left", imported=True),
    "a full disk while scores are written": Fault(lambda shop: little_room(shop, 5.5), 1, "No space left"),
    "a folder that cannot be written to": Fault(read_only, 1, "Read-only file system"),
    "a tracking server that is down": Fault(none, 1, "127.0.0.1:9", (("MLFLOW_TRACKING_URI", "http://127.0.0.1:9"),)),
    "a damaged table": Fault(lambda shop: damaged(shop, "tables/orders.parquet"), 1, "orders.parquet"),
    "a damaged bundle": Fault(lambda shop: damaged(shop, "bundle/likelihood/trees.txt"), 0, "is damaged"),
    "damaged scores": Fault(lambda shop: damaged(shop, "scores/customers.parquet"), 0, ""),
    "a clock that was set back": Fault(none, 1, "2026-06-1", (("WHOBUYS_TODAY", "2026-06-01"),)),
}
SLOW = {"a full disk while models are kept", "a full disk while scores are written", "a damaged bundle", "damaged scores"}


def strike(fault: Fault, shop: Path, files: list[Path], weekly: Weekly) -> None:
    """Run a week while something is broken."""
    before = read_current(shop)
    if fault.imported:
        import_files(shop, files, config=load_config(shop), add=True, today=END)
    with fault.trouble(shop):
        code, told = weekly(shop, [] if fault.imported else files, **dict(fault.environment))
        assert code == fault.code and fault.told in told and "Traceback" not in told, told
        if fault.code:
            now = read_current(shop)
            assert (now["bundle"], now["scores"]) == (before["bundle"], before["scores"])
    is_whole(shop)


def is_whole(shop: Path) -> None:
    current = read_current(shop)
    check_seal(shop / current["tables"])
    bundle, scores = Bundle.load(shop / current["bundle"]), Scores.open(shop)
    assert scores.facts["bundle"] == bundle.id
    assert not list(shop.rglob("*.part")) and not list(shop.rglob(".import-*"))


@pytest.mark.parametrize("fault", sorted(set(FAULTS) - SLOW))
def test_a_fault_ends_the_run_and_leaves_the_shop_whole(fault: str, grown: Path, weeks: list[list[Path]], weekly: Weekly, tmp_path: Path) -> None:
    shop = Path(shutil.copytree(grown, tmp_path / "shop"))
    strike(FAULTS[fault], shop, weeks[2], weekly)
    if fault != "a folder that cannot be written to":
        assert read_json(shop / RESULT)["state"] == "failed"


def test_damaged_scores_of_the_week_before_are_not_compared_with(grown: Path, tmp_path: Path) -> None:
    shop = Path(shutil.copytree(grown, tmp_path / "shop"))
    before = Watch.of(shop).before
    assert before is not None
    (before.folder / "customers.parquet").write_bytes(b"PAR1")
    assert Watch.of(shop).before is None and watch_run(Watch.of(shop)) is not None


@pytest.fixture(scope="module")
def undisturbed(grown: Path, weeks: list[list[Path]], weekly: Weekly, tmp_path_factory: pytest.TempPathFactory) -> Path:
    shop = Path(shutil.copytree(grown, tmp_path_factory.mktemp("undisturbed") / "shop"))
    assert weekly(shop, weeks[2])[0] == 0
    return shop


@pytest.mark.proof
@pytest.mark.parametrize("fault", FAULTS)
def test_the_next_run_mends_it(fault: str, grown: Path, undisturbed: Path, weeks: list[list[Path]], weekly: Weekly, tmp_path: Path) -> None:
    shop = Path(shutil.copytree(grown, tmp_path / "shop"))
    strike(FAULTS[fault], shop, weeks[2], weekly)
    shop = shop.rename(tmp_path / "mended")  # where MLflow has no database open
    code, told = weekly(shop, weeks[2])
    assert code == 0, told
    is_whole(shop)
    assert read_current(shop) == read_current(undisturbed)


@pytest.mark.proof
@pytest.mark.parametrize("file", ["bundle/likelihood/trees.txt", "scores/customers.parquet"])
def test_what_is_damaged_is_made_anew_without_new_orders(file: str, grown: Path, weeks: list[list[Path]], weekly: Weekly, tmp_path: Path) -> None:
    shop = Path(shutil.copytree(grown, tmp_path / "shop"))
    before = read_current(shop)
    with damaged(shop, file):
        code, told = weekly(shop, weeks[1])
        assert code == 0, told
        is_whole(shop)
    assert read_current(shop)["bundle"] == before["bundle"]
