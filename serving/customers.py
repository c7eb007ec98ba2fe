"""A bundle and a snapshot become the table of customers: what is expected of each, how they live, how much they matter, and why."""

from collections.abc import Hashable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.behaviour import BEHAVIOUR, behaviour, first_order_value, sign_up_behaviour, sign_up_likelihood
from features.expressions import Feature
from features.snapshot import Snapshot
from models.bundle import Bundle
from models.customers.customer_features import customer_columns
from models.customers.gaps import OrderDays
from models.customers.importance import Importance, shares, worth
from models.customers.outlook import in_words
from models.customers.reasons import contributions, known_reasons, plain_sentences, sentences, usual_log
from models.customers.rfm import rfm_group
from models.customers.rhythm import Rhythm, order_days, returned_by_stage
from models.customers.stretches import LEARNT
from serving.ranks import quintiles, scores_by
from serving.reports.blocks import money

RFM = {"rfm_recency": "recency", "rfm_frequency": "frequency", "rfm_monetary": "monetary"}
YEAR = 365
SIGNED_UP = "signed up"
WHOSE = (Feature("customer_id", "the shop's own id; a row each, sorted, those who only signed up last"),)
PREDICTED = (
    Feature("likelihood_H", "probability of at least one order within H days, for every H of `[customers] horizons` and the main horizon"),
    Feature("expected_orders_H", "orders within H days; of sign-ups the first one only"),
    Feature("expected_revenue_H", "revenue within H days, before returns"),
    Feature(
        "expected_order_value", "revenue of the next order, drawn toward that of all customers where there are few; of sign-ups the mean first order"
    ),
    Feature("lifetime_value", "revenue net of returns, times the margin, discounted, of `[customers] lifetime_days`"),
    Feature("p_alive", "probability to be a customer still, by the buy-till-you-die model"),
    Feature(
        "basis",
        "where the numbers of the main horizon come from: `model`, `model of shorter horizons`, `buy-till-you-die`, `shop average`, or `sign-ups` "
        "for who never ordered",
    ),
    Feature("basis_by_horizon", "which horizons were learnt, learnt from shorter ones, or carried on: `30, 60 days learnt; 365 days carried on`"),
    Feature("expected_products_H", "different products bought within the main horizon; empty when orders have no lines"),
)
LIVED = (
    Feature("rhythm_days", "days between two order days that are usual for this customer"),
    Feature("next_order_date", "when the next order comes, if one comes: one in two comes before (a date, like the four other days)"),
    Feature("next_order_low", "one in ten next orders comes before this day"),
    Feature("next_order_high", "nine in ten next orders come before this day"),
    Feature("lifecycle", "just ordered, active, slipping away or lost; signed up for who never ordered"),
    Feature("slipping_from", "the day from which the customer is slipping away, unless an order comes"),
    Feature("lost_from", "the day from which the customer is lost, unless an order comes"),
    Feature("rhythm_basis", "where the rhythm comes from: own, like them, shop or default"),
    Feature("importance", "one-time, VIP (by revenue so far and expected soon), exclusive, frequent or loyal (by what is expected within a year)"),
    Feature("rfm_recency", "1 to 5, 5 best: a fifth each by days since the last order; equal for equals, 3 where all are equal"),
    Feature("rfm_frequency", "the same by orders"),
    Feature("rfm_monetary", "the same by mean revenue per order"),
    Feature("rfm_group", "a name for the three scores together"),
)
PLAIN = (
    *(Feature(name, "as in [the features](features.md)") for name in ("recency", "frequency", "age", "monetary")),
    Feature(
        "rhythm", "the plain median of the days between two order days so far, empty for who ordered on one day; `rhythm_days` is known of everybody"
    ),
)
WHY = (Feature("reasons", "the three strongest reasons behind likelihood and value, in words"),)


