"""What is known of customers becomes their outlook: likelihood, orders and revenue over several horizons, the value of an order and of a lifetime.

Horizons for which enough of the past has closed are learnt like the main one, longer ones from shorter ones of the same proportion
(``models.customers.any_horizon``). What could not be learnt at all is carried on by how much more a buy-till-you-die model expects of each customer;
a shop too young or too small to learn from has that model alone. ``models.customers.stretches`` makes one story of it.
"""

import json
from collections.abc import Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd

from features.dates import day_number
from features.errors import DataError
from features.shop import MONEY, Shop
from features.snapshot import Snapshot
from models.customers.any_horizon import AnyHorizon
from models.customers.btyd import BTYD, BuyTillYouDie, fitted, held_out, said_for
from models.customers.btyd_cells import Numbers
from models.customers.gamma_gamma import GammaGamma
from models.customers.likelihood import Likelihood, LikelihoodConfig
from models.customers.stretches import CARRIED_ON, FROM_SHORTER, LEARNT, Said, agreed, hazards
from models.customers.volume import PARTS, Volume, VolumeConfig

YEAR = 365.25
LEAST_HISTORY, LEAST_SHARE = 30, 0.5
"""A date teaches a horizon when at least so many days, and such a share of the horizon, lie before it."""
DATES, STEP = 3, 60
"""Past dates a horizon is learnt from, and the most days between two of them: windows of long horizons overlap."""
DOUBT = 0.5
"""So much of a customer who came back is added to those of the buy-till-you-die model: where none of few did, it is rare, and not impossible."""
NEVER_GONE = ("bg_nbd",)
"""By BG/NBD nobody leaves before a second order, so that who ordered once, long ago, would be a customer for sure."""
MODEL, SHORTER_MODEL, PROBABILISTIC, AVERAGE = "model", "model of shorter horizons", "buy-till-you-die", "shop average"


@dataclass(frozen=True)
class OutlookConfig:
    """``horizons`` in days, ascending; ``lifetime_days``, yearly ``discount_rate`` and ``margin`` (of revenue) make the lifetime value."""

    horizons: tuple[int, ...] = (30, 60, 90, 180, 365)
    lifetime_days: int = 730
    discount_rate: float = 0.1
    margin: float = 1.0
    likelihood: LikelihoodConfig = field(default_factory=LikelihoodConfig)


@dataclass(frozen=True, eq=False)
class Learnt:
    """The models of one horizon."""

    likelihood: Likelihood
    volume: Volume

    @classmethod
    def of(cls, snapshots: Sequence[Snapshot], *, config: LikelihoodConfig, parts: Sequence[str] = PARTS) -> Self:
        """Learn from snapshots whose horizon has passed; ``parts`` as in ``Volume.fit``. Raises DataError where nobody ordered again, or all did."""
        volume = VolumeConfig(seed=config.seed, half_life=config.half_life, threads=config.threads)
        return cls(Likelihood.fit(snapshots, config=config), Volume.fit(snapshots, config=volume, parts=parts))

    def said(self, snapshot: Snapshot) -> tuple[Numbers, Numbers]:
        """Likelihood and expected orders of every customer of a snapshot of this horizon."""
        likelihood, volume = self.likelihood.predict(snapshot), self.volume.predict(snapshot)
        horizon = snapshot.horizon
        return likelihood[f"likelihood_{horizon}"].to_numpy(np.float64), volume[f"expected_orders_{horizon}"].to_numpy(np.float64)


