"""Whatever is written as an audience is taken, or refused in plain words: any text, broken examples of the docs, hostile words in sound places."""

import copy
import json
import re
from collections.abc import Iterator
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.conditions import CONDITIONS, Evidence
from features.conditions.values import Bounds
from features.errors import WhobuysError
from features.products import Catalogue
from serving.audiences import Audience, build, evidence_of, parse_audience, parse_audiences
from serving.audiences.definitions import AUDIENCES, saved_audiences
from serving.audiences.reading import DEEPEST
from serving.published import open_as_of

FEW, MANY = 60, 3_200
"""Cases of each property in the suite, and in a long run: three of them here, and one of command lines, make 10,000."""
LONGEST = 5_000
"""A refusal that nobody can read is none."""
INNARDS = re.compile(r"Traceback|object at |\b0x[0-9a-f]{6,}|<class |<function |<built-in|[pP]ydantic|input_value|File \"")
CODE = ("' or 1=1", "'; drop table orders; --", "=cmd()", '=HYPERLINK("http://x.example")', "../../etc/passwd", "%s%n", "{}", "${HOME}", "{{7*7}}")
LETTERS = ("🙂", "👨‍👩‍👧‍👦" * 20, "שלום", "\u202egnp.exe", "\0", "a\0b", "\ud800", "\x1b[31mred", "ß", "İ")
HOSTILE = (*CODE, *LETTERS, "NaN", ".inf", "1e999", "", " ", "\n", "*", "(" * 200, "9" * 5000, "x" * 20_000)
NUMBERS = (0, -1, 1, 3, 10**30, 10**400, 0.0, -0.0, 1.5, 1e308, float("inf"), float("-inf"), float("nan"), True)
SPANS = ("30 days", "12 months", "2 weeks", "99999 days", "99999 months", "99999 weeks", "99999 years", "0 days", "1.5 days", "٣ days", "-1 days")
TOPS = (5, "10%", "100%", "0%", "0", 10**30, "1e3", "٣", "100.0001%", "0.0000001%", -3, "9" * 5000)
PRODUCTS = ({"category": "Tents"}, {"brand": "Nordvind"}, {"keyword": "tent"}, {"price": {"at_least": 100}})

hostile = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=12), st.sampled_from(NUMBERS), st.none(), st.booleans())
anything = st.recursive(
    hostile | st.integers() | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from((*HOSTILE[:8], "who", "bought", "any", "not")), inner, max_size=3),
    max_leaves=5,
)


@pytest.fixture(scope="module")
def evidence(trained_shop: Path) -> Evidence:
    bundle, snapshot = open_as_of(trained_shop, None, bundle=None, memory_limit=None, threads=1)
    saved = parse_audiences("audience: other\nwho:\n  - orders: {at_least: 1}\n", source="x")
    return evidence_of(bundle, snapshot, Catalogue.of(snapshot.shop), saved=saved)


def check_refusal(error: WhobuysError) -> None:
    text = str(error)
    assert text.strip() and not INNARDS.search(text), text
    assert len(text) < LONGEST, f"{len(text):,} characters: {text[:300]}"


def ask_text(text: str, evidence: Evidence) -> list[Audience]:
    """Parse, and build what parses; anything but a clear refusal goes through."""
    try:
        found = list(parse_audiences(text, source="x").values())
    except WhobuysError as error:
        check_refusal(error)
        return []
    for each in found:
        ask(each, evidence)
    return found


def ask(audience: Audience, evidence: Evidence) -> None:
    try:
        found = build(audience, evidence)
    except WhobuysError as error:
        check_refusal(error)
        return
    assert found.frame["probability"].dropna().between(0, 1).all()
    assert parse_audience(json.loads(json.dumps(audience.words())), source="x") == audience


def ask_words(words: object, evidence: Evidence) -> bool:
    """The same for plain values, as a form or an API brings them. Whether it was understood."""
    try:
        audience = parse_audience(words, source="x")
    except WhobuysError as error:
        check_refusal(error)
        return False
    ask(audience, evidence)
    return True


