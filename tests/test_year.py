"""A shop replayed week by week: what is planted wrong is caught, no bad model is promoted, and at the end everything is as if it had come at once."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.checks import RULES
from features.config import CONFIG, Config, load_config
from features.files import RESULT, read_current, read_json
from features.imports import import_files
from features.made_up import END, made_up_shop, weeks_of, write_exports
from features.shop import Shop
from features.snapshot import Snapshot
from features.tables import TABLES
from models.bundle import Bundle
from models.pairs.interest import PairSample
from models.pairs.succession import SuccessionConfig
from serving.history import figures
from serving.scores import score
from training.fits import Fits, Recipe
from training.train import recipe_of

Weekly = Callable[..., tuple[int, str]]
Frames = dict[str, pd.DataFrame]
BAD_SEED = 13


def orders_thinned(frames: Frames) -> None:
    """Of the orders every twelfth and the last."""
    frames["orders"] = frames["orders"].iloc[np.unique([*range(0, len(frames["orders"]), 12), len(frames["orders"]) - 1])]
    frames["order_lines"] = frames["order_lines"][frames["order_lines"]["order_id"].isin(frames["orders"]["order_id"])]


def again(frames: Frames, change: Callable[[pd.DataFrame, int], pd.DataFrame], times: int) -> None:
    """The same orders again under other ids, changed."""
    orders, lines = frames["orders"], frames["order_lines"]
    more = [change(orders.assign(order_id=f"again{turn}-" + orders["order_id"]), turn) for turn in range(times)]
    frames["orders"] = pd.concat([orders, *more])
    frames["order_lines"] = pd.concat([lines, *(lines.assign(order_id=f"again{turn}-" + lines["order_id"]) for turn in range(times))])


def orders_of_others(frames: Frames) -> None:
    ids = frames["customers"]["customer_id"].to_numpy()
    again(frames, lambda orders, turn: orders.assign(customer_id=ids[np.arange(len(orders)) * 7 + turn]), 6)


def imported_twice(frames: Frames) -> None:
    again(frames, lambda orders, turn: orders, 1)


def strangers(frames: Frames) -> None:
    frames["orders"] = frames["orders"].assign(customer_id="v2-" + frames["orders"]["customer_id"])


def nobody(frames: Frames) -> None:
    frames["orders"] = frames["orders"].assign(customer_id="")


def no_lines(frames: Frames) -> None:
    del frames["order_lines"]


def richer(frames: Frames) -> None:
    frames["orders"] = frames["orders"].assign(revenue=frames["orders"]["revenue"].astype(float) * 9)


def other_currency(frames: Frames) -> None:
    frames["order_lines"] = frames["order_lines"].assign(price=frames["order_lines"]["price"].astype(float) * 7.46)


def renamed(frames: Frames) -> None:
    frames["products"] = frames["products"].assign(category="New " + frames["products"]["category"])


def as_it_is(frames: Frames) -> None:
    pass


@dataclass(frozen=True)
class Fault:
    """What is spoilt in a week's files, and the rule that finds it; one that only warns is looked for by a dry run. ``everything``: whobuys.toml says
    that the files hold all orders. ``old``: the files are those of the first week."""

    spoil: Callable[[Frames], None]
    rule: str
    stops: bool = True
    everything: bool = False
    old: bool = False


FAULTS = (
    Fault(orders_thinned, "orders missing"),
    Fault(orders_of_others, "many orders", stops=False),
    Fault(imported_twice, "doubled orders"),
    Fault(strangers, "new customers"),
    Fault(nobody, "no customer"),
    Fault(no_lines, "lines"),
    Fault(richer, "revenue", stops=False),
    Fault(other_currency, "prices"),
    Fault(renamed, "categories"),
    Fault(as_it_is, "lost orders", everything=True),
    Fault(as_it_is, "clock", everything=True, old=True),
)


def small_recipe(config: Config, *, horizon: int | None = None, threads: int = 2) -> Recipe:
    """The recipe of the config, with models that a year of trainings has the time for."""
    usual = recipe_of(config, horizon=horizon, threads=threads)
    succession = SuccessionConfig(windows=1, attributes=50, targets=100, rank=8)
    affinity = replace(usual.interest.affinity, factors=8, iterations=2, succession=succession)
    return replace(usual, interest=replace(usual.interest, pairs=20_000, affinity=affinity))


class Scrambled(Fits):
    """A recipe whose outcomes are those of other pairs, as after a wrong join."""

    def _sample(self, as_of: date) -> PairSample:
        found = super()._sample(as_of)
        return replace(found, bought=np.random.default_rng(1).permutation(found.bought)) if self.recipe.interest.seed == BAD_SEED else found


class Inverted(Fits):
    """A recipe that takes yes for no."""

    def _sample(self, as_of: date) -> PairSample:
        found = super()._sample(as_of)
        return replace(found, bought=~found.bought) if self.recipe.interest.seed == BAD_SEED else found


@contextmanager
def settings(shop: Path, changes: Mapping[str, str]) -> Iterator[None]:
    """Other settings for a while."""
    good = (shop / CONFIG).read_text(encoding="utf-8")
    text = good
    for usual, here in changes.items():
        assert usual in text
        text = text.replace(usual, here, 1)
    (shop / CONFIG).write_text(text, encoding="utf-8")
    yield
    (shop / CONFIG).write_text(good, encoding="utf-8")


def other_tastes(frames: Frames, since: str) -> None:
    """From a day on, what was of half of the lines is bought from one category, at the prices that are usual there."""
    orders, lines, products = frames["orders"], frames["order_lines"], frames["products"]
    known = lines["product_id"].isin(products.loc[products["category"] == products["category"].iloc[0], "product_id"])
    wanted = lines[known].drop_duplicates("product_id", keep="last").reset_index(drop=True)
    late = lines["order_id"].isin(orders.loc[orders["ordered_at"] >= since, "order_id"]) & (np.arange(len(lines)) % 2 == 0)
    place = np.arange(len(lines)) % len(wanted)
    for column in ("product_id", "price", "list_price"):
        lines[column] = lines[column].where(~late, pd.Series(wanted[column].to_numpy()[place], index=lines.index))


@dataclass(frozen=True, eq=False)
class Replay:
    """A shop, the files of its weeks, and the day on which each ends."""

    shop: Path
    weeks: list[list[Path]]
    days: list[date]
    weekly: Weekly

    def run(self, place: int, *words: str, files: list[Path] | None = None) -> tuple[int, str]:
        return self.weekly(self.shop, files or self.weeks[place], *words, WHOBUYS_TODAY=self.days[place].isoformat())

    def good_week(self, place: int) -> dict[str, object]:
        """A run that is done; its result."""
        code, told = self.run(place)
        assert code == 0, (place, told)
        result = read_json(self.shop / RESULT)
        bundle = Bundle.load(self.shop / str(result["bundle"]))
        assert bundle.facts["recipe"]["interest"]["seed"] != BAD_SEED, f"a bad model was promoted in week {place}"
        return result

    def spoilt_week(self, place: int, fault: Fault, folder: Path) -> None:
        """The rule finds the fault, and nothing is published."""
        before = read_current(self.shop)
        with settings(self.shop, {"\nadd = true": "\nadd = false"} if fault.everything else {}):
            files = spoilt(self.weeks[0 if fault.old else place], fault.spoil, folder)
            code, told = self.run(place, *([] if fault.stops else ["--dry-run"]), files=files)
        assert code == (4 if fault.stops else 0) and f"{'stop' if fault.stops else 'warn'}: {fault.rule}: " in told, (place, fault.rule, told)
        assert read_current(self.shop) == before

    def bad_week(self, place: int, broken: type[Fits]) -> None:
        """A recipe that broke is compared, and the one in use is fitted anew in its place."""
        with settings(self.shop, {"\nseed = 1": f"\nseed = {BAD_SEED}"}), pytest.MonkeyPatch.context() as patch:
            for where in ("whobuys.week.Fits", "training.train.Fits"):
                patch.setattr(where, broken)
            result = self.good_week(place)
        said = {each["step"]: each["said"] for each in result["steps"]}  # type: ignore[attr-defined]
        assert "the new recipe is worse than the one in use" in said["compare"] and "by the recipe in use, takes the place" in said["choose"], said


def spoilt(files: list[Path], spoil: Callable[[Frames], None], folder: Path) -> list[Path]:
    """Files of a week with something wrong."""
    frames = read(files)
    spoil(frames)
    return write(frames, folder)


def read(files: list[Path]) -> Frames:
    return {path.stem: pd.read_csv(path, dtype=str, keep_default_na=False) for path in files}


def write(frames: Frames, folder: Path) -> list[Path]:
    folder.mkdir()
    for name, frame in frames.items():
        frame.to_csv(folder / f"{name}.csv", index=False)
    return sorted(folder.iterdir())


def is_as_if_at_once(shop: Path, exports: list[Path], folder: Path) -> None:
    """One import of everything makes the same tables and snapshots, and the same bundle the same scores."""
    import_files(folder, exports, config=load_config(shop))
    for name in TABLES:
        weekly, once = (each / read_current(each)["tables"] / f"{name}.parquet" for each in (shop, folder))
        assert weekly.read_bytes() == once.read_bytes(), name
    as_of = Shop.open(shop).default_as_of
    facts = [Snapshot(Shop.open(each), as_of, 30).customers() for each in (shop, folder)]
    assert facts[0].to_numpy().tobytes() == facts[1].to_numpy().tobytes() and facts[0].index.equals(facts[1].index)
    bundle = read_current(shop)["bundle"]
    shutil.copytree(shop / bundle, folder / bundle)
    made = score(folder, config=load_config(shop), bundle=Path(bundle).name, promote=True, threads=2)
    for path in sorted((shop / read_current(shop)["scores"]).rglob("*.parquet")):
        other = made.folder / path.relative_to(shop / read_current(shop)["scores"])
        pd.testing.assert_frame_equal(pd.read_parquet(path), pd.read_parquet(other))


def history_is_complete(shop: Path, days: list[str]) -> None:
    """Every run is in the history once, with every kind of figure, and what came of whatever is over."""
    found = figures(shop)
    assert sorted(set(found["as_of"])) == days and not found.duplicated(["as_of", "kind", "name", "measure"]).any()
    assert (found.groupby("as_of")["kind"].nunique() >= 5).all()
    over = {day for day in days if (date.fromisoformat(days[-1]) - date.fromisoformat(day)).days >= 30}
    assert set(found.loc[(found["kind"] == "shop") & (found["measure"] == "came"), "as_of"]) == over


def test_four_weeks_are_as_if_they_had_come_at_once(whole: Path, weeks: list[list[Path]], weekly: Weekly, tmp_path: Path) -> None:
    replay = Replay(Path(shutil.copytree(whole, tmp_path / "shop")), weeks, [END] * 4, weekly)
    replay.spoilt_week(3, FAULTS[8], tmp_path / "spoilt")
    replay.bad_week(3, Scrambled)
    history_is_complete(replay.shop, ["2026-06-10", "2026-06-17", "2026-06-23", str(Shop.open(replay.shop).default_as_of)])
    everything = {name: pd.concat([read(files)[name] for files in weeks]).drop_duplicates() for name in read(weeks[0])}
    is_as_if_at_once(replay.shop, write(everything, tmp_path / "everything"), tmp_path / "once")


WEEKS = 52
DRIFT = 34


@pytest.mark.proof
def test_a_year(new_shop: Callable[[Path], Path], weekly: Weekly, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for where in ("whobuys.week.recipe_of", "training.train.recipe_of"):
        monkeypatch.setattr(where, small_recipe)
    days = [END - timedelta(days=7 * ago) for ago in reversed(range(WEEKS))]
    frames = read(write_exports(made_up_shop(scale=0.05, seed=1), tmp_path / "made"))
    other_tastes(frames, str(days[DRIFT - 1]))
    exports = write(frames, tmp_path / "exports")
    replay = Replay(new_shop(tmp_path / "shop"), weeks_of(exports, tmp_path / "weeks", [*map(str, days[:-1]), "9999"]), days, weekly)
    faults = dict(zip(range(3, WEEKS, 4), FAULTS, strict=False))
    assert {fault.rule for fault in faults.values()} == set(RULES)
    as_of, warned = [], {}
    for place in range(WEEKS):
        if place in faults:
            replay.spoilt_week(place, faults[place], tmp_path / f"spoilt-{place}")
        if place in (18, 42):
            replay.bad_week(place, Scrambled if place == 18 else Inverted)
        result = replay.good_week(place)
        as_of.append(str(Path(str(result["bundle"])).name[:10]))
        warned[place] = [f"{each['rule']}: {each['text']}" for each in result["findings"]]  # type: ignore[attr-defined]
        with (tmp_path / "year.log").open("a", encoding="utf-8") as log:
            log.write(f"{place} {result['began']} {result['ended']} {result['bundle']} {warned[place]}\n")
    history_is_complete(replay.shop, sorted(set(as_of)))
    drifted = [place for place, said in warned.items() if any(each.startswith("drift of facts: category ") for each in said)]
    assert set(drifted) & set(range(DRIFT, DRIFT + 5)), warned
    is_as_if_at_once(replay.shop, exports, tmp_path / "once")