@dataclass(frozen=True, eq=False)
class Outlook:
    """The fitted models. ``learnt`` by horizon, without the main one, which the bundle has; ``far`` are longer horizons; ``steady`` is the
    buy-till-you-die model called ``name``, ``value`` that of an order's revenue; ``per_order`` is what orders really brought over what it expected of
    them; ``kept`` the share of the shop's revenue that returns left."""

    config: OutlookConfig
    learnt: Mapping[int, Learnt]
    far: Mapping[int, AnyHorizon]
    name: str
    steady: BuyTillYouDie
    value: GammaGamma
    per_order: float
    kept: float

    @classmethod
    def fit(cls, snapshot: Snapshot, main: Learnt | None, *, config: OutlookConfig) -> Self:
        """Learn from everything before the snapshot's date; ``main`` are the models of the snapshot's own horizon."""
        facts = snapshot.customers()
        name = next((each for each in held_out(snapshot, snapshot.horizon) if each not in NEVER_GONE), "pareto_nbd")
        value = GammaGamma.fit(facts["frequency"], facts["monetary"])
        learnt = {}
        for horizon in config.horizons:
            dates = teaching_dates(snapshot.shop, snapshot.as_of, horizon) if horizon != snapshot.horizon else []
            with suppress(DataError):
                if dates:
                    past = [Snapshot(snapshot.shop, each, horizon) for each in dates]
                    learnt[horizon] = Learnt.of(past, config=config.likelihood, parts=["orders"])
        longest = max([*learnt, *([snapshot.horizon] if main else [])], default=0)
        far = {}
        for horizon in (each for each in config.horizons if each > longest):
            with suppress(DataError):
                far[horizon] = AnyHorizon.fit(snapshot, horizon=horizon, seed=config.likelihood.seed, threads=config.likelihood.threads)
        spent, returned = float(facts["spent"].sum()), float(facts["returned"].sum())
        kept = float(np.clip(1 + returned / spent, 0, 1)) if spent > 0 else 1.0
        return cls(config, learnt, far, name, fitted(name, snapshot, doubt=DOUBT), value, _per_order(snapshot, value, main), kept)

    def predict(self, snapshot: Snapshot, main: pd.DataFrame | None) -> pd.DataFrame:
        """Columns ``likelihood_H``, ``expected_orders_H``, ``expected_revenue_H`` for every horizon, ``expected_order_value``, ``lifetime_value``,
        ``p_alive`` (float32), ``basis`` (where the main horizon's numbers come from) and ``basis_by_horizon`` (all horizons'), index customer_id.

        ``main`` is what the bundle's own models say of the snapshot's horizon; None without them. Likelihood and orders rise with the horizon.
        """
        facts = snapshot.customers()
        known = self._learnt(snapshot, main)
        steady = said_for(self.steady, snapshot, _asked_about({*self._all(snapshot), self.config.lifetime_days}, known.keys()))
        said = agreed(carried_on(known, steady), of_all=lambda name, factor: snapshot.shop.of_all(("agreed", snapshot.day, name), factor))
        likelihood, orders = ({days: np.asarray(getattr(each, name)) for days, each in said.items()} for name in ("likelihood", "orders"))
        value = self.per_order * self.value.expected_value(facts["frequency"], facts["monetary"])
        table = pd.DataFrame(index=facts.index)
        for horizon in self._all(snapshot):
            table[f"likelihood_{horizon}"] = likelihood[horizon].astype(np.float32)
        for horizon in self._all(snapshot):
            table[f"expected_orders_{horizon}"] = orders[horizon].astype(np.float32)
            table[f"expected_revenue_{horizon}"] = (orders[horizon] * value).astype(np.float32)
        table["expected_order_value"] = value.astype(np.float32)
        table["lifetime_value"] = self._lifetime(orders, value, snapshot).astype(np.float32)
        table["p_alive"] = next(iter(steady.values()))["p_alive"].to_numpy(np.float32)
        bases = self.bases(snapshot.horizon, main=main is not None)
        unlearnt = SHORTER_MODEL if bases[snapshot.horizon] == FROM_SHORTER else np.where(facts["frequency"] > 1, PROBABILISTIC, AVERAGE)
        table["basis"] = MODEL if main is not None else unlearnt
        table["basis_by_horizon"] = in_words(bases)
        return table

    def bases(self, horizon: int, *, main: bool) -> dict[int, str]:
        """Where the numbers of each horizon come from, ascending: ``LEARNT``, ``FROM_SHORTER`` or ``CARRIED_ON``; ``main`` says whether the bundle's
        own ``horizon`` was learnt."""
        learnt = {*self.learnt, *([horizon] if main else [])}
        every = sorted({*self.config.horizons, horizon})
        return {days: LEARNT if days in learnt else FROM_SHORTER if days in self.far else CARRIED_ON for days in every}

    def save(self, folder: Path) -> None:
        """Write text models and JSON into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        for horizon, learnt in self.learnt.items():
            learnt.likelihood.save(folder / str(horizon) / "likelihood")
            learnt.volume.save(folder / str(horizon) / "volume")
        for horizon, model in self.far.items():
            model.save(folder / f"far-{horizon}")
        models = {"name": self.name, "steady": self.steady.as_dict(), "value": self.value.as_dict()}
        content = {
            "config": asdict(self.config),
            "learnt": sorted(self.learnt),
            "far": sorted(self.far),
            **models,
            "per_order": self.per_order,
            "kept": self.kept,
        }
        (folder / "outlook.json").write_text(json.dumps(content, indent=1, sort_keys=True), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The inverse of ``save``."""
        from pydantic import TypeAdapter

        content = json.loads((folder / "outlook.json").read_text(encoding="utf-8"))
        config = TypeAdapter(OutlookConfig).validate_python(content["config"])
        learnt = {
            each: Learnt(Likelihood.load(folder / str(each) / "likelihood"), Volume.load(folder / str(each) / "volume")) for each in content["learnt"]
        }
        steady, value = BTYD[content["name"]].of_dict(content["steady"]), GammaGamma.of_dict(content["value"])
        far = {each: AnyHorizon.load(folder / f"far-{each}") for each in content["far"]}
        return cls(config, learnt, far, content["name"], steady, value, float(content["per_order"]), float(content["kept"]))

    def _all(self, snapshot: Snapshot) -> list[int]:
        return sorted({*self.config.horizons, snapshot.horizon})

    def _learnt(self, snapshot: Snapshot, main: pd.DataFrame | None) -> dict[int, Said]:
        """What was learnt says, by horizon."""
        found: dict[int, Said] = {}
        for horizon, model in self.far.items():
            said = model.predict(snapshot.ahead(horizon))
            found[horizon] = Said(said["p_order"].to_numpy(), said["expected_orders"].to_numpy(), FROM_SHORTER)
        if main is not None:
            chance, count = (main[f"{name}_{snapshot.horizon}"].to_numpy(np.float64) for name in ("likelihood", "expected_orders"))
            found[snapshot.horizon] = Said(chance, count, LEARNT)
        # the facts are asked for by one thread, and read by several
        ahead = {horizon: snapshot.ahead(horizon) for horizon in self.learnt}
        with ThreadPoolExecutor(self.config.likelihood.threads) as pool:
            for horizon, each in zip(ahead, pool.map(lambda days: self.learnt[days].said(ahead[days]), ahead), strict=True):
                found[horizon] = Said(*each, LEARNT)
        return found

    def _lifetime(self, orders: Mapping[int, Numbers], value: Numbers, snapshot: Snapshot) -> Numbers:
        """Revenue net of returns, times the margin, discounted from the middle of each stretch between two horizons."""
        facts = snapshot.customers()
        days = [each for each in sorted(orders) if each <= self.config.lifetime_days]
        total, before, last = np.zeros(len(value)), np.zeros(len(value)), 0
        for day in days:
            middle = (last + day) / 2 / YEAR
            total += (orders[day] - before) / (1 + self.config.discount_rate) ** middle
            before, last = orders[day], day
        usual = snapshot.of_all("spent", lambda: max(float(facts["spent"].mean()), 1e-9))
        kept = (facts["spent"] + facts["returned"] + self.kept * usual) / (facts["spent"] + usual)
        return np.asarray(total * value * self.config.margin * kept.clip(0, 1).to_numpy())


