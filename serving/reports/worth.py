"""What is expected of customers becomes sections about how much they matter: importance, RFM, value against risk, concentration, drivers."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.customers.customer_features import customer_columns
from models.customers.importance import GROUP_NAMES, GROUPS, ONE_TIME, VIP
from models.customers.lifecycle import SLIPPING_AWAY
from models.customers.reasons import contributions, drivers, known_reasons
from models.customers.rfm import GROUPS as RFM_GROUPS
from models.customers.rfm import concentration_of
from serving.reports.base import Base
from serving.reports.blocks import Bars, Cell, Curves, Row, Section, Table, count, listed, money, percent, shaded, times
from serving.reports.held import importance_held

Shares = dict[str, dict[str, float]]
Cells = dict[tuple[object, object], tuple[float, float]]
RISKS = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9)
"""Where the bins of likelihood begin."""
BEST = (0.01, 0.05, 0.1, 0.2, 0.5)
DRIVEN = 50_000
"""Customers whose drivers are looked at, evenly chosen; further ones change nothing."""
LEAST_DRIVER = 0.02
REASON_WORDS = {
    "season": "orders in the same weeks of last year",
    "orders": "orders in all and lately",
    "rhythm": "days since the last order, beside the rhythm",
    "age": "days since the first order",
    "spend": "money per order",
    "discounts": "discounts",
    "returns": "what was sent back",
    "basket": "different products",
    "visits": "visits and carts",
    "mails": "mails opened",
}
SEEN = {
    "orders so far": ("frequency", ".1f"),
    "days since the last order": ("recency", ",.0f"),
    "days since the first order": ("age", ",.0f"),
    "revenue per order": ("monetary", ",.2f"),
    "different products bought": ("products", ".1f"),
    "orders per year": ("orders_per_year", ".1f"),
    "saved by discounts": ("discount_share", ".0%"),
    "value sent back": ("return_rate", ".0%"),
}


def importance(base: Base) -> Section:
    """The groups of importance: their shares, and the limits in words."""
    expected, past = base.expected_shares(), base.past_shares()
    sizes = base.group.value_counts()
    rows = []
    for each in GROUPS:
        ahead, so_far = expected[each.name], past[each.name]
        values = (so_far["orders"], so_far["revenue"], ahead["orders"], ahead["revenue"])
        number = Cell(count(int(sizes.get(each.name, 0))), percent(ahead["customers"]))
        rows.append(Row(each.name, [number, *(Cell(percent(value), shade=shaded(value, 1.0)) for value in values)], each.meaning))
    head = ["customers", "orders so far", "revenue so far", "expected orders", "expected revenue"]
    bars = {"customers": (expected, "customers"), "revenue so far": (past, "revenue"), "expected revenue": (expected, "revenue")}
    drawn = Bars(GROUP_NAMES, {name: [table[group][column] for group in GROUP_NAMES] for name, (table, column) in bars.items()})
    return Section("Importance", _importance_told(base, expected, past), [drawn, Table("group", head, rows), *importance_held(base)])


def _importance_told(base: Base, expected: Shares, past: Shares) -> list[str]:
    one_time = f"{percent(expected[ONE_TIME]['customers'])} of the customers ordered once so far (one-time)."
    if any(np.isinf(limit) for limit in base.importance.limits.values()):
        return ["Nobody has ordered more than once, so there are no VIPs yet.", one_time]
    return [
        f"VIPs are {percent(expected[VIP]['customers'])} of the customers; {percent(expected[VIP]['revenue'])} of the revenue of the next "
        f"{base.ahead} days is expected of them, and they brought {percent(past[VIP]['revenue'])} so far.",
        one_time,
        f"The limits, made anew from these customers, for the next {base.ahead} days: "
        f"{'; '.join(base.importance.sentences(base.group, money=base.money))}. Worth is the geometric mean of the revenue so far and of that of the "
        f"next {base.bundle.horizon} days. Who fits several groups belongs to the first.",
    ]


def rfm(base: Base) -> Section:
    """Customers and their mean value by recency and frequency, and the named groups."""
    frame = base.customers[["rfm_recency", "rfm_frequency", "rfm_group"]].assign(revenue=base.revenue(base.ahead).to_numpy())
    cells = _cells(frame.groupby(["rfm_recency", "rfm_frequency"])["revenue"].agg(["size", "mean"]))
    if len(cells) == 1:
        return Section("RFM", ["All customers are alike in when they last ordered and how often, so fifths of them would tell nothing."])
    most = max(mean for _, mean in cells.values())
    steps = range(1, 6)
    rows = [Row(_fifth("R", r), [_rfm_cell(cells, (r, f), most) for f in steps]) for r in reversed(steps)]
    grid = Table(
        "last order", [_fifth("F", f) for f in steps], rows, f"Customers, and below it the revenue expected of each in {base.ahead} days{base.unit}"
    )
    sums = frame.groupby("rfm_group")["revenue"].agg(["size", "sum"]).reindex([each.name for each in RFM_GROUPS], fill_value=0)
    shown = zip(RFM_GROUPS, sums["size"] / max(len(frame), 1), sums["size"], sums["sum"] / max(float(frame["revenue"].sum()), 1e-9), strict=True)
    named = [
        Row(
            group.name,
            [Cell(count(size), percent(share)), Cell(percent(revenue), shade=shaded(revenue, 1.0))],
            f"{group.definition()}: {group.meaning}",
        )
        for group, share, size, revenue in shown
    ]
    said = [
        "Customers are ranked by days since the last order (R), by orders (F) and by revenue per order (M), and cut into fifths: 5 is best. Equals "
        "are in one fifth, so fifths need not be equally large.",
    ]
    return Section("RFM", said, [grid, Table("group", ["customers", "expected revenue"], named, "The groups, by their scores")])


def _fifth(letter: str, score: int) -> str:
    ends = {"R": ("longest ago", "latest"), "F": ("fewest orders", "most orders")}[letter]
    return f"{letter} {score}{f', {ends[0]}' * (score == 1)}{f', {ends[1]}' * (score == 5)}"


def _rfm_cell(cells: Cells, at: tuple[object, object], most: float) -> Cell | str:
    if at not in cells:
        return ""
    size, mean = cells[at]
    return Cell(count(size), money(mean), shaded(mean, most))


def _cells(table: pd.DataFrame) -> Cells:
    """Two numbers for each pair of the index."""
    return {(each[0], each[1]): (float(each[2]), float(each[3])) for each in table.reset_index().itertuples(index=False)}


def risk(base: Base) -> Section:
    """Expected revenue by how likely an order is, by importance, and what could be lost with those who are slipping away."""
    bins = pd.Series(np.digitize(base.likely(base.ahead).fillna(0), RISKS) - 1, index=base.customers.index)
    frame = base.matters.assign(bin=bins, group=base.group, stage=base.customers["lifecycle"], past=base.facts["spent_365"])
    cells = _cells(frame.groupby(["group", "bin"])["revenue"].agg(["sum", "size"]))
    most = max(value for value, _ in cells.values())
    steps = range(len(RISKS))
    rows = [Row(name, [_value_cell(cells, (name, each), most) for each in steps]) for name in GROUP_NAMES]
    sums = frame.groupby("bin")["revenue"].agg(["sum", "size"]).reindex(steps, fill_value=0)
    rows.append(Row("together", [Cell(money(row["sum"]), count(row["size"])) for _, row in sums.iterrows()]))
    grid = Table("importance", [_bin(each) for each in steps], rows, f"Revenue expected in {base.ahead} days{base.unit}, and below it the customers")
    weak = frame[frame["bin"] < RISKS.index(0.5)]
    said = [
        f"The columns tell how likely an order is within {base.ahead} days, the rows how much the customers matter. For {count(len(weak))} customers "
        f"that is less likely than not: they brought {base.money(weak['past'].sum())} in the last 365 days, and "
        f"{base.money(weak['revenue'].sum())} of the {base.money(frame['revenue'].sum())} in sight are expected of them.",
    ]
    told, lost = _slipping(base, frame[frame["stage"] == SLIPPING_AWAY])
    return Section("Value against risk", [*said, told], [grid, *lost])


def _value_cell(cells: Cells, at: tuple[object, object], most: float) -> Cell | str:
    if at not in cells:
        return ""
    value, size = cells[at]
    return Cell(money(value), count(size), shaded(value, most))


def _bin(number: int) -> str:
    """A bin of likelihood for people.

    >>> _bin(0), _bin(1), _bin(5)
    ('under 10 %', '10–30 %', 'from 90 %')
    """
    begins = [f"{each * 100:.0f}" for each in RISKS]
    if number == 0:
        return f"under {begins[1]} %"
    return f"from {begins[number]} %" if number == len(RISKS) - 1 else f"{begins[number]}–{begins[number + 1]} %"


def _slipping(base: Base, slipping: pd.DataFrame) -> tuple[str, list[Table]]:
    if slipping.empty:
        return "Nobody is slipping away on this date.", []
    by = slipping.groupby("group")[["revenue", "past"]].sum().join(slipping.groupby("group").size().rename("size"))
    ordered = by.sort_values("revenue", ascending=False, kind="stable")
    most = float(ordered["revenue"].max())
    rows = [
        Row(str(name), [count(each["size"]), money(each["past"]), Cell(money(each["revenue"]), shade=shaded(each["revenue"], most))])
        for name, each in ordered.iterrows()
    ]
    told = (
        f"{count(len(slipping))} customers are slipping away. They brought {base.money(slipping['past'].sum())} in the last 365 days, and "
        f"{base.money(slipping['revenue'].sum())} are expected of them in the next {base.ahead}: what could be lost."
    )
    head = ["slipping away", "revenue of the last 365 days", f"expected in {base.ahead} days"]
    return told, [Table("importance", head, rows, f"What could be lost{base.unit}")]


def concentration(base: Base) -> Section:
    """How much of the revenue the best customers bring."""
    spent, ahead = base.facts["spent"].clip(lower=0), base.revenue(base.ahead).clip(lower=0)
    if not spent.sum() > 0:
        return Section("Concentration", ["The orders brought no revenue that is known, so its shares cannot be told."])
    curves = {"revenue so far": concentration_of(spent), f"expected in {base.ahead} days": concentration_of(ahead)}
    past = curves["revenue so far"]
    half = float(past.loc[past["revenue"] >= 0.5, "customers"].iloc[0])
    said = [
        f"The best tenth of the customers brought {percent(_at(past, 0.1))} of all revenue so far; half of it came from the best {percent(half)}.",
        *(["There are few customers, so the curve is coarse."] if len(spent) < 100 else []),
    ]
    rows = [Row(f"the best {share:.0%}".replace("%", " %"), [percent(_at(curve, share)) for curve in curves.values()]) for share in BEST]
    lines = {name: list(zip(curve["customers"], curve["revenue"], strict=True)) for name, curve in curves.items()}
    drawn = Curves(lines, "share of customers, those who bring most first", "share of revenue")
    return Section("Concentration", said, [drawn, Table("customers", list(curves), rows)])


def _at(curve: pd.DataFrame, share: float) -> float:
    return float(np.interp(share, curve["customers"], curve["revenue"]))


def value_drivers(base: Base) -> Section:
    """What sets VIPs apart: how the model weighs it, of them and of every other group, and plain means beside each other."""
    title, is_vip = "What makes a VIP", (base.group == VIP).to_numpy()
    if not is_vip.any() or is_vip.all():
        return Section(title, ["There are no VIPs to compare with others yet."])
    seen = base.facts.join(base.customers[[name for name in ("orders_per_year", "return_rate") if name in base.customers]])
    rows = [
        Row(words, [format(float(mean), form).replace("%", " %") for mean in means])
        for words, (name, form) in SEEN.items()
        if name in seen
        and seen[name].fillna(0).ne(0).any()
        and np.isfinite(means := (seen.loc[is_vip, name].astype(float).mean(), seen.loc[~is_vip, name].astype(float).mean())).all()
    ]
    table = Table("mean", ["VIPs", "others"], rows, "VIPs beside others")
    found = _drivers(base, is_vip)
    if found is None:
        return Section(title, ["No model was learnt that could weigh reasons; these are plain means."], [table])
    strong = [str(each) for each in found["reason"][found["group"] > found["others"]][:3]]
    said = [
        f"Strongest for VIPs: {listed([REASON_WORDS.get(each, each) for each in strong])}." if strong else "Nothing sets VIPs apart from others.",
        "How many times the odds of an order become greater than those of the mean customer by each reason, as the model weighs it (money per order: "
        "its value, too); below 1 they become smaller.",
    ]
    groups = [name for name in GROUP_NAMES if name in found]
    weights = [
        Row(REASON_WORDS.get(str(each["reason"]), str(each["reason"])), [times(float(np.exp(each[name]))) for name in groups])
        for _, each in found.iterrows()
        if abs(each["group"] - each["others"]) >= LEAST_DRIVER
    ]
    return Section(title, said, [Table("reason", groups, weights, "How the model weighs it, by importance"), table])


def _drivers(base: Base, is_vip: NDArray[np.bool_]) -> pd.DataFrame | None:
    """``drivers`` of VIPs, and a column for each importance: the mean move of the log-odds of an order and of its value, a row per reason."""
    model = base.bundle.customer_model
    if model is None:
        return None
    step = max(1, len(is_vip) // DRIVEN)
    chosen = slice(None, None, step)
    if not is_vip[chosen].any() or is_vip[chosen].all():
        return None
    value = base.customers["expected_order_value"].to_numpy(np.float64)[chosen]
    moves = contributions(model.blend, customer_columns(base.snapshot).iloc[chosen], order_value=value)
    moves = moves[[name for name in known_reasons(base.facts) if name in moves]]
    means = moves.groupby(base.group.iloc[chosen]).mean().T
    return drivers(moves, is_vip[chosen]).join(means, on="reason")
