"""The one door to the query engines: DuckDB on this machine, or Spark on many. Features are the same expressions on both.

A door opens a session, reads Parquet, and keeps what an expression comes to for as long as the session lasts.
"""

import os
import shutil
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias
from weakref import WeakKeyDictionary

import ibis
import pyarrow as pa
from ibis.backends import BaseBackend
from ibis.expr.types import Table

from features.errors import DataError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

Engine: TypeAlias = BaseBackend
EngineName = Literal["duckdb", "spark"]
ENGINES: tuple[EngineName, ...] = ("duckdb", "spark")

SPARK_SETTINGS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.sql.ansi.enabled": "false",  # what is divided by zero, or no number, is unknown, as in DuckDB
    "spark.sql.timestampType": "TIMESTAMP_NTZ",  # times of canonical tables are the shop's own, without a zone
}
_NUMBER = count()
_KEPT: "WeakKeyDictionary[Engine, dict[str, DataFrame]]" = WeakKeyDictionary()


def duckdb(*, memory_limit: str | None = None, threads: int | None = None, spill: Path | None = None) -> Engine:
    """A DuckDB of its own, in memory, that spills into a folder when it passes ``memory_limit`` (such as "4GB")."""
    settings: dict[str, object] = {"autoinstall_known_extensions": False, "autoload_known_extensions": False}
    if memory_limit:
        settings["memory_limit"] = memory_limit
    if threads:
        settings["threads"] = threads
    if spill:
        settings["temp_directory"] = str(spill)
    engine = ibis.duckdb.connect(**settings)
    engine.raw_sql("SET enable_progress_bar = false")  # it is on where no script runs, and would be written between the answers
    return engine


def missing() -> str | None:
    """Why Spark cannot be used here, and what to install; None when it can."""
    if find_spec("pyspark") is None:
        return 'engine = "spark" needs PySpark, which is not installed here; run: pip install "whobuys[spark]"'
    if shutil.which("java") is None:
        return 'engine = "spark" needs Java 17 or newer, and there is no java on the PATH; install a runtime, such as openjdk-17-jre-headless'
    return None


def spark(settings: Mapping[str, str] | None = None) -> Engine:
    """The Spark session that runs already (spark-submit, a notebook), else one of the environment's and these settings.

    Raises DataError when Spark is missing.
    """
    if reason := missing():
        raise DataError(reason)
    from pyspark.sql import SparkSession

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # else workers on this machine are any python3, without whobuys
    quiet = {"spark.app.name": "whobuys", "spark.ui.showConsoleProgress": "false"}
    return ibis.pyspark.connect(SparkSession.builder.config(map={**quiet, **(settings or {})}).getOrCreate(), **SPARK_SETTINGS)


def session(engine: Engine) -> "SparkSession":
    """The session behind an engine that ``spark`` opened."""
    from pyspark.sql import SparkSession

    found = SparkSession.getActiveSession()
    assert engine.name == "pyspark" and found is not None, "an engine of Spark has a session"
    return found


def parquet(engine: Engine, path: Path, *, name: str | None = None) -> Table:
    """A Parquet file, or a folder of them, as a table; it is read whenever it is asked about."""
    if path.is_dir() and engine.name == "duckdb":
        return engine.read_parquet(f"{path}/*.parquet", table_name=name, hive_partitioning=False)  # ids of parts are no columns
    return engine.read_parquet(path, table_name=name)


def kept(engine: Engine, name: str, rows: Table | pa.Table) -> Table:
    """What an expression comes to, or rows, worked out once and kept. What the engine kept under the ``name`` before is replaced."""
    if engine.name == "duckdb":
        return engine.create_table(name, rows, temp=True, overwrite=True)
    found, mine = dataframe(engine, rows).cache(), _KEPT.setdefault(engine, {})
    if name in mine:
        mine.pop(name).unpersist()
    mine[name] = found
    return engine.table(_view(found))


def dataframe(engine: Engine, rows: Table | pa.Table) -> "DataFrame":
    """An expression, or rows, as a DataFrame of Spark."""
    if isinstance(rows, pa.Table):
        return session(engine).createDataFrame(rows)
    asked = f"whobuys_{next(_NUMBER)}"
    engine.create_view(asked, rows)
    return session(engine).table(asked)


def _view(frame: "DataFrame") -> str:
    """A name for a frame. It stands for the frame's plan: a view made of a query looks its tables up by name whenever it is read."""
    name = f"whobuys_{next(_NUMBER)}"
    frame.createTempView(name)
    return name