def documents() -> list[dict[str, Any]]:
    """The audiences of the docs."""
    page = (Path(__file__).resolve().parent.parent / "docs" / "audiences.md").read_text(encoding="utf-8")
    texts = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    return [document for text in texts for document in yaml.safe_load_all(text) if "who" in document]


def places(value: object, so_far: tuple[object, ...] = ()) -> Iterator[tuple[object, ...]]:
    """The way to every value inside a value."""
    yield so_far
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(inner, (*so_far, key))


def changed(draw: st.DrawFn, words: Any) -> Any:  # noqa: ANN401 - as YAML has it
    """A value is replaced, wrapped, doubled or taken away, or a key renamed."""
    way = draw(st.sampled_from(list(places(words))[1:] or [()]))
    if not way:
        return draw(anything)
    inside = words
    for key in way[:-1]:
        inside = inside[key]
    key, kind = way[-1], draw(st.sampled_from(("replace", "replace", "wrap", "double", "drop", "rename")))
    if kind == "drop":
        del inside[key]
    elif kind == "rename" and isinstance(inside, dict):
        inside[draw(st.sampled_from((*HOSTILE[:8], *CONDITIONS, 7, True)))] = inside.pop(key)
    elif kind == "wrap":
        inside[key] = draw(st.sampled_from(([inside[key]], {"not": inside[key]}, {"any": [inside[key]]}, [[inside[key]]])))
    elif kind == "double":
        inside[key] = [copy.deepcopy(inside[key])] * draw(st.sampled_from((2, 50)))
    else:
        inside[key] = draw(anything)
    return words


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """YAML of an audience of the docs with something wrong in its values, and perhaps in its letters."""
    words = copy.deepcopy(draw(st.sampled_from(documents())))
    for _ in range(draw(st.integers(1, 3))):
        words = changed(draw, words)
    text = str(yaml.safe_dump(words, sort_keys=False, allow_unicode=draw(st.booleans())))
    lines = text.splitlines()
    if draw(st.booleans()) and lines:
        place = draw(st.integers(0, len(lines) - 1))
        added = (lines[place], "\t" + lines[place], "&a x: *a", "<<: {who: []}", "---", "...", "? [a]: b", "%TAG ! x", "!!python/name:os.system x")
        lines.insert(place, draw(st.sampled_from(added)))
    return "\n".join(lines) + "\n"


SIGNS = (
    "- ",
    "{",
    "}",
    "[",
    "]",
    "? ",
    ": ",
    "&a ",
    "*a",
    "!!int ",
    "|\n",
    ">\n",
    "\n",
    "---\n",
    "# ",
    "'",
    '"',
    "\t",
    "\r",
    "\x85",
    "\ufeff",
    ", ",
    "1",
)
YAMLISH = st.lists(st.sampled_from(("audience: x\n", "who:\n", "  - ", "bought: ", "any: ", "orders: ", *SIGNS)), max_size=25).map("".join)
TEXT = st.one_of(st.text(max_size=200), YAMLISH, st.tuples(YAMLISH, st.text(max_size=20), YAMLISH).map("".join))
"""Without lone surrogates, which no UTF-8 file can hold."""


def cases(count: int) -> settings:
    """So many cases; building an audience is slow beside what hypothesis is used to."""
    return settings(max_examples=count, deadline=None, database=None, suppress_health_check=list(HealthCheck))


WORDS = st.sampled_from((*HOSTILE, "Tents", "Nordvind", "tent", "P000001", "DK", "online", "signed_up", "vip", "lost", "champions", "other"))
LIMITS = st.sampled_from((*NUMBERS, "10%", "150%", "ten"))
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(("within", "longer_ago"), st.sampled_from((*SPANS, "30 days", "90 days"))),
    **dict.fromkeys(Bounds.model_fields, LIMITS),
    "top": st.sampled_from(TOPS),
    "likelihood": st.sampled_from(("low", "medium", "high", "very high", "highest")),
    **dict.fromkeys(("anything", "as_gift"), st.sampled_from((True, "true", 1))),
    **dict.fromkeys(("recency", "frequency", "monetary"), st.sampled_from((1, 5, 6, [4, 5], [], "5", 10**30))),
    "quarter": st.sampled_from(("Q1", "q4", "Q5", ["Q1", "Q2"])),
    "months": st.sampled_from(("jan", ["nov", "dec"], "smarch")),
    "without": st.sampled_from(("order", "orders")),
}
"""What each option of a condition is asked with; any other with a word or several."""


