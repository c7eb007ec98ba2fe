"""Whatever stands in a command line or in the files that it names, a verb answers, or refuses in plain words with an exit code of its own."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from whobuys.cli import app

FEW, MANY = 15, 400
"""Command lines in the suite, and in a long run."""
INNARDS = re.compile(r"Traceback|object at |\b0x[0-9a-f]{6,}|<class |<function |<built-in|[pP]ydantic|input_value|File \"")
WORDS = (
    "' or 1=1",
    "'; drop table orders; --",
    "=cmd()",
    "🙂",
    "שלום עולם",
    "\u202egnp.exe",
    "\0",
    "a\0b",
    "\x1b[31mred",
    "../../etc/passwd",
    "/",
    ".",
    "",
    " ",
    "--",
    "-x",
    "*",
    "%s%n",
    "(" * 50,
    "x" * 1_000,
    "nan",
    "inf",
    "1e999",
    "-1",
    "99999999999999999999",
    "0001-01-01",
    "9999-12-31",
    "2024-02-30",
    "٢٠٢٦-٠١-٠١",  # noqa: RUF001 - digits, but not ours
    "order_id=",
    "=x",
    "order_id=a",
    "a=b=c",
    "orders.csv",
    "price>=nan",
    "price<=1e999",
    "price>=0",
    "title>=1",
    "in_stock>=1",
    "created_at>=1",
)
NAMING = ("--category", "--brand", "--product", "--attribute", "--ids-file", "--sets-file", "--as-of", "--bundle", "--memory-limit", "--top", "-o")
VERBS: dict[tuple[str, ...], tuple[str, ...]] = {
    ("who",): NAMING,
    ("replenishment",): ("--category", "--brand", "--product", "--within", "--top", "--as-of"),
    ("score", "--bundle", "none"): ("--sets", "--as-of", "--memory-limit"),
    ("import",): ("--map", "--date-format", "--decimal", "--encoding", "--delimiter", "--format", "--cancelled-prefix"),
    ("audience", "list"): ("--shop",),
    ("audience", "show"): (),
    ("audience", "build"): ("--bought", "--not-bought", "--top", "--as-of", "--bundle", "-o"),
    ("audience", "preview"): ("--by", "--as-of", "--bundle"),
    ("audience", "check"): ("--bundle", "--memory-limit"),
    ("audience", "export"): ("--to", "--channel", "--default-country", "-o"),
    ("audience", "suggest"): ("--top", "--as-of"),
    ("audience", "schema"): (),
    ("model", "show"): (),
    ("model", "compare"): (),
    ("model", "promote"): (),
}
"""The verbs with the options that take a word. Nothing that takes long is asked: score is asked for a bundle that is not there."""


def run(*words: str | Path, shop: Path) -> int:
    """Run a command line; anything but an answer or a clear refusal fails. Returns the exit code."""
    told = CliRunner().invoke(app, [*map(str, words), "--shop", str(shop)], env={"WHOBUYS_TODAY": "2026-07-01"})
    assert told.exception is None or isinstance(told.exception, SystemExit), f"{words}: {told.exception!r}"
    assert told.exit_code in (0, 1, 2, 3, 4), f"{words}: {told.exit_code}"
    assert not INNARDS.search(told.output), f"{words}: {told.output}"
    assert told.exit_code == 0 or told.stderr.strip(), f"{words}: exit code {told.exit_code} without a word"
    return told.exit_code


@st.composite
def lines(draw: st.DrawFn) -> list[str]:
    """A verb, hostile words and options with hostile values."""
    verb, options = draw(st.sampled_from(list(VERBS.items())))
    words = st.sampled_from(WORDS) | st.text(max_size=8)
    line = [*verb, *draw(st.lists(words, max_size=2))]
    for option in draw(st.lists(st.sampled_from(options), max_size=2)) if options else ():
        line += [option, draw(words)]
    return line + draw(st.sampled_from(([], [], ["--json"], ["--csv", "--json"], ["--debug", "--nonsense"])))


def cases(count: int) -> settings:
    return settings(max_examples=count, deadline=None, database=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def elsewhere(trained_shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the trained shop, in a folder that may be written to, with an audience."""
    import shutil

    shop = tmp_path_factory.mktemp("fuzz") / "shop"
    shutil.copytree(trained_shop, shop)
    (shop / "audiences.yaml").write_text("audience: x\nwho:\n  - orders: {at_least: 1}\n", encoding="utf-8")
    (shop.parent / "orders.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    return shop


def ask(line: Sequence[str], shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run it where relative paths lead into the copy's folder; words of several letters with a slash stay out of the machine."""
    monkeypatch.chdir(shop.parent)
    run(*line, shop=shop)


@cases(FEW)
@given(line=lines())
def test_hostile_command_lines(elsewhere: Path, monkeypatch: pytest.MonkeyPatch, line: list[str]) -> None:
    ask(line, elsewhere, monkeypatch)


@pytest.mark.proof
@cases(MANY)
@given(line=lines())
def test_hostile_command_lines_at_length(elsewhere: Path, monkeypatch: pytest.MonkeyPatch, line: list[str]) -> None:
    ask(line, elsewhere, monkeypatch)


FILES = {
    "a NUL": b"P000001\0\nP000002\n",
    "all bytes": bytes(range(256)) * 10,
    "an open quote": b'product_set,product_id\n"a,P000001\n',
    "a head without its cells": b"product_set,product_id\na\n",
    "too many cells": b"product_set,product_id\na,P000001,z,z\n",
    "empty cells": b"product_set,product_id\n,\n",
    "a head twice": b"product_set,product_set,product_id\na,b,P000001\n",
    "nothing": b"",
    "a mark of the byte order alone": b"\xef\xbb\xbf",
    "a mega of one letter": b"x" * 1_000_000,
    "right-to-left text": "\u202eP000001\nשלום\n".encode(),  # noqa: RUF001 - a greeting
    "UTF-16": "product_set,product_id\na,P000001\n".encode("utf-16"),
    "a NUL in a cell": b"product_set,product_id\na\0,P000001\n",
    "formulas and faces": "product_set,product_id\n=cmd(),P000001\n🙂,P000002\n' or 1=1,P000003\n".encode(),
    "names of sets": b"category: Tents\nbrand: ' or 1=1\n",
    "a colon": b": \n",
    "an unknown kind": b"nope: x\n",
    "a hundred thousand ids": "\n".join(f"P{number:06}" for number in range(100_000)).encode(),
    "one id a hundred thousand times": b"P000001\n" * 100_000,
}


@pytest.mark.parametrize("content", FILES.values(), ids=FILES)
def test_hostile_files(elsewhere: Path, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes(content)
    for words in (("who", "--ids-file", path), ("who", "--sets-file", path), ("import", path, "--map", "order_id=a")):
        run(*words, shop=elsewhere)


@pytest.mark.parametrize("content", FILES.values(), ids=FILES)
def test_hostile_definitions(trained_shop: Path, tmp_path: Path, content: bytes) -> None:
    """They are refused before the shop is opened, so a folder with nothing else in it will do."""
    (tmp_path / "audiences.yaml").write_bytes(content)
    for verb in ("list", "show", "preview", "check"):
        run("audience", verb, *(["x"] if verb != "list" else []), shop=tmp_path)


def test_a_hundred_thousand_ids_are_answered(elsewhere: Path, tmp_path: Path) -> None:
    path = tmp_path / "ids.txt"
    path.write_bytes(FILES["a hundred thousand ids"])
    assert run("who", "--ids-file", path, "--top", "3", shop=elsewhere) == 0


@pytest.mark.parametrize("word", WORDS)
def test_what_is_asked_for_by_name_is_answered_or_refused(elsewhere: Path, word: str) -> None:
    assert run("who", "--brand", word, shop=elsewhere) in (0, 1, 2)
    assert run("audience", "show", word, shop=elsewhere) in (1, 2)
    assert run("import", "orders.csv", "--map", word, shop=elsewhere) in (1, 2)
