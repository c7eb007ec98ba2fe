"""A shop's folder and the machine -> what is in order and what is wrong, a row each; and whether there are orders to learn from."""

import platform
import shutil
from collections.abc import Callable, Iterator
from datetime import date
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pandas as pd
from pyarrow import ArrowInvalid

from features.config import CONFIG, load_config
from features.dates import parse_day
from features.errors import DataError, WhobuysError, listed
from features.files import CURRENT, MANIFEST, PUBLISHED, RESULT, Current, check_seal, publications, read_current, read_json
from features.products import Catalogue
from features.shop import Shop
from features.tables import COMPLETED
from serving.audiences import AUDIENCES, Audience, product_sets, saved_audiences
from serving.history import figures
from whobuys.clock import stale_in

LIBRARIES = ("numpy", "scipy", "pandas", "pyarrow", "ibis-framework", "duckdb", "sqlglot", "scikit-learn", "lightgbm", "implicit", "mlflow")
LITTLE_DISK = 2e9
LEAST_CUSTOMERS = 20

Finding = tuple[str, str, str]


def checkup(shop: Path) -> pd.DataFrame:
    """Columns check, state (``ok``, ``note``, ``missing``, ``wrong``) and found; nothing is changed."""
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
    published = list(_published(shop, current))
    yield from published
    yield _checked(AUDIENCES, lambda: _audiences(shop, catalogue=Catalogue.of(Shop.open(shop)) if published[0][1] == "ok" else None))
    yield _left_behind(shop)
    if "bundle" in current:
        yield _checked("rollback", lambda: _rollback(shop))
    if "scores" in current:
        yield from _age(shop, str(current.get("scores")))
    yield from _last_week(shop)


def _rollback(shop: Path) -> str:
    """What a rollback would publish. Raises DataError when published.json is damaged, or names what is not there any more."""
    known = publications(shop)
    if len(known) < 2:
        return "nothing was in use before"
    former = known[-2]
    gone = [name for name in (former.bundle, former.scores) if name and not (shop / name / MANIFEST).is_file()]
    if gone:
        raise DataError(f"{PUBLISHED} names {listed(gone)}, which {'is' if len(gone) == 1 else 'are'} gone: whobuys model rollback cannot go back")
    return f"to {former.bundle}, in use until {known[-1].when}"


def _age(shop: Path, scores: str) -> Iterator[Finding]:
    try:
        facts = read_json(shop / scores / MANIFEST)
        said = stale_in(shop, parse_day(str(facts["as_of"])), horizon=int(str(facts["horizon"])))
    except (WhobuysError, KeyError, ValueError):
        return  # what is damaged is said of the scores themselves
    yield "age", "note" if said else "ok", "; ".join(said) or f"scores and bundle are of {facts['as_of']}, no older than [weekly] of {CONFIG} says"


def _last_week(shop: Path) -> Iterator[Finding]:
    """What the last weekly run came to, where there was one."""
    if not (shop / RESULT).exists():
        return
    try:
        result = read_json(shop / RESULT)
        figures(shop)
        findings = result["findings"]
        assert isinstance(findings, list)
    except (WhobuysError, KeyError, OSError, ArrowInvalid) as error:
        yield "weekly", "wrong", f"{error}; it is written anew by: whobuys weekly"
        return
    if result["state"] == "done":
        told = listed([f"{each['rule']}: {each['text']}" for each in findings])
        yield "weekly", "note" if findings else "ok", f"done on {result['ended']}" + (f"; {told}" if findings else ", nothing odd")
    else:
        yield "weekly", "wrong", f"{result['state']} on {result['ended']}: {result['error']}"


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


def _audiences(shop: Path, *, catalogue: Catalogue | None) -> str:
    """Sentences about the saved audiences. Raises DataError with every name in them that the catalogue does not know."""
    if not (shop / AUDIENCES).exists():
        return "none"
    saved = saved_audiences(shop)
    found = f"{len(saved)} audience{'s' * (len(saved) != 1)}"
    if catalogue is None or not saved:
        return found
    problems = [problem for audience in saved.values() if (problem := _problem(audience, catalogue))]
    if problems:
        raise DataError("; ".join(problems))
    return f"{found}, whose products are all known"


def _problem(audience: Audience, catalogue: Catalogue) -> str | None:
    try:
        product_sets(audience, catalogue)
    except DataError as error:
        return str(error)
    return None


def _left_behind(shop: Path) -> Finding:
    found = sorted(shop.rglob(".*.part"))
    if not found:
        return "left behind", "ok", "nothing"
    size = sum(file.stat().st_size for path in found for file in (path, *path.rglob("*")) if file.is_file())
    names = listed([str(path.relative_to(shop)) for path in found])
    return "left behind", "note", f"{names}: {size / 1e6:,.1f} MB of runs that were broken off; delete them, unless one is running now"


def check_orders(shop: Path, as_of: date | None, *, horizon: int) -> None:
    """Raise DataError, saying what is missing, when hardly anybody had ordered before a date (None: ever)."""
    orders = Shop.open(shop).tables["orders"]
    known = orders.filter(orders.status == COMPLETED, orders.customer_id.notnull()).mutate(day=orders.ordered_at.date())
    before = known.filter(known.day < as_of) if as_of else known
    first, last = known.agg(first=known.day.min(), last=known.day.max()).to_pandas().iloc[0]
    if pd.isna(first):
        return
    count, customers = (int(each) for each in before.agg(count=before.count(), customers=before.customer_id.nunique()).to_pandas().iloc[0])
    if not count:
        raise DataError(f"--as-of {as_of}: nobody had ordered before that day; the orders are of {first:%Y-%m-%d} to {last:%Y-%m-%d}")
    if customers < LEAST_CUSTOMERS:
        raise DataError(
            f"there are {count} orders of {customers} customers{f' before {as_of}' if as_of else ''}, too few to learn from: "
            f"import the orders of at least {LEAST_CUSTOMERS} customers, over at least {2 * horizon} days (twice the horizon)"
        )


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