SOUND: dict[str, Any] = {
    "reachable_by": "email",
    "attribute": {"country": "DK"},
    "did": {"event": "opened_email"},
    "is_gift_buyer": True,
    "in_audience": "other",
    "rfm": {"recency": [4, 5]},
    "bought": {"category": "Tents"},
    "interested_in": {"category": "Tents", "top": "10%"},
    "share_bought": {"category": "Tents", "at_least": "10%"},
    **{key: {"within": "3 months"} for key in ("first_order", "last_order", "next_order")},
}
"""What a condition may well ask; measures are asked for the highest, and stages and groups by one of their names."""


def sound(key: str) -> object:
    names = getattr(CONDITIONS[key], "names", ())
    return SOUND.get(key, names[0] if names else {"top": 5})


@st.composite
def conditions(draw: st.DrawFn, depth: int = 2) -> dict[str, Any]:
    """A condition: sound, or with some of its own options and something that they may take, or nearly."""
    key = draw(st.sampled_from([each for each in CONDITIONS if depth or each not in ("not", "any", "all")]))
    if key == "not":
        return {key: draw(conditions(depth=depth - 1))}
    if key in ("any", "all"):
        return {key: draw(st.lists(conditions(depth=depth - 1), min_size=1, max_size=2))}
    asked, way = copy.deepcopy(sound(key)), draw(st.sampled_from(("sound", "sound", "more", "other")))
    fields = CONDITIONS[key].model_fields  # type: ignore[attr-defined]  # every condition is a model of pydantic
    if way == "other":
        return {
            key: draw(st.one_of(WORDS, st.lists(WORDS, max_size=3), st.dictionaries(st.sampled_from(("country", "age", "email")), WORDS | LIMITS)))
        }
    if way == "more" and isinstance(asked, dict):
        for name in draw(st.lists(st.sampled_from([each for each in fields if each != "root"] or ["country", "age"]), max_size=2)):
            asked[name] = draw(FIELDS.get(name, WORDS | st.lists(WORDS, max_size=3)))
        if "category" in fields and draw(st.booleans()):
            asked |= draw(st.sampled_from((*PRODUCTS, {"tags": "eco"}, {"in_stock": True}, {"' or 1=1": "x"}, {"price": {"at_least": float("nan")}})))
    return {key: asked}


@st.composite
def built(draw: st.DrawFn) -> dict[str, Any]:
    """An audience of such conditions."""
    words: dict[str, Any] = {
        "audience": draw(st.sampled_from(("x", "x-1", "y", "X", "a" * 101))),
        "who": draw(st.lists(conditions(), min_size=1, max_size=2)),
    }
    by = conditions(depth=0) | st.sampled_from(list(CONDITIONS))
    more = {
        **{key: WORDS | st.lists(WORDS, max_size=3) for key in ("name", "include", "exclude", "goal")},
        **dict.fromkeys(("channel", "offer", "variants", "out_of_stock"), anything),
        "except": st.lists(conditions(), max_size=2),
        "choose": st.fixed_dictionaries({"by": by}, optional={"top": st.sampled_from(TOPS)}),
        "minimum_size": st.sampled_from(NUMBERS),
        "control_group": st.sampled_from((0.1, "10%", "100%", 0, 1e-300)),
    }
    for key in draw(st.lists(st.sampled_from(list(more)), max_size=2, unique=True)):
        words[key] = draw(more[key])
    return words


DRAWN = {"any text": TEXT, "broken examples": mutated(), "hostile words in sound places": built(), "any values": anything}


def fuzz(drawn: st.SearchStrategy[Any], evidence: Evidence, count: int) -> None:
    @cases(count)
    @given(drawn)
    def each(words: object) -> None:
        if isinstance(words, str):
            ask_text(words, evidence)
        else:
            ask_words(words, evidence)

    each()


@pytest.mark.parametrize("kind", DRAWN)
def test_what_is_drawn_is_understood_or_refused(evidence: Evidence, kind: str) -> None:
    fuzz(DRAWN[kind], evidence, FEW)