@dataclass(frozen=True, eq=False)
class Customers:
    """``table``: a row per customer (index customer_id), first those with an order, sorted, then those who only signed up. ``rfm`` are the values at
    which scores begin, ``importance`` has its limits, ``groups`` are shares of customers, and of orders and revenue expected in ``days``; ``bases``
    tell where the numbers of each horizon come from, ``returned`` who came back by the stage of life one main horizon ago (``returned_by_stage``)."""

    table: pd.DataFrame
    rfm: dict[str, list[float]]
    importance: Importance
    groups: pd.DataFrame
    days: int
    bases: dict[int, str]
    returned: pd.DataFrame

    @classmethod
    def of(cls, bundle: Bundle, snapshot: Snapshot) -> "Customers":
        """Everything that is known and expected of every customer of the snapshot."""
        facts, predicted = snapshot.customers(), bundle.customers(snapshot)
        lived, behaved, reasons, returned = _lives(bundle, predicted, snapshot)
        ahead = max((each for each in horizons_of(predicted) if each <= YEAR), default=bundle.horizon)
        orders, revenue = predicted[f"expected_orders_{ahead}"], _revenue(predicted, ahead, facts)
        matters = pd.DataFrame({"frequency": facts["frequency"], "orders": orders, "revenue": revenue})
        matters["worth"] = worth(facts["spent"], _revenue(predicted, bundle.horizon, facts))
        of_all = snapshot.of_all
        importance, products = of_all("importance", lambda: Importance.of(matters)), f"expected_products_{bundle.horizon}"
        group = importance.group(matters)
        limits = of_all("rfm", lambda: _rfm_begins(facts))
        scores = _rfm(facts, limits)
        groups = of_all("groups", lambda: shares(group, matters))
        whole = facts[["recency", "frequency", "age"]].astype("int32").join(facts[["monetary", "rhythm"]])
        parts: list[pd.DataFrame | pd.Series] = [
            lived,
            group,
            scores,
            rfm_group(scores),
            whole,
            behaved.drop(columns=[each.name for each in PLAIN], errors="ignore"),
        ]
        predicted = predicted.drop(columns=products, errors="ignore").assign(**{products: predicted.get(products, np.float32(np.nan))})
        table = predicted.join([*parts, reasons])
        return cls(_with_sign_ups(table, snapshot), limits, importance, groups, ahead, bundle.bases(), returned)

    def facts(self) -> dict[str, object]:
        """Limits, shares, measured return rates and what was learnt, for the manifest."""
        groups = {"days": self.days, **self.groups.round(6).to_dict("index")}
        bases = {str(days): basis for days, basis in self.bases.items()}
        returned = {stage: {"customers": count, "returned": None if np.isnan(share) else round(share, 6)} for stage, count, share in self._came()}
        return {**self.rfm, "importance": self.importance.as_dict(), "groups": groups, "horizons": bases, "return_rates": returned}

    def sentences(self, *, horizon: int, currency: str = "") -> list[str]:
        """Horizons, stages of life, importance and RFM for people: shares, measured return rates, and the limits made from these customers."""
        stages = self.table["lifecycle"].value_counts(normalize=True)
        found = [f"{name} {share:.0%}" for name, share in stages.items()]
        came = [f"{stage} {share:.0%} of {count:,}" for stage, count, share in self._came() if count]
        rows = [f"{name} {', '.join(f'{share:.0%}' for share in row)}" for name, row in zip(self.groups.index, self.groups.to_numpy(), strict=True)]
        head = f"importance (share of customers, of the orders and of the revenue expected in {self.days} days)"
        return [
            *([f"horizons: {in_words(self.bases)}"] if set(self.bases.values()) != {LEARNT} else []),
            f"stages of life: {'; '.join(found)}",
            *([f"came back within {horizon} days, by the stage of life before: {'; '.join(came)}"] if came else []),
            f"{head}: {'; '.join(rows)}",
            *self.importance.sentences(self.table["importance"], money=lambda value: money(value, currency)),
            f"RFM, where 2, 3, 4 and 5 begin: {'; '.join(self._begins(currency))}",
        ]

    def _came(self) -> list[tuple[str, int, float]]:
        counts, shares = (self.returned[name].to_numpy() for name in ("customers", "returned"))
        return [(str(stage), int(count), float(share)) for stage, count, share in zip(self.returned.index, counts, shares, strict=True)]

    def _begins(self, currency: str) -> list[str]:
        units = {"rfm_recency": "days", "rfm_frequency": "orders", "rfm_monetary": f"{currency} an order".strip()}
        forms = {"rfm_monetary": money}
        texts = {name: [forms.get(name, "{:,.0f}".format)(each) if np.isfinite(each) else "-" for each in self.rfm[name]] for name in units}
        return [f"{name.removeprefix('rfm_')} {', '.join(texts[name])} {unit}" for name, unit in units.items()]


