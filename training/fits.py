"""A shop and a date become fitted models that knew only what came before that date; samples and affinities are made once a date."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import partial
from typing import TypeVar

from features.dates import day_number
from features.errors import DataError
from features.products import Catalogue
from features.shop import Shop
from features.snapshot import Snapshot
from models.bundle import Bundle
from models.customers.likelihood import LikelihoodConfig
from models.customers.outlook import Learnt, Outlook, OutlookConfig
from models.pairs.affinity import Affinity
from models.pairs.interest import Interest, InterestConfig, PairSample, pair_sample

V = TypeVar("V")
Say = Callable[[str], None]


@dataclass(frozen=True)
class Recipe:
    """How models are made: settings of both models, days ahead, the number of past dates learnt from, and of customers at most."""

    horizon: int
    origins: int
    customers: int = 100_000
    interest: InterestConfig = field(default_factory=InterestConfig)
    likelihood: LikelihoodConfig = field(default_factory=LikelihoodConfig)
    outlook: OutlookConfig = field(default_factory=OutlookConfig)

    @property
    def step(self) -> int:
        """Days between two dates that are learnt from: a horizon, so that no day is learnt from twice and the backtest shares the dates."""
        return self.horizon


@dataclass(eq=False)
class Fits:
    """Fits models of one shop as of any dates, sharing what is made once a date. ``say`` is told what is done.

    Of a shop with more customers than the recipe takes, ``shop`` has those that are drawn.
    """

    shop: Shop
    recipe: Recipe
    say: Say
    _snapshots: dict[date, Snapshot] = field(default_factory=dict)
    _samples: dict[date, PairSample] = field(default_factory=dict)
    _affinities: dict[date, Affinity] = field(default_factory=dict)

    def __post_init__(self) -> None:
        drawn = self.shop.drawn(self.recipe.customers)
        if drawn is not self.shop:  # those of a shop in Spark are drawn already
            self.say(f"learning from about {self.recipe.customers:,} of the {len(self.shop.customer_ids):,} customers ([train] customers)")
        self.shop = drawn

    def training_dates(self, as_of: date) -> list[date]:
        """The dates learnt from for a fit as of a date, newest first: each has a full horizon before ``as_of`` and one of history before it.

        Raises DataError for a shop that is younger than two horizons.
        """
        horizon = self.recipe.horizon
        first = self.shop.days[0]
        dates = [as_of - timedelta(days=horizon + self.recipe.step * k) for k in range(self.recipe.origins)]
        known = [each for each in dates if day_number(each) - first >= horizon]
        if not known:
            age = day_number(as_of) - first
            shorter = f", or train with --horizon {age // 2} or less" if age >= 2 else ""
            raise DataError(
                f"as of {as_of} the orders go back {max(age, 0)} day{'s' * (age != 1)}; a horizon of {horizon} day{'s' * (horizon != 1)} needs "
                f"at least {2 * horizon}: import older orders{shorter}"
            )
        return known

    def snapshot(self, as_of: date) -> Snapshot:
        """The snapshot of a date."""
        return _once(self._snapshots, as_of, lambda: Snapshot.shared(self.shop, as_of, self.recipe.horizon))

    def can_learn(self, as_of: date) -> bool:
        """Whether there are dates to learn from."""
        try:
            return bool(self.training_dates(as_of))
        except DataError:
            return False

    def bundle(self, as_of: date, *, name: str) -> Bundle:
        """The models of the horizon as of a date, with raw levels: what a comparison with what came needs. Raises DataError for too young a shop."""
        dates = self.training_dates(as_of)
        learnt = Learnt.of([self.snapshot(each) for each in dates], config=self.recipe.likelihood)
        pair_model = self._interest(as_of, dates) if self.shop.has_lines else None
        return Bundle(name, as_of, self.recipe.horizon, pair_model, learnt.likelihood, learnt.volume)

    def outlook(self, bundle: Bundle) -> Outlook:
        """The outlook of all customers as of the bundle's date, which carries on what the bundle's own models say."""
        self.say(f"fitting the outlook of all customers as of {bundle.as_of}: {', '.join(map(str, self.recipe.outlook.horizons))} days")
        main = Learnt(bundle.customer_model, bundle.volume_model) if bundle.customer_model and bundle.volume_model else None
        return Outlook.fit(self.snapshot(bundle.as_of), main, config=self.recipe.outlook)

    def _interest(self, as_of: date, dates: list[date]) -> Interest:
        samples = [self.sample(each) for each in dates]
        self.say(f"fitting the interest model as of {as_of} on {sum(len(sample.bought) for sample in samples):,} pairs of {len(dates)} dates")
        return Interest.fit(samples, self.affinity(as_of), config=self.recipe.interest)

    def sample(self, as_of: date) -> PairSample:
        """Pairs of a date with what came of them within the horizon."""
        return _once(self._samples, as_of, partial(self._sample, as_of))

    def _sample(self, as_of: date) -> PairSample:
        self.say(f"pairs and outcomes as of {as_of}")
        return pair_sample(self.snapshot(as_of), Catalogue.of(self.shop), self.affinity(as_of), config=self.recipe.interest)

    def affinity(self, as_of: date) -> Affinity:
        """The affinities that were known by a date."""
        settings, seed = self.recipe.interest.affinity, self.recipe.interest.seed
        return _once(self._affinities, as_of, lambda: Affinity.fit(self.snapshot(as_of), Catalogue.of(self.shop), config=settings, seed=seed))


def _once(kept: dict[date, V], as_of: date, make: Callable[[], V]) -> V:
    if as_of not in kept:
        kept[as_of] = make()
    return kept[as_of]
