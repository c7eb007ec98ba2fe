"""A shop's exports -> canonical tables in the shop folder, checked and published whole."""

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from hashlib import sha256
from pathlib import Path

import duckdb

from features.config import Config
from features.coverage import Coverage, coverage_of
from features.errors import DataError
from features.files import check_seal, locked, publish, seal, whole_folder
from features.files import sha256 as sha256_of
from features.imports.assembly import view_rows, write_tables
from features.imports.mapping import plan_files
from features.imports.staging import Staged, stage
from features.imports.values import reading_of
from features.sources import literal, read_source
from features.tables import TABLES

MEMORY_LIMIT = "2GB"
KEY_FILE = "customer_ids.key"


def import_files(
    shop: Path,
    files: Sequence[Path],
    *,
    config: Config,
    skip_bad_lines: bool = False,
    memory_limit: str | None = None,
    today: date | None = None,
) -> Coverage:
    """Read the files, check everything, publish the canonical tables, and say what they cover.

    The published state is the old one until the new one is whole. Dates later than the day after ``today`` are problems; without ``today`` none is.
    Raises DataError naming file, line and column of what cannot be read (unless ``skip_bad_lines``), Refused when another run writes to the shop.
    """
    with locked(shop), _workshop(shop, memory_limit or MEMORY_LIMIT) as (connection, work):
        staged = _staged(connection, files, config=config, work=work, key=_key(shop))
        view_rows(connection, staged)
        tables = work / "tables"
        tables.mkdir()
        write_tables(connection, staged, tables, cancelled_prefix=config.imports.cancelled_prefix, currency=config.shop.currency)
        name = f"tables/{_fingerprint(tables)}"
        coverage = coverage_of(connection, tables)
        _keep(shop / name, tables, coverage)
        publish(shop, tables=name)
    return coverage


@contextmanager
def _workshop(shop: Path, memory_limit: str) -> Iterator[tuple[duckdb.DuckDBPyConnection, Path]]:
    work = Path(tempfile.mkdtemp(prefix=".import-", dir=shop))
    try:
        with duckdb.connect(str(work / "staging.duckdb")) as connection:
            connection.execute(f"SET memory_limit = {literal(memory_limit)}")
            connection.execute(f"SET temp_directory = {literal(str(work / 'spill'))}")
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute("SET autoinstall_known_extensions = false")
            yield connection, work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _staged(connection: duckdb.DuckDBPyConnection, files: Sequence[Path], *, config: Config, work: Path, key: bytes) -> list[Staged]:
    options = config.imports
    if not files:
        raise DataError("no files to import; name them, or list them as files in [import] of whobuys.toml")
    sources = [
        read_source(connection, path, relation=f"raw_{number}", work=work, encoding=options.encoding, delimiter=options.delimiter)
        for number, path in enumerate(files)
    ]
    staged = []
    for number, plan in enumerate(plan_files(sources, options.map)):
        reading = reading_of(connection, plan, decimal=options.decimal, date_format=options.date_format, timezone=config.shop.timezone)
        staged.append(stage(connection, plan, number=number, reading=reading, key=key))
    return staged


def _key(shop: Path) -> bytes:
    path = shop / KEY_FILE
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32) + "\n")
    return bytes.fromhex(path.read_text(encoding="ascii").strip())


def _fingerprint(tables: Path) -> str:
    return sha256("".join(sha256_of(tables / f"{name}.parquet") for name in TABLES).encode()).hexdigest()[:12]


def _keep(target: Path, tables: Path, coverage: Coverage) -> None:
    if target.exists():
        try:
            check_seal(target)
            return
        except DataError:
            pass
    with whole_folder(target) as folder:
        for path in tables.iterdir():
            shutil.move(path, folder / path.name)
        seal(folder, coverage=coverage.as_dict())
