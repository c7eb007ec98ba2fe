"""Files that are whole or not there: atomic writes, hashes, one lock a shop, ``current.json`` and what was published before it."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO, TypedDict, cast

from filelock import FileLock, Timeout

from features.errors import DataError, Refused

CURRENT = "current.json"
PUBLISHED = "published.json"
MANIFEST = "manifest.json"
RESULT = "run_result.json"
"""What the last weekly run came to."""
BUNDLES, SCORES = "bundles", "scores"
REMEMBERED = 20
"""Publications of a bundle that are remembered."""


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
        with _named_in_errors(path):
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
        with _named_in_errors(path):
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


@contextmanager
def _named_in_errors(path: Path) -> Iterator[None]:
    """The system tells a full disk without the path, when a file that is open already cannot be written further."""
    try:
        yield
    except OSError as error:
        if error.errno and error.filename is None:
            error.filename = str(path)
        raise


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
    """What is in use in a shop folder; empty when nothing was imported yet. Raises DataError when the folder is a file."""
    refuse_file(shop)
    path = shop / CURRENT
    return cast(Current, read_json(path)) if path.exists() else Current()


def publish(shop: Path, **parts: str) -> None:
    """Replace the named parts of ``current.json`` in one step; readers see the old state or the new one, never a mixture.

    A bundle that is replaced is remembered with its scores: before, so that a kill cannot lose it. What a kill leaves out afterwards
    ``publications`` adds.
    """
    _remember(shop, publications(shop))
    write_json(shop / CURRENT, {**read_current(shop), **parts})
    _remember(shop, publications(shop))


@dataclass(frozen=True)
class Publication:
    """A bundle that was put in use, when (ISO 8601, UTC), and the scores that were last in use with it: folders relative to the shop."""

    bundle: str
    scores: str | None
    when: str


def publications(shop: Path) -> list[Publication]:
    """The bundles that were in use one after the other, the present one last; empty before the first training.

    ``current.json`` is the truth: where ``published.json`` does not end with what it names, that is added. Raises DataError when one is damaged.
    """
    current, path = read_current(shop), shop / PUBLISHED
    if "bundle" not in current:
        return []
    content = read_json(path) if path.exists() else {"publications": []}
    try:
        entries = cast(list[dict[str, str]], content["publications"])
        found = [Publication(each["bundle"], each.get("scores"), each["when"]) for each in entries]
    except (KeyError, TypeError, AttributeError):
        raise DataError(f"{path}: is not as whobuys writes it; delete it, and only what was in use before is forgotten") from None
    if found and found[-1].bundle == current["bundle"]:
        return [*found[:-1], replace(found[-1], scores=current.get("scores"))]
    return [*found, Publication(current["bundle"], current.get("scores"), written_at(shop / CURRENT).isoformat())]


def publish_former(shop: Path, former: Publication) -> None:
    """Publish the last publication but one and forget the last, so that doing it again goes further back.

    Where ``former`` names no scores, those in use stay. ``current.json`` is replaced at the end: a kill before it leaves everything as it was.
    """
    _remember(shop, publications(shop)[:-1])
    scores = {"scores": former.scores} if former.scores else {}
    write_json(shop / CURRENT, {**read_current(shop), "bundle": former.bundle, **scores})


def _remember(shop: Path, found: Sequence[Publication]) -> None:
    content = {"publications": [{name: value for name, value in asdict(each).items() if value} for each in found[-REMEMBERED:]]}
    path = shop / PUBLISHED
    if found and not (path.exists() and read_json(path) == content):
        write_json(path, content)


def written_at(path: Path) -> datetime:
    """When a file was written, to the second, in UTC."""
    return datetime.fromtimestamp(int(path.stat().st_mtime), UTC)


def remove_whole(folders: Iterable[Path]) -> None:
    """Remove folders, each renamed first: a kill leaves none of them half removed, and what it leaves ``remove_left_behind`` takes away."""
    for path in folders:
        renamed = path.rename(path.with_name(f".{path.name}.part"))
        shutil.rmtree(renamed, ignore_errors=True)


def remove_left_behind(folder: Path) -> None:
    """Remove what runs that were broken off left beside the folders in it; only for who holds the shop's lock."""
    for path in folder.glob(".*.part"):
        shutil.rmtree(path, ignore_errors=True)


def manifests(folder: Path) -> dict[Path, dict[str, object]]:
    """What the manifests of the sealed folders in a folder say, the newest first; their files are not compared, a damaged manifest is left out."""
    found = {}
    for path in folder.glob("[!.]*"):
        with suppress(DataError):
            found[path] = read_json(path / MANIFEST)
    return dict(sorted(found.items(), key=lambda each: ((each[0] / MANIFEST).stat().st_mtime_ns, each[0].name), reverse=True))


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
    for name in files:
        check_file(folder, name, manifest)
    return manifest


def check_file(folder: Path, name: str, manifest: Mapping[str, object]) -> Path:
    """The path of one file of a sealed folder, after it was compared. Raises DataError when it is missing or changed."""
    path, files = folder / name, manifest["files"]
    assert isinstance(files, dict)
    if not path.is_file():
        raise DataError(f"{path}: is named in the manifest but missing; restore the folder or make it anew")
    if sha256(path) != files[name]["sha256"]:
        raise DataError(f"{path}: its sha256 does not fit the manifest, so it was changed or damaged; restore it or make the folder anew")
    return path


def check_files(folder: Path, name: str, manifest: Mapping[str, object]) -> Path:
    """The same of a file, or of a folder and all files in it."""
    files = manifest["files"]
    assert isinstance(files, dict)
    for each in [each for each in files if each.startswith(f"{name}/")] or [name]:
        check_file(folder, each, manifest)
    return folder / name


def refuse_file(shop: Path) -> None:
    """Raise DataError when what should be a shop's folder is a file."""
    if shop.is_file():
        raise DataError(f"{shop}: this is a file; a shop is a folder, name it with --shop FOLDER")


@contextmanager
def locked(shop: Path, *, wait_seconds: float = 0, name: str = ".lock") -> Iterator[None]:
    """Hold the shop's one lock for writing; when the block fails, folders that were made for the lock and are empty are gone again.

    Another ``name`` is a lock for a whole run, which takes that for writing in each of its steps.

    Raises Refused when another run holds it after ``wait_seconds``, and DataError when the shop is a file.
    """
    refuse_file(shop)
    lock = shop / name
    new = [path for path in (lock, shop, *shop.parents) if not path.exists()]
    shop.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(lock, timeout=wait_seconds), _removed_on_failure(new):
            yield
    except Timeout:
        raise Refused(f"{shop}: another whobuys run is writing to this shop; wait until it has ended and run this again") from None


@contextmanager
def _removed_on_failure(new: Sequence[Path]) -> Iterator[None]:
    """A lock file can go while it is held: whoever waits for it notices that it is gone and makes another."""
    try:
        yield
    except BaseException:
        for path in new:
            with suppress(OSError):  # a folder in which something was left
                path.rmdir() if path.is_dir() else path.unlink()
        raise


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
