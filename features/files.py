"""Files that are whole or not there: atomic writes, hashes, one lock a shop, and ``current.json``."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO, TypedDict, cast

from filelock import FileLock, Timeout

from features.errors import DataError, Refused

CURRENT = "current.json"
MANIFEST = "manifest.json"


class Current(TypedDict, total=False):
    """What ``current.json`` names: folders relative to the shop."""

    tables: str
    bundle: str
    scores: str


def sha256(path: Path) -> str:
    """The hex digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; when the block ends well it replaces ``path`` in one step, otherwise it is removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield temporary
        _sync(temporary)
        os.replace(temporary, path)
        _sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder beside ``path``; when the block ends well it becomes ``path`` (an older one is replaced), otherwise it is removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent))
    temporary.chmod(0o755)
    try:
        yield temporary
        for file in temporary.rglob("*"):
            if file.is_file():
                _sync(file)
        if path.exists():
            old = path.with_name(f".{path.name}.{os.getpid()}.old")
            os.replace(path, old)
            os.replace(temporary, path)
            shutil.rmtree(old, ignore_errors=True)
        else:
            os.replace(temporary, path)
        _sync(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write a whole text file (UTF-8), or leave the old one."""
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextmanager
def private_file(path: Path) -> Iterator[TextIO]:
    """Yield a text file (UTF-8, no translation of line ends) that only its owner can read; it replaces ``path`` whole when the block ends well."""
    with whole_file(path) as temporary:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            yield file


def write_json(path: Path, content: Mapping[str, object]) -> None:
    """Write a mapping as JSON with sorted keys, whole or not at all."""
    write_text(path, json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


def read_json(path: Path) -> dict[str, object]:
    """Read a JSON object. Raises DataError when the file is missing or is no JSON object."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: this is not valid JSON ({error})") from None
    if not isinstance(content, dict):
        raise DataError(f"{path}: must hold a JSON object, got {type(content).__name__}")
    return content


def read_current(shop: Path) -> Current:
    """What is in use in a shop folder; empty when nothing was imported yet."""
    path = shop / CURRENT
    return cast(Current, read_json(path)) if path.exists() else Current()


def publish(shop: Path, **parts: str) -> None:
    """Replace the named parts of ``current.json`` in one step; readers see the old state or the new one, never a mixture."""
    write_json(shop / CURRENT, {**read_current(shop), **parts})


def seal(folder: Path, **facts: object) -> None:
    """Write ``manifest.json``: the facts, and size and sha256 of every other file in the folder and below it."""
    files = {
        str(path.relative_to(folder)): {"sha256": sha256(path), "bytes": path.stat().st_size}
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path != folder / MANIFEST
    }
    write_json(folder / MANIFEST, {**facts, "files": files})


def check_seal(folder: Path) -> dict[str, object]:
    """The manifest of a sealed folder, after every file in it was compared. Raises DataError naming the first file that is missing or changed."""
    manifest = read_json(folder / MANIFEST)
    files = manifest.get("files")
    if not isinstance(files, dict):
        raise DataError(f"{folder / MANIFEST}: names no files; restore the folder or make it anew")
    for name, facts in files.items():
        path = folder / name
        if not path.is_file():
            raise DataError(f"{path}: is named in the manifest but missing; restore the folder or make it anew")
        if sha256(path) != facts["sha256"]:
            raise DataError(f"{path}: its sha256 does not fit the manifest, so it was changed or damaged; restore it or make the folder anew")
    return manifest


@contextmanager
def locked(shop: Path, *, wait_seconds: float = 0) -> Iterator[None]:
    """Hold the shop's one lock for writing. Raises Refused when another run holds it after ``wait_seconds``."""
    shop.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(shop / ".lock", timeout=wait_seconds):
            yield
    except Timeout:
        raise Refused(f"{shop}: another whobuys run is writing to this shop; wait until it has ended and run this again") from None


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