def teaching_dates(shop: Shop, as_of: date, horizon: int) -> list[date]:
    """The past dates, newest first, from which a horizon can be learnt as of a date."""
    dates = [as_of - timedelta(days=horizon + min(horizon, STEP) * k) for k in range(DATES)]
    least = max(LEAST_HISTORY, LEAST_SHARE * horizon)
    return [each for each in dates if day_number(each) - shop.days[0] >= least]


def in_words(bases: Mapping[int, str]) -> str:
    """Where the numbers of all horizons come from, in a line.

    >>> in_words({30: LEARNT, 60: LEARNT, 365: CARRIED_ON})
    '30, 60 days learnt; 365 days carried on'
    """
    groups = {basis: [str(days) for days, each in bases.items() if each == basis] for basis in (LEARNT, FROM_SHORTER, CARRIED_ON)}
    return "; ".join(f"{', '.join(days)} days {basis}" for basis, days in groups.items() if days)


def _asked_about(horizons: Set[int], learnt: Set[int]) -> list[int]:
    """The horizons about which the buy-till-you-die model is asked: those not learnt, and those that they are carried on from; at least one."""
    missing = horizons - learnt
    return sorted(missing | {base for each in missing if (base := _base(each, learnt))}) or [min(horizons)]


def _base(days: int, learnt: Set[int]) -> int | None:
    """The learnt horizon that another is carried on from: the longest shorter one, else the shortest; None without any."""
    return max((each for each in learnt if each < days), default=min(learnt, default=None))


