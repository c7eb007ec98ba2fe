"""Orders become weeks, counted back from the last order: those that are new, and the usual ones before them."""

from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Self

import ibis
import numpy as np
import pandas as pd
from ibis.expr.types import Table
from numpy.typing import NDArray

from features import engines
from features.dates import day_number
from features.errors import DataError
from features.files import check_seal, read_current
from features.shop import MONEY, PIECES, Shop
from features.tables import COMPLETED

Values = NDArray[np.float64]
WEEK = 7
USUAL = 12
"""Weeks before the new ones that say what is usual."""
MOST_NEW = 8
"""New weeks that are looked at; of a shop that was never checked the last one."""
FEWEST_DAYS = 3
"""New days of a week that are counted by themselves; fewer say little, as the last one may not be over."""
PRICED = 90
"""Days before the new weeks whose prices are compared."""


@dataclass(frozen=True, eq=False)
class Weeks:
    """What the rules look at: the ``shop`` as it would be, the folder of the tables ``before`` (None: nothing was published), and ``today``."""

    shop: Shop
    before: Path | None
    today: date

    @classmethod
    def of(cls, folder: Path, tables: Path, today: date, *, memory_limit: str | None = None, threads: int | None = None) -> Self | None:
        """New ``tables`` beside those that are published in the shop's ``folder``; None where they are the same, or hold no completed order.

        Published tables that are damaged are no past.
        """
        before = read_current(folder).get("tables")
        if before == str(tables.relative_to(folder)):
            return None
        try:
            check_seal(folder / str(before))
        except DataError:
            before = None
        shop = Shop.of_tables(tables, engines.duckdb(memory_limit=memory_limit, threads=threads, spill=folder / ".spill"))
        found = cls(shop, folder / before if before else None, today)
        return found if int(found._done.count().execute()) else None

    @cached_property
    def end(self) -> int:
        """The day number after the last completed order, of whomever: weeks are counted back from it."""
        return int(self._done.agg(last=lambda order: order.day.max()).to_pandas().iloc[0, 0]) + 1

    @property
    def _done(self) -> Table:
        every = self.shop.all_orders
        return every.filter(every.status == COMPLETED)

    @cached_property
    def last_before(self) -> int | None:
        """The day number of the last order that was there before."""
        if self.before is None:
            return None
        orders = self.old("orders")
        last = orders.agg(last=orders.ordered_at.max()).to_pandas().iloc[0, 0]
        return None if pd.isna(last) else day_number(last.date())

    def old(self, table: str) -> Table:
        """A canonical table as it was before."""
        assert self.before is not None
        return self.shop.engine.read_parquet(self.before / f"{table}.parquet")

    @cached_property
    def new(self) -> int:
        """How many weeks hold days that are new."""
        if self.last_before is None:
            return 1
        return int(np.clip(-(-(self.end - 1 - self.last_before) // WEEK), 1, MOST_NEW))

    @cached_property
    def days(self) -> pd.DataFrame:
        """A row for every day of the weeks, newest first (index ``ago``, from 0): orders, twins, customers that are new, revenue, lines, unknown."""
        counts = self._of_orders().to_pandas().set_index("ago").join(self._of_all().to_pandas().set_index("ago"), how="outer")
        every = min(self.new + USUAL, max((self.end - self.shop.days[0]) // WEEK, self.new)) * WEEK
        found: pd.DataFrame = counts.reindex(range(every)).fillna(0.0).astype(np.float64)
        return found

    def _of_orders(self) -> Table:
        orders = self.shop.orders
        twins = orders.count().over(group_by=[orders.customer, orders.day, orders.revenue, orders.lines, orders.amount])
        each = orders.mutate(
            ago=ibis.literal(self.end - 1, "int32") - orders.day,
            twin=(twins > 1).cast("int64"),
            first=orders.day.min().over(group_by=orders.customer),
        )
        week = each.ago // WEEK
        fresh = ((ibis.literal(self.end - 1, "int32") - each["first"]) // WEEK == week).cast("int64")
        return each.group_by("ago").agg(
            orders=each.count(), twins=each.twin.sum(), fresh=fresh.sum(), revenue=each.revenue.sum() / MONEY, lines=each.products.sum()
        )

    def _of_all(self) -> Table:
        done = self._done
        ago = (ibis.literal(self.end - 1, "int32") - done.day).name("ago")
        return done.group_by(ago).agg(all_orders=done.count(), unknown=done.customer.isnull().cast("int64").sum())

    @cached_property
    def weeks(self) -> pd.DataFrame:
        """``days`` added up by week, newest first."""
        return self.days.groupby(self.days.index // WEEK).sum()

    def new_weeks(self, name: str) -> Values:
        """A column of the new weeks, newest first."""
        return self.weeks[name].to_numpy()[: self.new]

    def usual_weeks(self, name: str) -> Values:
        """A column of the usual weeks, newest first; empty for a shop that has none."""
        return self.weeks[name].to_numpy()[self.new :]

    def new_days(self, week: int) -> int:
        """How many days of a new week are new: its latest. All days where hardly any is new, or nothing was there before."""
        since = 0 if self.last_before is None else self.end - 1 - self.last_before - week * WEEK
        return min(since, WEEK) if since >= FEWEST_DAYS else WEEK

    def on_new_days(self, name: str, week: int) -> Values:
        """A column added up over the new days of a new week, and over the same days of every other week; newest week first."""
        found: Values = self.days[name].to_numpy().reshape(-1, WEEK)[:, : self.new_days(week)].sum(axis=1)
        return found

    def dated(self, ago: int) -> date:
        """The day so many days before the last order."""
        return date.fromordinal(date(1970, 1, 1).toordinal() + self.end - 1 - ago)

    def named(self, week: int, days: int = WEEK) -> str:
        """A week, or so many of its latest days, in words: by first and last day."""
        return f"{self.dated(week * WEEK + days - 1)} to {self.dated(week * WEEK)}"

    def prices(self) -> pd.DataFrame:
        """Of products sold at a price both in the new weeks and in ``PRICED`` days before them: ``now`` and ``then``, mean price of a unit."""
        lines = self.shop.lines.filter(lambda line: (line.amount > 0) & (line.pieces > 0))
        start = self.end - self.new * WEEK
        recent = lines.filter(lines.day >= start - PRICED).mutate(is_new=lambda line: line.day >= start)
        found = recent.group_by("product", "is_new").agg(price=lambda line: line.amount.sum() / line.pieces.sum() * PIECES / MONEY).to_pandas()
        wide: pd.DataFrame = found.pivot(index="product", columns="is_new", values="price").reindex(columns=[True, False]).dropna()
        priced: pd.DataFrame = wide.set_axis(["now", "then"], axis=1).astype(np.float64)
        return priced

    def moved(self) -> pd.DataFrame:
        """Products in another category than before, by old and new: ``lines`` in the last ``PRICED`` days, and their ``share`` of all."""
        lines = self.shop.lines.filter(lambda line: line.day >= self.end - PRICED)
        sold = lines.group_by("product").agg(lines=lambda line: line.count()).join(self.shop.product_codes, "product").select("product_id", "lines")
        now, then = self.shop.tables["products"].select("product_id", "category"), self.old("products").select("product_id", old="category")
        both: pd.DataFrame = now.join(then, "product_id").join(sold, "product_id").to_pandas()
        other = both[both["old"].notna() & (both["old"] != both["category"])]
        found = other.fillna({"category": "none"}).groupby(["old", "category"])["lines"].sum().reset_index()
        most_first = found.sort_values("lines", ascending=False, ignore_index=True, kind="stable")
        return most_first.assign(share=most_first["lines"] / max(both["lines"].sum(), 1))

    def lost(self) -> tuple[int, int]:
        """How many orders that were there before are gone, and how many there were."""
        old = self.old("orders").select("order_id")
        gone = old.anti_join(self.shop.tables["orders"], "order_id")
        return int(gone.count().execute()), int(old.count().execute())
