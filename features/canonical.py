"""Frames become canonical tables of a query engine: for tests and notebooks, which have no exports."""

import ibis
import pandas as pd
import pyarrow as pa
from ibis.expr.types import Table

from features.engines import Engine
from features.tables import DUCKDB_TYPES, TABLES

IBIS_TYPES = {
    "VARCHAR": "string",
    "DOUBLE": "float64",
    "INTEGER": "int32",
    "BOOLEAN": "boolean",
    "DATE": "date",
    "TIMESTAMP": "timestamp",
}


def as_table(engine: Engine, name: str, frame: pd.DataFrame | pa.Table | None) -> Table:
    """The canonical table of a name, from a frame with some of its columns; None is an empty one.

    Raises ValueError for columns that the table does not take.
    """
    canonical = TABLES[name]
    types = {column.name: IBIS_TYPES[DUCKDB_TYPES[column.kind]] for column in canonical.columns}
    if frame is None:
        return engine.create_table(name, schema=ibis.schema(types), temp=True)
    given = frame if isinstance(frame, pa.Table) else pa.Table.from_pandas(frame, preserve_index=False)
    for place, column in enumerate(given.schema):
        if pa.types.is_null(column.type):
            given = given.set_column(place, column.name, given.column(place).cast(pa.string()))
    source = engine.create_table(f"given_{name}", given, temp=True)
    columns = {column: (source[column] if column in given.column_names else ibis.null()).cast(kind) for column, kind in types.items()}
    further = [column for column in given.column_names if column not in types]
    if not canonical.open_ended and further:
        raise ValueError(f"{name}: unknown columns {further}")
    return engine.create_table(name, source.select(**columns, **{column: source[column] for column in further}), temp=True)
