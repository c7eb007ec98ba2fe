"""The columns of a file and the mapping -> what the file is, and which of its columns becomes which canonical column."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from features.config import canonical_names
from features.errors import DataError, did_you_mean
from features.formats import FileMap, map_of
from features.sources import Source, unique_names
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

TELLING = {
    "ordered_at": ("date", "time", "day"),
    "customer_id": ("customer", "client", "buyer", "user", "household"),
    "order_id": ("order", "invoice", "basket"),
}
"""Words in the names of columns that may be meant, for advice only: a column called date may be anything."""

JOINED_BY = {"category": " > ", "tags": ", ", "order_id": "-", "customer_id": "-", "product_id": "-"}
"""What stands between several columns that make one; a space for every other text."""


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


def plan_files(sources: Sequence[Source], mapping: FileMap, *, format_name: str = "", needs_orders: bool = True) -> list[Plan]:
    """A plan for each file; ``mapping`` goes before the columns of a named format, and these before columns that have canonical names.

    Raises DataError for mapped columns that no file has or takes, which tells all of them, for a file that is nothing we know, and when no file
    holds orders although it ``needs_orders``.
    """
    _refuse([problem for name, columns in mapping.items() for problem in _problems(sources, name, columns)])
    plans = [_plan(_named(source, mapping, format_name)) for source in sources]
    used = {name for plan in plans for each in plan.fields for name in (each.name, each.column.name)}
    attributes = {attribute for plan in plans for attribute, _ in plan.attributes}
    _refuse([_unused(name, mapping[name], plans) for name in mapping if name not in used and name.partition(".")[2] not in attributes])
    _refuse([_no_orders(plans)] if needs_orders and not any(plan.kind in ("orders", "flat") for plan in plans) else [])
    return plans


@dataclass(frozen=True)
class Naming:
    """The columns of one file and what the mapping says of them; ``by_name`` also takes columns that have a canonical name already."""

    source: Source
    mapping: FileMap
    by_name: bool

    def mapped(self, table: str, name: str, *, only_with_table: bool = False) -> tuple[str, ...]:
        """The columns that the mapping gives to a canonical column of a table; none when this file lacks one of them."""
        for key in (f"{table}.{name}",) if only_with_table else (f"{table}.{name}", name):
            columns = self.mapping.get(key, ())
            if columns and set(columns) <= set(self.source.columns):
                return columns
        return ()

    def same_name(self, name: str) -> tuple[str, ...]:
        """The column called like a canonical one, whatever its case and blanks; a mapped column is not taken a second time."""
        taken = {column for columns in self.mapping.values() for column in columns}
        free = [column for column in self.source.columns if column not in taken and self.by_name]
        return next(((column,) for column in free if _plain(column) == _plain(name)), ())

    def has(self) -> set[str]:
        """The canonical columns, without their tables, that this file has."""
        names = [(table, column.name) for table in TABLES for column in _columns(table)]
        return {name for table, name in names if self.mapped(table, name) or self.same_name(name)}


def _named(source: Source, mapping: FileMap, format_name: str) -> Naming:
    known = map_of(format_name, source.columns)
    return Naming(source, {**known, **mapping}, by_name=not known)


def _unused(name: str, columns: tuple[str, ...], plans: Iterable[Plan]) -> str:
    if name in AMBIGUOUS:
        return f"{name}={','.join(columns)}: say whose, customers.{name} or products.{name}"
    kinds = ", ".join(f"{plan.source.path.name} holds {KIND_WORDS[plan.kind]}" for plan in plans)
    return f"{name}={','.join(columns)}: no file takes {name!r} ({kinds}); write the table before the name, such as products.{name}, or leave it out"


def _no_orders(plans: Sequence[Plan]) -> str:
    """Said before any line is looked at: order lines whose date was not found are no lines without an order."""
    columns = [column for plan in plans for column in plan.source.columns]
    read = "; ".join(f"{plan.source.path.name} was read as {KIND_WORDS[plan.kind]} and has: {', '.join(plan.source.columns[:12])}" for plan in plans)
    return (
        "none of the files holds orders: an order date (ordered_at) and a customer_id are needed; "
        f"name their columns, such as {_advice('ordered_at', columns)} ({read})"
    )


KIND_WORDS: dict[FileKind, str] = {
    "flat": "order lines with their orders",
    "orders": "orders",
    "order_lines": "order lines",
    "products": "products",
    "customers": "customers",
    "events": "events",
}


def _problems(sources: Sequence[Source], name: str, columns: tuple[str, ...]) -> Iterable[str]:
    known = [column for source in sources for column in source.columns]
    missing = [column for column in columns if column not in known]
    kinds = {column.name: column.kind for table in TABLES for column in _columns(table)}
    made = f"a {kinds[name.rpartition('.')[2]]}" if name in canonical_names() else "an attribute"
    for column in missing:
        yield f"{name}={','.join(columns)}: no file has a column {column!r}{did_you_mean(column, known)}"
    if not missing and not any(set(columns) <= set(source.columns) for source in sources):
        yield f"{name}={','.join(columns)}: these columns are not all in one file"
    if len(columns) > 1 and made != "a text":
        yield f"{name}={','.join(columns)}: {made} is made of one column"


def _refuse(problems: Sequence[str]) -> None:
    if problems:
        raise DataError("\n".join(problems))


def _plan(naming: Naming) -> Plan:
    source, kind = naming.source, _kind(naming)
    fields = tuple(_fields(naming, kind))
    taken = {column for each in fields for column in each.sources}
    renamed = {columns[0]: name.partition(".")[2] for name, columns in naming.mapping.items() if _is_attribute(name, kind)}
    home = TABLES[CARRIES[kind][0]]
    kept = [column for column in source.columns if column not in taken and home.open_ended]
    names = unique_names([_beside(renamed.get(column, column), home.names) for column in kept])
    return Plan(source, kind, fields, tuple(zip(names, kept, strict=True)))


def _is_attribute(name: str, kind: FileKind) -> bool:
    return name not in canonical_names() and name.partition(".")[0] == CARRIES[kind][0]


def _beside(name: str, canonical: Sequence[str]) -> str:
    """An attribute never takes a canonical name: the file's own 'brand' beside a mapped brand becomes 'original_brand'."""
    return f"original_{name}" if name.casefold() in canonical else name


