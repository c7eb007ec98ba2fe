"""A shop's folder and the machine -> what is in order and what is wrong, a row each."""

import platform
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pandas as pd

from features.config import CONFIG, load_config
from features.errors import WhobuysError
from features.files import CURRENT, Current, check_seal, read_current

LIBRARIES = ("numpy", "scipy", "pandas", "pyarrow", "ibis-framework", "duckdb", "sqlglot", "scikit-learn", "lightgbm", "implicit", "mlflow")
LITTLE_DISK = 2e9

Finding = tuple[str, str, str]


def checkup(shop: Path) -> pd.DataFrame:
    """Columns check, state (``ok``, ``missing``, ``wrong``) and found; nothing is changed."""
    return pd.DataFrame([*_folder(shop), *_machine(shop)], columns=["check", "state", "found"])


def _folder(shop: Path) -> Iterator[Finding]:
    if not shop.is_dir():
        yield "folder", "wrong", f"{shop}: there is no such folder"
        return
    yield "folder", "ok", str(shop)
    yield _checked(CONFIG, lambda: load_config(shop) and ("as written" if (shop / CONFIG).exists() else "none: every setting has its default"))
    try:
        current = read_current(shop)
    except WhobuysError as error:
        yield CURRENT, "wrong", str(error)
        return
    yield from _published(shop, current)


def _published(shop: Path, current: Current) -> Iterator[Finding]:
    for part, next_step in (("tables", "whobuys import FILE..."), ("bundle", "whobuys train"), ("scores", "whobuys score")):
        name = current.get(part)
        if name is None:
            yield part, "missing", f"run: {next_step}"
        else:
            yield _checked(part, partial(_sealed, shop / str(name), newest=Path(str(current.get("tables"))).name))


def _sealed(folder: Path, *, newest: str) -> str:
    manifest = check_seal(folder)
    files = manifest["files"]
    assert isinstance(files, dict)
    older = " (of older orders than the tables)" if manifest.get("tables", newest) != newest else ""
    return f"{folder.name}{older}: {len(files)} files as sealed, {sum(facts['bytes'] for facts in files.values()) / 1e6:,.1f} MB"


def _checked(name: str, check: Callable[[], object]) -> Finding:
    try:
        return name, "ok", str(check())
    except WhobuysError as error:
        return name, "wrong", str(error)


def _machine(shop: Path) -> Iterator[Finding]:
    free = shutil.disk_usage(shop if shop.is_dir() else Path()).free
    yield (
        "free disk",
        "ok" if free > LITTLE_DISK else "wrong",
        f"{free / 1e9:,.1f} GB" + ("" if free > LITTLE_DISK else "; make room for at least 2 GB"),
    )
    yield "free memory", "ok", _memory()
    yield "python", "ok", platform.python_version()
    for library in LIBRARIES:
        try:
            yield library, "ok", version(library)
        except PackageNotFoundError:
            yield library, "wrong", "is not installed; install whobuys anew"


def _memory() -> str:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except FileNotFoundError:
        return "unknown on this system"
    available = next((line for line in lines if line.startswith("MemAvailable:")), None)
    return f"{int(available.split()[1]) / 1e6:,.1f} GB" if available else "unknown on this system"
