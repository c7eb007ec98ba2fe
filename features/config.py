"""whobuys.toml -> Config: read, checked and added to, with errors that name file, key and the nearest known key."""

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from features.canonical_map import canonical_names as canonical_names
from features.canonical_map import check_canonical as check_canonical
from features.canonical_map import parse_map as parse_map
from features.errors import DataError, Refused, UsageError, did_you_mean
from features.files import write_text
from features.sections import SECTIONS, ImportSection
from features.sections import Config as Config

CONFIG = "whobuys.toml"


def with_import(config: Config, **options: object) -> Config:
    """The config with options of ``whobuys import`` laid over its ``[import]``. Entries of ``map`` are merged; empty options change nothing."""
    given = {name: value for name, value in options.items() if value}
    mapping = given.get("map")
    if isinstance(mapping, dict):
        given["map"] = {**config.imports.map, **mapping}
    try:
        section = ImportSection.model_validate({**config.imports.model_dump(), **given})
    except ValidationError as error:
        raise UsageError("; ".join(_sentence(("import", *each["loc"]), each) for each in error.errors())) from None
    return config.model_copy(update={"imports": section})


def load_config(shop: Path) -> Config:
    """The shop's whobuys.toml, or the defaults when there is none. Raises DataError naming file, key and the nearest known key."""
    path = shop / CONFIG
    return _config(path, path.read_bytes()) if path.exists() else Config()


def _config(path: Path, content: bytes) -> Config:
    try:
        return Config.model_validate(tomllib.loads(content.decode("utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: this is not valid TOML: {error}") from None
    except ValidationError as error:
        problems = [f"{path}, {_sentence(each['loc'], each)}" for each in error.errors()]
        raise DataError("\n".join(problems)) from None


def _sentence(where: tuple[int | str, ...], error: ErrorDetails) -> str:
    section, keys = str(where[0]), [str(key) for key in where[1:]]
    if error["type"] == "extra_forbidden":
        known = list(SECTIONS[section].model_fields) if keys else list(SECTIONS)
        place = f"[{section}]: {keys[0]!r} is no key" if keys else f"[{section}] is no section"
        return place + did_you_mean(keys[0] if keys else section, known)
    message = error["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return f"[{section}] {'.'.join(keys)}: {message}" if keys else f"[{section}]: {message}"


def check_no_section(shop: Path, name: str) -> None:
    """Raise Refused when a whobuys.toml that can be read states a section already: what somebody wrote there is not overwritten."""
    path = shop / CONFIG
    if path.exists() and name in tomllib.loads(path.read_bytes().decode("utf-8")):
        raise Refused(f"{path}: has a section [{name}] already; take it out, or put there by hand what is printed without --write")


def add_section(shop: Path, name: str, settings: Mapping[str, object]) -> Path:
    """Write a section behind what stands in the shop's whobuys.toml, which stays as it is, whole or not at all; the file comes back.

    Raises Refused when the section is there already, DataError for settings that it does not take.
    """
    check_no_section(shop, name)
    path = (shop / CONFIG).resolve()
    before = path.read_bytes().decode("utf-8") if path.exists() else ""
    gap = "" if not before else "\n" if before.endswith("\n") else "\n\n"
    text = before + gap + section_text(name, settings)
    _config(path, text.encode("utf-8"))
    write_text(path, text)
    return path


def section_text(name: str, settings: Mapping[str, object]) -> str:
    """A section of whobuys.toml.

    >>> print(section_text("model", {"trees": 300, "ridge": 5.0}), end="")
    [model]
    trees = 300
    ridge = 5.0
    """
    return "".join([f"[{name}]\n", *(f"{key} = {_toml(value)}\n" for key, value in settings.items())])


def template() -> str:
    """A whobuys.toml of all defaults, each key with its meaning in the comment above it; a section that is better not stated is a comment."""
    parts = []
    for name, section in SECTIONS.items():
        off = "#" if section.commented else ""
        parts.append(f"{off}[{name}]  # {(section.__doc__ or '').strip()}")
        for key, field in section.model_fields.items():
            comment = "\n".join(f"# {line}" for line in (field.description or "").splitlines())
            parts.append(f"{comment}\n{off}{key} = {_toml(field.default)}")
        parts.append("")
    return "\n".join(parts)


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {_toml(each)}" for key, each in value.items()) + " }" if value else "{}"
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)