@pytest.mark.proof
@pytest.mark.parametrize("kind", list(DRAWN)[:3])
def test_what_is_drawn_at_length_is_understood_or_refused(evidence: Evidence, kind: str) -> None:
    fuzz(DRAWN[kind], evidence, MANY)


def test_most_of_what_is_drawn_is_understood_now_and_then(evidence: Evidence) -> None:
    understood: list[bool] = []

    @cases(150)
    @given(built())
    def count(words: dict[str, Any]) -> None:
        try:
            parse_audience(words, source="x")
            understood.append(True)
        except WhobuysError:
            understood.append(False)

    count()
    assert 10 < sum(understood) < len(understood) - 10


@pytest.mark.parametrize("word", (*CODE[:3], *LETTERS, "", "x" * 20_000))
@pytest.mark.parametrize(
    "place",
    [
        {"who": [{"bought": {"category": "WORD"}}]},
        {"who": [{"interested_in": {"keyword": "WORD", "top": 5}}]},
        {"who": [{"bought": {"WORD": "x"}}, {"attribute": {"WORD": "x"}}]},
        {"who": [{"attribute": {"country": "WORD"}}]},
        {"who": [{"did": {"event": "WORD"}}]},
        {"who": [{"in_audience": "WORD"}]},
        {"who": [{"orders": {"at_least": 1}}], "include": "WORD"},
        {"who": [{"orders": {"at_least": 1}}], "name": "WORD"},
    ],
)
def test_hostile_words_in_every_place(evidence: Evidence, place: dict[str, Any], word: str) -> None:
    ask_words({"audience": "x", **json.loads(json.dumps(place).replace('"WORD"', json.dumps(word)))}, evidence)


def nested(depth: int) -> str:
    return "audience: x\nwho:\n  - " + "{not: " * depth + "{orders: {at_least: 1}}" + "}" * depth + "\n"


@pytest.mark.parametrize("depth, understood", [(3, True), (DEEPEST - 5, True), (DEEPEST, False), (1_000, False), (100_000, False)])
def test_conditions_a_thousand_deep(evidence: Evidence, depth: int, understood: bool) -> None:
    assert bool(ask_text(nested(depth), evidence)) is understood


def test_plain_values_a_thousand_deep(evidence: Evidence) -> None:
    start: dict[str, object] = {"orders": {"at_least": 1}}
    words = reduce(lambda inside, _: {"not": inside}, range(1_000), start)
    assert not ask_words({"audience": "x", "who": [words]}, evidence)


@pytest.mark.parametrize("place", ["include", "exclude"])
def test_a_hundred_thousand_ids(evidence: Evidence, place: str) -> None:
    ids = [str(each) for each in evidence.customer_ids]
    words = {"audience": "x", "who": [{"orders": {"at_least": 1}}], place: (ids * (100_000 // len(ids) + 1))[:100_000]}
    assert ask_words(words, evidence)
    assert len(build(parse_audience(words, source="x"), evidence)) == (len(ids) if place == "include" else 0)
    ask_words({**words, place: [f"nobody {number}" for number in range(100_000)]}, evidence)
    ask_words({**words, place: [{"id": number} for number in range(100_000)]}, evidence)


@pytest.mark.parametrize("count", [10_000, pytest.param(100_000, marks=pytest.mark.proof)])
def test_a_file_of_many_ids(evidence: Evidence, count: int) -> None:
    ids = "audience: x\nwho:\n  - orders: {at_least: 1}\ninclude: [" + ", ".join(str(number) for number in range(count)) + "]\n"
    assert len(ids) < 1_000_000 and len(ask_text(ids, evidence)) == 1


def test_a_file_of_a_megabyte(tmp_path: Path) -> None:
    keys = "audience: x\nwho:\n" + "".join(f"  {number}: 1\n" for number in range(30_000))
    for text in ("a" * 1_000_001, "- " * 499_000, "[" * 999_000, "x: " + "🙂" * 240_000, "'" * 999_999, keys):
        (tmp_path / AUDIENCES).write_text(text, encoding="utf-8")
        with pytest.raises(WhobuysError) as error:
            saved_audiences(tmp_path)
        check_refusal(error.value)
