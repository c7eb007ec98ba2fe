"""``canonical = column`` as people write it -> a mapping that is checked: which names can stand left of ``=``, and what is wrong with others."""

from collections.abc import Sequence

from features.errors import UsageError, did_you_mean
from features.tables import IMPORT_ONLY, TABLES


def canonical_names() -> list[str]:
    """What can stand left of ``=`` in a mapping: every canonical and import-only column, alone and with its table.

    >>> "order_id" in canonical_names(), "products.price" in canonical_names(), "line_total" in canonical_names()
    (True, True, True)
    """
    named = [(table.name, column.name) for table in TABLES.values() for column in (*table.columns, *IMPORT_ONLY.get(table.name, ()))]
    return list(dict.fromkeys([name for _, name in named] + [f"{table}.{name}" for table, name in named]))


def check_canonical(name: str) -> None:
    """Raise ValueError with the nearest name unless ``name`` is a canonical column, or ``table.anything`` of a table that keeps attributes."""
    if problem := problem_with(name):
        raise ValueError(problem)


def problem_with(name: str) -> str:
    """What is wrong with a name left of ``=``, with the nearest one; nothing for a good one."""
    known = canonical_names()
    table, dot, attribute = name.partition(".")
    open_ended = bool(dot) and table in TABLES and TABLES[table].open_ended and bool(attribute)
    if name in known or open_ended:
        return ""
    return f"{name!r} is no canonical column{did_you_mean(name, known if dot else [each for each in known if '.' not in each])}"


def parse_map(pairs: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """``--map`` options as a mapping; several columns are separated by commas.

    Raises UsageError, which tells all of them, for what is no pair, no canonical column, or a canonical column for the second time.

    >>> parse_map(["order_id=InvoiceNo", "category=department,product_type"])
    {'order_id': ('InvoiceNo',), 'category': ('department', 'product_type')}
    """
    mapping: dict[str, tuple[str, ...]] = {}
    wrong = []
    for pair in pairs:
        name, _, columns = (part.strip() for part in pair.partition("="))
        if not (name and columns):
            wrong.append(f"--map {pair}: is written canonical=column, such as order_id=InvoiceNo")
        elif problem := problem_with(name):
            wrong.append(f"--map {pair}: {problem}")
        elif name in mapping:
            before = ",".join(mapping[name])
            wrong.append(f"--map {pair}: {name!r} is mapped already, to {before}; name it once, and separate several columns by commas")
        else:
            mapping[name] = tuple(column.strip() for column in columns.split(","))
    if wrong:
        raise UsageError("\n".join(wrong))
    return mapping
