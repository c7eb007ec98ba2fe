"""The canonical tables of an import -> what they cover: how much there is, of what time, and what is missing."""

from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import duckdb

from features.sources import literal


@dataclass(frozen=True)
class Coverage:
    """What an import covers. Shares are between 0 and 1."""

    lines: int
    orders: int
    customers: int
    products: int
    events: int
    first_day: date
    last_day: date
    orders_without_customer: float

    def text(self) -> str:
        """The report for people."""
        return "\n".join(f"{name.replace('_', ' '):30} {value}" for name, value in asdict(self).items())

    def as_dict(self) -> dict[str, object]:
        """The report as JSON values."""
        return {name: value.isoformat() if isinstance(value, date) else value for name, value in asdict(self).items()}


def coverage_of(connection: duckdb.DuckDBPyConnection, folder: Path) -> Coverage:
    """Count the tables of a folder."""

    def one(query: str) -> tuple[object, ...]:
        row = connection.execute(query).fetchone()
        assert row is not None
        return tuple(row)

    table = {
        name: f"read_parquet({literal(str(folder / (name + '.parquet')))})" for name in ("customers", "products", "orders", "order_lines", "events")
    }
    counts = [one(f"SELECT count(*) FROM {table[name]}")[0] for name in ("order_lines", "orders", "customers", "products", "events")]
    rest = one(f"SELECT min(ordered_at)::DATE, max(ordered_at)::DATE, avg((customer_id IS NULL)::INT) FROM {table['orders']}")
    return Coverage(*counts, *rest)  # type: ignore[arg-type]  # SQL knows the types
