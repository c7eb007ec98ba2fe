"""A bundle and what the shop's folder keeps become what changed since the training before: measures, recipe, and the last comparison of recipes."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from features.checks import Finding
from features.files import publications, read_json
from serving.history import comparisons
from serving.reports.blocks import UNKNOWN, Row, Section, Table, count
from whobuys.evaluation.measured import fraction
from whobuys.registry import Kept, kept

RESULT = "run_result.json"
TITLE = "What changed since last time?"
MEASURES = {
    "ap": ("AP: how well buyers stand first", 3),
    "new_ap": ("AP among new buyers", 3),
    "lift_quality": ("Lift Quality of 100", 0),
    "level": ("expected over real buyers: 1 is right", 2),
    "likelihood_auc": ("AUC: who orders anything", 3),
    "likelihood_level": ("expected over real customers who order", 2),
}


def changed(shop: Path, bundle: Kept, findings: Sequence[Finding] | None = None) -> Section:
    """Against the bundle that was in use before it, or else the newest older one that is kept; the last comparison of recipes; and what a weekly run
    found: the one that is under way, when its ``findings`` are given, else the last one."""
    before = _before(shop, bundle)
    each_of = [f"{name}: {each.id}, as of {each.manifest['as_of']}." for name, each in (("Before", before), ("Now", bundle)) if each]
    found = [_found(findings)] if findings is not None else _last_run(shop, bundle.id)
    said = [_headline(bundle, before), *each_of, *compared(shop), *found]
    return Section(TITLE, said, [_measures(bundle, before)] if before else [])


def _headline(bundle: Kept, before: Kept | None) -> str:
    if before is None:
        return "It is the first training that is kept here, so there is nothing to compare with."
    same = _recipe(bundle) == _recipe(before)
    told = "The recipe (settings and libraries) is the same; it learnt from newer orders." if same else f"Another recipe: {_differ(bundle, before)}."
    now, then = (each.facts.get("measures", {}).get("ap") for each in (bundle, before))
    return told if now is None or then is None else f"{told} How well buyers stand first (AP): {then:.3f} before, {now:.3f} now."


def _before(shop: Path, bundle: Kept) -> Kept | None:
    known = {each.id: each for each in kept(shop) if each.id != bundle.id}
    in_use = [Path(each.bundle).name for each in publications(shop)]
    earlier = in_use[: in_use.index(bundle.id)] if bundle.id in in_use else []
    named = [known[each] for each in reversed(earlier) if each in known]
    older = [each for each in known.values() if str(each.manifest["as_of"]) <= str(bundle.manifest["as_of"])]
    return next(iter([*named, *older]), None)


def _recipe(bundle: Kept) -> dict[str, object]:
    return {name: value for name, value in bundle.settings().items() if name not in ("as_of", "tables", "training_dates", "backtest_dates")}


def _differ(bundle: Kept, before: Kept) -> str:
    new, old = _recipe(bundle), _recipe(before)
    return "; ".join(f"{name} {old.get(name, UNKNOWN)} -> {new.get(name, UNKNOWN)}" for name in {**old, **new} if old.get(name) != new.get(name))


def _measures(bundle: Kept, before: Kept) -> Table:
    now, then = (each.facts.get("measures", {}) for each in (bundle, before))
    rows = [
        Row(words, [fraction(float(then.get(name, float("nan"))), places), fraction(float(now.get(name, float("nan"))), places)])
        for name, (words, places) in MEASURES.items()
        if name in now
    ]
    return Table("measure", ["before", "now"], rows, "Measured at each training, on other dates: small differences are the months’")


def compared(shop: Path) -> Iterator[str]:
    """The last time that two recipes met on the same past dates, in words."""
    found = comparisons(shop)
    if found.empty:
        yield "No new recipe has challenged the one in use yet: whobuys weekly compares recipes when settings or libraries change."
        return
    row = found.iloc[-1]
    worse, better = row["ratio_high"] < 1, row["ratio_low"] > 1
    how = (
        "surely worse, so the recipe in use stayed"
        if worse
        else "surely better"
        if better
        else "neither surely better nor worse, so the newer one was taken"
    )
    yield (
        f"The last comparison of recipes was as of {row['as_of']}: {row['name']}. On the same past dates and {count(row['sets'])} product sets the "
        f"challenger was {row['ap'] / row['champion_ap']:.2f} times as good (surely between {row['ratio_low']:.2f} and "
        f"{row['ratio_high']:.2f}): {how}."
    )


def _found(findings: Sequence[Finding]) -> str:
    told = "; ".join(f"{each.rule}: {each.text}" for each in findings)
    return f"The weekly run that wrote this page said: {told or 'nothing odd'}."


def _last_run(shop: Path, bundle: str) -> Iterator[str]:
    """What the weekly run that last used the bundle found in the new orders."""
    path = shop / RESULT
    if not path.is_file():
        return
    result = read_json(path)
    if Path(str(result.get("bundle"))).name != bundle:
        return
    findings = result.get("findings")
    told = [f"{each['rule']}: {each['text']}" for each in findings if isinstance(each, dict)] if isinstance(findings, list) else []
    ended = f"{str(result.get('ended'))[:10]} ({result.get('state')})"
    yield f"The last weekly run ended on {ended}; it said: {'; '.join(told) or 'nothing odd'}."
