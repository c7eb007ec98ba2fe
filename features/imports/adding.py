"""What new exports tell is laid over the tables that are there: an order, customer or product that comes again replaces the one before.

The result is what one import of all exports would have made, in content and in order.
"""

from collections.abc import Sequence
from pathlib import Path

import duckdb

from features.errors import DataError
from features.imports.staging import Staged, attribute_names
from features.sources import literal, quoted
from features.tables import TABLES


def lay_over(connection: duckdb.DuckDBPyConnection, staged: Sequence[Staged], *, before: Path) -> None:
    """Make each view ``canonical_...`` that of the tables in the folder ``before`` with what the files tell laid over them.

    * orders: one that comes again replaces the one before, with its lines; without lines of its own it keeps those it had.
    * customers and products: a column that their files have replaces what was known, an empty cell too; what only orders tell fills up.
    * events: those that are not there yet.

    Raises DataError for orders in another currency than those before.
    """
    for name in TABLES:
        connection.execute(f"CREATE OR REPLACE VIEW old_{name} AS SELECT * FROM read_parquet({literal(str(before / f'{name}.parquet'))})")
        connection.execute(f"CREATE OR REPLACE TABLE told_{name} AS SELECT * FROM canonical_{name}")
    _refuse_other_currency(connection)
    known = {name: (_columns(connection, f"old_{name}"), _columns(connection, f"told_{name}")) for name in TABLES}
    queries = {
        "orders": ORDERS,
        "order_lines": LINES,
        "events": EVENTS,
        **{name: _replaced(name, *known[name], own=_own_columns(name, staged)) for name in ("customers", "products")},
    }
    for name, query in queries.items():
        columns = ", ".join(map(quoted, dict.fromkeys([*known[name][0], *known[name][1]])))
        connection.execute(f"CREATE OR REPLACE TABLE laid_{name} AS SELECT {columns} FROM ({query})")
        connection.execute(f"CREATE OR REPLACE VIEW canonical_{name} AS SELECT * FROM laid_{name}")


ORDERS = """
    SELECT told.* REPLACE (coalesce(told.revenue, old.revenue) AS revenue) FROM told_orders AS told LEFT JOIN old_orders AS old USING (order_id)
    UNION ALL BY NAME SELECT * FROM old_orders ANTI JOIN told_orders USING (order_id)"""
"""An order that is told again without a revenue, as by a file of states, keeps the one it had."""

LINES = """
    SELECT * FROM told_order_lines
    UNION ALL BY NAME SELECT * FROM old_order_lines ANTI JOIN (SELECT DISTINCT order_id FROM told_order_lines) USING (order_id)"""

_SAME = " AND ".join(f"told.{name} IS NOT DISTINCT FROM old.{name}" for name in TABLES["events"].names)
EVENTS = f"SELECT * FROM old_events UNION ALL BY NAME SELECT * FROM (SELECT told.* FROM told_events AS told ANTI JOIN old_events AS old ON {_SAME})"
"""An event has no id: one that is there in every column was told before."""


def _replaced(name: str, old: Sequence[str], new: Sequence[str], *, own: set[str]) -> str:
    """Customers or products by their key; ``own`` are the columns that files of their own have."""
    key = TABLES[name].keys[0]
    at_home = f"told.{key} IN (SELECT {key} FROM all_{name} WHERE home)"
    cells = []
    for each in (each for each in old if each in new and each != key):
        column = quoted(each)
        kept = f"coalesce(told.{column}, old.{column})"
        cells.append(f"if({at_home}, told.{column}, {kept}) AS {column}" if each in own else f"{kept} AS {column}")
    cells += [f"{'told' if each in new else 'old'}.{quoted(each)}" for each in dict.fromkeys([*old, *new]) if (each in old) != (each in new)]
    return f"""
        SELECT told.{key}, {", ".join(cells)} FROM told_{name} AS told LEFT JOIN old_{name} AS old USING ({key})
        UNION ALL BY NAME SELECT * FROM old_{name} ANTI JOIN told_{name} USING ({key})"""


def _own_columns(name: str, staged: Sequence[Staged]) -> set[str]:
    """The columns of customers or products that files of their own have, attributes too."""
    files = [each for each in staged if each.plan.kind == name]
    return {column.rpartition(".")[2] for each in files for column in each.plan.names} | set(attribute_names(name, files).values())


def _columns(connection: duckdb.DuckDBPyConnection, relation: str) -> list[str]:
    return [str(row[0]) for row in connection.execute(f"DESCRIBE {relation}").fetchall()]


def _refuse_other_currency(connection: duckdb.DuckDBPyConnection) -> None:
    query = "SELECT DISTINCT currency FROM {}_orders WHERE currency IS NOT NULL ORDER BY 1"
    old, new = ([row[0] for row in connection.execute(query.format(each)).fetchall()] for each in ("old", "told"))
    ours = ", ".join(old)
    if old and set(new) - set(old):
        raise DataError(f"the shop's orders are in {ours}, those to add in {', '.join(new)}; convert them to {ours}, then add them")
