"""YAML text becomes plain values, safely: only true and false are booleans, nothing can run, repeat itself or grow beyond measure."""

import re
from pathlib import Path

import yaml
from yaml.nodes import MappingNode

from features.errors import DataError, no_file

MOST_BYTES = 1_000_000
DEEPEST = 30
LONGEST = 1_000
"""Letters of a word; nothing that a shop names is longer."""


class _Loader(yaml.SafeLoader):
    """Words stay words: NO is Norway, 007 is an id, 2026-07-01 is text."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 - as PyYAML has it

    def construct_mapping(self, node: MappingNode, deep: bool = False) -> dict[object, object]:  # noqa: FBT001, FBT002 - as PyYAML has it
        known: set[str] = set()
        for key, _ in node.value:
            if str(key.value) in known:
                raise yaml.MarkedYAMLError(problem=f"the key {key.value!r} stands here twice", problem_mark=key.start_mark)
            known.add(str(key.value))
        return super().construct_mapping(node, deep=deep)


for _tag, _pattern, _first in (
    ("bool", r"true|false", "tf"),
    ("int", r"-?(0|[1-9][0-9]{0,17})", "-0123456789"),  # what has more digits is an id
    ("float", r"-?(0|[1-9][0-9]*)\.[0-9]+", "-0123456789"),
    ("null", r"null|~|", ["n", "~", ""]),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), list(_first))


def read_text(path: Path) -> str:
    """The text of a file. Raises DataError when it is missing, too large or not UTF-8."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise DataError(f"{path}: is larger than {MOST_BYTES:,} bytes")
        return path.read_text(encoding="utf-8")
    except (FileNotFoundError, IsADirectoryError):
        raise no_file(path) from None
    except UnicodeDecodeError:
        raise DataError(f"{path}: is not UTF-8 text") from None


def parse_documents(text: str, *, source: str) -> list[object]:
    """The documents of a YAML text, in order, without empty ones. Raises DataError with source and line for anything that is not plain.

    >>> parse_documents("country: NO", source="example")
    [{'country': 'NO'}]
    """
    if len(text.encode()) > MOST_BYTES:
        raise DataError(f"{source}: is larger than {MOST_BYTES:,} bytes")
    try:
        _check_plain(text, source)
        return [document for document in yaml.load_all(text, Loader=_Loader) if document is not None]
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise DataError(f"{source}{line}: this is not valid YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise DataError(f"{source}: this is not valid YAML: {str(error).splitlines()[0]}") from None


def _check_plain(text: str, source: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        line = event.start_mark.line + 1 if event.start_mark else 0
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise DataError(f"{source}, line {line}: anchors (&) and aliases (*) are not taken; write it out, or in quotes when it is a word")
        if getattr(event, "tag", None):
            raise DataError(f"{source}, line {line}: tags (!) are not taken; write the word in quotes when it begins with !")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise DataError(f"{source}, line {line}: conditions are nested more than {DEEPEST} deep")


def check_values(value: object, *, source: str) -> None:
    """Raise DataError for plain values that no file could hold: nested too deep, words that are no text, or endless ones."""
    level = [value]
    for _ in range(DEEPEST + 1):
        for each in level:
            if isinstance(each, str):
                _check_word(each, source)
        level = [inner for each in level for inner in _inside(each)]
        if not level:
            return
    raise DataError(f"{source}: conditions are nested more than {DEEPEST} deep")


def _inside(value: object) -> list[object]:
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    return list(value) if isinstance(value, list | tuple) else []


def _check_word(word: str, source: str) -> None:
    if len(word) > LONGEST:
        raise DataError(f"{source}: a word has {LONGEST:,} letters at most, got {len(word):,}: {word[:40]!r}...")
    if any("\ud800" <= letter <= "\udfff" for letter in word):
        raise DataError(f"{source}: {word[:40]!r} holds what is no letter (half of a pair of UTF-16)")
