"""The text cells of each file -> a table of typed canonical columns and attributes, one row for each row of the file."""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb

from features.imports.mapping import CARRIES, SHARED, Plan
from features.imports.values import Reading, cancelled, typed_rows
from features.sources import quoted
from features.tables import DUCKDB_TYPES, IMPORT_ONLY, TABLES, Column

KEY_BYTES = 64
ATTRIBUTE = "attribute "
FILE_STRIDE = 1 << 40
"""Rows of all files are in one order: number of the file * FILE_STRIDE + number of the row."""


@dataclass(frozen=True)
class Staged:
    """One file in the staging tables: ``raw`` text is ``plan.source.relation``, ``relation`` holds ``position`` and the typed columns."""

    number: int
    plan: Plan
    relation: str
    reading: Reading
    columns: frozenset[str]
    derives_order_id: bool


def columns_of(table: str) -> dict[str, Column]:
    """The canonical and import-only columns of a table, by name."""
    return {column.name: column for column in (*TABLES[table].columns, *IMPORT_ONLY.get(table, ()))}


def stage(connection: duckdb.DuckDBPyConnection, plan: Plan, *, number: int, reading: Reading, key: bytes) -> Staged:
    """Write the typed table of a file."""
    relation = f"typed_{number}"
    derives = plan.kind in ("flat", "orders") and "order_id" not in plan.names
    attributes = "".join(f", {plan.source.cell(column)} AS {quoted(ATTRIBUTE + name)}" for name, column in plan.attributes)
    identity = _identity(plan, key)
    rest = "".join(f", {expression} AS {quoted(name)}" for name, expression in identity.items())
    own = ", ".join(quoted(name) for name in ("rowid", *(plan.names & set(identity))))
    rows = typed_rows(plan, plan.fields, reading, others=attributes)
    select = f"SELECT rowid + {number * FILE_STRIDE} AS position, * EXCLUDE ({own}){rest} FROM ({rows})"
    if derives:
        day = "strftime(\"orders.ordered_at\", '%Y-%m-%d')"
        select = f"SELECT *, coalesce(customer_id, 'unknown') || '-' || {day} AS order_id FROM ({select})"
    connection.execute(f"CREATE TABLE {relation} AS {select}")
    return Staged(number, plan, relation, reading, frozenset(plan.names | set(identity) | ({"order_id"} if derives else set())), derives)


def _identity(plan: Plan, key: bytes) -> dict[str, str]:
    """E-mail addresses as customer ids become their keyed hash; the address is kept as customers.email where the file may carry it."""
    names = plan.names
    if not names & {"customer_id", "customers.email"}:
        return {}
    email = '"customers.email"' if "customers.email" in names else "NULL"
    if "customer_id" not in names:
        return {"customer_id": keyed_hash(email, key)}
    hashed = f"if(contains(customer_id, '@'), {keyed_hash('customer_id', key)}, customer_id)"
    if plan.kind in ("events", "order_lines"):
        return {"customer_id": hashed}
    address = "if(contains(customer_id, '@'), customer_id, NULL)"
    return {"customer_id": f"coalesce({hashed}, {keyed_hash(email, key)})", "customers.email": f"coalesce({email}, {address})"}


def keyed_hash(text: str, key: bytes) -> str:
    """The SQL expression of HMAC-SHA256 of a text in lower case, its first 32 hex digits; the same as Python's hmac."""
    padded = key.ljust(KEY_BYTES, b"\0")
    inner, outer = (bytes(byte ^ pad for byte in padded).hex() for pad in (0x36, 0x5C))
    first = f"sha256(unhex('{inner}') || encode(lower({text})))"
    return f"left(sha256(unhex('{outer}') || unhex({first})), 32)"


def keyed_hash_of(text: str, key: bytes) -> str:
    """What ``keyed_hash`` gives for one text.

    >>> keyed_hash_of("Ann@Example.com", b"key") == keyed_hash_of("ann@example.com", b"key")
    True
    """
    return hmac.new(key, text.casefold().encode(), "sha256").hexdigest()[:32]


def rows_of(table: str, staged: Sequence[Staged]) -> str:
    """The rows that all files hold of one canonical table, as SQL.

    ``position``, ``home`` (the file is made of such rows, it does not merely carry some of their columns), ``derived`` (the order id is made of
    customer and day), ``ordered`` (the order's time, if the row has one), ``is_cancelled`` (what the row's own status
    says), all columns of the table, then the attributes as ``attribute NAME``.
    """
    selects = [_select(each, table, attribute_names(table, staged)) for each in staged if table in CARRIES[each.plan.kind]]
    return " UNION ALL ".join(selects) or f"SELECT * FROM ({_nothing(table)}) WHERE FALSE"


def _select(each: Staged, table: str, attributes: Mapping[str, str]) -> str:
    cells = [
        f"{quoted(_field(table, name)) if _field(table, name) in each.columns else _null(column)} AS {name}"
        for name, column in columns_of(table).items()
    ]
    mine = {name.casefold(): name for name, _ in each.plan.attributes} if CARRIES[each.plan.kind][0] == table else {}
    cells += [
        f"{quoted(ATTRIBUTE + mine[name]) if name in mine else 'CAST(NULL AS VARCHAR)'} AS {quoted(ATTRIBUTE + shown)}"
        for name, shown in attributes.items()
    ]
    ordered = '"orders.ordered_at"' if "orders.ordered_at" in each.columns else "CAST(NULL AS TIMESTAMP)"
    is_cancelled = cancelled('"orders.status"') if "orders.status" in each.columns else "CAST(NULL AS BOOLEAN)"
    home = table == CARRIES[each.plan.kind][0] or (table == "orders" and each.plan.kind == "flat")
    facts = f"{home} AS home, {each.derives_order_id} AS derived, {ordered} AS ordered, {is_cancelled} AS is_cancelled"
    return f"SELECT position, {facts}, {', '.join(cells)} FROM {each.relation}"


def _nothing(table: str) -> str:
    cells = ", ".join(f"{_null(column)} AS {name}" for name, column in columns_of(table).items())
    facts = "FALSE AS home, FALSE AS derived, CAST(NULL AS TIMESTAMP) AS ordered, FALSE AS is_cancelled"
    return f"SELECT CAST(NULL AS BIGINT) AS position, {facts}, {cells}"


def told(table: str, staged: Sequence[Staged]) -> list[str]:
    """The columns of a table that files of another kind carry."""
    carriers = [each for each in staged if table in CARRIES[each.plan.kind][1:]]
    return [name for name in columns_of(table) if name not in SHARED and any(_field(table, name) in each.columns for each in carriers)]


def attribute_names(table: str, staged: Sequence[Staged]) -> dict[str, str]:
    """The attributes of a table, lower case -> as first spelt, in the order of the files."""
    names: dict[str, str] = {}
    for each in staged:
        for name, _ in each.plan.attributes if CARRIES[each.plan.kind][0] == table else ():
            names.setdefault(name.casefold(), name)
    return names


def _field(table: str, name: str) -> str:
    return name if name in SHARED else f"{table}.{name}"


def _null(column: Column) -> str:
    return f"CAST(NULL AS {DUCKDB_TYPES[column.kind]})"
