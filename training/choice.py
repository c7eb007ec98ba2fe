"""What settings came to on past dates becomes a choice: others than the defaults only where they are better by more than chance."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date

import numpy as np
import pandas as pd

from training.evaluation.verdict import digits

LOSS_SLACK = 1.002
"""So many times the log loss of the defaults is no worse: closed windows correct the level later, so a smaller difference says nothing."""


@dataclass(frozen=True)
class Measured:
    """What settings came to on one origin: mean average precision of ``sets`` product sets (and of ``new_sets`` among new buyers), the log loss of
    all pairs before closed windows correct them, and how long fitting and asking took."""

    sets: int
    ap: float
    new_sets: int
    new_ap: float
    log_loss: float
    seconds: float = 0.0


@dataclass(frozen=True)
class Trial:
    """Settings (those that differ from the defaults) and what they came to on each origin; ``low`` and ``high`` hold the middle 95 % of AP over that
    of the defaults in draws of customers, NaN where that was not drawn because the defaults were better somewhere."""

    settings: Mapping[str, float]
    origins: tuple[Measured, ...]
    low: float = np.nan
    high: float = np.nan

    @property
    def ap(self) -> float:
        """The mean over all measured sets of all origins."""
        return _mean([each.ap for each in self.origins], [each.sets for each in self.origins])

    @property
    def new_ap(self) -> float:
        """The same among new buyers."""
        return _mean([each.new_ap for each in self.origins], [each.new_sets for each in self.origins])

    @property
    def log_loss(self) -> float:
        """The mean over the origins."""
        return float(np.mean([each.log_loss for each in self.origins]))

    @property
    def seconds(self) -> float:
        """Of all origins."""
        return sum(each.seconds for each in self.origins)

    def better_on(self, other: "Trial") -> int:
        """On how many origins the AP is higher than that of another trial."""
        return sum(ours.ap > theirs.ap for ours, theirs in zip(self.origins, other.origins, strict=True))


def wins(trial: Trial, defaults: Trial) -> bool:
    """Whether settings are better than the defaults by more than chance: AP higher on every origin and, in draws of customers, in 39 of 40; log loss
    no worse."""
    everywhere = trial.better_on(defaults) == len(trial.origins)
    return bool(everywhere and trial.low > 1 and trial.log_loss <= defaults.log_loss * LOSS_SLACK)


def holds(trial: Trial, defaults: Trial) -> bool:
    """Whether settings that won are also better on the origin that played no part in choosing them; one origin alone can hardly be sure."""
    return trial.ap > defaults.ap and trial.log_loss <= defaults.log_loss * LOSS_SLACK


def chosen(trials: Sequence[Trial]) -> int:
    """The place of the trial that wins over the first, the defaults, with the highest AP (the first of equals); 0 when none does."""
    winners = [place for place, each in enumerate(trials) if place and wins(each, trials[0])]
    return max(winners, key=lambda place: trials[place].ap, default=0)


@dataclass(frozen=True, eq=False)
class Tuning:
    """Trials, the defaults first, on ``origins`` that choose, and on the ``newest``, which plays no part in it, the defaults and the one that was
    chosen (``confirmed``; None when none was, or when no product set had enough buyers). ``defaults`` are all settings by name. Nobody is named in
    it."""

    as_of: date
    horizon: int
    origins: tuple[date, ...]
    newest: date
    defaults: Mapping[str, float]
    trials: tuple[Trial, ...]
    confirmed: tuple[Trial, Trial] | None

    @property
    def choice(self) -> int:
        """Which trial the older origins chose; 0 for none."""
        return chosen(self.trials)

    @property
    def settings(self) -> Mapping[str, float] | None:
        """What is better than the defaults, and proved it on the newest origin; None when the defaults stay."""
        return self.confirmed[1].settings if self.confirmed and holds(self.confirmed[1], self.confirmed[0]) else None

    def table(self) -> pd.DataFrame:
        """A row per trial, the highest AP first: rank, trial (0: the defaults), ap, new_ap, log_loss, better_on (origins), ratio (AP over that of the
        defaults) with its interval, seconds, and every setting."""
        rows = [{**self._row(place), **self.defaults, **each.settings} for place, each in enumerate(self.trials)]
        table = pd.DataFrame(rows).sort_values("ap", ascending=False, kind="stable", ignore_index=True)
        table.insert(0, "rank", np.arange(1, len(table) + 1))
        return table

    def by_origin(self) -> pd.DataFrame:
        """A row per trial and origin: origin, chooses (whether it played a part in choosing), trial, and what it came to."""
        rows = [
            {"origin": str(day), "chooses": True, "trial": place, **asdict(found)}
            for place, each in enumerate(self.trials)
            for day, found in zip(self.origins, each.origins, strict=True)
        ]
        for place, each in zip((0, self.choice), self.confirmed or (), strict=False):
            rows.append({"origin": str(self.newest), "chooses": False, "trial": place, **asdict(each.origins[0])})
        return pd.DataFrame(rows)

    def verdict(self) -> list[str]:
        """What it comes to, a sentence or two each."""
        others = len(self.trials) - 1
        if not self.choice:
            return [f"The defaults stay: {_none(others)} surely better.", self._best()]
        chose = f"Trial {self.choice} is surely better on the origins that choose: {_against(self.trials[self.choice], self.trials[0])}."
        if self.confirmed is None:
            return [chose, f"On the newest origin, {self.newest}, too few bought to confirm it: the defaults stay."]
        honest = "This is the honest figure" + (": the other flatters, as the best of many was taken." if others > 1 else ".")
        newest = f"On the newest origin, {self.newest}, which played no part in choosing: {_against(self.confirmed[1], self.confirmed[0])}. {honest}"
        return [chose, newest, "That holds: these settings suit this shop better." if self.settings else "That does not hold: the defaults stay."]

    def measures(self) -> dict[str, float]:
        """The main figures by name."""
        best = max(self.trials, key=lambda each: each.ap)
        found = {"defaults_ap": self.trials[0].ap, "defaults_log_loss": self.trials[0].log_loss, "best_ap": best.ap, "best_log_loss": best.log_loss}
        if self.confirmed:
            found |= {"newest_defaults_ap": self.confirmed[0].ap, "newest_ap": self.confirmed[1].ap}
        return found

    def _row(self, place: int) -> dict[str, float]:
        trial, defaults = self.trials[place], self.trials[0]
        measures = {"trial": place, "ap": trial.ap, "new_ap": trial.new_ap, "log_loss": trial.log_loss, "better_on": trial.better_on(defaults)}
        return {**measures, "ratio": trial.ap / defaults.ap, "ratio_low": trial.low, "ratio_high": trial.high, "seconds": trial.seconds}

    def _best(self) -> str:
        """The best that did not win, and what it lacks."""
        defaults, place = self.trials[0], max(range(1, len(self.trials)), key=lambda each: self.trials[each].ap)
        best = self.trials[place]
        if best.ap <= defaults.ap:
            return f"None had a higher AP than theirs, {digits(defaults.ap)}."
        on = f"better on {best.better_on(defaults)} of {len(self.origins)} origins"
        loss = "" if best.log_loss <= defaults.log_loss * LOSS_SLACK else ", and its log loss is worse"
        return f"The highest AP was that of trial {place}: {_against(best, defaults)}; {on}{loss}."


def _none(others: int) -> str:
    return "the one other trial was not" if others == 1 else f"none of {others} other trials was"


def _against(trial: Trial, defaults: Trial) -> str:
    interval = "" if np.isnan(trial.low) else f", 95 %: {trial.low:.3f} to {trial.high:.3f}"
    losses = f"log loss {digits(trial.log_loss, 5)} against {digits(defaults.log_loss, 5)}"
    return f"AP {digits(trial.ap, 4)} against {digits(defaults.ap, 4)}, {trial.ap / defaults.ap:.3f} times as good{interval}, {losses}"


def _mean(values: Sequence[float], weights: Sequence[int]) -> float:
    total = sum(weights)
    return sum(value * weight for value, weight in zip(values, weights, strict=True) if weight) / total if total else np.nan