def carried_on(learnt: Mapping[int, Said], steady: Mapping[int, pd.DataFrame]) -> dict[int, Said]:
    """What was learnt, and what follows from it for the further horizons in ``steady`` (what the buy-till-you-die model says).

    A horizon that was not learnt is carried on from the longest shorter one that was (else from the shortest): orders by the ratio of what the model
    expects, and the likelihood by the ratio of its cumulated hazards, -log(1 - p). Where nothing was learnt, the model's own word is taken.
    """
    found = dict(learnt)
    for days in steady.keys() - learnt.keys():
        chance, orders = (steady[days][name].to_numpy() for name in ("p_order", "expected_orders"))
        base = _base(days, learnt.keys())
        if base is not None:
            usual = steady[base]
            chance = -np.expm1(-hazards(learnt[base].likelihood) * _ratio(hazards(chance), hazards(usual["p_order"].to_numpy()), days / base))
            orders = learnt[base].orders * _ratio(orders, usual["expected_orders"].to_numpy(), days / base)
        found[days] = Said(chance, orders, CARRIED_ON)
    return found


def _ratio(other: Numbers, base: Numbers, lasting: float) -> Numbers:
    """At least 1 for a longer horizon and at most 1 for a shorter one; that of the days (``lasting``) where the base is next to nothing."""
    ratio = np.divide(other, base, out=np.full_like(other, lasting), where=base > 1e-12)
    return np.asarray(np.maximum(ratio, 1.0) if lasting > 1 else np.minimum(ratio, 1.0), np.float64)


def _per_order(snapshot: Snapshot, value: GammaGamma, main: Learnt | None) -> float:
    """What the orders of the last closed windows brought, over what was expected of each of them before: 1 without such a window."""
    shop, horizon = snapshot.shop, snapshot.horizon
    brought, expected = 0.0, 0.0
    for as_of in teaching_dates(shop, snapshot.as_of, horizon) if main is not None else []:
        past = snapshot.at(as_of)
        facts, came = past.customers(), shop.orders.filter(shop.orders.day >= past.day, shop.orders.day < past.day + horizon)
        sums = came.group_by("customer").agg(orders=came.count(), revenue=came.revenue.sum()).to_pandas().set_index("customer").reindex(past.codes)
        each = value.expected_value(facts["frequency"], facts["monetary"])
        brought += float(sums["revenue"].sum()) / MONEY
        expected += float((sums["orders"].fillna(0).to_numpy() * each).sum())
    return brought / expected if brought > 0 and expected > 0 else 1.0