def _kind(naming: Naming) -> FileKind:
    has = naming.has()
    dated = "ordered_at" in has
    if naming.source.path.stem.casefold() == "events" or {"event", "occurred_at"} <= has:
        return _need(naming, "events", has, ("occurred_at", "customer_id", "event"))
    if dated:
        kind: FileKind = "flat" if has & {"product_id", "price", "line_total"} else "orders"
        return kind if "order_id" in has else _need(naming, kind, has, ("customer_id",))
    if {"order_id", "product_id"} <= has:
        return "order_lines"
    if "product_id" in has:
        return "products"
    if "order_id" in has:
        return _need(naming, "orders", has, ("ordered_at",))
    if has & {"customer_id", "email"}:
        return "customers"
    missing = "an order date (ordered_at), a product_id or a customer_id"
    columns = ", ".join(naming.source.columns[:12])
    advice = " ".join(_advice(name, naming.source.columns) for name in ("ordered_at", "customer_id"))
    raise DataError(f"{naming.source.path}: no column is {missing}; name them, such as {advice}; the file has: {columns}")


def _need(naming: Naming, kind: FileKind, has: set[str], names: tuple[str, ...]) -> FileKind:
    for name in names:
        if name not in has and not (name == "customer_id" and "email" in has):
            columns = ", ".join(naming.source.columns[:12])
            raise DataError(
                f"{naming.source.path}: {KIND_WORDS[kind]} need {name!r}; name its column, such as {_advice(name, naming.source.columns)}; "
                f"the file has: {columns}"
            )
    return kind


def _advice(name: str, columns: Iterable[str]) -> str:
    """The option that maps a canonical column, with a column of the file that sounds like it."""
    meant = [column for column in columns if any(word in column.casefold() for word in TELLING.get(name, ()))]
    return f"--map {name}={meant[0] if meant else 'COLUMN'}"


def _columns(table: str) -> tuple[Column, ...]:
    return (*TABLES[table].columns, *IMPORT_ONLY.get(table, ()))


def _fields(naming: Naming, kind: FileKind) -> Iterable[Field]:
    seen = set(AMBIGUOUS) if kind in ("flat", "orders") else set()
    for table in CARRIES[kind]:
        for column in _columns(table):
            name = column.name if column.name in SHARED else f"{table}.{column.name}"
            columns = naming.mapped(table, column.name, only_with_table=column.name in seen)
            if not columns and column.name not in seen:
                columns = naming.same_name(column.name)
            if columns and name not in seen:
                yield Field(name, column, columns)
                seen |= {name, column.name}


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold())
