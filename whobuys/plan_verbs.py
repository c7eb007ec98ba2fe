"""The verbs by which several audiences become a plan, and one is explained: audience explain, overlap, plan, changes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whobuys.terminal import HERE, AsOf, BundleId, Csv, Json, MemoryLimit, Say, ShopFolder, Threads, form_of, progress, say, set_threads

if TYPE_CHECKING:
    import pandas as pd

    from features.conditions import Evidence
    from serving.audiences import Audience, Members
    from serving.plans.overlap import Overlap
    from serving.plans.plan import Plan

Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="[NAME]...", help="Audiences, ready-made ones too.", show_default="those of audiences.yaml and those that were built"),
]
Name = Annotated[str, typer.Argument(metavar="NAME", help="An audience of audiences.yaml, a ready-made one, or one that was built.")]


MOST_PAIRS = 15
"""Pairs that are printed for people."""


@dataclass(frozen=True)
class From:
    """Where answers come from, as the options say."""

    shop: Path
    as_of: date | None
    bundle: str | None
    memory_limit: str | None
    threads: int | None


def explain(
    name: Name,
    shop: ShopFolder = HERE,
    customer: Annotated[str | None, typer.Option("--customer", metavar="ID", help="Say why this customer is a member, or is none.")] = None,
    as_of: AsOf = None,
    bundle: BundleId = None,
    memory_limit: MemoryLimit = None,
    threads: Threads = None,
    json_: Json = False,
    csv: Csv = False,
) -> None:
    """Explain an audience: how many customers each condition keeps, alone and together with the others, and which of them matter.

    With --customer: which conditions hold of one customer, fail or are unknown, and why she is a member or not.
    """
    set_threads(threads)
    form = form_of(json=json_, csv=csv)
    from serving.audiences.explain import explain as explained
    from serving.audiences.explain import explain_customer, probability_of
    from serving.exports import text_of
    from serving.published import enough_room

    with enough_room(shop), progress() as tell:
        asked = _defined(shop, [name])
        evidence, answers = _asked(asked, From(shop, as_of, bundle, memory_limit, threads), tell)
        (members,) = answers
        if customer is not None:
            one = explain_customer(members, evidence, customer)
            table, sentences = one.table, [one.verdict]
        else:
            found = explained(members, probability_of(members.audience, evidence), evidence)
            table, sentences = found.table, [*found.sentences, *members.notes]
    _tell(text_of(table, form), sentences, form)


def overlap(
    names: Names = None,
    shop: ShopFolder = HERE,
    as_of: AsOf = None,
    bundle: BundleId = None,
    memory_limit: MemoryLimit = None,
    threads: Threads = None,
    json_: Json = False,
    csv: Csv = False,
) -> None:
    """Show which members audiences have in common: the share of the one who are in the other, and Jaccard (those in both over those in either)."""
    set_threads(threads)
    form = form_of(json=json_, csv=csv)
    from features.errors import UsageError
    from serving.exports import text_of
    from serving.plans.overlap import overlap as common
    from serving.published import enough_room

    with enough_room(shop), progress() as tell:
        audiences = several(shop, names)
        if len(audiences) < 2:
            raise UsageError("an overlap is of two audiences or more; name them, or write them into audiences.yaml (whobuys audience list)")
        evidence, answers = _asked(audiences, From(shop, as_of, bundle, memory_limit, threads), tell)
        found = common(answers, evidence)
    if form != "table":
        typer.echo(text_of(found.pairs(), form), nl=False)
        return
    typer.echo("share of the row's members who are in the column's audience\n" + text_of(_matrix(found), form))
    pairs = found.pairs()
    typer.echo(text_of(pairs[pairs["both"] > 0].head(MOST_PAIRS), form), nl=False)
    if len(pairs) > MOST_PAIRS:
        say(f"the {MOST_PAIRS} pairs with most in common of {len(pairs):,}; all of them: --csv or --json")


def _matrix(found: "Overlap") -> "pd.DataFrame":
    """The shares for people; columns are numbered as the rows are."""
    share = found.share
    numbers = [str(number) for number in range(1, len(share) + 1)]
    matrix = share.map(lambda part: f"{part * 100:.0f} %").set_axis(numbers, axis=1).reset_index()
    matrix.insert(0, "", numbers)
    matrix.insert(2, "size", found.sizes)
    return matrix


def plan(
    names: Names = None,
    shop: ShopFolder = HERE,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write who gets which audience, by channel (.csv, .parquet, .json, .jsonl).")
    ] = None,
    as_of: AsOf = None,
    bundle: BundleId = None,
    memory_limit: MemoryLimit = None,
    threads: Threads = None,
    json_: Json = False,
    csv: Csv = False,
) -> None:
    """Plan campaigns: each customer gets the best audience for her, within the contact caps; what each pays, and what is wrong with it.

    Without names: the three to five of your audiences that bring most and have few members in common, and why the others are left out.
    """
    set_threads(threads)
    form = form_of(json=json_, csv=csv)
    from features.config import load_config
    from serving.audiences.costs import Costs
    from serving.exports import check_ending, write_table
    from serving.plans.plan import plan as planned
    from serving.published import enough_room

    if output is not None:
        check_ending(output)
    with enough_room(shop), progress() as tell:
        audiences = several(shop, names)
        evidence, answers = _asked(audiences, From(shop, as_of, bundle, memory_limit, threads), tell)
        found = planned(answers, evidence, Costs.of(load_config(shop)), choose_best=not names)
        if output is not None:
            output.parent.mkdir(parents=True, exist_ok=True)
            write_table(output, found.contacts, private=True)
            tell(f"wrote {output}: {len(found.contacts):,} contacts")
    _print_plan(found, form)


def changes(
    name: Name,
    shop: ShopFolder = HERE,
    as_of: Annotated[str | None, typer.Option("--as-of", metavar="YYYY-MM-DD", help="The build as of this day.", show_default="the last one")] = None,
    json_: Json = False,
    csv: Csv = False,
) -> None:
    """List who entered an audience and who left it since the build before, with the reason: one entry, one mail."""
    form = form_of(json=json_, csv=csv)
    from serving.audiences.changes import read_changes
    from serving.exports import text_of

    (audience,) = _defined(shop, [name])
    found = read_changes(shop, audience, None if as_of is None else _day(as_of))
    typer.echo(text_of(found.frame, form), nl=False)
    since = f"since {found.before}" if found.before else "in the first build"
    say(f"{name}, as of {found.as_of}: {found.entered:,} entered and {found.left:,} left {since}")


def _day(text: str) -> date:
    from features.dates import parse_day
    from features.errors import UsageError

    try:
        return parse_day(text)
    except ValueError as error:
        raise UsageError(f"--as-of: {error}") from None


VERBS: tuple[Callable[..., None], ...] = (explain, overlap, plan, changes)
"""What is registered with the verbs about audiences."""


def _defined(shop: Path, names: Sequence[str]) -> "list[Audience]":
    """The audiences of these names. Raises DataError for an unknown one, with the nearest, and for one that becomes several when it is built."""
    from features.errors import DataError
    from serving.ready_made.campaigns import find_audience

    found = []
    for name in dict.fromkeys(names):
        audience = find_audience(shop, name)
        if audience is None:
            raise DataError(f"{name}: its products are found when it is built; build it, then name one of the audiences that come of it")
        found.append(audience)
    return found


def several(shop: Path, names: Sequence[str] | None) -> "list[Audience]":
    """The named audiences; without names those of audiences.yaml and those that were built, and where these are few, the ready-made as they stand."""
    from serving.audiences import saved_audiences
    from serving.audiences.listing import built_audiences
    from serving.plans.plan import LEAST
    from serving.ready_made import as_they_stand

    if names:
        return _defined(shop, names)
    own = list(dict.fromkeys([*saved_audiences(shop), *built_audiences(shop)]))
    if len(own) < LEAST:
        say(f"note: audiences.yaml and earlier builds have {len(own)} audiences, so the ready-made ones are looked at, too")
        own = list(dict.fromkeys([*own, *as_they_stand()]))
    return _defined(shop, own)


def _asked(audiences: "Sequence[Audience]", where: From, tell: Say) -> "tuple[Evidence, list[Members]]":
    """The answers to audiences as of a date, with the evidence. Raises DataError when nothing was trained yet."""
    from features.config import load_config
    from features.products import Catalogue
    from serving.audiences import evidence_of, members_of_all, saved_audiences
    from whobuys.asking import opened

    products = any(each.needs_interest for each in audiences)
    model, snapshot = opened(where.shop, where.as_of, bundle=where.bundle, memory_limit=where.memory_limit, threads=where.threads, products=products)
    tell(f"asking {audiences[0].audience if len(audiences) == 1 else f'{len(audiences)} audiences'} as of {snapshot.as_of}")
    basis = load_config(where.shop).shop.legal_basis
    evidence = evidence_of(model, snapshot, Catalogue.of(snapshot.shop), saved=saved_audiences(where.shop), consented=basis)
    return evidence, list(members_of_all(audiences, evidence))


def _print_plan(found: "Plan", form: str) -> None:
    import json

    from serving.exports import text_of

    table = found.table()
    if form == "json":
        rows = json.loads(text_of(table, form))
        left = [{"audience": name, "reason": why} for name, why in found.left_out]
        typer.echo(json.dumps({"audiences": rows, "left_out": left, "warnings": list(found.warnings)}, indent=1, ensure_ascii=False))
        return
    _tell(text_of(_short(table) if form == "table" else table, form), found.warnings, form)
    if form == "table":
        for name, why in found.left_out:
            typer.echo(f"left out: {name} {why}")


def _short(table: "pd.DataFrame") -> "pd.DataFrame":
    """The columns that a line of a terminal holds, without those of which nothing is known."""
    names = ["audience", "channel", "offer", "size", "assigned", "expected_buyers", "expected_revenue", "per_contact", "profit"]
    kept = table[[*names, "smallest", "largest", "offer_at_most", "further_needed"]].round(2)
    return kept.drop(columns=[name for name in kept if kept[name].isna().all() or (name == "offer" and kept[name].eq("").all())])


def _tell(text: str, sentences: Sequence[str], form: str) -> None:
    """A table, and sentences below it; for programs the sentences go to stderr."""
    typer.echo(text, nl=False)
    if sentences and form == "table":
        typer.echo("")
    for sentence in sentences:
        typer.echo(sentence, err=form != "table")
