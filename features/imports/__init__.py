"""A shop's exports -> canonical tables in the shop folder, checked and published whole."""

import errno
import re
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from pathlib import Path

import duckdb

from features import engines
from features.config import Config
from features.coverage import Coverage, coverage_of
from features.errors import DataError
from features.files import check_seal, locked, private_file, publish, read_current, remove_whole, seal, whole_folder
from features.files import sha256 as sha256_of
from features.imports.adding import lay_over
from features.imports.assembly import make_tables, view_rows, write_tables
from features.imports.checks import find_bad_rows, find_lines_without_order, identical_lines, merged_rows, refuse_mixtures, repeated_ids
from features.imports.mapping import plan_files
from features.imports.problems import count_bad_rows, leave_out, refuse_bad_rows, write_aside
from features.imports.reading import file_read, readings_of
from features.imports.staging import Staged, stage
from features.shop import CODED, Shop
from features.sources import Source, literal, read_source
from features.tables import TABLES

MEMORY_LIMIT = "2GB"
KEY_FILE = "customer_ids.key"
Approve = Callable[[Path], None]
FOLDER = "tables"


@dataclass(frozen=True)
class Workshop:
    """Where an import works: a database and a folder inside the shop, both gone afterwards."""

    connection: duckdb.DuckDBPyConnection
    folder: Path


def import_files(
    shop: Path,
    files: Sequence[Path],
    *,
    config: Config,
    skip_bad_lines: bool = False,
    memory_limit: str | None = None,
    today: date | None = None,
    add: bool = False,
    approve: Approve = lambda tables: None,
) -> Coverage:
    """Read the files, check everything, publish the canonical tables, and say what they cover.

    With ``add`` what the files tell is laid over the published tables (``features.imports.adding``), else it takes their place.
    ``approve`` is given the folder of the new tables before they are published, and raises where they must not be.
    The published state is the old one until the new one is whole. Dates later than the day after ``today`` are problems; without ``today`` none is.
    With ``skip_bad_lines``, here or in the config, lines that cannot be read are left out and written to ``imports/<import id>-skipped.csv``.
    Without ``files`` those of the config are read, relative to the shop folder.
    Raises DataError naming file, line and column of what cannot be read, and Refused when another run writes to the shop.
    """
    with locked(shop), _workshop(shop, memory_limit or MEMORY_LIMIT) as workshop:
        key, is_new = _key(shop)
        named = files or [shop / each for each in config.imports.files]
        if not named:
            raise DataError("no files to import; name them, or list them as files in [import] of whobuys.toml")
        before = _tables_before(shop) if add else None
        staged = _staged(workshop, named, config=config, key=key, adding=before is not None)
        leave_out = skip_bad_lines or config.imports.skip_bad_lines
        skipped = _check(workshop.connection, staged, config=config, skip_bad_lines=leave_out, today=today, adding=before is not None)
        if not skipped:
            _forget_text(workshop.connection, staged)
        tables = workshop.folder / "tables"
        tables.mkdir()
        make_tables(workshop.connection, staged, cancelled_prefix=config.imports.cancelled_prefix, currency=config.shop.currency)
        if before is not None:
            lay_over(workshop.connection, staged, before=before)
        write_tables(workshop.connection, tables)
        name = _fingerprint(tables)
        coverage = _coverage(workshop, staged, name=name, skipped=skipped)
        if skipped:
            write_aside(workshop.connection, staged, shop / "imports" / f"{name}-skipped.csv")
        if is_new:
            _keep_key(shop, key)
        workshop.connection.close()  # what it held in memory is needed now
        _keep_tables(shop, name, workshop.folder, coverage, memory_limit=memory_limit or MEMORY_LIMIT, approve=approve)
    return coverage


def _tables_before(shop: Path) -> Path | None:
    """The published tables; None where nothing was imported yet. Raises DataError when they are damaged: what is laid over them would hide it."""
    published = read_current(shop).get("tables")
    if published is None:
        return None
    check_seal(shop / published)
    return shop / published


@contextmanager
def _workshop(shop: Path, memory_limit: str) -> Iterator[Workshop]:
    for left_behind in shop.glob(".import-*"):
        shutil.rmtree(left_behind, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=".import-", dir=shop))
    try:
        with duckdb.connect(str(folder / "staging.duckdb")) as connection:
            connection.execute(f"SET memory_limit = {literal(memory_limit)}")
            connection.execute(f"SET temp_directory = {literal(str(folder / 'spill'))}")
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute("SET autoinstall_known_extensions = false")
            connection.execute("PRAGMA force_compression = 'uncompressed'")  # what is thrown away soon is not worth twice the time
            yield Workshop(connection, folder)
    except duckdb.OutOfMemoryException:
        raise DataError(f"{shop.absolute()}: the import ran out of memory ({memory_limit}) and of disk to spill to; nothing was changed") from None
    except (duckdb.IOException, duckdb.TransactionException, duckdb.FatalException) as error:
        named = re.search(r'"(.+?)"', str(error))
        raise _not_written(named[1] if named else shop, str(error).splitlines()[0]) from None
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise _not_written(error.filename or shop, error.strerror or "") from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _not_written(path: str | Path, reason: str) -> DataError:
    return DataError(f"{Path(path).absolute()}: could not be written, is the disk full? Make room; nothing was changed ({reason})")