def _lives(bundle: Bundle, predicted: pd.DataFrame, snapshot: Snapshot) -> tuple[pd.DataFrame, pd.DataFrame, pd.Series, pd.DataFrame]:
    """Rhythm and stage of life, behaviour, reasons, who came back: one thread asks the query engine, the other only reads what is known."""
    days, ids = order_days(snapshot)
    with ThreadPoolExecutor(max_workers=1) as beside:
        behaved = beside.submit(behaviour, snapshot)
        rhythm = snapshot.of_all("rhythm", lambda: Rhythm.of_days(days))
        lived = rhythm.predict_days(days, ids).rename(columns={"basis": "rhythm_basis"})
        reasons = _reasons(bundle, predicted, snapshot)
        returned = snapshot.of_all("returned", lambda: _returned(days, snapshot.horizon))
        return lived, behaved.result(), reasons, returned


def horizons_of(predicted: Iterable[Hashable]) -> list[int]:
    """The horizons of the columns ``likelihood_H`` of a table, ascending."""
    return sorted(int(str(name).removeprefix("likelihood_")) for name in predicted if str(name).startswith("likelihood_"))


def _revenue(predicted: pd.DataFrame, days: int, facts: pd.DataFrame) -> pd.Series:
    return predicted.get(f"expected_revenue_{days}", predicted[f"expected_orders_{days}"] * facts["monetary"])


def _returned(days: OrderDays, horizon: int) -> pd.DataFrame:
    """``returned_by_stage`` of one horizon before; empty where nobody had ordered by then."""
    if days.until - horizon <= days.day.min():
        return pd.DataFrame(columns=["customers", "returned"])
    return returned_by_stage(days, days=horizon)


def columns_page() -> str:
    """The columns and their meaning, as a Markdown table."""
    rows = [*WHOSE, *PREDICTED, *LIVED, *PLAIN, *BEHAVIOUR, *WHY]
    return "\n".join(["| column | meaning |", "|---|---|", *(f"| `{each.name}` | {each.meaning} |" for each in rows)])


def _rfm_begins(facts: pd.DataFrame) -> dict[str, list[float]]:
    return {name: quintiles(facts[column], low_is_best=column == "recency", counted=column == "frequency") for name, column in RFM.items()}


def _rfm(facts: pd.DataFrame, begins: Mapping[str, list[float]]) -> pd.DataFrame:
    return pd.DataFrame({name: scores_by(facts[column], begins[name], low_is_best=column == "recency") for name, column in RFM.items()})


def _reasons(bundle: Bundle, predicted: pd.DataFrame, snapshot: Snapshot) -> pd.Series:
    facts = snapshot.customers()
    if bundle.customer_model is None:
        return plain_sentences(facts)
    value = predicted["expected_order_value"].to_numpy() if "expected_order_value" in predicted else None
    usual = None if value is None else snapshot.of_all("usual order", lambda: usual_log(value))
    moves = contributions(bundle.customer_model.blend, customer_columns(snapshot), order_value=value, usual=usual)
    return sentences(moves, facts, known=snapshot.of_all("reasons", lambda: known_reasons(facts)))


def _with_sign_ups(table: pd.DataFrame, snapshot: Snapshot) -> pd.DataFrame:
    """Those who signed up and never ordered: a likelihood from the shop's own sign-ups, their first order's value, contact and places; what is said
    of orders that came is empty."""
    found = sign_up_likelihood(snapshot, horizons_of(table))
    if found.empty:
        return table
    value = snapshot.of_all("first order value", lambda: first_order_value(snapshot))
    for days in horizons_of(table):
        found[f"expected_orders_{days}"] = found[f"likelihood_{days}"]
        found[f"expected_revenue_{days}"] = found[f"likelihood_{days}"] * value
    found = found.join(sign_up_behaviour(snapshot)).assign(expected_order_value=value, basis="sign-ups", basis_by_horizon="sign-ups")
    found = found.assign(lifecycle=SIGNED_UP, frequency=0, reasons="signed up, no order yet")
    rows = found[[name for name in found if name in table]].reindex(columns=table.columns)
    whole = {str(name) for name, kind in table.dtypes.items() if isinstance(kind, np.dtype) and kind.kind in "iub"}
    kept = {str(name): kind for name, kind in table.dtypes.items() if str(name) not in whole or rows[name].notna().all()}
    return pd.concat([table, rows.astype(kept)]).rename_axis("customer_id")
