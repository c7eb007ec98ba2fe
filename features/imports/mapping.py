"""The columns of a file and the mapping -> what the file is, and which of its columns becomes which canonical column."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from features.config import canonical_names
from features.errors import DataError, did_you_mean
from features.sources import Source
from features.tables import IMPORT_ONLY, TABLES, Column

FileKind = Literal["flat", "orders", "order_lines", "products", "customers", "events"]

CARRIES: dict[FileKind, tuple[str, ...]] = {
    "flat": ("order_lines", "orders", "products", "customers"),
    "orders": ("orders", "customers"),
    "order_lines": ("order_lines", "products"),
    "products": ("products",),
    "customers": ("customers",),
    "events": ("events",),
}
"""The tables that a file of a kind can fill, the one that a name without a table means first; the first keeps the attributes (flat: of the line)."""

SHARED = ("order_id", "customer_id", "product_id")
"""Ids mean the same in every table, so a file has one column for each."""

AMBIGUOUS = ("created_at",)
"""Names that say nothing in a file of orders: they need their table, such as customers.created_at."""

JOINED_BY = {"category": " > ", "tags": ", ", "order_id": "-", "customer_id": "-", "product_id": "-"}
"""What stands between several columns that make one; a space for every other text."""

FileMap = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Field:
    """A canonical or import-only column and the columns of the file that it is made of; ``name`` is ``table.column``, or an id."""

    name: str
    column: Column
    sources: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """What one file is and what becomes of its columns; ``attributes`` are (name in our table, column of the file)."""

    source: Source
    kind: FileKind
    fields: tuple[Field, ...]
    attributes: tuple[tuple[str, str], ...]

    @property
    def names(self) -> set[str]:
        """The names of the fields."""
        return {each.name for each in self.fields}


def plan_files(sources: Sequence[Source], mapping: FileMap) -> list[Plan]:
    """A plan for each file. Raises DataError for a mapped column that no file has, and for a file that is nothing we know."""
    _check_columns_exist(sources, mapping)
    plans = [_plan(source, mapping) for source in sources]
    used = {name for plan in plans for each in plan.fields for name in (each.name, each.column.name)}
    for name in mapping:
        if name not in used and name.partition(".")[2] not in {attribute for plan in plans for attribute, _ in plan.attributes}:
            raise DataError(_unused(name, mapping[name], plans))
    return plans


def _unused(name: str, columns: tuple[str, ...], plans: Iterable[Plan]) -> str:
    if name in AMBIGUOUS:
        return f"{name}={','.join(columns)}: say whose, customers.{name} or products.{name}"
    kinds = ", ".join(f"{plan.source.path.name} holds {KIND_WORDS[plan.kind]}" for plan in plans)
    return f"{name}={','.join(columns)}: no file takes {name!r} ({kinds}); write the table before the name, such as products.{name}, or leave it out"


KIND_WORDS: dict[FileKind, str] = {
    "flat": "order lines with their orders",
    "orders": "orders",
    "order_lines": "order lines",
    "products": "products",
    "customers": "customers",
    "events": "events",
}


def _check_columns_exist(sources: Sequence[Source], mapping: FileMap) -> None:
    known = [column for source in sources for column in source.columns]
    for name, columns in mapping.items():
        for column in columns:
            if column not in known:
                raise DataError(f"{name}={','.join(columns)}: no file has a column {column!r}{did_you_mean(column, known)}")
        if not any(set(columns) <= set(source.columns) for source in sources):
            raise DataError(f"{name}={','.join(columns)}: these columns are not all in one file")


def _plan(source: Source, mapping: FileMap) -> Plan:
    kind = _kind(source, mapping)
    fields = tuple(_fields(source, kind, mapping))
    taken = {column for each in fields for column in each.sources}
    renamed = {columns[0]: name.partition(".")[2] for name, columns in mapping.items() if "." in name and _is_attribute(name, kind)}
    home = TABLES[CARRIES[kind][0]]
    attributes = [(renamed.get(column, column), column) for column in source.columns if column not in taken] if home.open_ended else []
    return Plan(source, kind, fields, tuple((_free(name, home.names), column) for name, column in attributes))


def _is_attribute(name: str, kind: FileKind) -> bool:
    return name not in canonical_names() and name.partition(".")[0] == CARRIES[kind][0]


def _free(name: str, canonical: Sequence[str]) -> str:
    """An attribute never takes a canonical name: the file's own 'brand' beside a mapped brand becomes 'original_brand'."""
    return f"original_{name}" if name.casefold() in canonical else name