def _staged(workshop: Workshop, files: Sequence[Path], *, config: Config, key: bytes, adding: bool) -> list[Staged]:
    options = config.imports
    sources = _sources(workshop, files, config)
    plans = plan_files(sources, options.map, format_name=options.format, needs_orders=not adding)
    readings = readings_of(workshop.connection, plans, decimal=options.decimal, date_formats=options.date_format, timezone=config.shop.timezone)
    staged = [
        stage(workshop.connection, plan, number=number, reading=reading, key=key)
        for number, (plan, reading) in enumerate(zip(plans, readings, strict=True))
    ]
    view_rows(workshop.connection, staged)
    return staged


def _sources(workshop: Workshop, files: Sequence[Path], config: Config) -> list[Source]:
    options = config.imports
    contents: dict[str, Path] = {}
    sources = []
    for number, path in enumerate(files):
        source = read_source(
            workshop.connection, path, relation=f"raw_{number}", work=workshop.folder, encoding=options.encoding, delimiter=options.delimiter
        )
        same = contents.setdefault(sha256_of(path), path)
        if same is not path:
            raise DataError(f"{path}: has the same content as {same}; name each file once")
        sources.append(source)
    return sources


def _check(
    connection: duckdb.DuckDBPyConnection, staged: Sequence[Staged], *, config: Config, skip_bad_lines: bool, today: date | None, adding: bool
) -> int:
    find_bad_rows(connection, staged, currency=config.shop.currency, today=today)
    if not skip_bad_lines:
        refuse_bad_rows(connection, staged)
    skipped = count_bad_rows(connection, staged)
    if skipped:
        leave_out(connection, staged)
        find_lines_without_order(connection, staged)
        leave_out(connection, staged)
        skipped = count_bad_rows(connection, staged)
    refuse_mixtures(connection, staged, currency=config.shop.currency, adding=adding)
    return skipped


def _forget_text(connection: duckdb.DuckDBPyConnection, staged: Sequence[Staged]) -> None:
    """Free the disk of the text cells: nothing is left to be told of them."""
    for each in staged:
        connection.execute(f"DROP TABLE {each.plan.source.relation}")
    connection.execute("CHECKPOINT")


def _coverage(workshop: Workshop, staged: Sequence[Staged], *, name: str, skipped: int) -> Coverage:
    repeated = repeated_ids(workshop.connection)
    return coverage_of(
        workshop.connection,
        workshop.folder / "tables",
        import_id=name,
        skipped=skipped,
        identical_lines=identical_lines(workshop.connection, staged),
        repeated_customers=repeated["customers"],
        repeated_products=repeated["products"],
        merged_rows=merged_rows(workshop.connection, staged),
        files=tuple(file_read(each.plan, each.reading) for each in staged),
    )


def _key(shop: Path) -> tuple[bytes, bool]:
    """The key that e-mail addresses are hashed with, and whether it is new: it is kept only when something was imported with it."""
    path = shop / KEY_FILE
    if not path.exists():
        return secrets.token_bytes(32), True
    try:
        return bytes.fromhex(path.read_text(encoding="ascii").strip()), False
    except ValueError:
        raise DataError(f"{path}: this is not the key that was made here; restore it, or customers get new ids") from None


def _keep_key(shop: Path, key: bytes) -> None:
    with private_file(shop / KEY_FILE) as file:
        file.write(key.hex() + "\n")


def _fingerprint(tables: Path) -> str:
    return sha256("".join(sha256_of(tables / f"{name}.parquet") for name in TABLES).encode()).hexdigest()[:12]


def _keep_tables(shop: Path, name: str, work: Path, coverage: Coverage, *, memory_limit: str, approve: Approve) -> None:
    """Put the tables in their folder (the same content may be there already) and publish them once approved; only they and the ones before stay."""
    target = shop / FOLDER / name
    is_new = not _is_whole(target)
    if is_new:
        with whole_folder(target) as folder:
            for path in (work / "tables").iterdir():
                shutil.move(path, folder / path.name)
            Shop.of_tables(folder, engines.duckdb(memory_limit=memory_limit, spill=work / "spill")).keep_coded(folder / CODED)
            seal(folder, coverage=coverage.as_dict())
    try:
        approve(target)
    except BaseException:
        if is_new:
            remove_whole([target])
        raise
    before = read_current(shop).get("tables")
    publish(shop, tables=f"{FOLDER}/{name}")
    for old in (shop / FOLDER).iterdir():
        if f"{FOLDER}/{old.name}" not in (before, f"{FOLDER}/{name}"):
            shutil.rmtree(old, ignore_errors=True)


def _is_whole(folder: Path) -> bool:
    if not (folder / CODED).is_dir():
        return False
    try:
        check_seal(folder)
    except DataError:
        return False
    return True
