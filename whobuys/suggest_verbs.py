"""The verb audience suggest: what the orders and the models suggest by themselves, with the evidence."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from whobuys.terminal import HERE, AsOf, BundleId, Csv, Json, MemoryLimit, ShopFolder, Threads, form_of, progress, say, set_threads

if TYPE_CHECKING:
    from serving.audiences import Audience
    from serving.suggestions import Kind, Suggested


def suggest(
    kind: Annotated[
        str | None,
        typer.Argument(metavar="[KIND]", help="potential, main, cross-sell, long-tail, rising or micro-segments.", show_default="all of them"),
    ] = None,
    shop: ShopFolder = HERE,
    goal: Annotated[
        str | None,
        typer.Option(
            "--goal", metavar="GOAL", help="Only what serves a goal: win-back, raise-aov, loyalty, clear-stock or launch. Without KIND: potential."
        ),
    ] = None,
    top: Annotated[int, typer.Option("--top", min=1, help="At most so many suggestions of each kind.")] = 10,
    yaml: Annotated[bool, typer.Option("--yaml", help="Print audiences that can be put into audiences.yaml.")] = False,
    as_of: AsOf = None,
    bundle: BundleId = None,
    memory_limit: MemoryLimit = None,
    threads: Threads = None,
    json_: Json = False,
    csv: Csv = False,
) -> None:
    """Suggest audiences, with the evidence: 3 to 5 to start with, main categories and brands, pairs, the long tail, what rises, micro-segments."""
    set_threads(threads)
    form = form_of(json=json_, csv=csv)
    kinds = _asked(kind, goal, form)
    from features.config import load_config
    from features.products import Catalogue
    from serving.audiences import evidence_of, saved_audiences
    from serving.published import enough_room
    from serving.suggestions import Ground
    from whobuys.asking import opened

    with enough_room(shop), progress() as tell:
        model, snapshot = opened(shop, as_of, bundle=bundle, memory_limit=memory_limit, threads=threads, products=False)
        basis = load_config(shop).shop.legal_basis
        evidence = evidence_of(model, snapshot, Catalogue.of(snapshot.shop), saved=saved_audiences(shop), consented=basis)
        ground = Ground(model, evidence, top, goal)
        found: list[tuple[Kind, Suggested, list[Audience]]] = []
        for each in kinds:
            tell(f"looking for {each.name}: {each.says}")
            told = each.ask(ground)
            found.append((each, told, each.audiences(told, ground)))
    _print(found, form, yaml=yaml, goal=goal)


def _asked(kind: str | None, goal: str | None, form: str) -> "list[Kind]":
    """The kinds to ask. Raises UsageError for an unknown kind or goal, and for several tables where one is printed."""
    from features.errors import UsageError, did_you_mean
    from serving.audiences.definitions import GOALS
    from serving.suggestions import KINDS
    from serving.suggestions.potential import POTENTIAL

    if goal is not None and goal not in GOALS:
        raise UsageError(f"--goal: there is no goal {goal!r}{did_you_mean(goal, GOALS)}")
    kind = kind or (POTENTIAL if goal else None)
    if kind is not None and kind not in KINDS:
        raise UsageError(f"there is no kind of suggestion {kind!r}{did_you_mean(kind, KINDS)}")
    if kind is None and form != "table":
        raise UsageError(f"--{form} prints one table; name its kind: {', '.join(KINDS)}")
    return [KINDS[kind]] if kind else list(KINDS.values())


def _print(found: "Sequence[tuple[Kind, Suggested, list[Audience]]]", form: str, *, yaml: bool, goal: str | None) -> None:
    from serving.exports import text_of

    if yaml:
        audiences = {audience.audience: audience for _, _, proposed in found for audience in proposed}
        typer.echo("---\n".join(audience.yaml() for audience in audiences.values()), nl=False)
    for kind, told, proposed in found:
        if not yaml and (len(told.table) or form != "table"):
            typer.echo((f"{kind.name}: {kind.says}\n" if len(found) > 1 else "") + text_of(told.table, form), nl=len(found) > 1)
        for note in told.notes:
            say(f"note: {kind.name}: {note}")
        if goal and told.table.size and not proposed:
            say(f"note: {kind.name}: none of this is for {goal}")
    say(_next(found))


def _next(found: "Sequence[tuple[Kind, Suggested, list[Audience]]]") -> str:
    """What to do with it."""
    from serving.ready_made import as_they_stand, definitions

    names = [made.name for kind, told, proposed in found if proposed for made in definitions().values() if made.filled_in_by == kind.name]
    names += [audience.audience for _, _, proposed in found for audience in proposed if audience.audience in as_they_stand()]
    if names:
        return f"next: whobuys audience build {names[0]}, or add --yaml and put the audiences into audiences.yaml"
    return "next: add --yaml, and put the audiences that it prints into audiences.yaml"