def _kind(source: Source, mapping: FileMap) -> FileKind:
    has = {column.name for table in TABLES for column in _columns(table) if _sources(source, table, column.name, mapping)}
    dated = "ordered_at" in has
    if source.path.stem.casefold() == "events" or {"event", "occurred_at"} <= has:
        return _need(source, "events", has, ("occurred_at", "customer_id", "event"))
    if dated and has & {"product_id", "price", "line_total"}:
        return "flat" if "order_id" in has else _need(source, "flat", has, ("customer_id", "ordered_at"))
    if dated:
        return "orders" if "order_id" in has else _need(source, "orders", has, ("customer_id", "ordered_at"))
    if {"order_id", "product_id"} <= has:
        return "order_lines"
    if "product_id" in has:
        return "products"
    if "order_id" in has:
        return _need(source, "orders", has, ("order_id", "ordered_at"))
    if has & {"customer_id", "email"}:
        return "customers"
    missing = "an order date (ordered_at), a product_id or a customer_id"
    raise DataError(f"{source.path}: no column is {missing}; name them with --map, such as --map ordered_at={source.columns[0]!r}")


def _need(source: Source, kind: FileKind, has: set[str], names: tuple[str, ...]) -> FileKind:
    if "email" in has:
        has = has | {"customer_id"}
    for name in names:
        if name not in has:
            columns = ", ".join(source.columns[:12])
            raise DataError(f"{source.path}: {KIND_WORDS[kind]} need {name!r}; name its column with --map {name}=...; the file has: {columns}")
    return kind


def _columns(table: str) -> tuple[Column, ...]:
    return (*TABLES[table].columns, *IMPORT_ONLY.get(table, ()))


def _fields(source: Source, kind: FileKind, mapping: FileMap) -> Iterable[Field]:
    seen = set(AMBIGUOUS) if kind in ("flat", "orders") else set()
    mapped = {column for table in CARRIES[kind] for each in _columns(table) for column in _mapped(source, table, each.name, mapping, seen=set())}
    for table in CARRIES[kind]:
        for column in _columns(table):
            name = column.name if column.name in SHARED else f"{table}.{column.name}"
            columns = _mapped(source, table, column.name, mapping, seen=seen)
            if not columns and column.name not in seen:
                columns = tuple(each for each in _same_name(source, column.name) if each not in mapped)
            if columns and name not in seen:
                _check_joinable(column, columns)
                yield Field(name, column, columns)
                seen |= {name, column.name}


def _sources(source: Source, table: str, name: str, mapping: FileMap) -> tuple[str, ...]:
    return _mapped(source, table, name, mapping, seen=set()) or _same_name(source, name)


def _mapped(source: Source, table: str, name: str, mapping: FileMap, *, seen: set[str]) -> tuple[str, ...]:
    for key in (f"{table}.{name}", name):
        columns = mapping.get(key, ())
        if columns and set(columns) <= set(source.columns) and not (key == name and name in seen):
            return columns
    return ()


def _same_name(source: Source, name: str) -> tuple[str, ...]:
    return next(((column,) for column in source.columns if _plain(column) == _plain(name)), ())


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold())


def _check_joinable(column: Column, columns: tuple[str, ...]) -> None:
    if len(columns) > 1 and column.kind != "text":
        raise DataError(f"{column.name}={','.join(columns)}: a {column.kind} is made of one column")
