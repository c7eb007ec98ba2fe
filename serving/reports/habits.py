"""Orders and behaviour become sections about when customers buy, who orders again, and how they buy."""

from datetime import date

import numpy as np
import pandas as pd

from features.behaviour import Season, high_seasons, repeat_odds
from features.behaviour.seasons import orders_a_day, whole_years
from serving.reports.base import Base
from serving.reports.blocks import Cell, Columns, Row, Section, Table, count, listed, percent, shaded, times

MONTHS = 36
GROUPS = 8
"""Groups of repeat odds that are shown, those with most customers."""
AGAIN = 90
"""Days within which a new customer orders again."""
BY = {"category": "most of the first order", "channel": "channel of the first order", "country": "country", "discount": "first order"}
TITLES = {"category": "by category", "channel": "by channel", "country": "by country", "discount": "by discount"}
CHANNELS = 6


def seasons(base: Base) -> Section:
    """The shop's own high seasons, and its orders by month."""
    counts = orders_a_day(base.snapshot.shop, base.snapshot.day)
    days = np.datetime64(base.as_of, "D") - np.arange(len(counts), 0, -1)
    months = pd.Series(counts).groupby(days.astype("datetime64[M]")).agg(["sum", "size"]).tail(MONTHS)
    most = max(int(months["sum"].max()), 1)
    bars = []
    for month, (orders, seen) in zip(months.index, months.to_numpy(), strict=True):
        start = pd.Timestamp(month)
        part = bool(seen < start.days_in_month)
        told = f"{start:%B %Y}: {count(orders)} orders{', not the whole month' * part}"
        bars.append((f"{start:%b %y}", float(orders / most), told, part))
    drawn = Columns(bars, f"Orders by month, at most {count(most)}; pale: not a whole month")
    return Section("Seasons", [_seasons_told(high_seasons(base.snapshot), years=whole_years(counts))], [drawn])


def _seasons_told(found: tuple[Season, ...] | None, *, years: int) -> str:
    if found is None:
        return "The orders do not go back a year, so the shop’s seasons are not known yet."
    if not found:
        return "No stretch of the year stands out from the others in every year: there are no high seasons."
    each = [f"{_month_day(season.first)} to {_month_day(season.last)} ({times(season.lift)} the orders that the trend expects)" for season in found]
    often = "seen once, as the orders hold one whole year only" if years < 2 else f"in more than half of the {years} whole years"
    return f"High season{'s' * (len(found) > 1)}, found from the shop’s own calendar: {listed(each)}; {often}."


def _month_day(text: str) -> str:
    month, of_month = (int(part) for part in text.split("-"))
    return f"{of_month} {date(2001, month, 1):%B}"


def repeats(base: Base) -> Section:
    """Who orders again after the first order, by what the first order was."""
    tables, silent = [], []
    for by, first in BY.items():
        odds = repeat_odds(base.snapshot, by, horizon=AGAIN)
        if len(odds) < 2:
            silent.append(TITLES[by].removeprefix("by "))
            continue
        rows = [
            Row(str(each["group"]), [count(each["customers"]), Cell(percent(each["share"]), shade=shaded(each["expected"], 1.0)), _interval(each)])
            for _, each in odds.head(GROUPS).iterrows()
        ]
        tables.append(Table(first, ["customers", "again", "95 % sure"], rows, TITLES[by].capitalize()))
    if base.history <= AGAIN:
        return Section("Who orders again", [f"The first order is less than {AGAIN + 1} days old, so nobody had {AGAIN} days to order again."])
    said = [
        f"Of customers whose first order is at least {AGAIN} days old: how many ordered again on a later day within {AGAIN} days of it, and between "
        "which shares that lies with a certainty of 95 %.",
    ]
    if silent:
        said.append(f"Not known, or the same for all: {listed(silent)}.")
    return Section("Who orders again", said, tables)


def _interval(row: "pd.Series[float]") -> str:
    return f"{percent(float(row['low']))} to {percent(float(row['high']))}"


def behaviour(base: Base) -> Section:
    """How customers buy, in one small table of shares."""
    rows = [row for row in (*_shares(base.customers), *_channels(base.customers)) if row is not None]
    if not rows:
        return Section("How they buy", ["The orders tell neither discounts, gifts, returns nor channels."])
    said = ["Each line is of those customers of whom it is known."]
    return Section("How they buy", said, [Table("customers", ["share", "known of"], rows)])


def _shares(customers: pd.DataFrame) -> list[Row | None]:
    numbers = {name: _numbers(customers, name) for name in ("full_price_share", "gift_share", "return_rate", "price_level")}
    flags = {name: _numbers(customers, name) for name in ("is_gift_buyer", "is_high_season", "is_q4", "has_open_cart")}
    engaged = customers["engagement"].map({"engaged": 1.0, "unengaged": 0.0}) if "engagement" in customers else pd.Series(dtype=float)
    return [
        _row("buy mostly at a discount", numbers["full_price_share"] < 0.5, numbers["full_price_share"], "more than half of their lines"),
        _row("never bought at a discount", numbers["full_price_share"] == 1, numbers["full_price_share"]),
        _row("bought a gift", numbers["gift_share"] > 0, numbers["gift_share"]),
        _row(
            "are gift buyers",
            flags["is_gift_buyer"] > 0,
            flags["is_gift_buyer"].where(numbers["gift_share"].notna()),
            "clearly more gifts than others",
        ),
        _row("sent something back", numbers["return_rate"] > 0, numbers["return_rate"]),
        _row("sent back more than a third", numbers["return_rate"] > 1 / 3, numbers["return_rate"], "of the value bought"),
        _row("buy in the high seasons", flags["is_high_season"] > 0, flags["is_high_season"], "at least half of their orders"),
        _row("buy from October to December", flags["is_q4"] > 0, flags["is_q4"], "at least half of their orders"),
        _row("are engaged", engaged > 0, engaged, "visits, carts, opened or clicked mails in the last 90 days"),
        _row("have an open cart", flags["has_open_cart"] > 0, flags["has_open_cart"]),
    ]


def _channels(customers: pd.DataFrame) -> list[Row | None]:
    channel = customers["channel"].dropna() if "channel" in customers else pd.Series(dtype=str)
    counts = channel.value_counts().head(CHANNELS)
    return [_row(f"mostly order by: {name}", channel == name, pd.Series(1.0, index=channel.index)) for name in counts.index]


def _numbers(customers: pd.DataFrame, name: str) -> pd.Series:
    return customers[name].astype("Float64").astype(np.float64) if name in customers else pd.Series(dtype=np.float64)


def _row(words: str, holds: pd.Series, known: pd.Series, meaning: str = "") -> Row | None:
    of = known.notna()
    if not of.any():
        return None
    share = float(holds[of].mean())
    return Row(words, [Cell(percent(share), shade=shaded(share, 1.0)), count(float(of.sum()))], meaning)
